"""What opening a serial port does to its modem lines and settings, who may open it, and a port that moves."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.clock import SystemClock
from fleetctl.errors import LinkUnavailable
from fleetctl.transport import serial_port
from fleetctl.transport.hotplug import PortWatch
from fleetctl.transport.opener import PortWish, TransportOpener
from fleetctl.transport.probing import SpeedProbe
from fleetctl.transport.serial import SerialTransport
from fleetctl.transport.serial_port import ModemLine, SerialSettings, open_port
from tests.integration.far_ends import DEADLINE_S, DescriptorEnd, Recorder, eventually, soon

LINE_NAMES = {termios.TIOCM_DTR: "dtr", termios.TIOCM_RTS: "rts"}
SET_OR_DROP = {termios.TIOCMBIS: True, termios.TIOCMBIC: False}


@pytest.fixture
def pty_ends() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    os.close(slave)
    yield master, name
    with contextlib.suppress(OSError):
        os.close(master)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the modem lines, in order, and how long a pulse waits: a pseudo-terminal has no lines."""
    done: list[str] = []
    real = fcntl.ioctl

    def ioctl(descriptor: int, request: int, argument: object = 0, *more: object) -> object:
        if request in SET_OR_DROP and isinstance(argument, bytes):
            line = LINE_NAMES[struct.unpack("I", argument)[0]]
            done.append(f"{line} {'on' if SET_OR_DROP[request] else 'off'}")
            return 0
        return real(descriptor, request, argument, *more)  # type: ignore[call-overload]

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    monkeypatch.setattr(serial_port.time, "sleep", lambda seconds: done.append(f"{seconds} s"))
    return done


def hupcl(path: str) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        return bool(termios.tcgetattr(descriptor)[2] & termios.HUPCL)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("dtr", "rts", "done", "drops_on_close"),
    [
        ("leave", "leave", ["dtr on", "rts on"], False),  # as Linux leaves them after open
        ("off", "leave", ["dtr off", "rts on"], False),
        ("off", "off", ["dtr off", "rts off"], False),
        ("on", "leave", ["dtr on", "rts on"], True),
        ("pulse", "leave", ["dtr on", "rts on", "dtr off", "0.1 s", "dtr on"], False),
        ("pulse", "pulse", ["dtr on", "rts on", "dtr off", "rts off", "0.1 s", "dtr on", "rts on"], False),
    ],
)
def test_modem_lines_follow_the_policy(
    pty_ends: tuple[int, str], wire: list[str], dtr: str, rts: str, done: list[str], drops_on_close: bool
) -> None:
    slave = os.open(pty_ends[1], os.O_RDWR | os.O_NOCTTY)  # holds what the port was set to
    attributes = termios.tcgetattr(slave)
    attributes[2] |= termios.HUPCL
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    port = open_port(pty_ends[1], SerialSettings(dtr=ModemLine(dtr), rts=ModemLine(rts)))
    assert wire == done
    assert hupcl(pty_ends[1]) is drops_on_close
    port.close()
    os.close(slave)


def test_odd_parity_first_opens_twice_and_ends_without_parity(
    pty_ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parities: list[str] = []
    real = serial_port._open

    def watched(path: str, settings: SerialSettings, parity: str) -> serial_port.Port:
        parities.append(parity)
        return real(path, settings, parity)

    monkeypatch.setattr(serial_port, "_open", watched)
    port = open_port(pty_ends[1], SerialSettings(odd_parity_first=True))
    assert parities == ["O", "N"]
    assert not termios.tcgetattr(port.fileno())[2] & termios.PARENB
    port.close()


async def test_who_holds_a_port_is_named(pty_ends: tuple[int, str]) -> None:
    code = "import sys, serial; p = serial.Serial(sys.argv[1], exclusive=True); print('has it', flush=True); input()"
    with subprocess.Popen(  # noqa: ASYNC220  it only forks
        [sys.executable, "-c", code, pty_ends[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        await asyncio.to_thread(holder.stdout.readline)
        named = rf"is busy: python\S* \(pid {holder.pid}\) has it open.*End that program"
        with pytest.raises(LinkUnavailable, match=named):
            await TransportOpener(SystemClock()).make(pty_ends[1]).open(Recorder(), soon())
        holder.stdin.close()
    transport = TransportOpener(SystemClock()).make(pty_ends[1])
    await transport.open(Recorder(), soon())
    transport.close()


async def test_a_speed_is_changed_on_an_open_port(pty_ends: tuple[int, str]) -> None:
    transport = SerialTransport(pty_ends[1], pty_ends[1], SystemClock(), SerialSettings(baud=115200))
    recorder, far = Recorder(), DescriptorEnd(os.dup(pty_ends[0]))
    await transport.open(recorder, soon())
    transport.set_speed(57600)
    assert termios.tcgetattr(pty_ends[0])[5] == termios.B57600
    with pytest.raises(LinkUnavailable, match="-5 baud"):
        transport.set_speed(-5)
    far.say(b"ok\n")
    await eventually(lambda: recorder.data == b"ok\n")
    transport.close()
    far.close()


async def test_the_speed_of_a_real_port_is_found(pty_ends: tuple[int, str]) -> None:
    """The board answers in its speed only: its side looks what ours is set to."""
    master, name = pty_ends
    far = DescriptorEnd(os.dup(master))

    def answer() -> None:
        data = os.read(far.descriptor, 4096)
        right = termios.tcgetattr(master)[5] == termios.B57600
        far.say(b"ok T:20\n" if right and b"M105" in data else bytes(range(128, 160)))

    asyncio.get_running_loop().add_reader(far.descriptor, answer)
    probe = SpeedProbe(speeds_baud=(115200, 57600), hello=b"M105\n", understood=lambda data: b"ok T" in data)
    opener, recorder = TransportOpener(SystemClock()), Recorder()
    transport = opener.make(name, PortWish(probe=probe))
    await transport.open(recorder, soon())
    await eventually(lambda: recorder.data == b"ok T:20\n")
    transport.close()
    far.close()


async def test_a_port_that_comes_back_under_another_number_is_seen_and_opened(
    pty_ends: tuple[int, str], tmp_path: Path
) -> None:
    by_path, watch, seen = tmp_path / "by-path", PortWatch(), asyncio.Event()
    by_path.symlink_to(pty_ends[1])
    before = watch.look(str(by_path))
    transport, recorder = TransportOpener(SystemClock()).make(str(by_path)), Recorder()
    await transport.open(recorder, soon())
    master, slave = os.openpty()
    os.close(pty_ends[0])
    await eventually(lambda: bool(recorder.losses))
    by_path.unlink()
    with watch.watching(str(by_path), before, seen.set):
        by_path.symlink_to(os.ttyname(slave))
        async with asyncio.timeout(DEADLINE_S):
            await seen.wait()
    again = TransportOpener(SystemClock()).make(str(by_path))
    await again.open(Recorder(), soon())
    again.close()
    os.close(master)
    os.close(slave)
