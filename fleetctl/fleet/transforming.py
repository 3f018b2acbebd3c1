"""New programs from stored ones: shown first, then made, analysed, and stored with where they came from.

The result is a program like any other: it passes the same gate, and nothing starts by itself. The parent is read
and the new file written off the loop; what is made twice from the same parameters is one program.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

import msgspec
import sqlalchemy as sa

from fleetctl.errors import ProgramChanged
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.intake import OffLoop, refuse_damaged
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import ProgramShape
from fleetctl.fleet.views import Views
from fleetctl.gcode import Analysis, analyze
from fleetctl.gcode.transform import TRANSFORMATIONS, Preview, Transformed, preview, transform
from fleetctl.store import programs
from fleetctl.store.blobs import BlobStore
from fleetctl.store.programs import Program

NAME_MOST = 200


class Rehearsal(msgspec.Struct, frozen=True):
    """What a transformation would give."""

    preview: Preview
    sha256: str
    size_bytes: int
    analysis: Analysis


class Transforming:
    """Looks at and carries out transformations of stored programs."""

    def __init__(self, record: Record, blobs: BlobStore, views: Views, off_loop: OffLoop) -> None:
        self._record = record
        self._blobs = blobs
        self._views = views
        self._off_loop = off_loop

    async def preview(self, parent: str, name: str, parameters: Mapping[str, object]) -> Preview:
        """What the transformation would put in, line by line with reasons; nothing is stored.

        `parent` is a SHA-256 or a unique beginning of one. Raises NotFound, UsageError, CannotTransform and what
        else the transformation refuses.
        """
        program = await self._program(parent)

        def look() -> Preview:
            with self._blobs.open(program.sha256):
                return preview(self._blobs.path(program.sha256), name, parameters, dialect=program.dialect)

        return await self._off_loop(look)

    async def rehearse(self, parent: str, name: str, parameters: Mapping[str, object]) -> Rehearsal:
        """The whole of a transformation except that nothing is kept: what it is called and what it is. Raises as
        `transform` does."""
        program = await self._program(parent)

        def look() -> Rehearsal:
            with self._blobs.open(program.sha256):
                path = self._blobs.path(program.sha256)
                shown = preview(path, name, parameters, dialect=program.dialect)
            made, analysis = self._make(program, name, parameters, keep=False)
            return Rehearsal(shown, made.sha256, made.size_bytes, analysis)

        return await self._off_loop(look)

    async def transform(self, parent: str, name: str, parameters: Mapping[str, object], actor: str) -> ProgramShape:
        """Make the new program and store it. Raises as `preview` does, NotGcode for a result that is damaged, and
        ProgramChanged when the stored parent is not what was approved (I4); nothing is kept then."""
        program = await self._program(parent)
        made, analysis = await self._off_loop(lambda: self._make(program, name, parameters))
        if made.sha256 != program.sha256:
            child = Program(
                sha256=made.sha256,
                name=_name(program.name, made.name),
                size_bytes=made.size_bytes,
                dialect=analysis.dialect,
                analysis=analysis,
                parent_sha256=program.sha256,
                transformation=made.record,
                created_s=self._record.now_s(),
            )
            await self._record.change(actor, lambda conn, stamp: _store(conn, child, made, stamp))
        return await self._views.program(made.sha256)

    async def _program(self, sha256: str) -> Program:
        return await self._record.look(lambda conn: programs.get(conn, sha256))

    def _make(
        self, program: Program, name: str, parameters: Mapping[str, object], *, keep: bool = True
    ) -> tuple[Transformed, Analysis]:
        """The new file under its hash, and its facts, read as the same dialect as its parent's."""
        with self._blobs.open(program.sha256), self._blobs.begin() as writer:
            path = self._blobs.path(program.sha256)
            made = transform(path, name, parameters, writer.write, dialect=program.dialect)
            if made.parent_sha256 != program.sha256:
                raise ProgramChanged(
                    f"The stored file of program {program.sha256[:12]} is damaged.", hint="Upload it again."
                )
            analysis = analyze(writer.path, dialect=program.dialect)
            refuse_damaged(analysis)
            if keep:
                writer.commit()
        return made, analysis


def _name(parent: str, transformation: str) -> str:
    """The parent's name with what was done: `bracket restarted.gcode`."""
    path = PurePath(parent)
    suffix = path.suffix or ".gcode"
    title = f" {TRANSFORMATIONS[transformation].title}{suffix}"
    return path.stem[: NAME_MOST - len(title)] + title


def _store(conn: sa.Connection, child: Program, made: Transformed, stamp: Stamp) -> None:
    if programs.add(conn, child):
        log_event(
            conn,
            stamp,
            "program.transformed",
            child.sha256[:12],
            parent=made.parent_sha256[:12],
            transformation=made.name,
            name=child.name,
            size_bytes=child.size_bytes,
        )
