"""Where the daemon is: the `--url`, else the address and the token in the data directory.

The token is a 0600 file of the data directory, or FLEETCTL_TOKEN for a daemon elsewhere; it is never an argument,
because everybody on the computer can read arguments. Must not talk to the daemon.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from fleetctl.config import default_data
from fleetctl.errors import LinkError, NotPermitted, UsageError


class DaemonUnavailable(LinkError):
    """No daemon answers."""

    code = "daemon-unavailable"


@dataclass(frozen=True)
class Where:
    """A daemon's base URL without a slash at the end, and the secret to show it."""

    url: str
    token: str = field(repr=False)


def data_directory(given: Path | None) -> Path:
    """`given`, else the default of the daemon's own settings."""
    return default_data() if given is None else given


def find(url: str | None, data: Path | None) -> Where:
    """The daemon that these two name.

    Raises UsageError for a URL that is none, DaemonUnavailable when the data directory knows no address, NotPermitted
    when no token is at hand.
    """
    directory = data_directory(data)
    url = url or os.environ.get("FLEETCTL_URL")
    if url is None:
        return Where(_written_address(directory), _token(directory))
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is not a URL of a daemon.", hint="Write it as http://HOST:PORT.")
    return Where(url.rstrip("/"), os.environ.get("FLEETCTL_TOKEN") or _token(directory))


def _written_address(directory: Path) -> str:
    file = directory / "address"
    url = file.read_text(encoding="ascii").strip().rstrip("/") if file.exists() else ""
    if not url:  # none, or one that is just being written
        raise DaemonUnavailable(
            f"No daemon has left its address in {directory}.",
            hint="Start one with `fleetctl serve` (or `fleetctl demo`), or name one with --url or --data.",
        )
    return url


def _token(directory: Path) -> str:
    if told := os.environ.get("FLEETCTL_TOKEN"):
        return told
    path = directory / "admin.token"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise NotPermitted(
            f"There is no token in {directory}.",
            hint="Name the daemon's data directory with --data, or put a token into FLEETCTL_TOKEN.",
        ) from None
    except PermissionError:
        raise NotPermitted(
            f"{path} belongs to somebody else.", hint="Ask for a token of your own and put it into FLEETCTL_TOKEN."
        ) from None
