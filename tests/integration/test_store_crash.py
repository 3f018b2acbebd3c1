"""The store under SIGKILL: what a caller was told is stored is there, groups are whole, and order is kept (I5).

One process, the nursery, imports everything once and forks a writer for each round. A writer has several callers
that commit numbered units; it announces each group before its COMMIT and each number after `await run` returned.
The test stops it at a seeded moment, copies its files as a power cut would leave them, and kills it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from fleetctl.store.database import Database
from fleetctl.store.writer import Writer

ROUNDS = 20
CALLERS = 6
SEED = 20261122
DEADLINE_S = 20

METADATA = sa.MetaData()
NUMBERS = sa.Table(
    "numbers",
    METADATA,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("group_name", sa.String, nullable=False),
    sa.Column("half", sa.Integer, nullable=False),  # each unit writes two rows, which must never part
)


def say(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())  # one short write to a pipe arrives whole


async def write_for_ever(path: str) -> None:
    """The process under test; ends only by a signal."""
    database = Database.open(f"sqlite:///{path}")
    with database.write() as conn:
        METADATA.create_all(conn)
        first = (conn.execute(sa.select(sa.func.max(NUMBERS.c.number))).scalar() or 0) + 1
    numbers = itertools.count(first)
    groups = itertools.count(1)

    @sa.event.listens_for(database.write_engine, "begin")
    def begin(conn: sa.Connection) -> None:
        conn.info["group"] = f"{os.getpid()}-{next(groups)}"
        conn.info["units"] = 0

    @sa.event.listens_for(database.write_engine, "commit")
    def commit(conn: sa.Connection) -> None:
        say(f"group {conn.info['group']} {conn.info['units']}")

    async def caller() -> None:
        while True:
            number = next(numbers)

            def unit(conn: sa.Connection, number: int = number) -> int:
                for half in (1, 2):
                    conn.execute(NUMBERS.insert().values(number=number, group_name=conn.info["group"], half=half))
                conn.info["units"] += 1
                return number

            say(f"stored {await writer.run(unit)}")

    async with Writer(database) as writer, asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(caller())


def nursery() -> None:
    """Forks a writer for each path on standard input and says when it has ended."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(write_for_ever(line.strip()))
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("ended")


@dataclass
class Said:
    """What one writer told us."""

    stored: list[int] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)


class Nursery:
    """The other end of `nursery()`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, path: Path) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()

    def lines(self) -> Iterator[list[str]]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.split()
        raise AssertionError("the nursery has died")


@pytest.fixture
def the_nursery() -> Iterator[Nursery]:
    command = [sys.executable, __file__]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


def wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        assert time.monotonic() < deadline


def power_cut(path: Path, copy: Path) -> Path:
    """The files as they are now, without the shared memory, which does not survive."""
    copy.mkdir()
    for each in (path, path.with_name(path.name + "-wal")):
        shutil.copy(each, copy)
    return copy / path.name


def one_round(nursery: Nursery, path: Path, copy: Path, moment: int) -> tuple[Said, list[int]]:
    """Run a writer until it has said `moment` numbers; copy its files, then kill it.

    Returns all that it said, and the numbers that it had said before the copy was made.
    """
    nursery.start(path)
    said = Said()
    before: list[int] = []
    pid = 0
    for word, *rest in nursery.lines():
        if word == "pid":
            pid = int(rest[0])
        elif word == "group":
            said.groups[rest[0]] = int(rest[1])
        elif word == "stored":
            said.stored.append(int(rest[0]))
        else:
            assert word == "ended"
            break
        if len(said.stored) >= moment and pid and not before:
            os.kill(pid, signal.SIGSTOP)
            wait_until_stopped(pid)
            before = list(said.stored)
            power_cut(path, copy)
            os.kill(pid, signal.SIGKILL)
    return said, before


def check(path: Path, stored: list[int], groups: dict[str, int]) -> None:
    """What a restarted controller finds."""
    conn = sqlite3.connect(path)
    assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = conn.execute("SELECT number, half, group_name FROM numbers ORDER BY position").fetchall()
    conn.close()
    last = rows[-1][0]
    # Strict order: the numbers are a prefix of those asked for, each with both its rows.
    assert [row[:2] for row in rows] == [(number, half) for number in range(1, last + 1) for half in (1, 2)]
    assert max(stored) <= last  # with the line above: every number that was told is there
    sizes = Counter(row[2] for row in rows)
    assert {name: count // 2 for name, count in sizes.items()} == {name: groups[name] for name in sizes}


def test_nothing_acknowledged_is_lost_by_sigkill_and_no_group_is_half(tmp_path: Path, the_nursery: Nursery) -> None:
    chance = random.Random(SEED)
    path = tmp_path / "fleet.db"
    stored: list[int] = []
    groups: dict[str, int] = {}
    for number in range(ROUNDS):
        copy = tmp_path / f"copy{number}"
        said, before = one_round(the_nursery, path, copy, moment=chance.randint(1, 150))
        assert before, "the writer ended by itself"
        groups |= said.groups
        check(copy / path.name, stored + before, groups)
        stored += said.stored
        check(path, stored, groups)
        assert len(set(stored)) == len(stored), f"round {number}: a number was stored twice"
    print(f"seed {SEED}: {len(stored)} numbers in {len(groups)} groups, {ROUNDS} kills")
    assert max(groups.values()) > 1  # groups were really shared


if __name__ == "__main__":
    nursery()
