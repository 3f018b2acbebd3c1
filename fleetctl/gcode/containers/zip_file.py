"""Zip archives that hold a program: `.gcode.3mf` of Bambu Studio and OrcaSlicer, Cura's `.ufp`, a zipped `.gcode`.

Finds the program of a plate, its pictures and what the slicer says of it. It must not know what the program means.

Sources: APPNOTE.TXT of PKWARE for the end of the archive; for the plates the files that Bambu Studio and OrcaSlicer
write: `Metadata/plate_N.gcode` with `.gcode.md5` (the MD5 in hex), `plate_N.png`, `plate_N_small.png`, and
`Metadata/slice_info.config`, an XML of `plate` elements with `metadata` and `filament` in each.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO
from xml.etree import ElementTree

from fleetctl.errors import NotGcode, UsageError
from fleetctl.gcode.containers.budget import METADATA_MOST_BYTES, PART_MOST, PICTURE_MOST_BYTES
from fleetctl.gcode.containers.unpacked import Picture, comment_lines

PLAIN_BYTES = 256 << 10
DIRECTORY_MOST_BYTES = 4 << 20
"""The greatest list of files in an archive; a project of a hundred plates has about 60 kB."""

_PLATE = re.compile(r"(?i)metadata/plate_(\d{1,6})\.gcode")
_PROGRAM = re.compile(r"(?i)\.(gcode|gco|g|nc|ngc|tap|cnc)$")
_MODEL = re.compile(r"(?i)(^|/)3d/.*\.model$|\.(stl|obj|amf|step|stp)$")
_SIZES = struct.Struct(">II")
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
)
"""What the standard library raises for archives that are damaged, encrypted or packed in an uncommon way."""


class Archive:
    """One archive being read: choose its program with `choose`, then read it with `blocks`."""

    def __init__(self, file: BinaryIO) -> None:
        """Reads the list of files. Raises NotGcode for a damaged archive."""
        _refuse_long_list(file)
        try:
            self._zip = zipfile.ZipFile(file)
            self._files = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}
        except _DAMAGED as error:
            raise _damaged(error) from error
        found = ((name, _PLATE.fullmatch(name)) for name in self._files)
        self._plates = {int(plate.group(1)): name for name, plate in found if plate}
        self.plates = tuple(sorted(self._plates))
        self.member = ""
        self.plate: int | None = None

    @property
    def by_plates(self) -> bool:
        """Whether this is a `.gcode.3mf`, not just a zipped program."""
        return bool(self._plates)

    def choose(self, plate: int | None) -> None:
        """The program of a plate; None takes the only one. Raises UsageError when there are several, NotGcode when
        there is none."""
        if self._plates:
            self.plate = self._only_plate(plate)
            self.member = self._plates[self.plate]
            return
        programs = [name for name in self._files if _PROGRAM.search(name)]
        if not programs:
            self._refuse_other_archives()
        if len(programs) > 1:
            listed = ", ".join(sorted(programs)[:20])
            raise UsageError(f"This zip holds {len(programs)} programs: {listed}.", hint="Send the one you mean.")
        self.member = programs[0]

    def _only_plate(self, plate: int | None) -> int:
        listed = ", ".join(str(number) for number in self.plates[:100])
        if plate is not None:
            if plate not in self._plates:
                raise UsageError(f"There is no plate {plate} in this file.", hint=f"It holds: {listed}.")
            return plate
        if len(self._plates) > 1:
            raise UsageError(
                f"This file holds {len(self._plates)} plates: {listed}.", hint="Say which with plate=, or --plate."
            )
        return self.plates[0]

    def _refuse_other_archives(self) -> None:
        names = self._files
        if any(name.lower().endswith((".jsontoolpath", ".miracle.jsontoolpath")) for name in names):
            raise NotGcode("This is a MakerBot file (.makerbot).", hint="Export G-code for another machine.")
        if any(_MODEL.search(name) for name in names):
            raise NotGcode(
                "This is a project or model (.3mf) without a program: nothing in it is sliced.",
                hint="Slice it and export the plate as G-code.",
            )
        raise NotGcode("There is no program in this zip archive.", hint="Send the G-code file.")

    def blocks(self) -> Iterator[bytes]:
        """The program chosen. Raises NotGcode where it is damaged, or does not have the MD5 that came with it."""
        given = self._small(f"{self.member}.md5", 4096).split()
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with self._open(self.member) as member:
                while block := member.read(PLAIN_BYTES):
                    digest.update(block)
                    yield block
        except _DAMAGED as error:
            raise _damaged(error, self.member) from error
        if given and given[0].decode("ascii", "replace").lower() != digest.hexdigest():
            raise NotGcode(
                f"{self.member} is damaged: it does not have the MD5 that came with it.", hint="Export it again."
            )

    def _open(self, name: str) -> zipfile.ZipExtFile:
        info = self._files[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotGcode(
                f"{posixpath.basename(name)} in this zip archive is packed in an uncommon way.",
                hint="Zip it with the usual packing (deflate), or send the G-code file.",
            )
        return self._zip.open(info)  # type: ignore[return-value]

    def _small(self, name: str, most_bytes: int) -> bytes:
        """A small file of the archive; empty if it is not there, too large, damaged or packed in an uncommon way: the
        program can do without."""
        info = self._files.get(name)
        if info is None or info.file_size > most_bytes:
            return b""
        try:
            with self._open(name) as member:
                return member.read(most_bytes)
        except (*_DAMAGED, NotGcode):
            return b""

    @property
    def comments(self) -> bytes:
        """What `slice_info.config` says of the plate, as comment lines."""
        if self.plate is None:
            return b""
        return comment_lines(_plate_pairs(self._small("Metadata/slice_info.config", METADATA_MOST_BYTES), self.plate))

    @property
    def pictures(self) -> list[Picture]:
        """The pictures of the plate as PNG."""
        if self.plate is not None:
            names = [f"Metadata/plate_{self.plate}{kind}.png" for kind in ("", "_small")]
        else:
            names = ["Metadata/thumbnail.png", "/Metadata/thumbnail.png"]
        found = (self._small(name, PICTURE_MOST_BYTES) for name in names)
        return [_png(data) for data in found if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24]


def _png(data: bytes) -> Picture:
    """Width and height stand in the first chunk (PNG specification, IHDR)."""
    width, height = _SIZES.unpack_from(data, 16)
    return Picture(width, height, "png", len(data), data)


def _plate_pairs(xml: bytes, plate: int) -> list[tuple[str, str]]:
    if not xml or b"<!" in xml.replace(b"<!--", b""):  # no document type: nothing of XML that can grow
        return []
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError, LookupError):
        return []
    for element in root.iter("plate"):
        said = {str(each.get("key")): str(each.get("value", "")) for each in element.iter("metadata")}
        if said.get("index") == str(plate):
            return _known_pairs(said, [each.attrib for each in element.iter("filament")])
    return []


def _known_pairs(said: Mapping[str, str], filaments: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Under the names that slicers use in plain text, so that `claims` finds them where the text says nothing."""
    names = {
        "prediction": "estimated printing time",
        "weight": "total filament weight [g]",
        "nozzle_diameters": "nozzle_diameter",
        "printer_model_id": "printer_model_id",
    }
    pairs = [(name, said[key]) for key, name in names.items() if said.get(key)]
    if filaments:
        pairs.append(("filament_type", ";".join(each.get("type", "") for each in filaments)))
    return pairs


