"""Pictures in comments are found in every form, each with the place of its characters."""

from __future__ import annotations

import pytest

from fleetctl.gcode import analyze

BODY = b"G28\nM104 S200\nG1 X1 E1\n"


@pytest.mark.parametrize(
    ("head", "pixels", "form", "size", "first"),
    [
        (b"; thumbnail begin 32x16 8\n; AAAABBBB\n; thumbnail end\n", (32, 16), "png", 8, b"; AAAA"),
        (b"; thumbnail_JPG begin 32x16 8\r\n; AAAABBBB\r\n", (32, 16), "jpg", 8, b"; AAAA"),
        (b"; thumbnail_QOI begin 313x173 8\n; AAAABBBB\n", (313, 173), "qoi", 8, b"; AAAA"),
        (b";thumbnail begin 300 300 8\n; AAAABBBB\n", (300, 300), "png", 8, b"; AAAA"),
        (b"; png begin 300*300 8 13 274 200\n; AAAABBBB\n; png end\n", (300, 300), "png", 8, b"; AAAA"),
        (b"; jpg begin 200*200 8 3 197 500\n; AAAABBBB\n; jpg end\n", (200, 200), "jpg", 8, b"; AAAA"),
        (b";thumbnail: data:image/png;base64,AAAABBBB\n", (0, 0), "png", 8, b"AAAA"),
        (b";gimage:abcdef123\n", (0, 0), "gimage", 9, b"abcdef"),
        (b";;gimage:abcdef123\n", (0, 0), "gimage", 9, b"abcdef"),
        (b";simage:abc\nM10086 ;def\n", (0, 0), "simage", 3, b"abc"),
        (b";00080009\r\n;0000ffff\r\n; bigtree thumbnail end\r\n", (8, 9), "btt", 288, b";0000ffff"),
    ],
)
def test_a_picture_is_found(head: bytes, pixels: tuple[int, int], form: str, size: int, first: bytes) -> None:
    program = b"; made\n" + head + BODY
    (picture,) = analyze(program, dialect="marlin").thumbnails
    assert ((picture.width_px, picture.height_px), picture.format, picture.size_bytes) == (pixels, form, size)
    assert program[picture.offset_bytes :].startswith(first)
    assert (picture.source, picture.data) == ("comments", None)


def test_several_pictures_come_in_the_order_of_the_file() -> None:
    program = b";simage:abc\n; thumbnail begin 9x9 4\n; AAAA\n; thumbnail end\n;gimage:abc\n" + BODY
    assert [each.format for each in analyze(program).thumbnails] == ["simage", "png", "gimage"]


def test_rows_of_hex_alone_are_no_picture() -> None:
    assert analyze(b";00080009\n;0000ffff\n" + BODY).thumbnails == ()
    assert len(analyze(b";gimage:a\n" * 500 + BODY).thumbnails) == 64
