"""Who has a device open, from what the kernel shows."""

import os
from pathlib import Path

import pytest

from fleetctl.transport.holders import Holder, holders, holders_of


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Two processes that may be looked into and one that only shows its lock."""
    device = tmp_path / "ttyUSB0"
    device.touch()
    for pid, name, target in ((812, "ModemManager", str(device)), (900, "bash", "/dev/null")):
        (tmp_path / f"proc/{pid}/fd").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/comm").write_text(f"{name}\n")
        (tmp_path / f"proc/{pid}/fd/3").symlink_to(target)
    (tmp_path / "proc/77").mkdir()
    status = device.stat()
    number = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    (tmp_path / "proc/locks").write_text(
        f"1: FLOCK  ADVISORY  WRITE 77 {number} 0 EOF\n"
        f"1: -> FLOCK  ADVISORY  WRITE 78 {number} 0 EOF\n"
        "2: POSIX  ADVISORY  READ 900 00:05:999999999 0 EOF\n"
    )
    return tmp_path / "proc"


def test_who_has_it_open_or_locked_is_named(proc: Path) -> None:
    device = str(proc.parent / "ttyUSB0")
    assert holders(device, proc) == [Holder(77, ""), Holder(812, "ModemManager")]
    assert [str(holder) for holder in holders(device, proc)] == ["process (pid 77)", "ModemManager (pid 812)"]


def test_a_link_names_the_same_holders_and_a_free_port_has_none(proc: Path) -> None:
    link = proc.parent / "by-path"
    link.symlink_to(proc.parent / "ttyUSB0")
    found = holders_of([str(link), "/dev/ttyNOWHERE7"], proc)
    assert [holder.pid for holder in found[str(link)]] == [77, 812]
    assert found["/dev/ttyNOWHERE7"] == []


def test_this_process_is_found_on_a_real_system(tmp_path: Path) -> None:
    path = tmp_path / "held"
    with path.open("w"):
        assert os.getpid() in [holder.pid for holder in holders(str(path))]
    assert os.getpid() not in [holder.pid for holder in holders(str(path))]
