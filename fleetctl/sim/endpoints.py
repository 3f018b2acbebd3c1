"""Where a simulated machine is reached: a pseudo-terminal or a TCP port. One host at a time.

An endpoint carries bytes and says when a host came or went; it must not know machines or protocols. What is written
while no host is there is lost, as on a wire.
"""

from __future__ import annotations

import errno
import os
import select
import selectors
import socket
import termios
import tty
from pathlib import Path
from typing import Protocol

from fleetctl.sim.openings import Openings

READ_BYTES = 65_536
PENDING_LIMIT_BYTES = 65_536
LOOK_FOR_HOST_S = 0.05
"""Where opening cannot be watched, the hang-up flag is looked at this often while no host is there."""


class Endpoint(Protocol):
    """A place for one host. `address` is what a driver's port setting takes."""

    @property
    def address(self) -> str:
        """Device path, or `socket://host:port`."""
        ...

    def register(self, selector: selectors.BaseSelector) -> None:
        """Add what has to be watched; called once."""
        ...

    def poll_after_s(self) -> float | None:
        """Call `poll` at least this often, in wall seconds; None when events say everything."""
        ...

    def poll(self) -> tuple[bool, bytes]:
        """Whether a host has come since the last call, and what arrived. Never blocks."""
        ...

    def write(self, data: bytes) -> None:
        """Send, or keep a bounded amount for a slow host. Never blocks."""
        ...

    def close(self) -> None:
        """Let go of everything, links included."""
        ...


class PtyEndpoint:
    """A pseudo-terminal in raw mode, with a symbolic link of a stable name if one is wanted.

    No descriptor of the terminal's side is kept, so that the hang-up flag tells when the host has closed it; the
    settings live on with the master. Opening is watched besides, so that a host that leaves and comes back at once
    counts as one that came.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave, termios.TCSANOW)
        self._path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._selector: selectors.BaseSelector | None = None
        self._attached = False
        self._pending = bytearray()
        self._openings = _watch_openings(self._path)
        self._link = link
        if link is not None:
            self._make_link(link)

    def _make_link(self, link: Path) -> None:
        """Replace an old link, also one whose machine died; never a real file."""
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.exists() and not link.is_symlink():
            raise FileExistsError(errno.EEXIST, "a file that is not a link is in the way of the port", str(link))
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.symlink_to(self._path)
        fresh.replace(link)

    @property
    def address(self) -> str:
        return self._path

    def register(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        if self._openings is not None:
            selector.register(self._openings, selectors.EVENT_READ)

    def poll_after_s(self) -> float | None:
        return None if self._attached or self._openings is not None else LOOK_FOR_HOST_S

    def poll(self) -> tuple[bool, bytes]:
        came = False
        if self._openings is not None and self._openings.writer_left() and self._attached:
            self._leave()
        if not self._attached:
            came = self._attached = not self._hung_up()
            if not came:
                return False, self._left_behind()
            self._watch()
        try:
            data = os.read(self._master, READ_BYTES)
        except BlockingIOError:
            data = b""
        except OSError as cause:
            if cause.errno != errno.EIO:
                raise
            self._leave()
            return came, b""
        self._flush()
        return came, data

    def write(self, data: bytes) -> None:
        if self._attached and data:
            self._pending += data
            del self._pending[:-PENDING_LIMIT_BYTES]
            self._flush()

    def _flush(self) -> None:
        had = bool(self._pending)
        while self._pending:
            try:
                sent = os.write(self._master, self._pending)
            except BlockingIOError:
                break
            except OSError as cause:
                if cause.errno != errno.EIO:
                    raise
                self._leave()
                return
            del self._pending[:sent]
        if had and self._selector is not None and self._attached:
            self._watch()

    def _watch(self) -> None:
        if self._selector is None:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._pending else 0)
        known = self._selector.get_map().get(self._master)
        if known is None:
            self._selector.register(self._master, events)
        elif known.events != events:
            self._selector.modify(self._master, events)

    def _leave(self) -> None:
        """The host has closed the port; the master would report that without end, so it is not watched meanwhile."""
        self._attached = False
        self._pending.clear()
        if self._selector is not None and self._selector.get_map().get(self._master) is not None:
            self._selector.unregister(self._master)
        self._forget_output()

    def _forget_output(self) -> None:
        """The next host, who may be here already, must not hear what was said to the last one."""
        try:
            slave = os.open(self._path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as cause:
            if cause.errno != errno.EBUSY:  # the last host wanted it for itself; only the superuser gets past that
                raise
            return
        termios.tcflush(slave, termios.TCIFLUSH)
        os.close(slave)

    def _left_behind(self) -> bytes:
        """What a host sent that came and went between two looks."""
        try:
            return os.read(self._master, READ_BYTES)
        except OSError as cause:
            if cause.errno not in (errno.EIO, errno.EAGAIN):
                raise
            return b""

    def _hung_up(self) -> bool:
        poller = select.poll()
        poller.register(self._master, select.POLLIN)
        return any(events & select.POLLHUP for _, events in poller.poll(0))

    def close(self) -> None:
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self._path:
            self._link.unlink()
        if self._openings is not None:
            self._openings.close()
        os.close(self._master)


def _watch_openings(path: str) -> Openings | None:
    """None where the system has no more to give; then the hang-up flag alone must do."""
    try:
        return Openings(path)
    except OSError:
        return None


class TcpEndpoint:
    """A listening TCP port for one host, as a serial-to-network bridge offers it; a second host is turned away."""

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port))
        self._listener.setblocking(False)
        self._peer: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None
        self._pending = bytearray()

    @property
    def address(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"socket://{host}:{port}"

    def register(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        selector.register(self._listener, selectors.EVENT_READ)

    def poll_after_s(self) -> float | None:
        return None

    def poll(self) -> tuple[bool, bytes]:
        data = b""
        if self._peer is not None:
            try:
                data = self._peer.recv(READ_BYTES)
                if not data:
                    self._leave()
            except BlockingIOError:
                pass
            except OSError:  # reset by the host: gone, like a pulled cable
                self._leave()
        came = self._accept()
        if self._peer is not None and not came:
            self._flush()
        return came, data

    def _accept(self) -> bool:
        came = False
        while True:
            try:
                peer, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return came
            if self._peer is not None:
                peer.close()
                continue
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peer = peer
            came = True
            if self._selector is not None:
                self._selector.register(peer, selectors.EVENT_READ)

    def write(self, data: bytes) -> None:
        if self._peer is not None and data:
            self._pending += data
            del self._pending[:-PENDING_LIMIT_BYTES]
            self._flush()

    def _flush(self) -> None:
        had = bool(self._pending)
        while self._pending and self._peer is not None:
            try:
                sent = self._peer.send(self._pending)
            except BlockingIOError:
                break
            except OSError:
                self._leave()
                return
            del self._pending[:sent]
        if had and self._selector is not None and self._peer is not None:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._pending else 0)
            self._selector.modify(self._peer, events)

    def _leave(self) -> None:
        if self._peer is None:
            return
        if self._selector is not None:
            self._selector.unregister(self._peer)
        self._peer.close()
        self._peer = None
        self._pending.clear()

    def close(self) -> None:
        self._leave()
        self._listener.close()
