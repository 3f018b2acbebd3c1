"""Recording a link, and playing it back."""

import asyncio
import json
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fleetctl.errors import LinkUnavailable
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from fleetctl.transport import capture
from fleetctl.transport.capture import CaptureTransport
from fleetctl.transport.memory import MemoryMachine, MemoryTransport
from fleetctl.transport.replay import ReplayTransport, read_capture

from .receivers import Echo, Recorder


def now() -> float:
    return asyncio.get_running_loop().time()


async def record(path: Path) -> None:
    clock, recorder = VirtualClock(), Recorder()
    inner = MemoryTransport("memory://m", MemoryMachine(Echo(work_s=2.0), clock), clock)
    link = CaptureTransport(inner, path, clock)
    await link.open(recorder, now() + 1)
    link.write(b"hello\n")
    await recorder.until(b"\n")
    link.urgent(b"!\xff")
    link.write(b"dropped\n")
    link.discard_output()
    link.write(b"bye\n")
    await recorder.until(b"bye\n")
    link.close()
    link.close()


@under_virtual_clock()
async def test_a_capture_has_both_ways_with_times(tmp_path: Path) -> None:
    await record(tmp_path / "c.jsonl")
    header, *rows = [json.loads(row) for row in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert header == {"format": "fleetctl-capture-1", "url": "memory://m"}
    assert rows == [
        {"t_s": 0.0, "way": "out", "data": "hello\n"},
        {"t_s": 2.0, "way": "in", "data": "ok hello\n"},
        {"t_s": 2.0, "way": "urgent", "data": "!\xff"},
        {"t_s": 2.0, "way": "out", "data": "dropped\n"},
        {"t_s": 2.0, "way": "discard", "data": 10},
        {"t_s": 2.0, "way": "out", "data": "bye\n"},
        {"t_s": 4.0, "way": "in", "data": "ok bye\n"},
    ]


CONVERSATION = """{"format": "fleetctl-capture-1", "url": "x"}
{"t_s": 0.5, "way": "in", "data": "start\\n"}
{"t_s": 1.0, "way": "out", "data": "M115\\n"}
{"t_s": 3.5, "way": "in", "data": "ok\\n"}
{"t_s": 4.0, "way": "urgent", "data": "!"}
{"t_s": 4.0, "way": "in", "data": "bye\\n"}
"""


async def replay(path: Path) -> tuple[ReplayTransport, Recorder]:
    path.write_text(CONVERSATION)
    link, recorder = ReplayTransport("replay://", read_capture(path), VirtualClock()), Recorder()
    await link.open(recorder, now() + 1)
    return link, recorder


@under_virtual_clock()
async def test_a_replay_answers_in_step_with_the_recorded_delays(tmp_path: Path) -> None:
    link, recorder = await replay(tmp_path / "c.jsonl")
    begin = now()
    await recorder.until(b"start\n")
    assert now() - begin == 0.5
    await asyncio.sleep(100)
    link.write(b"M1")
    link.write(b"15\n")
    assert await recorder.until(b"ok\n") == b"start\nok\n"
    assert now() - begin == 103.0
    assert not link.finished
    link.urgent(b"!")
    await recorder.until(b"bye\n")
    assert link.finished
    assert recorder.losses == []


@under_virtual_clock()
async def test_a_different_output_ends_the_replay_and_shows_both(tmp_path: Path) -> None:
    link, recorder = await replay(tmp_path / "c.jsonl")
    await recorder.until(b"start\n")
    link.write(b"M105\n")
    assert "expected b'M115" in str(await recorder.until_lost())
    assert "sent b'M105" in str(recorder.losses[0])


@under_virtual_clock()
async def test_output_before_its_turn_is_a_difference(tmp_path: Path) -> None:
    link, recorder = await replay(tmp_path / "c.jsonl")
    link.write(b"M115\n")
    assert "nothing was expected yet" in str(await recorder.until_lost())


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"format": "fleetctl-capture-1"}\n{"way": "in"}\n'])
def test_a_file_that_is_no_capture_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(LinkUnavailable, match=r"x\.jsonl is not a capture"):
        read_capture(tmp_path / "x.jsonl")


def test_what_waits_for_a_slow_disk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def dumps(record: object) -> str:
        go_on.wait(10)
        return json.dumps(record)

    monkeypatch.setattr(capture, "json", SimpleNamespace(dumps=dumps))
    file = capture.CaptureFile(tmp_path / "slow.jsonl", "socket://far:1")
    for _ in range(1000):
        file.add(0.0, "in", "x" * 65_536)
    assert file.omitted == 1000 - capture.QUEUE_BYTES // 65_536
    go_on.set()
    file.close()
    assert file.written_bytes < capture.QUEUE_BYTES + 65_536


@pytest.fixture
def small_disk() -> Iterator[int]:
    """A disk that takes so many bytes of each file: the kernel refuses the next one, as it does on a full disk."""
    room_bytes = 100_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
    yield room_bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_no_more_ends_the_file_with_a_reason_and_whole_lines(
    tmp_path: Path, small_disk: int
) -> None:
    file = capture.CaptureFile(tmp_path / "full.jsonl", "socket://far:1")
    for number in range(3000):
        file.add(number / 10, "in", f"ok {number} " + "x" * 100)
    file.close()
    assert file.closed and file.failure.startswith("its file could not be written: ")
    text = (tmp_path / "full.jsonl").read_bytes()
    assert 0 < len(text) == file.written_bytes <= small_disk
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["data"].split()[1] for row in rows[1:]] == [str(number) for number in range(len(rows) - 1)]
    file.add(0.0, "in", "later")
    assert file.omitted == 0 and (tmp_path / "full.jsonl").read_bytes() == text


def test_a_disk_on_which_nothing_fits_is_a_reason_too() -> None:
    file = capture.CaptureFile(Path("/dev/full"), "socket://far:1")
    file.close()
    assert "No space left on device" in file.failure
