"""Tool paths of stored programs: made once, off the loop, and kept in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import pytest

from fleetctl.errors import NotFound, UsageError
from fleetctl.fleet import paths
from fleetctl.fleet.paths import Paths
from fleetctl.gcode import tool_path
from fleetctl.store.blobs import BlobStore

T = TypeVar("T")
PROGRAM = b"G21 G90\nG0 X1 Y1 Z1\nG1 X2 F100\nG2 X8 Y1 I3 J0\n"


class Bench:
    """A store with one program, and a count of what was done off the loop."""

    def __init__(self, root: Path) -> None:
        self.blobs = BlobStore(root)
        with self.blobs.begin() as writer:
            writer.write(PROGRAM)
            self.sha = writer.commit().sha256
        self.made = 0
        self.paths = Paths(self.blobs, SimpleNamespace(program=self._program), self._off_loop)  # type: ignore[arg-type]

    async def _program(self, sha256: str) -> SimpleNamespace:
        return SimpleNamespace(sha256=self.sha, dialect="grbl")

    async def _off_loop(self, work: Callable[[], T]) -> T:
        self.made += 1
        await asyncio.sleep(0)
        return work()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_it_is_the_program_s_path_and_made_once(bench: Bench) -> None:
    wanted = tool_path(PROGRAM, dialect="grbl", detail="fine").to_bytes()
    found = await asyncio.gather(*(bench.paths.of(sha, "fine") for sha in (bench.sha, bench.sha[:12], bench.sha)))
    assert found == [wanted] * 3
    assert bench.made == 1
    assert await bench.paths.of(bench.sha, "coarse") != wanted
    assert bench.made == 2


async def test_what_is_kept_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {detail: len(await bench.paths.of(bench.sha, detail)) for detail in ("coarse", "medium")}
    bench.paths._kept.clear()
    monkeypatch.setattr(paths, "KEPT_BYTES", sizes["medium"] + 1)
    await bench.paths.of(bench.sha, "coarse")
    await bench.paths.of(bench.sha, "medium")
    assert [detail for _, detail in bench.paths._kept] == ["medium"]
    monkeypatch.setattr(paths, "KEPT_BYTES", 10)
    made = bench.made
    await bench.paths.of(bench.sha, "coarse")
    await bench.paths.of(bench.sha, "coarse")
    assert bench.made == made + 2


async def test_a_file_that_is_gone_and_a_detail_that_there_is_not(bench: Bench) -> None:
    with pytest.raises(UsageError):
        await bench.paths.of(bench.sha, "finest")
    bench.blobs.path(bench.sha).unlink()
    with pytest.raises(NotFound):
        await bench.paths.of(bench.sha, "fine")
