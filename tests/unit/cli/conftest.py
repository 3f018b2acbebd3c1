"""What tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemon import PretendDaemon


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendDaemon]:
    """A pretend daemon whose address and token are in the data directory that commands look into."""
    for name in ("FLEETCTL_URL", "FLEETCTL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLEETCTL_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    with PretendDaemon() as made:
        (tmp_path / "address").write_text(made.url + "\n")
        (tmp_path / "admin.token").write_text("secret-of-the-test\n")
        yield made
