from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fleetctl.errors import NotFound, StoreUnavailable, UsageError
from fleetctl.store import blobs
from fleetctl.store.blobs import Blob, BlobStore

PROGRAM = b"G28\nG1 X10 Y10 F1200\n" * 1000
SHA256 = hashlib.sha256(PROGRAM).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "programs")


def put(store: BlobStore, content: bytes, block_bytes: int = 1000) -> Blob:
    with store.begin() as writer:
        for start in range(0, len(content), block_bytes):
            writer.write(content[start : start + block_bytes])
        return writer.commit()


def files(store: BlobStore) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


def test_a_file_is_stored_under_its_hash(store: BlobStore) -> None:
    assert put(store, PROGRAM) == (SHA256, len(PROGRAM))
    assert store.path(SHA256) == store.root / SHA256[:2] / SHA256
    assert files(store) == [store.path(SHA256)]
    assert store.exists(SHA256)
    assert store.verify(SHA256)
    with store.open(SHA256) as file:
        assert file.read() == PROGRAM


def test_an_empty_file_is_a_file(store: BlobStore) -> None:
    blob = put(store, b"")
    assert blob == (hashlib.sha256(b"").hexdigest(), 0)
    assert store.verify(blob.sha256)


def test_a_stored_file_cannot_be_written_by_accident(store: BlobStore) -> None:
    assert store.path(put(store, PROGRAM).sha256).stat().st_mode & 0o222 == 0


def test_an_aborted_file_leaves_nothing(store: BlobStore) -> None:
    writer = store.begin()
    writer.write(PROGRAM)
    writer.abort()
    writer.abort()
    assert files(store) == []
    with pytest.raises(RuntimeError):
        writer.write(b"more")
    with pytest.raises(RuntimeError):
        writer.commit()


def test_an_upload_that_raises_leaves_nothing(store: BlobStore) -> None:
    with pytest.raises(ZeroDivisionError), store.begin() as writer:
        writer.write(PROGRAM)
        raise ZeroDivisionError
    assert files(store) == []


def test_the_same_content_is_stored_once(store: BlobStore) -> None:
    put(store, PROGRAM)
    first = store.path(SHA256).stat().st_ino
    assert put(store, PROGRAM).sha256 == SHA256
    assert store.path(SHA256).stat().st_ino == first
    assert len(files(store)) == 1


def test_many_uploads_of_one_file_at_once(store: BlobStore) -> None:
    stored: list[Blob] = []
    threads = [threading.Thread(target=lambda: stored.append(put(store, PROGRAM))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored == [Blob(SHA256, len(PROGRAM))] * 8
    assert files(store) == [store.path(SHA256)]


def test_a_damaged_file_is_noticed_and_replaced(store: BlobStore) -> None:
    put(store, PROGRAM)
    path = store.path(SHA256)
    path.chmod(0o600)
    path.write_bytes(PROGRAM[:-1] + b"!")
    assert not store.verify(SHA256)
    assert put(store, PROGRAM).sha256 == SHA256
    assert store.verify(SHA256), "sending it again mends it"
    path.chmod(0o600)
    path.write_bytes(PROGRAM[:100])
    assert put(store, PROGRAM).sha256 == SHA256
    assert store.verify(SHA256)


@pytest.mark.parametrize("bad", ["", "abc", "../" * 20 + "etcpw", SHA256.upper(), SHA256 + "\n", SHA256 + "0"])
def test_what_is_not_a_hash_is_refused(store: BlobStore, bad: str) -> None:
    with pytest.raises(UsageError, match="SHA-256"):
        store.path(bad)


def test_a_missing_file_is_not_found(store: BlobStore) -> None:
    assert not store.exists(SHA256)
    with pytest.raises(NotFound):
        store.open(SHA256)
    with pytest.raises(NotFound):
        store.verify(SHA256)


def test_a_full_disk_is_reported_and_leaves_nothing(store: BlobStore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(StoreUnavailable, match=str(store.root)):
            put(store, PROGRAM, block_bytes=4096)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(store) == []
    assert put(store, PROGRAM).sha256 == SHA256


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_disk_that_refuses_the_commit_leaves_nothing(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    writer = store.begin()
    writer.write(PROGRAM)
    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), fail)
    with pytest.raises(StoreUnavailable, match="Input/output error"):
        writer.commit()
    monkeypatch.undo()
    assert files(store) == []


def test_content_is_on_disk_before_the_name_and_the_name_before_the_answer(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def recorded_sync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        steps.append("sync " + ("directory" if target.is_dir() else "file"))
        sync(descriptor)

    def recorded_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    with store.begin() as writer:
        writer.write(PROGRAM)
        monkeypatch.setattr(os, "fsync", recorded_sync)
        monkeypatch.setattr(Path, "replace", recorded_replace)
        writer.commit()
    assert steps == ["sync file", "sync directory", "rename", "sync directory"]


CUT_OFF = """
import os, signal, sys
from pathlib import Path
from fleetctl.store.blobs import BlobStore
writer = BlobStore(Path(sys.argv[1])).begin()
writer.write(b"G1 X1\\n" * 10000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_upload_cut_off_by_a_crash_is_swept_at_the_next_start(store: BlobStore) -> None:
    put(store, PROGRAM)
    process = subprocess.run([sys.executable, "-c", CUT_OFF, str(store.root)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert len(files(store)) == 2
    assert BlobStore(store.root).sweep_temp() == 1
    assert files(store) == [store.path(SHA256)]
    assert store.sweep_temp() == 0


def test_a_large_file_is_verified_block_by_block(store: BlobStore) -> None:
    content = os.urandom(2 * blobs.BLOCK_BYTES + 17)
    blob = put(store, content, block_bytes=blobs.BLOCK_BYTES)
    assert blob.size_bytes == len(content)
    assert store.verify(blob.sha256)


def test_giving_up_while_a_thread_writes_leaves_its_descriptor_to_it(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor closed under a writing thread may be the next file opened: the bytes would go there."""
    writer = store.begin()
    inside, go_on = threading.Event(), threading.Event()
    closed: list[int] = []
    really_write, really_close = os.write, os.close

    def slow(descriptor: int, data: memoryview) -> int:
        inside.set()
        assert go_on.wait(5.0)
        assert closed == [], "closed under the hand"
        return really_write(descriptor, data)

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        really_close(descriptor)

    monkeypatch.setattr(os, "write", slow)
    monkeypatch.setattr(os, "close", close)
    thread = threading.Thread(target=lambda: writer.write(PROGRAM))
    thread.start()
    assert inside.wait(5.0)
    writer.abort()
    go_on.set()
    thread.join()
    assert len(closed) == 1 and files(store) == []
    with pytest.raises(RuntimeError):
        writer.write(b"more")
