"""Two agents on one computer, real processes: one that dies takes only its own machine along; what it interrupted is
continued by a person from a layer, and the part is finished.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.real_site import RealSite, print_program, wait_for

pytestmark = pytest.mark.slow

SECONDS = 400


def layered(seconds: int) -> bytes:
    """The print with a slicer's marks of layers, forty moves each."""
    made, count = [], 0
    for line in print_program(seconds).decode().splitlines():
        if line.startswith("G1 X"):
            if count % 40 == 0:
                made += [";LAYER_CHANGE", f"G1 Z{0.3 + 0.2 * (count // 40):.1f} F600"]
            count += 1
        made.append(line)
    return "\n".join([*made, ""]).encode()


PRINT = layered(SECONDS)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    with RealSite(tmp_path) as made:
        for name in ("K1", "K2"):
            made.add_machine(name, "marlin")
        yield made


def own_pid(site: RealSite) -> int:
    return int((site.data / "agent-own-k1.lock").read_text().split()[0])


def give_k1_its_own(site: RealSite) -> None:
    site.post("machines/K1/agent", {"agent": "own"})
    wait_for("K1 online again", lambda: site.machine("K1")["link"] == "online")
    agents = {agent["name"]: agent for agent in site.get("agents")}
    assert {name: agent["machines"] for name, agent in agents.items()} == {"local": ["K2"], "own-k1": ["K1"]}
    assert all(agent["connected"] for agent in agents.values())
    assert agents["own-k1"]["pid"] == own_pid(site) != agents["local"]["pid"]
    assert site.machine("K1")["agent"] == "own-k1"
    if site.machine("K1")["clearance"] != "clear":
        site.post("machines/K1/clear", {})


def test_one_agent_dies_alone_and_its_run_is_continued(site: RealSite) -> None:
    give_k1_its_own(site)
    site.submit(PRINT, 2)
    wait_for("both at work", lambda: all(m.state().get("executed", 0) > 120 for m in site.machines.values()))
    os.kill(own_pid(site), signal.SIGKILL)
    run = wait_for("the interrupted run", lambda: [r for r in site.runs() if r["state"] == "interrupted"])[0]
    assert run["machine"] == "K1" and run["continuable"]
    surely, acknowledged = run["stopped_between"]
    assert 0 < surely < acknowledged
    assert [r["state"] for r in site.runs(machine="K2")] == ["running"], "the other agent's machine goes on"
    wait_for(
        "K1 safe and online", lambda: site.machine("K1")["link"] == "online" and site.machines["K1"].is_safe(), 60
    )
    continue_on_k1(site, run["code"], acknowledged)


def continue_on_k1(site: RealSite, code: str, acknowledged: int) -> None:
    """As a person does it: look, vouch for the position, preview, confirm; then the part is finished."""
    offer = site.get(f"runs/{code}/continuation")
    assert [obstacle["action"]["verb"] for obstacle in offer["obstacles"]] == ["trust-position"]
    site.post("machines/K1/trust-position", {})
    wait_for("no obstacle", lambda: not site.get(f"runs/{code}/continuation")["obstacles"])
    parameters = {"layer": offer["stopped"]["first_layer"], "z_strategy": "trust"}
    preview = site.post(f"runs/{code}/continuation/preview", {"parameters": parameters})
    assert preview["passed"] and preview["first_line"] <= acknowledged
    executed = len(site.machines["K1"].executed())
    assert len(site.runs(machine="K1")) == 1, "a preview starts nothing"
    body = {"parameters": parameters, "program_sha256": preview["program_sha256"], "version": preview["version"]}
    new = site.post(f"runs/{code}/continuation", body)
    assert new["resumes"] == code
    done = wait_for(
        "the continuation to finish", lambda: site.get(f"runs/{new['code']}")["state"] == "finished", within_s=90
    )
    assert done and site.get(f"runs/{code}")["continued_by"] == new["code"]
    sent = site.machines["K1"].executed()[executed:]
    rest = [line for line in PRINT.decode().splitlines()[preview["first_line"] - 1 :] if line.startswith("G1")]
    assert [line for line in sent if line in rest][-len(rest) :] == rest
    assert "G28 X Y" in sent and not [line for line in sent if line == "G28"], "Z is never homed over a part"
    (part,) = [each for each in site.get("parts") if each["machine"] == "K1"]
    assert (part["run"], part["state"]) == (new["code"], "made")
