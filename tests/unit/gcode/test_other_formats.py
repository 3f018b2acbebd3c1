"""Files that are no G-code are refused by their name, with what to do."""

from __future__ import annotations

import io
import struct
import tarfile

import pytest

from fleetctl.errors import NotGcode
from fleetctl.gcode import analyze


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("part.gcode")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"G28\n"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words", "hint"),
    [
        (b"xgcode 1.0\n\0\0\0\0" + bytes(range(200)), r"FlashPrint file \(\.gx\)", ".g instead"),
        (b"\x9d\x01\0\0\0" + bytes(range(200)), r"X3G", "another machine"),
        (b"7z\xbc\xaf\x27\x1crest of it", "7z archive", "Unpack"),
        (b"\xfd7zXZ\x00rest of it", "with xz", "Unpack"),
        (b"\x28\xb5\x2f\xfdrest of it", "with zstd", "Unpack"),
        (b"BZh91AY&SYrest", "with bzip2", "Unpack"),
        (b"Rar!\x1a\x07rest", "RAR", "Unpack"),
        (tar(), "tar archive", "Unpack"),
        (b"\x89PNG\r\n\x1a\nrest", "picture", "G-code"),
        (b"\xff\xd8\xff\xe0rest", "picture", "G-code"),
        (b"GIF89arest", "picture", "G-code"),
        (b"qoif\0\0\0\1rest", "picture", "G-code"),
        (b"%PDF-1.7", "PDF", "G-code"),
        (b"ISO-10303-21;\nHEADER;\n", "STEP", "Slice"),
        (b"solid part\n facet normal 0 0 1\n", "STL", "Slice"),
        (b"G1 of a model".ljust(80, b" ") + struct.pack("<I", 3) + bytes(150), "STL", "Slice"),
        ("G1 X1\nG1 X2\n".encode("utf-16"), "UTF-16", "ASCII"),
        ("G28\nG1 X1 Y2\nG1 X2\n".encode("utf-16-le"), "UTF-16", "ASCII"),
        ("G28\nG1 X1 Y2\nG1 X2\n".encode("utf-16-be"), "UTF-16", "ASCII"),
        (b"<?xml version='1.0'?>", "XML", "G-code"),
    ],
)
def test_another_format_is_named(data: bytes, words: str, hint: str) -> None:
    with pytest.raises(NotGcode, match=words) as refused:
        analyze(data)
    assert hint in str(refused.value.hint)
    assert refused.value.line == 1


def test_gcode_that_has_the_length_of_an_stl_is_not_one() -> None:
    text = b"G28\n" + b"G1 X1\n" * 30
    assert analyze(text[: 84 + 50]).lines > 5
