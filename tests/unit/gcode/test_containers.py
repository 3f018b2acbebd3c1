"""Programs in containers: gzip, binary G-code, plates; the facts are those of the plain program inside."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import NotGcode, UsageError
from fleetctl.gcode import Analysis, UnpackedProgram, analyze, unpack
from tests.unit.gcode import packers
from tests.unit.gcode.test_codings import LINES


def gzipped(data: bytes) -> bytes:
    """The same bytes each time: parameters of tests may not differ from one process to the next."""
    return gzip.compress(data, mtime=0)


PROGRAM = (
    b"; a cube\nG21\nG90\nM83\nG28\nM104 S215\n;LAYER_CHANGE\nG1 X10.5 Y20.25 Z0.2 F3000\n"
    b"G1 X20 Y20.25 E1.25\n;LAYER_CHANGE\nG1 Z0.4\nG1 X10 E0.75\nM104 S0\nM84\n"
)
SECRET = "sesame-4711"
SLICER = {
    "gcode_flavor": "marlin2",
    "filament_density": "1.27",
    "printhost_apikey": SECRET,
    "layer_height": "0.2",
    "first_layer_height": "0.25",
    "print_settings_id": "0.20mm FAST",
}
PRINT = {"filament used [mm]": "2.00", "filament used [g]": "0.01", "estimated printing time (normal mode)": "1m 5s"}
PRINTER = {"printer_model": "MK4", "nozzle_diameter": "0.4", "filament_type": "PETG", "filament_diameter": "1.75"}


def settings_blocks(how: int = packers.DEFLATE, sums: bool = True) -> bytes:
    """All that PrusaSlicer puts before the text."""
    return (
        packers.settings(packers.FILE, {"Producer": "PrusaSlicer 2.8.1"}, sums=sums)
        + packers.settings(packers.PRINTER, PRINTER, sums=sums)
        + packers.thumbnail(packers.png(16, 16), 16, 16, sums=sums)
        + packers.thumbnail(b"qoif" + bytes(200_000), 440, 240, 2, sums=sums)
        + packers.settings(packers.PRINT, PRINT, how, sums)
        + packers.settings(packers.SLICER, SLICER, how, sums)
    )


def opened(data: bytes, plate: int | None = None) -> tuple[bytes, UnpackedProgram]:
    """The plain text and what came with it."""
    target = io.BytesIO()
    found = unpack(data, target, plate=plate)
    return target.getvalue(), found


@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize("encoding", [packers.PLAIN, packers.MEATPACK_COMMENTS])
@pytest.mark.parametrize("how", [packers.NONE, packers.DEFLATE, packers.HEATSHRINK_11, packers.HEATSHRINK_12])
def test_every_coding_of_bgcode(how: int, encoding: int, sums: bool) -> None:
    data = packers.bgcode(
        PROGRAM, how=how, encoding=encoding, sums=sums, at_once=40, before=settings_blocks(how, sums)
    )
    text, found = opened(data)
    assert text == PROGRAM
    assert found.sha256 == hashlib.sha256(PROGRAM).hexdigest()
    assert found.container.sha256 == hashlib.sha256(data).hexdigest()
    assert (found.container.kind, found.container.size_bytes) == ("bgcode", len(data))


@given(st.lists(LINES, min_size=1, max_size=60), st.integers(1, 300), st.sampled_from([0, 1, 2, 3]))
def test_any_program_comes_back_from_bgcode(lines: list[str], at_once: int, how: int) -> None:
    program = "".join(line + "\n" for line in lines).encode()
    assert opened(packers.bgcode(program, how=how, at_once=at_once))[0] == program


@given(st.binary(max_size=5000), st.integers(1, 4))
def test_any_text_comes_back_from_gzip_of_one_or_more_members(text: bytes, members: int) -> None:
    step = len(text) // members + 1
    data = b"".join(gzipped(text[i : i + step]) for i in range(0, max(1, len(text)), step))
    assert opened(data + bytes(700))[0] == text


@given(st.binary(max_size=3000), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_any_text_comes_back_from_a_plate(text: bytes, how: int) -> None:
    assert opened(packers.gcode_3mf({1: text}, how=how))[0] == text


def same_but_container(found: Analysis, plain: Analysis) -> bool:
    """Equal apart from what the container adds."""
    names = ("container", "thumbnails", "metadata", "claims", "slicer")
    bare = {name: getattr(plain, name) for name in names}
    return msgspec.structs.replace(found, **bare) == plain


def test_facts_are_those_of_the_plain_program(tmp_path: Path) -> None:
    plain = analyze(PROGRAM, dialect="marlin")
    files = {
        "part.gcode.gz": gzipped(PROGRAM),
        "part.bgcode": packers.bgcode(PROGRAM),
        "part.gcode.3mf": packers.gcode_3mf({3: PROGRAM}),
    }
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        facts = analyze(path, dialect="marlin")
        assert same_but_container(facts, plain), name
        assert facts.container is not None and facts.container.name == name
        assert facts.sha256 == hashlib.sha256(PROGRAM).hexdigest()
        assert analyze(data, dialect="marlin").container == msgspec.structs.replace(facts.container, name="")
        assert msgspec.json.decode(msgspec.json.encode(facts), type=Analysis) == facts


def test_settings_of_bgcode_are_read_as_comments_are_and_secrets_stay_out() -> None:
    facts = analyze(packers.bgcode(PROGRAM, before=settings_blocks()))
    said = facts.claims
    assert (facts.slicer, facts.dialect, said.printer_model) == ("PrusaSlicer 2.8.1", "marlin", "MK4")
    assert (said.duration_s, said.layer_height_mm, said.first_layer_mm, said.nozzle_mm) == (65.0, 0.2, 0.25, 0.4)
    assert (said.filament_type, said.filament_mm, said.profile) == (("PETG",), (2.0,), "0.20mm FAST")
    assert facts.tools[0].filament_g == pytest.approx(2 * 3.14159265 / 4 * 1.75**2 * 1.27 / 1000)
    assert facts.hazards["secret"].line == 0
    assert SECRET not in msgspec.json.encode(facts).decode()


def test_pictures_of_a_container_come_with_their_bytes_unless_they_are_too_large() -> None:
    small, large = analyze(packers.bgcode(PROGRAM, before=settings_blocks())).thumbnails
    assert (small.width_px, small.height_px, small.format, small.source) == (16, 16, "png", "container")
    assert small.data == packers.png(16, 16)
    assert (large.width_px, large.format, large.size_bytes, large.data) == (440, "qoi", 200_004, None)
    plate = analyze(packers.gcode_3mf({2: PROGRAM})).thumbnails
    assert [(each.width_px, each.height_px) for each in plate] == [(512, 512), (128, 128)]
    assert plate[1].data == packers.png(128, 128)


INFO = """<?xml version="1.0" encoding="UTF-8"?>
<config>
  <header><header_item key="X-BBL-Client-Type" value="slicer"/></header>
  <plate><metadata key="index" value="1"/><metadata key="prediction" value="99"/></plate>
  <plate>
    <metadata key="index" value="2"/><metadata key="prediction" value="3424"/><metadata key="weight" value="12.5"/>
    <metadata key="nozzle_diameters" value="0.4"/><metadata key="printer_model_id" value="C12"/>
    <filament id="1" type="PLA" color="#FFFFFF" used_m="4.1" used_g="12.3"/><filament id="2" type="PETG"/>
  </plate>
