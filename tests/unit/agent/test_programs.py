"""Program files: only approved bytes are given out (I4)."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetctl.agent.blocking import Threads, inline
from fleetctl.agent.programs import BLOCK_BYTES, Program, ProgramCache
from fleetctl.errors import NotFound, ProgramChanged, UsageError
from fleetctl.testing.fixtures import under_virtual_clock


def _store(root: Path, content: bytes) -> tuple[str, Path]:
    sha256 = hashlib.sha256(content).hexdigest()
    path = root / sha256[:2] / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256, path


async def _read_all(program: Program, limit_bytes: int) -> bytes:
    got = bytearray()
    while block := await program.read(limit_bytes):
        assert len(block) <= limit_bytes
        got += block
    assert await program.read(limit_bytes) == b""
    return bytes(got)


@pytest.mark.parametrize("size", [0, 1, 65536, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7])
def test_what_is_read_is_what_was_approved(size: int, tmp_path: Path) -> None:
    @under_virtual_clock()
    async def live() -> None:
        content = os.urandom(size)
        sha256, _ = _store(tmp_path, content)
        program = await ProgramCache(tmp_path, inline).open(sha256)
        assert (program.sha256, program.size_bytes) == (sha256, size)
        assert await _read_all(program, 65536) == content
        program.close()
        program.close()

    live()


@under_virtual_clock()
async def _open_fails(root: Path, sha256: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await ProgramCache(root, inline).open(sha256)


def test_a_file_that_is_not_what_was_approved_is_not_opened(tmp_path: Path) -> None:
    sha256, path = _store(tmp_path, b"G28\n")
    path.write_bytes(b"G29\n")
    before = len(os.listdir("/proc/self/fd"))
    _open_fails(tmp_path, sha256, ProgramChanged)
    _open_fails(tmp_path, "0" * 64, NotFound)
    _open_fails(tmp_path, "../../etc/passwd", UsageError)
    assert len(os.listdir("/proc/self/fd")) == before


def _change(path: Path, how: str, size: int) -> None:
    if how == "byte":
        with path.open("r+b") as file:
            file.seek(size - 10)
            file.write(b"!")
    elif how == "cut":
        os.truncate(path, size - 1)
    elif how == "emptied":
        os.truncate(path, 0)


@pytest.mark.parametrize("how", ["byte", "cut", "emptied"])
def test_a_file_changed_after_it_was_verified_never_gives_out_its_end(how: str, tmp_path: Path) -> None:
    @under_virtual_clock()
    async def live() -> None:
        content = os.urandom(2 * BLOCK_BYTES + 100)
        sha256, path = _store(tmp_path, content)
        program = await ProgramCache(tmp_path, inline).open(sha256)
        _change(path, how, len(content))
        got = b""
        with pytest.raises(ProgramChanged):
            while True:
                got += await program.read(65536)
        assert content.startswith(got) and len(got) <= 2 * BLOCK_BYTES
        assert program.failure is not None
        with pytest.raises(ProgramChanged):
            await program.read(65536)
        program.close()

    live()


@under_virtual_clock()
async def _read_replaced(root: Path, content: bytes) -> None:
    sha256, path = _store(root, content)
    program = await ProgramCache(root, inline).open(sha256)
    path.unlink()
    path.write_bytes(b"something else")
    assert await _read_all(program, 1000) == content
    program.close()
    with pytest.raises(ValueError, match="after the end"):
        await program.read(1)


def test_a_file_replaced_by_another_goes_on_from_the_verified_one(tmp_path: Path) -> None:
    _read_replaced(tmp_path, b"G1 X1\n" * 100)


async def test_read_ahead_in_threads_and_close_in_the_middle(tmp_path: Path) -> None:
    content = os.urandom(4 * BLOCK_BYTES)
    sha256, _ = _store(tmp_path, content)
    threads = Threads("programs", 2)
    before = len(os.listdir("/proc/self/fd"))
    programs = [await ProgramCache(tmp_path, threads).open(sha256) for _ in range(8)]
    assert await programs[0].read(10) == content[:10]
    assert await asyncio.gather(*(_read_all(program, 65536) for program in programs[1:5])) == [content] * 4
    await programs[6].read(1)
    for program in programs:
        program.close()
    ahead = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if ahead:
        await asyncio.wait(ahead)
        await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == before
    threads.close()


async def test_giving_up_while_verifying_leaves_no_descriptor(tmp_path: Path) -> None:
    sha256, _ = _store(tmp_path, b"G28\n")
    before = len(os.listdir("/proc/self/fd"))
    go_on, verified = asyncio.Event(), asyncio.Event()

    async def slow(work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        result = work(*args, **kwargs)
        verified.set()
        await go_on.wait()
        return result

    opening = asyncio.create_task(ProgramCache(tmp_path, slow).open(sha256))
    await verified.wait()
    opening.cancel()
    await asyncio.wait([opening])
    [verifying] = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    go_on.set()
    await asyncio.wait([verifying])
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == before
