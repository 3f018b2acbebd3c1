"""The page of ports names every scheme and setting that there is."""

from __future__ import annotations

from pathlib import Path

from fleetctl.testing.loop import VirtualClock
from fleetctl.transport.opener import PORT_OPTIONS, TransportOpener
from fleetctl.transport.serial_port import ModemLine

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/ports.md").read_text(encoding="utf-8")


def test_every_scheme_is_on_the_page() -> None:
    schemes = [scheme for scheme in TransportOpener(VirtualClock()).schemes if scheme]
    assert len(schemes) >= 9
    assert [scheme for scheme in schemes if f"`{scheme}://" not in PAGE and f" {scheme}://" not in PAGE] == []


def test_every_setting_and_policy_is_on_the_page() -> None:
    assert [name for name in PORT_OPTIONS if f"`{name}`" not in PAGE] == []
    assert [policy for policy in ModemLine if f"| `{policy}` |" not in PAGE] == []
