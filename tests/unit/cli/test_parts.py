"""The pieces that commands share: where the daemon is, times, sizes, the client's stream, errors by code."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from fleetctl import errors
from fleetctl.cli import client as client_module
from fleetctl.cli.client import Client, refusal
from fleetctl.cli.output import moment, size, span
from fleetctl.cli.submit import read_due
from fleetctl.cli.where import DaemonUnavailable, Where, find
from fleetctl.errors import NotPermitted, UsageError

from .daemon import PretendDaemon

HANOI = timezone(timedelta(hours=7))
WEDNESDAY = datetime(2026, 11, 25, 9, 30, tzinfo=HANOI)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-12-24", datetime(2026, 12, 24, 17, 0).astimezone()),
        ("2026-12-24T16:00", datetime(2026, 12, 24, 16, 0).astimezone()),
        ("2026-12-24T16:00+07:00", datetime(2026, 12, 24, 16, 0, tzinfo=HANOI)),
        ("fri", datetime(2026, 11, 27, 17, 0, tzinfo=HANOI)),
        ("Wednesday", datetime(2026, 11, 25, 17, 0, tzinfo=HANOI)),
        ("tue", datetime(2026, 12, 1, 17, 0, tzinfo=HANOI)),
        ("+3d", WEDNESDAY + timedelta(days=3)),
        ("+1.5h", WEDNESDAY + timedelta(minutes=90)),
        ("+2w", WEDNESDAY + timedelta(weeks=2)),
    ],
)
def test_due_is_read_as_people_write_it(text: str, meant: datetime) -> None:
    assert read_due(text, WEDNESDAY) == meant.timestamp()


@pytest.mark.parametrize("text", ["", "soon", "+3", "+d", "2026-13-01", "friend", "+3y"])
def test_what_is_no_time_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError):
        read_due(text, WEDNESDAY)


def test_sizes_and_durations_are_short() -> None:
    assert [size(each) for each in (0, 812, 45_510, 12_000_000)] == ["0 B", "812 B", "45.5 kB", "12.0 MB"]
    assert [span(each) for each in (42, 425, 12_000, 188_000)] == ["42 s", "7 min 05 s", "3 h 20 min", "2 d 4 h"]
    assert moment(None) == "" and len(moment(datetime.now(UTC).timestamp())) == len("14:02:11")
    assert moment(0.0).startswith(("1970", "1969"))


class TestWhere:
    @pytest.fixture(autouse=True)
    def nothing_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("FLEETCTL_URL", "FLEETCTL_TOKEN", "FLEETCTL_DATA"):
            monkeypatch.delenv(name, raising=False)

    def test_by_the_data_directory(self, tmp_path: Path) -> None:
        (tmp_path / "address").write_text("http://127.0.0.1:8420/\n")
        (tmp_path / "admin.token").write_text("s3cret\n")
        found = find(None, tmp_path)
        assert found == Where("http://127.0.0.1:8420", "s3cret")
        assert "s3cret" not in repr(found), "a token must not reach a log (I11)"

    def test_the_environment_names_another_daemon(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLEETCTL_URL", "https://farm.example")
        monkeypatch.setenv("FLEETCTL_TOKEN", "t")
        assert find(None, tmp_path) == Where("https://farm.example", "t")
        assert find("http://other:1/", tmp_path).url == "http://other:1"

    def test_without_address_token_or_sense(self, tmp_path: Path) -> None:
        with pytest.raises(DaemonUnavailable, match="No daemon has left its address"):
            find(None, tmp_path)
        (tmp_path / "address").touch()
        with pytest.raises(DaemonUnavailable, match="No daemon has left its address"):
            find(None, tmp_path)
        with pytest.raises(NotPermitted, match="no token"):
            find("http://127.0.0.1:1", tmp_path)
        with pytest.raises(UsageError):
            find("127.0.0.1:1", tmp_path)


@pytest.mark.parametrize("kind", [errors.MachineBusy, errors.LatchClosed, errors.NotGcode, errors.StoreUnavailable])
def test_a_refusal_becomes_the_error_it_was(kind: type[errors.FleetctlError]) -> None:
    body = b'{"detail": "Because.", "code": "%s", "machine": "K1", "hint": "Do."}' % kind.code.encode()
    error = refusal(409, body)
    assert type(error) is kind and (error.message, error.machine, error.hint) == ("Because.", "K1", "Do.")


def test_a_refusal_that_is_no_problem_document_is_told_too() -> None:
    assert "502" in refusal(502, b"<html>Bad gateway").message
    assert isinstance(refusal(418, b'{"code": "new-in-a-later-version", "detail": "x"}'), errors.OperatorError)


def sse(*numbers: int) -> bytes:
    data = b'{"sequence":%d,"at_s":1.0,"kind":"job.done","subject":"J","actor":"x","data":{}}'
    return b"".join(b"id: %d\ndata: " % number + data % number + b"\n\n" for number in numbers)


async def test_a_broken_stream_is_resumed_by_number(daemon: PretendDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "RETRY_S", (0.0, 0.0))
    daemon.answer("GET events", sse(7, 8))
    seen = []
    async with Client(Where(daemon.url, "t")) as client:
        async with asyncio.timeout(10.0):
            async for event in client.events(6):
                seen.append(event.sequence)
                if event.sequence == 8:
                    daemon.answer("GET events", sse(9))
                if event.sequence == 9:
                    break
    assert seen == [7, 8, 9]
    assert [asked.headers["Last-Event-ID"] for asked in daemon.asked] == ["6", "8"]
