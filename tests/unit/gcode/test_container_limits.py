"""Containers that mean harm: changed bytes, bombs, and files far larger than the memory that may be used."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import NotGcode, UsageError
from fleetctl.gcode import analyze, unpack
from fleetctl.gcode.containers import budget
from tests.unit.gcode import packers
from tests.unit.gcode.test_containers import INFO, PROGRAM, settings_blocks


def gzipped(data: bytes) -> bytes:
    """The same bytes each time: parameters of tests may not differ from one process to the next."""
    return gzip.compress(data, mtime=0)


TOP = Path(__file__).resolve().parents[3]

SEEDS = (
    packers.bgcode(PROGRAM, at_once=60, before=settings_blocks()[:3000], sums=True),
    packers.bgcode(PROGRAM, at_once=90, sums=False, before=packers.settings(packers.SLICER, {"a": "b"}, 1, False)),
    packers.bgcode(PROGRAM, how=packers.DEFLATE, encoding=packers.MEATPACK, sums=False),
    packers.bgcode(
        PROGRAM, how=packers.HEATSHRINK_11, sums=False, before=packers.thumbnail(b"x" * 20, 4, 4, 2, False)
    ),
    gzipped(PROGRAM),
    packers.gcode_3mf({1: PROGRAM}, info=INFO, pictures=False),
    packers.gcode_3mf({1: PROGRAM}, how=zipfile.ZIP_STORED),
)


@settings(max_examples=400)
@given(
    st.sampled_from(SEEDS),
    st.lists(
        st.tuples(st.integers(0, 1 << 16), st.one_of(st.binary(max_size=6), st.integers(1, 40))),
        min_size=1,
        max_size=6,
    ),
)
def test_changed_containers_are_read_or_refused_in_words(seed: bytes, changes: list[tuple[int, bytes | int]]) -> None:
    """Bytes put over others, or cut out, anywhere: an answer, or a refusal that says what to do; never a crash."""
    data = bytearray(seed)
    for place, change in changes:
        at = place % max(1, len(data))
        if isinstance(change, bytes):
            data[at : at + len(change)] = change
        else:
            del data[at : at + change]
    try:
        analyze(bytes(data))
    except (NotGcode, UsageError) as refused:
        assert refused.message


class Nowhere:
    """Counts what it is given."""

    size = 0

    def write(self, data: bytes, /) -> None:
        self.size += len(data)


def gzip_bomb(size: int) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return out.getvalue()


def test_bombs_are_refused_before_they_are_large() -> None:
    bomb = gzip_bomb(96 << 20)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Metadata/plate_1.gcode", bytes(96 << 20))
    for data in (bomb, zipped.getvalue()):
        target = Nowhere()
        with pytest.raises(NotGcode, match="times its size"):
            unpack(data, target)
        assert target.size <= budget.RATIO_FREE_BYTES + (1 << 20)


def test_a_bomb_in_a_block_of_settings_is_refused() -> None:
    body = zlib.compress(bytes(50 << 20))
    head = struct.pack("<HHII", packers.SLICER, packers.DEFLATE, 1000, len(body)) + bytes(2)
    with pytest.raises(NotGcode, match="unpacks to more bytes where its header says 1000"):
        unpack(b"GCDE\x01\0\0\0\0\0" + head + body, Nowhere())
    head = struct.pack("<HHII", packers.SLICER, packers.DEFLATE, 50 << 20, len(body)) + bytes(2)
    with pytest.raises(NotGcode, match="larger than"):
        unpack(b"GCDE\x01\0\0\0\0\0" + head + body, Nowhere())


def test_the_greatest_size_holds_whatever_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "PLAIN_MOST_BYTES", 10_000)
    with pytest.raises(NotGcode, match="more than 10000 bytes"):
        unpack(gzipped(random.Random(1).randbytes(20_000)), Nowhere())


def test_an_archive_with_a_list_of_too_many_files_is_refused_unread() -> None:
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 9999, 9999, 46 * 9999, 0, 0)
    with pytest.raises(NotGcode, match="lists more than"):
        unpack(b"PK\x03\x04" + bytes(500_000) + end, Nowhere())


def test_a_slice_info_that_grows_is_not_read() -> None:
    body = INFO.split("?>", 1)[1]
    entities = '<!DOCTYPE config [<!ENTITY a "34"><!ENTITY b "&a;&a;">]>' + body.replace("3424", "&b;")
    assert analyze(packers.gcode_3mf({2: PROGRAM}, info=body)).claims.duration_s == 3424.0
    assert analyze(packers.gcode_3mf({2: PROGRAM}, info=entities)).claims.duration_s is None


MEASURE = """
import resource, sys
from fleetctl.gcode import analyze

analyze(b"G28\\nG1 X1 E1\\n")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
facts = analyze(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(facts.size_bytes, facts.sha256, after - before)
"""


def large(kind: str) -> tuple[bytes, bytes, int]:
    """A container of some 60 MB of text, its unit of text, and how often that is in it."""
    rng = random.Random(5)
    unit = b"".join(
        b"G1 X%d.%03d Y%d.%03d E.%05d\n" % tuple(rng.randrange(n) for n in (250, 1000, 250, 1000, 99999))
        for _ in range(1500)
    )
    times = 60_000_000 // len(unit)
    if kind == "gzip":
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        return b"".join([packer.compress(unit) for _ in range(times)]) + packer.flush(), unit, times
    block = packers.bgcode(unit, at_once=1 << 20)[10:]
    return packers.bgcode(unit, at_once=1 << 20) + block * (times - 1), unit, times


@pytest.mark.parametrize("kind", ["gzip", "bgcode"])
def test_memory_does_not_grow_with_the_file(kind: str, tmp_path: Path) -> None:
    data, unit, times = large(kind)
    path = tmp_path / "large"
    path.write_bytes(data)
    run = subprocess.run([sys.executable, "-c", MEASURE, path], cwd=TOP, capture_output=True, text=True, check=True)
    size, sha256, grown_kib = run.stdout.split()
    assert int(size) == len(unit) * times > 50_000_000
    assert sha256 == hashlib.sha256(unit * times).hexdigest()
    assert int(grown_kib) < 24 * 1024
