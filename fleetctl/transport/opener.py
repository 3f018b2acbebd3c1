"""Makes the right transport for a port's URL.

    /dev/ttyUSB0, serial:///dev/serial/by-path/...?baud=250000&dtr=off
    tcp://host:port?stall_s=30, or socket://host:port
    telnet://host:port, rfc2217://host:port?baud=115200
    ws://host:port/path?protocol=arduino, wss://...
    memory://name, replay:///path/of/capture.jsonl

Options in the URL win over a machine's options, and those over its profile. It must not know machines or drivers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from fleetctl.clock import Clock
from fleetctl.errors import LinkUnavailable, UsageError
from fleetctl.transport.base import Receiver, Transport
from fleetctl.transport.memory import MemoryMachine, MemoryTransport
from fleetctl.transport.probing import ChangesSpeed, KnownSpeed, ProbingTransport, SpeedProbe
from fleetctl.transport.replay import ReplayTransport, read_capture
from fleetctl.transport.serial import SerialTransport
from fleetctl.transport.serial_port import SerialSettings
from fleetctl.transport.tcp import TcpSettings, TcpTransport
from fleetctl.transport.tcp_telnet import Rfc2217Transport, TelnetTransport
from fleetctl.transport.websocket_settings import WebSocketSettings

Factory = Callable[[str, Clock], Transport]
Settings = TypeVar("Settings", SerialSettings, TcpSettings, WebSocketSettings)

DEFAULT_BAUD = 115200
TELNET_PORT = 23

SERIAL_OPTIONS = frozenset(SerialSettings.__struct_fields__)
TCP_OPTIONS = frozenset(TcpSettings.__struct_fields__)
WEBSOCKET_OPTIONS = frozenset(WebSocketSettings.__struct_fields__)
PORT_OPTIONS = SERIAL_OPTIONS | TCP_OPTIONS | WEBSOCKET_OPTIONS
"""What an option of a machine may be called to be one of its port; the others belong to driver and checks."""


class PortWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a port besides its URL: `options` of the machine, `baud` of its profile (None: not given), how
    its driver finds a speed that nobody gave, and which one it was the last time."""

    options: Mapping[str, str] = {}
    baud: int | None = None
    probe: SpeedProbe | None = None
    known: KnownSpeed = KnownSpeed()


class TransportOpener:
    """Transports by URL scheme, and what was registered. Machines in memory are registered by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._memory: dict[str, MemoryMachine] = {}
        self._makers: dict[str, Callable[[str, PortWish], Transport]] = {
            "": self._make_serial,
            "serial": self._make_serial,
            "tcp": self._make_tcp,
            "socket": self._make_tcp,
            "telnet": self._make_telnet,
            "rfc2217": self._make_rfc2217,
            "ws": self._make_websocket,
            "wss": self._make_websocket,
            "replay": lambda url, _wish: _make_replay(url, clock),
            "memory": self._make_memory,
        }

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes that have a transport; empty text stands for a bare path."""
        return tuple(self._makers)

    def register(self, scheme: str, factory: Factory) -> None:
        """Let `factory(url, clock)` make the transports of `scheme`; a later registration wins."""
        self._makers[scheme] = lambda url, _wish: factory(url, self._clock)

    def register_memory(self, name: str, machine: MemoryMachine) -> None:
        """Let `memory://name` reach `machine`."""
        self._memory[name] = machine

    def make(self, url: str, wish: PortWish | None = None) -> Transport:
        """A transport for `url`, not yet open; does no I/O. Raises UsageError for a URL that makes no
        sense.
        """
        maker = self._makers.get(_split(url).scheme)
        if maker is None:
            known = ", ".join(sorted(name for name in self._makers if name))
            raise UsageError(f"{url!r} is not a port; its scheme should be one of {known}, or a device path.")
        return maker(url, wish or PortWish())

    def _make_serial(self, url: str, wish: PortWish) -> Transport:
        path = device_path(url)
        if path is None or not path.startswith("/"):
            raise UsageError(f"{url!r} is not a serial port.", hint="Give the device, for example /dev/ttyUSB0.")
        given = _given(url, wish, SERIAL_OPTIONS)
        return self._at_its_speed(
            url, given, wish, lambda settings: SerialTransport(url, path, self._clock, settings)
        )

    def _make_rfc2217(self, url: str, wish: PortWish) -> Transport:
        host, port = _address(url)
        given = _given(url, wish, SERIAL_OPTIONS | TCP_OPTIONS)
        tcp = _settings(url, TcpSettings, {name: given[name] for name in given.keys() & TCP_OPTIONS})
        return self._at_its_speed(
            url, given, wish, lambda serial: Rfc2217Transport(url, host, port, self._clock, tcp, serial)
        )

    def _at_its_speed(
        self, url: str, given: dict[str, str], wish: PortWish, make: Callable[[SerialSettings], ChangesSpeed]
    ) -> Transport:
        """A port whose speed is known, or one that tries the speeds of its driver."""
        speeds = _speeds(url, given.pop("baud", "auto"), wish)
        known = wish.known.baud
        if known is not None and known in speeds:
            others = () if wish.known.sure else tuple(speed for speed in speeds if speed != known)
            speeds = (known, *others)
        inner = make(_settings(url, SerialSettings, {**given, "baud": str(speeds[0])}))
        if len(speeds) == 1 or wish.probe is None:
            return inner

        return ProbingTransport(inner, speeds, wish.probe, self._clock, wish.known.found)

    def _make_tcp(self, url: str, wish: PortWish) -> Transport:
        host, port = _address(url)
        settings = _settings(url, TcpSettings, _given(url, wish, TCP_OPTIONS))
        return TcpTransport(url, host, port, self._clock, settings)

    def _make_telnet(self, url: str, wish: PortWish) -> Transport:
        host, port = _address(url, TELNET_PORT)
        settings = _settings(url, TcpSettings, _given(url, wish, TCP_OPTIONS))
        return TelnetTransport(url, host, port, self._clock, settings)

    def _make_websocket(self, url: str, wish: PortWish) -> Transport:
        parts = _split(url)
        if not parts.hostname:
            raise UsageError(f"{url!r} needs a host.", hint="For example ws://192.168.1.20:81/.")
        query = parse_qsl(parts.query, keep_blank_values=True)
        theirs = urlencode([(name, value) for name, value in query if name not in WEBSOCKET_OPTIONS])
        ours = urlencode([(name, value) for name, value in query if name in WEBSOCKET_OPTIONS])
        given = _given(urlunsplit(parts._replace(query=ours)), wish, WEBSOCKET_OPTIONS)
        # An agent without such a machine does without a web client, which would double its memory.
        from fleetctl.transport.websocket import WebSocketTransport

        settings = _settings(url, WebSocketSettings, given)
        return WebSocketTransport(url, urlunsplit(parts._replace(query=theirs)), self._clock, settings)

    def _make_memory(self, url: str, _wish: PortWish) -> Transport:
        machine = self._memory.get(_split(url).netloc)
        if machine is None:
            raise LinkUnavailable(f"There is no port {url}.")
        return MemoryTransport(url, machine, self._clock)


