"""Which transport a port's URL gives, and whose word counts for its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.errors import UsageError
from fleetctl.testing.loop import VirtualClock
from fleetctl.transport.base import Transport
from fleetctl.transport.opener import PortWish, TransportOpener, device_of, identity_of
from fleetctl.transport.probing import KnownSpeed, ProbingTransport, SpeedProbe
from fleetctl.transport.serial import SerialTransport
from fleetctl.transport.serial_port import ModemLine, SerialSettings
from fleetctl.transport.tcp import TcpSettings, TcpTransport
from fleetctl.transport.tcp_telnet import Rfc2217Transport, TelnetTransport
from fleetctl.transport.websocket import WebSocketTransport
from fleetctl.transport.websocket_settings import WebSocketSettings

PROBE = SpeedProbe(speeds_baud=(115200, 250000), hello=b"\n", understood=bool)


def made(url: str, wish: PortWish | None = None) -> Transport:
    return TransportOpener(VirtualClock()).make(url, wish)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/dev/ttyUSB0", SerialTransport),
        ("serial:///dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0", SerialTransport),
        ("tcp://host:8888", TcpTransport),
        ("socket://host:8888", TcpTransport),
        ("telnet://host", TelnetTransport),
        ("rfc2217://host:2217", Rfc2217Transport),
        ("ws://host:81/", WebSocketTransport),
        ("wss://host/ws?token=x", WebSocketTransport),
    ],
)
def test_each_scheme_has_its_transport(url: str, kind: type) -> None:
    transport = made(url)
    assert type(transport) is kind
    assert transport.url == url


def serial_settings(url: str, wish: PortWish) -> SerialSettings:
    transport = made(url, wish)
    assert isinstance(transport, SerialTransport)
    return transport._settings


def test_the_url_wins_over_the_machine_and_the_machine_over_the_profile() -> None:
    wish = PortWish(options={"dtr": "off", "baud": "57600", "tray": "6"}, baud=250000, probe=PROBE)
    assert serial_settings("/dev/x", wish) == SerialSettings(baud=57600, dtr=ModemLine.OFF)
    assert serial_settings("/dev/x?baud=9600&rts=on", wish) == SerialSettings(
        baud=9600, dtr=ModemLine.OFF, rts=ModemLine.ON
    )
    assert serial_settings("/dev/x", PortWish(baud=250000, probe=PROBE)).baud == 250000
    assert serial_settings("/dev/x", PortWish()).baud == 115200


@pytest.mark.parametrize("url", ["/dev/x", "rfc2217://host:1"])
@pytest.mark.parametrize(
    ("options", "baud", "speeds"),
    [
        ({}, None, (115200, 250000)),
        ({"baud": "auto"}, None, (115200, 250000)),
        ({"baud": "57600,9600"}, 250000, (57600, 9600)),
    ],
)
def test_a_speed_that_nobody_gave_is_looked_for(
    url: str, options: dict[str, str], baud: int | None, speeds: tuple[int, ...]
) -> None:
    transport = made(url, PortWish(options=options, baud=baud, probe=PROBE))
    assert isinstance(transport, ProbingTransport)
    assert transport._speeds_baud == speeds


def test_the_speed_that_was_found_is_tried_first_or_alone_when_nothing_speaks_against_it() -> None:
    doubted = made("/dev/x", PortWish(probe=PROBE, known=KnownSpeed(baud=250000)))
    assert isinstance(doubted, ProbingTransport)
    assert doubted._speeds_baud == (250000, 115200)
    assert serial_settings("/dev/x", PortWish(probe=PROBE, known=KnownSpeed(baud=250000, sure=True))).baud == 250000
    other = PortWish(baud=57600, probe=PROBE, known=KnownSpeed(baud=250000, sure=True))
    assert serial_settings("/dev/x", other).baud == 57600  # what somebody says wins over what was found


def test_each_transport_of_the_network_takes_its_own_options() -> None:
    wish = PortWish(options={"stall_s": "5", "protocol": "arduino", "dtr": "off"})
    tcp, ws, bridge = made("tcp://h:1", wish), made("ws://h/x?frames=text&a=1", wish), made("rfc2217://h:1", wish)
    assert isinstance(tcp, TcpTransport) and tcp._settings == TcpSettings(stall_s=5.0)
    assert isinstance(ws, WebSocketTransport)
    assert ws._settings == WebSocketSettings(protocol="arduino", frames="text", stall_s=5.0)
    assert ws._address == "ws://h/x?a=1"
    assert isinstance(bridge, Rfc2217Transport)
    assert (bridge._settings.stall_s, bridge._serial.dtr) == (5.0, ModemLine.OFF)


@pytest.mark.parametrize(
    ("url", "wish", "message"),
    [
        ("/dev/x?dtr=up", PortWish(), "makes no sense"),
        ("/dev/x?baud=fast", PortWish(), "baud is 'fast'"),
        ("/dev/x?baud=9600,19200", PortWish(), "cannot tell which of the speeds"),
        ("tcp://h:1?dtr=off", PortWish(), "unknown option 'dtr'"),
        ("ws://", PortWish(), "needs a host"),
        ("ws://h?frames=smoke", PortWish(), "makes no sense"),
        ("rfc2217://h", PortWish(), "needs a host and a port"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(url: str, wish: PortWish, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made(url, wish)


def test_one_device_is_known_under_all_its_urls() -> None:
    same = {device_of(f"{scheme}://Host:23?stall_s=3") for scheme in ("tcp", "socket", "telnet", "rfc2217")}
    assert same == {"tcp://host:23"} == {device_of("telnet://host")}
    assert device_of("tcp://host:24") not in same
    assert device_of("ws://Host:81/ws?x=1") == "ws://host:81/ws"
    assert device_of("/dev/ttyNOWHERE7?baud=9600") == device_of("serial:///dev/ttyNOWHERE7")


def test_two_names_of_one_file_reach_the_same(tmp_path: Path) -> None:
    (tmp_path / "device").touch()
    (tmp_path / "other").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "device")
    device = identity_of(f"{tmp_path}/device?baud=9600")
    assert device == identity_of(f"serial://{tmp_path}/by-id") != identity_of(f"{tmp_path}/other")
    assert identity_of(f"{tmp_path}/unplugged") == f"{tmp_path}/unplugged"
    assert identity_of("telnet://Host") == identity_of("tcp://host:23") == device_of("tcp://host:23")
