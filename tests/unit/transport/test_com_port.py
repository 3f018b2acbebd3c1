"""RFC 2217 from the client's side, by the bytes of the RFC."""

from __future__ import annotations

import pytest

from fleetctl.transport.com_port import COM_PORT, Agreed, ComPort
from fleetctl.transport.serial_port import ModemLine, SerialSettings
from fleetctl.transport.telnet import DO, DONT, IAC, SB, SE


def begun(**settings: object) -> ComPort:
    port = ComPort(SerialSettings(**settings))  # type: ignore[arg-type]
    port.begin()
    said(port)
    return port


def said(port: ComPort) -> bytes:
    data = bytes(port.codec.replies)
    port.codec.replies.clear()
    return data


def hears(port: ComPort, *data: int) -> bytes:
    port.codec.receive(bytes(data))
    port.heard()
    return said(port)


def notice(*content: int) -> tuple[int, ...]:
    return IAC, SB, COM_PORT, *content, IAC, SE


def test_the_port_is_set_up_once_the_server_takes_the_option() -> None:
    port = begun(baud=250000)
    requests = hears(port, IAC, DO, COM_PORT)
    assert requests == b"".join(
        bytes(notice(*each)) for each in ((1, 0, 3, 0xD0, 0x90), (2, 8), (3, 1), (4, 1), (5, 1))
    )
    assert port.agreed is Agreed.NOT_YET
    assert hears(port, *notice(101, 0, 3, 0xD0, 0x90)) == b""
    assert (port.agreed, port.baud) == (Agreed.YES, 250000)


def test_a_speed_with_a_byte_255_is_doubled_on_the_wire() -> None:
    port = begun(baud=0xFF00)
    assert bytes((IAC, SB, COM_PORT, 1, 0, 0, 255, 255, 0, IAC, SE)) in hears(port, IAC, DO, COM_PORT)
    hears(port, *notice(101, 0, 0, 255, 255, 0))
    assert port.baud == 0xFF00


def test_a_server_without_the_option_is_known_by_its_refusal() -> None:
    port = begun()
    assert hears(port, IAC, DONT, COM_PORT) == b""
    assert port.agreed is Agreed.REFUSED
    port.purge_output()
    assert said(port) == b""


@pytest.mark.parametrize(
    ("dtr", "rts", "lines"),
    [
        (ModemLine.LEAVE, ModemLine.LEAVE, ()),
        (ModemLine.OFF, ModemLine.LEAVE, (9,)),
        (ModemLine.ON, ModemLine.OFF, (8, 12)),
        (ModemLine.PULSE, ModemLine.ON, (9, 11)),
    ],
)
def test_modem_lines_follow_the_policy(dtr: ModemLine, rts: ModemLine, lines: tuple[int, ...]) -> None:
    requests = hears(begun(dtr=dtr, rts=rts), IAC, DO, COM_PORT)
    assert requests.endswith(bytes(notice(5, 1)) + b"".join(bytes(notice(5, line)) for line in lines))


def test_the_server_suspends_and_resumes() -> None:
    port = begun()
    hears(port, *notice(108))
    assert port.suspended
    hears(port, *notice(109))
    assert not port.suspended


def test_nonsense_from_the_server_changes_nothing() -> None:
    port = begun()
    hears(port, IAC, DO, COM_PORT)
    for content in ((), (101,), (101, 1, 2), (99, 1), (255, 255)):
        hears(port, *notice(*content))
    assert port.agreed is Agreed.NOT_YET
