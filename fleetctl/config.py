"""The daemon's own settings: one frozen value, one parser; an unread key is an error.

Settings of machines and jobs live in the store. This module must not know what the settings are used for.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import msgspec

from fleetctl.errors import ConfigurationError, UsageError

FIRST_AGENT = "local"
"""The agent that is always there; what it keeps had no name in its path before there were others."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one controller and its agent."""

    data: Path
    """Data directory: database, programs, journal, tokens, sockets."""
    listen_host: str = "127.0.0.1"
    """Address of the web interface; anything but loopback must be asked for."""
    listen_port: int = 8420
    """Port of the web interface; 0 picks a free one."""
    host_names: tuple[str, ...] = ()
    """More names under which browsers reach this daemon, without port, for the Host check."""
    open_role: str = ""
    """Role of a visitor who has not signed in: empty (sign in first) or `viewer`."""
    database: str = ""
    """SQLAlchemy URL; empty means SQLite in the data directory."""
    site: str = "site"
    """Name of this site, shown on pages."""
    agent: str = "local"
    """Name of the agent that the controller starts itself."""

    @property
    def database_url(self) -> str:
        """Where the record is kept."""
        return self.database or f"sqlite:///{self.data / 'fleetctl.sqlite'}"

    @property
    def programs(self) -> Path:
        """Where program files are kept, by hash."""
        return self.data / "programs"

    @property
    def agent_place(self) -> str:
        """What the files of the agent named `agent` begin with: each agent of this computer has its own."""
        return "agent" if self.agent == FIRST_AGENT else f"agent-{self.agent}"

    @property
    def agent_socket(self) -> Path:
        """Where that agent listens for its controller."""
        return self.data / f"{self.agent_place}.sock"

    @property
    def agent_log(self) -> Path:
        """What that agent prints."""
        return self.data / f"{self.agent_place}.log"

    @property
    def agent_journal(self) -> Path:
        """That agent's journal."""
        return self.data / self.agent_place / "journal"

    @property
    def agent_stuck(self) -> Path:
        """What that agent's watchdog writes while a call holds it up for long; gone when it goes on."""
        return self.data / self.agent_place / "stuck.json"

    def of_agent(self, name: str) -> Config:
        """The same settings as another agent of this computer has them."""
        return msgspec.structs.replace(self, agent=name)

    @property
    def agent_captures(self) -> Path:
        """Where the local agent keeps captures of links."""
        return self.data / "agent" / "captures"

    @property
    def admin_token(self) -> Path:
        """The administrator's token, readable only by the owner."""
        return self.data / "admin.token"

    @property
    def address_file(self) -> Path:
        """Holds the URL on which the running controller listens."""
        return self.data / "address"


def default_data() -> Path:
    """`$FLEETCTL_DATA`, else `fleetctl` in the user's data directory (XDG Base Directory, XDG_DATA_HOME)."""
    if given := os.environ.get("FLEETCTL_DATA"):
        return Path(given)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "fleetctl"


def load(file: Path | None, data: Path | None, listen: str | None) -> Config:
    """The settings from a TOML file, overruled by what was given on the command line. Raises ConfigurationError."""
    values: dict[str, object] = {}
    if file is not None:
        try:
            values = tomllib.loads(file.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"{file}: {error}") from error
    if data is not None or "data" not in values:
        values["data"] = str(data or default_data())
    if listen is not None:
        values["listen_host"], values["listen_port"] = parse_listen(listen)
    try:
        config = msgspec.convert(values, Config, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{file or 'settings'}: {error}") from error
    return msgspec.structs.replace(config, data=config.data.expanduser().absolute())


def parse_listen(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[IPv6]:PORT` or `:PORT`. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text!r} is not HOST:PORT.", hint="For example 127.0.0.1:8420.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"{value!r} is not a {kind.__name__}")
