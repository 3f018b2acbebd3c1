"""Makes the right transport for a port's URL.

    /dev/ttyUSB0, serial:///dev/ttyUSB0?baud=250000&modem_lines=pulse
    socket://host:port?stall_s=30
    memory://name, replay:///path/of/capture.jsonl

Options in the URL win over the settings given in code. It must not know machines or drivers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from fleetctl.clock import Clock
from fleetctl.errors import LinkUnavailable, UsageError
from fleetctl.transport.base import Receiver, Transport
from fleetctl.transport.memory import MemoryMachine, MemoryTransport
from fleetctl.transport.replay import ReplayTransport, read_capture
from fleetctl.transport.serial import SerialTransport
from fleetctl.transport.serial_port import SerialSettings
from fleetctl.transport.tcp import TcpSettings, TcpTransport

Factory = Callable[[str, Clock], Transport]
Settings = TypeVar("Settings", SerialSettings, TcpSettings)


class TransportOpener:
    """Transports by URL scheme: `serial`, `socket`, `replay`, `memory`, and what was registered.

    `serial` gives the defaults of serial ports. Machines in memory are registered by name.
    """

    def __init__(self, clock: Clock, *, serial: SerialSettings | None = None) -> None:
        self._clock = clock
        self._serial = serial or SerialSettings()
        self._memory: dict[str, MemoryMachine] = {}
        self._factories: dict[str, Factory] = {
            "": self._make_serial,
            "serial": self._make_serial,
            "socket": _make_tcp,
            "replay": _make_replay,
            "memory": self._make_memory,
        }

    def register(self, scheme: str, factory: Factory) -> None:
        """Let `factory(url, clock)` make the transports of `scheme`; a later registration wins."""
        self._factories[scheme] = factory

    def register_memory(self, name: str, machine: MemoryMachine) -> None:
        """Let `memory://name` reach `machine`."""
        self._memory[name] = machine

    def make(self, url: str) -> Transport:
        """A transport for `url`, not yet open; does no I/O. Raises UsageError for a URL that makes no
        sense.
        """
        factory = self._factories.get(_split(url).scheme)
        if factory is None:
            known = ", ".join(sorted(name for name in self._factories if name))
            raise UsageError(f"{url!r} is not a port; its scheme should be one of {known}, or a device path.")
        return factory(url, self._clock)

    def _make_serial(self, url: str, clock: Clock) -> Transport:
        parts = _split(url)
        path = unquote(parts.netloc + parts.path)
        if not path.startswith("/"):
            raise UsageError(f"{url!r} is not a serial port.", hint="Give the device, for example /dev/ttyUSB0.")
        return SerialTransport(url, path, clock, _options(url, self._serial))

    def _make_memory(self, url: str, clock: Clock) -> Transport:
        machine = self._memory.get(_split(url).netloc)
        if machine is None:
            raise LinkUnavailable(f"There is no port {url}.")
        return MemoryTransport(url, machine, clock)


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
    parts = _split(url)
    if parts.scheme in ("", "serial"):
        path = unquote(parts.netloc + parts.path)
        return os.path.realpath(path) if os.path.exists(path) else path  # noqa: PTH110, the text matters
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{url!r} is not a port: {error}.") from error


def _make_tcp(url: str, clock: Clock) -> Transport:
    parts = _split(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or port is None:
        raise UsageError(f"{url!r} needs a host and a port.", hint="For example socket://192.168.1.20:23.")
    return TcpTransport(url, parts.hostname, port, clock, _options(url, TcpSettings()))


def _make_replay(url: str, clock: Clock) -> Transport:
    return ReplayTransport(url, read_capture(Path(unquote(_split(url).path))), clock)


def _options(url: str, defaults: Settings) -> Settings:
    """`defaults` with the options of the URL's query."""
    given = dict(parse_qsl(_split(url).query, keep_blank_values=True))
    fields = {**msgspec.structs.asdict(defaults), **given}
    unknown = given.keys() - msgspec.structs.asdict(defaults).keys()
    if unknown:
        raise UsageError(f"{url!r} has the unknown option {min(unknown)!r}.")
    try:
        return msgspec.convert(fields, type(defaults), strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{url!r} has an option that makes no sense: {error}.") from error
