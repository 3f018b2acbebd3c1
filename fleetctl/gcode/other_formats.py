"""Files that are no G-code, told by their first bytes, each with what to do instead.

Only looks at bytes and refuses. Containers that hold G-code are not refused here, unless one lies in another.
"""

from __future__ import annotations

from fleetctl.errors import NotGcode

_UNPACK = "Unpack it first."
_SEND = "Send the G-code file."
_SLICE = "Slice it, or run it through CAM, and send the G-code."
_PLAIN = "Save it as plain ASCII text."
_NESTED = "This is a container inside a container."
_FLASHFORGE = "Export plain G-code: choose .g instead of .gx."

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"GCDE", _NESTED, _UNPACK),
    (b"PK\x03\x04", _NESTED, _UNPACK),
    (b"\x1f\x8b", _NESTED, _UNPACK),
    (b"xgcode ", "This is a FlashPrint file (.gx).", _FLASHFORGE),
    (b"\x9d\x01", "This is an X3G file for MakerBot's machines (.x3g).", "Export G-code for another machine."),
    (b"7z\xbc\xaf\x27\x1c", "This is a 7z archive.", _UNPACK),
    (b"\xfd7zXZ\x00", "This file is compressed with xz.", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "This file is compressed with zstd.", _UNPACK),
    (b"\x04\x22\x4d\x18", "This file is compressed with lz4.", _UNPACK),
    (b"BZh", "This file is compressed with bzip2.", _UNPACK),
    (b"Rar!", "This is a RAR archive.", _UNPACK),
    (b"\xff\xfe", "This is UTF-16 text.", _PLAIN),
    (b"\xfe\xff", "This is UTF-16 text.", _PLAIN),
    (b"\x89PNG", "This is a picture.", _SEND),
    (b"\xff\xd8\xff", "This is a picture.", _SEND),
    (b"GIF8", "This is a picture.", _SEND),
    (b"qoif", "This is a picture.", _SEND),
    (b"RIFF", "This is a picture or a sound.", _SEND),
    (b"%PDF", "This is a PDF document.", _SEND),
    (b"\x7fELF", "This is a program for a computer.", _SEND),
    (b"<?xml", "This is an XML document.", _SEND),
    (b"<svg", "This is a drawing.", _SEND),
    (b"<!DOCTYPE", "This is a web page.", _SEND),
    (b"ISO-10303-21", "This is a STEP model.", _SLICE),
)


def refuse_other_formats(head: bytes, size_bytes: int | None = None) -> None:
    """Raises NotGcode for an empty file, or one whose first bytes name another format.

    `head` is the first part of the file, `size_bytes` the whole size where it is known.
    """
    if not head[:4096].strip(b"\x00 \t\r\n\x1a"):
        raise NotGcode("The file is empty.", line=1, hint="Export it again.")
    start = head[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, message, hint in _MAGIC:
        if head.startswith(magic) or start.startswith(magic):
            raise NotGcode(message, line=1, hint=hint)
    if (start.startswith(b"solid ") and b"facet normal" in head) or _binary_stl(head, size_bytes):
        raise NotGcode("This is an STL model.", line=1, hint="Slice it and send the G-code.")
    if head[257:262] == b"ustar":
        raise NotGcode("This is a tar archive.", line=1, hint=_UNPACK)
    if _every_other_zero(head[:256]):
        raise NotGcode("This is UTF-16 text.", line=1, hint=_PLAIN)


def _binary_stl(head: bytes, size_bytes: int | None) -> bool:
    """80 bytes of anything, a count, and 50 bytes for each triangle: the size must fit the count exactly."""
    if size_bytes is None or len(head) < 84:
        return False
    count = int.from_bytes(head[80:84], "little")
    return count > 0 and size_bytes == 84 + 50 * count


def _every_other_zero(head: bytes) -> bool:
    """UTF-16 without a mark at its start: ASCII with a zero byte after, or before, each character."""
    if len(head) < 16:
        return False
    even, odd = head[0::2], head[1::2]
    return (not any(odd) and all(even)) or (not any(even) and all(odd))
