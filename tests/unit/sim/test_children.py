"""Child processes of the demo: started once, adopted after a crash, ended by their ids."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.clock import SystemClock
from fleetctl.sim import children as children_module
from fleetctl.sim.children import Children

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)", f"of {os.getpid()}"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def children(folder: Path) -> Children:
    return Children(folder / "children.json", folder / "logs", SystemClock())


async def until(true: Callable[[], bool]) -> None:
    """Look at a state of another process, which has no event to wait for, until it is true."""
    async with asyncio.timeout(10.0):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_child_is_started_once_and_ended_by_its_id(tmp_path: Path) -> None:
    own = children(tmp_path)
    child = await own.start("a", SLEEPER)
    assert await own.start("a", SLEEPER) is child and child.alive
    await own.end(["a"])
    assert not child.alive and child.exit_status == -signal.SIGTERM and own.names == []
    assert not (tmp_path / "children.json").exists()


async def test_what_a_killed_demo_left_is_adopted_and_ended(tmp_path: Path) -> None:
    first = children(tmp_path)
    left = await first.start("a", SLEEPER)
    second = children(tmp_path)
    assert second.adopt() == ["a"] and second["a"].pid == left.pid
    assert await second.start("a", SLEEPER) is second["a"]
    await second.end(["a"])
    await until(lambda: not left.alive)


async def test_another_process_with_the_same_id_is_not_adopted(tmp_path: Path) -> None:
    (tmp_path / "children.json").write_text(
        f'{{"a": [{os.getpid()}, "somebody else @1"], "b": [999999999, "gone @1"]}}'
    )
    assert children(tmp_path).adopt() == []


async def test_a_child_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children_module, "GIVE_UP_S", 0.3)
    own = children(tmp_path)
    child = await own.start("a", STUBBORN)
    await until(lambda: own.log_of("a").read_text() == "up\n")
    await own.end(["a"])
    assert child.exit_status == -signal.SIGKILL


async def test_a_process_is_taken_over_only_by_its_command(tmp_path: Path) -> None:
    own = children(tmp_path)
    child = await own.start("a", SLEEPER)
    await until(lambda: own.log_of("a").read_text() == "up\n")
    other = children(tmp_path / "other")
    assert not other.take_over("b", ["-c", "no such words"]) and not other.take_over("b", SLEEPER[:-1])
    assert other.take_over("b", SLEEPER) == [f"b {child.pid}"] and other[f"b {child.pid}"].pid == child.pid
    await other.end(other.names)
    await until(lambda: not child.alive)
