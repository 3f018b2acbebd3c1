"""Discovery of serial ports: lasting names first, ports that are no machines left out, what stands in the way."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from fleetctl_plugins.marlin import discover
from serial.tools import list_ports

from fleetctl.transport import ports
from fleetctl.transport.holders import Holder


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer with one CH340 that has lasting names, one native-USB board and one built-in port."""
    device = tmp_path / "ttyUSB0"
    device.touch()
    (tmp_path / "ttyACM0").touch()
    for folder, link in (("by-path", "pci-usb-0:1"), ("by-path", "pci-usbv2-0:1"), ("by-id", "usb-1a86-port0")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / link).symlink_to(device)
    listed = [
        SimpleNamespace(device=str(device), vid=0x1A86, pid=0x7523, serial_number=None, description="USB Serial"),
        SimpleNamespace(
            device=str(tmp_path / "ttyACM0"), vid=0x2C99, pid=2, serial_number="CZPX1", description="n/a"
        ),
        SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, serial_number=None, description="ttyS0"),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: listed)
    return tmp_path


def test_ports_carry_their_lasting_names_and_identity(names: Path) -> None:
    found = discover.serial_ports(names)
    assert [(port.port, port.title, port.identity, port.problem) for port in found] == [
        (str(names / "by-path/pci-usb-0:1"), "USB Serial", "1a86:7523", ""),
        (str(names / "ttyACM0"), str(names / "ttyACM0"), "2c99:0002:CZPX1", ""),
    ]
    assert found[0].device == str(names / "ttyUSB0")
    assert found[0].names == (str(names / "by-path/pci-usb-0:1"), str(names / "by-id/usb-1a86-port0"))


def test_a_port_that_is_held_or_closed_to_us_says_so(names: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(paths: Iterable[str]) -> dict[str, list[Holder]]:
        return {path: [Holder(812, "ModemManager")] if "USB" in path else [] for path in paths}

    monkeypatch.setattr(ports, "holders_of", held)
    monkeypatch.setattr(os, "access", lambda path, mode: "USB" in str(path))
    busy, closed = discover.serial_ports(names)
    assert busy.problem == "Busy: ModemManager (pid 812) has it open."
    assert closed.problem.startswith("You may not open it: join the group that owns it (")


def test_a_machine_is_kept_under_the_name_that_lasts(names: Path) -> None:
    by_path, by_id = names / "by-path/pci-usb-0:1", names / "by-id/usb-1a86-port0"
    kept = {
        f"{names}/ttyUSB0": str(by_path),
        f"{names}/ttyUSB0?baud=250000&dtr=off": f"{by_path}?baud=250000&dtr=off",
        f"serial://{names}/ttyUSB0": f"serial://{by_path}",
        f"{by_id}": f"{by_id}",  # somebody chose it
        f"{names}/ttyACM0": f"{names}/ttyACM0",
        f"{names}/ttyUSB7": f"{names}/ttyUSB7",
        "socket://host:23": "socket://host:23",
    }
    assert {port: ports.lasting(port, names) for port in kept} == kept


def test_a_computer_without_ports_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", list)
    assert discover.serial_ports(tmp_path / "none") == []