def _refuse_long_list(file: BinaryIO) -> None:
    """The list of files is read whole by the standard library: looked at first (APPNOTE 4.3.14 to 4.3.16)."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65557 - 20))
    tail = file.read(65557 + 20)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise NotGcode("This zip archive is cut off: its list of files is missing.", hint="Send the whole file.")
    count, list_bytes = struct.unpack_from("<HI", tail, at + 10)
    if count == 0xFFFF or list_bytes == 0xFFFFFFFF:
        count, list_bytes = _long_counts(file, tail, at)
    if count > PART_MOST or list_bytes > DIRECTORY_MOST_BYTES:
        raise NotGcode(f"This zip archive lists more than {PART_MOST} files.", hint="Send the G-code file.")
    file.seek(0)


def _long_counts(file: BinaryIO, tail: bytes, at: int) -> tuple[int, int]:
    """Count and size of the list where they stand in the 64-bit record."""
    if at < 20 or tail[at - 20 : at - 16] != b"PK\x06\x07":
        raise NotGcode("This zip archive is damaged: its list of files is missing.", hint="Send the whole file.")
    (place,) = struct.unpack_from("<Q", tail, at - 12)
    try:
        file.seek(place)
    except (OverflowError, ValueError, OSError):
        place = -1
    record = file.read(56) if place >= 0 else b""
    if len(record) < 56 or record[:4] != b"PK\x06\x06":
        raise NotGcode("This zip archive is damaged: its list of files is missing.", hint="Send the whole file.")
    count, list_bytes = struct.unpack_from("<QQ", record, 32)
    return count, list_bytes


def _damaged(error: Exception, member: str = "") -> NotGcode:
    what = f"{posixpath.basename(member)} in this zip archive" if member else "This zip archive"
    return NotGcode(f"{what} cannot be read: {str(error)[:120] or type(error).__name__}.", hint="Export it again.")