async def open_transport(
    url: str,
    clock: Clock,
    receiver: Receiver,
    *,
    deadline_s: float,
    opener: TransportOpener | None = None,
) -> Transport:
    """Make and open the transport for `url`. Raises UsageError or LinkUnavailable."""
    transport = (opener or TransportOpener(clock)).make(url)
    await transport.open(receiver, deadline_s)
    return transport


def device_of(url: str) -> str:
    """What `url` reaches, without options: two names of one device give the same. Follows the links of a path that
    exists (`/dev/serial/by-id/...`), and changes nothing that it does not understand.
    """
    path = device_path(url)
    if path is not None:
        return os.path.realpath(path) if os.path.exists(path) else path  # noqa: PTH110, the text matters
    parts = _split(url)
    if parts.scheme in ("tcp", "socket", "telnet", "rfc2217"):
        try:
            return "tcp://{}:{}".format(*_address(url, TELNET_PORT))
        except UsageError:
            return url
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


def identity_of(url: str) -> tuple[int, int] | str:
    """What `url` reaches, to be compared with others: the file as the kernel counts it (device and inode, through all
    links), and what `device_of` says where there is no file. Many times quicker than following links here."""
    path = device_path(url)
    if path is not None:
        try:
            found = os.stat(path)  # noqa: PTH116, a Path would take longer than the look
        except OSError:
            return path
        return found.st_dev, found.st_ino
    return device_of(url)


def device_path(url: str) -> str | None:
    """The device file that `url` names, without options; None when it names none on this computer."""
    parts = _split(url)
    return unquote(parts.netloc + parts.path) if parts.scheme in ("", "serial") else None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{url!r} is not a port: {error}.") from error


def _address(url: str, usual_port: int | None = None) -> tuple[str, int]:
    parts = _split(url)
    try:
        port = parts.port or usual_port
    except ValueError:
        port = None
    if not parts.hostname or port is None:
        raise UsageError(f"{url!r} needs a host and a port.", hint=f"For example {parts.scheme}://192.168.1.20:23.")
    return parts.hostname, port


def _make_replay(url: str, clock: Clock) -> Transport:
    return ReplayTransport(url, read_capture(Path(unquote(_split(url).path))), clock)


def _given(url: str, wish: PortWish, known: frozenset[str]) -> dict[str, str]:
    """The options of this kind of port: those of the machine, then those of the URL. Raises UsageError for one in the
    URL that the kind does not have."""
    in_url = dict(parse_qsl(_split(url).query, keep_blank_values=True))
    if unknown := in_url.keys() - known:
        raise UsageError(f"{url!r} has the unknown option {min(unknown)!r}.")
    return {name: value for name, value in wish.options.items() if name in known} | in_url


def _settings(url: str, kind: type[Settings], given: Mapping[str, str]) -> Settings:
    mine = {name: value for name, value in given.items() if name in kind.__struct_fields__}
    try:
        return msgspec.convert(mine, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{url!r} has an option that makes no sense: {error}.") from error


def _speeds(url: str, said: str, wish: PortWish) -> tuple[int, ...]:
    """The speeds to try: those that were given, else that of the profile, else the driver's."""
    if said == "auto":
        if wish.baud is not None:
            return (wish.baud,)
        return wish.probe.speeds_baud if wish.probe is not None else (DEFAULT_BAUD,)
    try:
        speeds = tuple(int(speed) for speed in said.split(","))
    except ValueError:
        raise UsageError(
            f"{url!r} has an option that makes no sense: baud is {said!r}.", hint="Write 115200, or 250000,115200."
        ) from None
    if len(speeds) > 1 and wish.probe is None:
        raise UsageError(
            f"Its driver cannot tell which of the speeds {said} is right.", hint="Give the one speed of the machine."
        )
    return speeds