</config>"""


def test_the_plate_asked_for_is_taken_with_what_the_slicer_says_of_it() -> None:
    data = packers.gcode_3mf({1: PROGRAM, 2: PROGRAM + b"; two\n", 10: PROGRAM}, info=INFO)
    facts = analyze(data, plate=2)
    assert facts.container is not None
    assert (facts.container.plate, facts.container.plates) == (2, (1, 2, 10))
    assert facts.container.member == "Metadata/plate_2.gcode"
    assert (facts.claims.duration_s, facts.claims.filament_g, facts.claims.nozzle_mm) == (3424.0, (12.5,), 0.4)
    assert facts.claims.filament_type == ("PLA", "PETG")
    with pytest.raises(UsageError, match=r"3 plates: 1, 2, 10") as refused:
        analyze(data)
    assert "plate" in str(refused.value.hint)
    with pytest.raises(UsageError, match="no plate 3"):
        analyze(data, plate=3)


def test_a_zip_with_one_program_is_read_and_one_with_two_is_not() -> None:
    def zipped(*names: str) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name in names:
                archive.writestr(name, PROGRAM)
        return out.getvalue()

    facts = analyze(zipped("readme.txt", "a/part.gcode"))
    assert facts.container is not None
    assert (facts.container.kind, facts.container.member) == ("zip", "a/part.gcode")
    with pytest.raises(UsageError, match=r"2 programs: a\.gcode, b\.nc"):
        analyze(zipped("b.nc", "a.gcode"))
    with pytest.raises(NotGcode, match="no program in this zip"):
        analyze(zipped("readme.txt"))
    with pytest.raises(NotGcode, match="sliced") as refused:
        analyze(zipped("3D/3dmodel.model", "Metadata/model_settings.config"))
    assert "Slice it" in str(refused.value.hint)
    with pytest.raises(NotGcode, match="MakerBot"):
        analyze(zipped("print.jsontoolpath", "meta.json"))


def test_the_name_inside_gzip_is_remembered(tmp_path: Path) -> None:
    out = io.BytesIO()
    with gzip.GzipFile("part.gcode", "wb", fileobj=out) as file:
        file.write(PROGRAM)
    assert opened(out.getvalue())[1].container.member == "part.gcode"


def test_a_damaged_block_is_named_with_its_place() -> None:
    whole = packers.bgcode(PROGRAM, how=packers.NONE, encoding=packers.PLAIN, at_once=60, before=settings_blocks())
    at = len(whole) - 8
    broken = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    with pytest.raises(NotGcode, match=r"Block \d+ \(G-code\) at byte \d+ is damaged: its checksum is wrong"):
        opened(broken)


@pytest.mark.parametrize("kind", ["bgcode", "gzip", "3mf"])
def test_no_part_of_a_container_passes_for_the_whole(kind: str) -> None:
    whole = {
        "bgcode": packers.bgcode(PROGRAM, at_once=60, before=packers.settings(packers.PRINTER, PRINTER)),
        "gzip": gzipped(PROGRAM * 40),
        "3mf": packers.gcode_3mf({1: PROGRAM}),
    }[kind]
    text = opened(whole)[0]
    ends = list(range(4, len(whole), 7))
    passed = []
    for at in ends:
        try:
            passed.append(opened(whole[:at])[0])
        except NotGcode as error:
            assert error.hint
    # The blocks of .bgcode have no count: one cut exactly between two of them is shorter, and cannot be told.
    assert all(kind == "bgcode" and text.startswith(part) and part.endswith(b"\n") for part in passed)


def test_a_wrong_md5_of_a_plate_is_refused() -> None:
    with pytest.raises(NotGcode, match=r"plate_1\.gcode is damaged: it does not have the MD5"):
        analyze(packers.gcode_3mf({1: PROGRAM}, md5={1: "0" * 32}))


def test_a_wrong_crc_in_a_zip_is_refused() -> None:
    data = packers.gcode_3mf({1: PROGRAM}, how=zipfile.ZIP_STORED, pictures=False)
    at = data.index(b"M104 S215")
    with pytest.raises(NotGcode, match=r"plate_1\.gcode in this zip archive cannot be read"):
        analyze(data[:at] + b"M104 S255" + data[at + 9 :])


def test_a_wrong_sum_of_gzip_is_refused() -> None:
    data = bytearray(gzipped(PROGRAM))
    data[-8] ^= 1
    with pytest.raises(NotGcode, match="gzip file is damaged"):
        analyze(bytes(data))


def test_sizes_that_lie_are_refused() -> None:
    head = b"GCDE\x01\0\0\0\0\0"
    for stated, packed in ((5, b"G28\n"), (3, b"G28\n")):
        data = head + (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + stated.to_bytes(4, "little")
        body = zlib.compress(packed)
        with pytest.raises(NotGcode, match="where its header says"):
            opened(data + len(body).to_bytes(4, "little") + bytes(2) + body)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GCDE\x02\0\0\0\x01\0", "version 2"),
        (b"GCDE\x01\0\0\0\x07\0", "type 7"),
        (b"GCDE\x01\0\0\0", "cut off"),
        (b"GCDE\x01\0\0\0\0\0" + b"\x09\0\0\0\1\0\0\0", "not known"),
        (b"GCDE\x01\0\0\0\0\0" + b"\x01\0\x04\0\1\0\0\0\1\0\0\0", "compression 4"),
        (b"GCDE\x01\0\0\0\0\0" + b"\x01\0\0\0\1\0\0\0\x05\0A", "encoding 5"),
        (b"GCDE\x01\0\0\0\0\0" + packers.thumbnail(b"x", 1, 1, sums=False), "no G-code block"),
        (b"GCDE\x01\0\0\0\0\0" + b"\x05\0\0\0\xff\xff\xff\xff" + bytes(6), "larger than"),
        (b"PK\x03\x04rest", "cut off"),
        (b"\x1f\x8b\x08rest", "damaged"),
        (gzipped(b""), "empty"),
        (gzipped(gzipped(PROGRAM)), "container inside a container"),
        (gzipped(packers.bgcode(PROGRAM)), "container inside a container"),
        (gzipped(PROGRAM) + b"more", "damaged"),
        (gzipped(b"solid part\n facet normal 0 0 1\n"), "STL"),
    ],
)
def test_what_is_no_program_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(NotGcode, match=words) as refused:
        analyze(data)
    assert refused.value.hint


def test_a_zip_packed_in_an_uncommon_way_is_refused_with_what_to_do() -> None:
    with pytest.raises(NotGcode, match=r"plate_1.gcode in this zip archive is packed in an uncommon way") as refused:
        analyze(packers.gcode_3mf({1: PROGRAM}, how=zipfile.ZIP_BZIP2))
    assert "deflate" in (refused.value.hint or "")


def test_pictures_and_settings_packed_in_an_uncommon_way_are_left_out() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Metadata/plate_1.gcode", PROGRAM)
        archive.writestr("Metadata/plate_1.png", packers.png(32, 32), compress_type=zipfile.ZIP_LZMA)
        archive.writestr("Metadata/slice_info.config", "<x/>", compress_type=zipfile.ZIP_BZIP2)
    facts = analyze(out.getvalue())
    assert facts.lines == analyze(PROGRAM).lines and facts.thumbnails == ()
