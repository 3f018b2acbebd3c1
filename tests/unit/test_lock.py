from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetctl.errors import DataDirectoryInUse
from fleetctl.lock import DataDirectoryLock

HOLD = """
import sys
from pathlib import Path
from fleetctl.lock import DataDirectoryLock
lock = DataDirectoryLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process_holding(directory: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with another_process_holding(tmp_path) as process, pytest.raises(DataDirectoryInUse) as caught:
        DataDirectoryLock(tmp_path).acquire()
    assert f"process {process.pid}" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path) -> None:
    with another_process_holding(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with DataDirectoryLock(tmp_path) as lock:
            assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_second_holder_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with DataDirectoryLock(tmp_path), pytest.raises(DataDirectoryInUse, match=str(os.getpid())):
        DataDirectoryLock(tmp_path).acquire()


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    lock = DataDirectoryLock(tmp_path)
    lock.acquire()
    lock.release()
    lock.release()
    with DataDirectoryLock(tmp_path):
        pass


def test_taking_it_twice_is_a_bug(tmp_path: Path) -> None:
    with DataDirectoryLock(tmp_path) as lock, pytest.raises(RuntimeError):
        lock.acquire()


def test_controller_and_agent_have_locks_of_their_own(tmp_path: Path) -> None:
    with DataDirectoryLock(tmp_path, "controller"), DataDirectoryLock(tmp_path, "agent"):
        pass


def test_a_child_program_does_not_inherit_the_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('running', flush=True); input()"]
    with (
        DataDirectoryLock(tmp_path) as lock,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False, text=True) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == "running\n"
        assert lock.path not in [path.resolve() for path in Path(f"/proc/{child.pid}/fd").iterdir()]
        child.kill()


def test_what_an_earlier_holder_wrote_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "controller.lock").write_text("1234567890123\n")
    with DataDirectoryLock(tmp_path) as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_directory_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DataDirectoryLock(tmp_path / "nowhere").acquire()
