"""`fleetctl run`: one execution of one program on one machine, and the verbs for it."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import facts, moment, say, sentence, show_json, table
from fleetctl.cli.run_continue import continue_run
from fleetctl.fleet.shapes import RunShape

code_argument = click.argument("code", metavar="RUN")


@click.group()
def run() -> None:
    """Runs: what each machine is executing or has executed."""


@run.command("list")
@click.option("--job", metavar="JOB", help="Only the runs of this job.")
@click.option("--machine", metavar="NAME", help="Only the runs on this machine.")
@click.option("--active", is_flag=True, help="Only runs that hold a machine now.")
@json_option
@with_daemon
async def list_runs(client: Client, job: str | None, machine: str | None, active: bool, as_json: bool) -> None:
    """List runs, newest first."""
    answer = await client.get("runs", job=job, machine=machine, active="true" if active else None)
    show_json(answer) if as_json else say(run_table(decode(answer, list[RunShape])))


@run.command("show")
@code_argument
@json_option
@with_daemon
async def show_run(client: Client, code: str, as_json: bool) -> None:
    """Show one run."""
    answer = await client.get(f"runs/{code}")
    show_json(answer) if as_json else say(_card(decode(answer, RunShape)))


@run.command("start")
@code_argument
@json_option
@with_daemon
async def start_run(client: Client, code: str, as_json: bool) -> None:
    """Press cycle start: the stock is in, the tool is right, nobody's hand is in the machine."""
    _tell(await client.post(f"runs/{code}/start"), as_json)


@run.command("pause")
@code_argument
@json_option
@with_daemon
async def pause_run(client: Client, code: str, as_json: bool) -> None:
    """Hold the motion in a controlled way."""
    _tell(await client.post(f"runs/{code}/pause"), as_json)


@run.command("resume")
@code_argument
@json_option
@with_daemon
async def resume_run(client: Client, code: str, as_json: bool) -> None:
    """Go on after a pause."""
    _tell(await client.post(f"runs/{code}/resume"), as_json)


@run.command("cancel")
@code_argument
@json_option
@with_daemon
async def cancel_run(client: Client, code: str, as_json: bool) -> None:
    """End the run in a controlled way, heaters and spindle off."""
    _tell(await client.post(f"runs/{code}/cancel"), as_json)


run.add_command(continue_run)


def run_table(runs: list[RunShape]) -> Table | Text:
    """The runs as a table, or a sentence when there are none."""
    if not runs:
        return Text("No runs.")
    made = table("run", "job", "machine", "program", "done", "state", "ends", "why", right=("done",))
    for each in runs:
        made.add_row(
            each.code,
            each.job,
            each.machine,
            each.program,
            f"{each.progress.fraction:.0%}",
            each.state,
            moment(each.ended_s if each.ended_s is not None else each.progress.end_s),
            sentence(each.why, each.reason),
        )
    return made


def _card(shown: RunShape) -> Table:
    progress = shown.progress
    lines = f"{progress.acknowledged_line} of {progress.lines} acknowledged, {progress.sent_line} sent"
    stopped = shown.stopped_between
    return facts(
        (
            ("run", f"{shown.code} of {shown.job}"),
            ("machine", shown.machine),
            ("program", f"{shown.program}  {shown.program_sha256[:12]}"),
            ("state", shown.state),
            ("why", sentence(shown.why, shown.reason)),
            ("done", f"{progress.fraction:.0%}"),
            ("lines", lines),
            (
                "stopped",
                f"between line {stopped[0]} (surely executed) and {stopped[1]} (acknowledged)" if stopped else "",
            ),
            ("continues", shown.resumes or ""),
            ("continued by", shown.continued_by or ""),
            ("continue", f"fleetctl run continue {shown.code}" if shown.continuable else ""),
            ("parts", " ".join(shown.parts)),
            ("claimed", moment(shown.created_s)),
            ("started", moment(shown.started_s)),
            ("ended" if shown.ended_s is not None else "ready about", moment(shown.ended_s or progress.end_s)),
        )
    )


def _tell(answer: bytes, as_json: bool) -> None:
    if as_json:
        show_json(answer)
        return
    shown = decode(answer, RunShape)
    said = f"{shown.code} on {shown.machine} is {shown.state}." if shown.why is None else ""
    say(Text.assemble(said, sentence(shown.why, f" {shown.reason}" if shown.reason not in ("", shown.state) else "")))
