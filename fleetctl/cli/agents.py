"""`fleetctl agents`: which process holds which machine, and which driver held one up."""

from __future__ import annotations

import click
from rich.console import Group
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import AMBER, RED, moment, say, show_json, table
from fleetctl.fleet.agent_shapes import AgentShape


@click.command()
@json_option
@with_daemon
async def agents(client: Client, as_json: bool) -> None:
    """List the agents: the processes that hold the links of machines and stream."""
    answer = await client.get("agents")
    show_json(answer) if as_json else say(_report(decode(answer, list[AgentShape])))


def _report(shown: list[AgentShape]) -> Group:
    listed = table("agent", "", "machines", "version", "process", right=("process",))
    said: list[Text] = []
    for each in shown:
        state = "does not answer" if not each.connected else "ends after its last run" if each.leaving else "answers"
        style = "" if each.connected else RED
        listed.add_row(
            each.name, Text(state, style=style), " ".join(each.machines), each.version, str(each.pid or "")
        )
        if each.stuck:
            said.append(Text(f"{each.name} is {each.stuck}; none of its machines gets anything.", style=RED))
        said += [
            Text(
                f"{moment(blocked.at_s)}  {blocked.machine}: driver {blocked.driver} held up agent {each.name} for "
                f"{blocked.late_s:.1f} s in {blocked.where}",
                style=AMBER,
            )
            for blocked in each.blocked
        ]
    return Group(listed, *([Text()] if said else []), *said)
