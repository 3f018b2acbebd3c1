"""After a limit alarm Grbl hears nothing but a reset: a line sent then would keep the engine busy for ever."""

from __future__ import annotations

import pytest
from fleetctl_plugins.grbl.engine import GrblEngine

from fleetctl.errors import MachineError
from fleetctl.protocol.engine import EngineEvent, Ready, Verb, VerbDone

ANSWERS = {
    "$X": "ok\r\n",
    "$I": "[VER:1.1h.20190830:]\r\n[OPT:V,15,128]\r\nok\r\n",
    "$$": "$13=0\r\n$22=1\r\nok\r\n",
    "$#": "[G54:0.000,0.000,0.000]\r\nok\r\n",
    "$G": "[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]\r\nok\r\n",
}


def answer(engine: GrblEngine) -> list[EngineEvent]:
    """Answer everything that the engine asks, and give what it told."""
    told: list[EngineEvent] = []
    for _ in range(20):
        if b"?" in engine.take_urgent():
            engine.receive(b"<Idle|MPos:0.000,0.000,0.000|FS:0,0>\r\n", 100.0)
        for line in engine.take_output().decode().split():
            engine.receive(ANSWERS[line].encode(), 100.0)
        told += engine.events()
    return told


@pytest.mark.parametrize("alarm", [1, 2])
def test_home_and_commands_wait_for_the_reset(alarm: int) -> None:
    engine = GrblEngine()
    engine.connected(100.0)
    engine.receive(b"<Idle|MPos:0.000,0.000,0.000|FS:0,0>\r\n", 100.0)
    assert any(isinstance(event, Ready) for event in answer(engine))
    engine.receive(f"ALARM:{alarm}\r\n".encode(), 100.0)
    for ask in (lambda: engine.home(100.0), lambda: engine.command("$G", 100.0)):
        with pytest.raises(MachineError, match="hears nothing"):
            ask()
    engine.clear_fault(100.0)
    assert engine.take_urgent() == b"\x18"
    engine.receive(b"Grbl 1.1h ['$' for help]\r\n<Idle|MPos:0.000,0.000,0.000|FS:0,0>\r\n", 100.0)
    assert VerbDone(Verb.CLEAR_FAULT) in answer(engine)
    engine.home(100.0)
    assert engine.take_output() == b"$H\n"


def test_another_alarm_may_be_homed_away() -> None:
    engine = GrblEngine()
    engine.connected(100.0)
    engine.receive(b"<Idle|MPos:0.000,0.000,0.000|FS:0,0>\r\n", 100.0)
    answer(engine)
    engine.receive(b"ALARM:9\r\n", 100.0)
    engine.home(100.0)
    assert engine.take_output() == b"$H\n"
