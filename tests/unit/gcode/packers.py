"""Writers of containers, made for tests from the published formats: heatshrink, MeatPack, `.bgcode`, `.gcode.3mf`.

Plain and slow on purpose, and written without a look at the decoders, so that a mistake in one is not in the other.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib

NONE, DEFLATE, HEATSHRINK_11, HEATSHRINK_12 = range(4)
PLAIN, MEATPACK, MEATPACK_COMMENTS = range(3)
FILE, GCODE, SLICER, PRINTER, PRINT, THUMBNAIL = range(6)


class _Bits:
    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, width: int) -> None:
        self.text += format(value, f"0{width}b")

    def whole(self) -> bytes:
        padded = self.text + "0" * (-len(self.text) % 8)
        return bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))


def heatshrink(data: bytes, window_bits: int, length_bits: int = 4) -> bytes:
    """Greedy: the longest earlier occurrence in the window, or a literal. The window begins as zeros."""
    window, longest = 1 << window_bits, 1 << length_bits
    held = bytes(window) + data
    bits = _Bits()
    at = window
    while at < len(held):
        best, where = 0, 0
        for length in range(min(longest, len(held) - at), 2, -1):
            found = held.rfind(held[at : at + length], at - window, at + length - 1)
            if found >= 0 and found < at:
                best, where = length, found
                break
        if best:
            bits.put(0, 1)
            bits.put(at - where - 1, window_bits)
            bits.put(best - 1, length_bits)
            at += best
        else:
            bits.put(1, 1)
            bits.put(held[at], 8)
            at += 1
    return bits.whole()


_SIGNS = {sign: code for code, sign in enumerate(b"0123456789. \nGX")}
ON, OFF, NO_SPACES = (bytes([255, 255, code]) for code in (251, 250, 247))


def meatpack(text: bytes, *, no_spaces: bool = False, comments: bool = False) -> bytes:
    """Text as MeatPack. With `no_spaces` the sign for a blank means E, and G lines lose their blanks; with `comments`
    lines that begin with a semicolon go unpacked. Without either, any text without the byte 255 comes back as it was.
    """
    out = bytearray(ON)
    signs = dict(_SIGNS)
    if no_spaces:
        out += NO_SPACES
        signs[ord("E")] = signs.pop(ord(" "))
    packing = True
    for line in lines_of(text):
        if comments and line.startswith(b";"):
            out += OFF if packing else b""
            out += line
            packing = False
            continue
        if not packing:
            out += ON
            packing = True
        if no_spaces and line[:1] == b"G" and line[1:2].isdigit():
            line = line.replace(b" ", b"")
        out += _packed(line, signs)
    return bytes(out)


def lines_of(text: bytes) -> list[bytes]:
    """The lines of a text, each with its line end; only LF ends one."""
    whole = text.split(b"\n")
    return [line + b"\n" for line in whole[:-1]] + ([whole[-1]] if whole[-1] else [])


def _packed(line: bytes, signs: dict[int, int]) -> bytes:
    out = bytearray()
    at = 0
    while at < len(line):
        first = line[at]
        if signs.get(first) == 12:  # a line end in the low half ends the byte
            out.append(0xC0 | 12)
            at += 1
            continue
        second = line[at + 1] if at + 1 < len(line) else None
        low = signs.get(first, 15)
        if second is None:
            # Nothing may follow in the high half; a whole line end is the only filler, so callers end lines.
            raise ValueError("a text to pack has an even number of signs, or ends with a line end")
        high = signs.get(second, 15)
        out.append(high << 4 | low)
        if low == 15:
            out.append(first)
        if high == 15:
            out.append(second)
        at += 2
    return bytes(out)


def compressed(data: bytes, how: int) -> bytes:
    """Data as a block of `.bgcode` holds it."""
    if how == NONE:
        return data
    if how == DEFLATE:
        return zlib.compress(data)
    return heatshrink(data, 11 if how == HEATSHRINK_11 else 12)


def block(kind: int, parameters: bytes, data: bytes, how: int = NONE, sums: bool = True) -> bytes:
    """One block with header, parameters, data and CRC32."""
    packed = compressed(data, how)
    head = struct.pack("<HHI", kind, how, len(data)) + (struct.pack("<I", len(packed)) if how else b"")
    body = head + parameters + packed
    return body + (struct.pack("<I", zlib.crc32(body)) if sums else b"")


def settings(kind: int, pairs: dict[str, str], how: int = NONE, sums: bool = True) -> bytes:
    """A block of `key=value` lines."""
    text = "".join(f"{key}={value}\n" for key, value in pairs.items())
    return block(kind, struct.pack("<H", 0), text.encode(), how, sums)


def thumbnail(picture: bytes, width: int, height: int, form: int = 0, sums: bool = True) -> bytes:
    """A picture block: form 0 PNG, 1 JPG, 2 QOI."""
    return block(THUMBNAIL, struct.pack("<HHH", form, width, height), picture, NONE, sums)


def bgcode(
    text: bytes,
    *,
    how: int = HEATSHRINK_12,
    encoding: int = MEATPACK_COMMENTS,
    sums: bool = True,
    at_once: int = 4096,
    before: bytes = b"",
) -> bytes:
    """A binary file: `before` are the blocks ahead of the text, which is cut at line ends near `at_once` bytes."""
    out = b"GCDE" + struct.pack("<IH", 1, 1 if sums else 0) + before
    parts: list[bytes] = [b""]
    for line in lines_of(text):
        if len(parts[-1]) >= at_once:
            parts.append(b"")
        parts[-1] += line
    for part in parts:
        data = part
        if encoding != PLAIN:
            data = meatpack(part, no_spaces=True, comments=encoding == MEATPACK_COMMENTS)
        out += block(GCODE, struct.pack("<H", encoding), data, how, sums)
    return out


def png(width: int, height: int, size: int = 100) -> bytes:
    """The first bytes of a PNG, which is all that is looked at, filled up to `size`."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x06\0\0\0"
    return head.ljust(size, b"\0")


def gcode_3mf(
    plates: dict[int, bytes],
    *,
    info: str = "",
    pictures: bool = True,
    md5: dict[int, str] | None = None,
    how: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """A `.gcode.3mf` as Bambu Studio lays it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        archive.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types/>')
        archive.writestr("3D/3dmodel.model", '<?xml version="1.0"?><model/>')
        for number, text in plates.items():
            archive.writestr(f"Metadata/plate_{number}.gcode", text)
            digest = hashlib.md5(text).hexdigest().upper()
            archive.writestr(f"Metadata/plate_{number}.gcode.md5", (md5 or {}).get(number, digest))
            if pictures:
                archive.writestr(f"Metadata/plate_{number}.png", png(512, 512, 900))
                archive.writestr(f"Metadata/plate_{number}_small.png", png(128, 128))
        if info:
            archive.writestr("Metadata/slice_info.config", info)
    return out.getvalue()
