"""Discovery of serial ports: by-path names first, ports that are no machines left out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from fleetctl_plugins.marlin import discover
from serial.tools import list_ports


def test_ports_carry_their_path_name_and_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    by_path = tmp_path / "by-path"
    by_path.mkdir()
    (by_path / "pci-0000:00-usb-0:1").symlink_to(device)
    ports = [
        SimpleNamespace(device=str(device), vid=0x1A86, pid=0x7523, serial_number=None, description="USB Serial"),
        SimpleNamespace(device="/dev/ttyACM0", vid=0x2C99, pid=2, serial_number="CZPX1", description="n/a"),
        SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, serial_number=None, description="ttyS0"),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    found = discover.serial_ports(by_path)
    assert [(port.port, port.title, port.identity) for port in found] == [
        ("/dev/ttyACM0", "/dev/ttyACM0", "2c99:0002:CZPX1"),
        (str(by_path / "pci-0000:00-usb-0:1"), "USB Serial", "1a86:7523"),
    ]


def test_a_computer_without_ports_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", list)
    assert discover.serial_ports(tmp_path / "none") == []
