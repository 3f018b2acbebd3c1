"""What the web side needs to know of the configuration, and nothing else of it."""

from __future__ import annotations

from typing import Protocol


class WebSettings(Protocol):
    """Read-only values; the daemon's `Config` has them."""

    @property
    def listen_host(self) -> str:
        """The address the daemon listens on; loopback unless someone decided otherwise."""
        ...

    @property
    def listen_port(self) -> int:
        """The TCP port."""
        ...

    @property
    def host_names(self) -> tuple[str, ...]:
        """Further names under which browsers reach this daemon, without port."""
        ...

    @property
    def open_role(self) -> str:
        """The role of a visitor without a token: empty (sign in first), or `viewer` for a demonstration."""
        ...
