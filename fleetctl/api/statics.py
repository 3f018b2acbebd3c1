"""Style sheets, scripts and pictures, from memory, under an address that holds the hash of their content.

One hash covers the whole tree, so that modules import each other by relative address and a browser may keep every
file for ever. Must not know what a file is for.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

COMPRESSED_TYPES = ("text/", "image/svg+xml", "application/json")


@dataclass(frozen=True)
class StaticFile:
    """One file as it is sent. `compressed` is None where compression gains nothing."""

    content: bytes
    content_type: str
    compressed: bytes | None


class Statics:
    """All files below one folder, read once."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _load(path) for path in sorted(folder.rglob("*")) if path.is_file()
        }
        digest = hashlib.sha256()
        for name, file in self._files.items():
            digest.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
        self.version = digest.hexdigest()[:16]

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def url(self, name: str) -> str:
        """The address of a file, such as `style.css`. Raises KeyError for a file that is not there."""
        if name not in self._files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    def get(self, name: str) -> StaticFile | None:
        """The file, or None."""
        return self._files.get(name)


def _load(path: Path) -> StaticFile:
    content = path.read_bytes()
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0] or "text/plain"
    packed = gzip.compress(content, 9, mtime=0) if kind.startswith(COMPRESSED_TYPES) else None
    return StaticFile(content, kind, packed if packed and len(packed) < len(content) else None)
