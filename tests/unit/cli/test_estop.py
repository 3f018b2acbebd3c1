"""`fleetctl estop` when the controller does not answer: the agent is told, or it says that nothing was stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetctl.cli import invoke as fleetctl
from fleetctl.model.messages import Stop, StopOutcome, StopReport, ToAgent, decode_to_agent, encode
from fleetctl.transport.peer import PeerLink, serve_peers


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory whose controller died without taking its address away."""
    monkeypatch.delenv("FLEETCTL_URL", raising=False)
    monkeypatch.setenv("FLEETCTL_TOKEN", "secret-of-the-test")
    monkeypatch.setenv("FLEETCTL_DATA", str(tmp_path))
    (tmp_path / "address").write_text("http://127.0.0.1:1\n")
    return tmp_path


@contextmanager
def agent_at(path: Path) -> Iterator[list[ToAgent]]:
    """A pretend agent in a thread of its own, because commands bring their own event loop."""
    heard: list[ToAgent] = []
    loop = asyncio.new_event_loop()

    async def welcome(peer: PeerLink) -> None:
        async for message in peer:
            told = decode_to_agent(message)
            heard.append(told)
            if isinstance(told, Stop):
                outcomes = tuple(StopOutcome(machine_id=name, outcome="confirmed") for name in ("1", "2"))
                peer.send(encode(StopReport(command_id=told.command_id, outcomes=outcomes, last_byte_s=0.0)))

    server = loop.run_until_complete(serve_peers(path, welcome))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield heard
    finally:
        asyncio.run_coroutine_threadsafe(server.aclose(), loop).result(10.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10.0)
        loop.close()


def test_the_agent_is_told_when_the_controller_is_dead(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with agent_at(data / "agent.sock") as heard:
        assert fleetctl(["estop"]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert "took the stop: 2 confirmed" in out
        assert [type(message) for message in heard] == [Stop]


def test_every_agent_of_the_computer_is_told_and_who_is_silent_is_named(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine in an agent of its own is stopped too; a socket that nobody serves is no reason to be calm."""
    (data / "agent-gone.sock").touch()
    with agent_at(data / "agent.sock") as first, agent_at(data / "agent-own.sock") as second:
        assert fleetctl(["estop"]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert "took the stop: 4 confirmed" in out
        assert "Agent gone does not answer: use the switches" in out
        assert [type(message) for message in (*first, *second)] == [Stop, Stop]
        assert first[0] == second[0], "one stop by one name, so that one release ends it"


def test_it_says_that_nothing_was_stopped(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fleetctl(["estop"]) == 1
    err = " ".join(capsys.readouterr().err.split())
    assert "NOTHING WAS STOPPED" in err
    assert "switches" in err


def test_it_stops_nothing_here_when_another_computer_was_meant(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with agent_at(data / "agent.sock") as heard:
        assert fleetctl(["estop", "--url", "http://127.0.0.1:1"]) == 1
        assert "NOTHING WAS STOPPED" in capsys.readouterr().err
        assert heard == []


def test_a_release_needs_the_controller(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with agent_at(data / "agent.sock") as heard:
        assert fleetctl(["estop", "--release"]) == 1
        assert "Nothing was released" in capsys.readouterr().err
        assert heard == []
