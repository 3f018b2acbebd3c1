"""The way in: a program is stored and analysed, an order is placed.

Bytes go to a content-addressed file as they arrive; analysis runs off the loop. Of a container (gzip, `.bgcode`,
`.gcode.3mf`) the plain program is stored, for what is approved is what is streamed (I4); the container's own name and
hash are among the facts. What no machine could ever read
(no G-code, damaged, cut off) is refused and not kept; whether the rest fits a machine is for the gate to say.
"""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

import sqlalchemy as sa

from fleetctl.errors import NotGcode, UsageError
from fleetctl.fleet import texts
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import JobShape, ProgramShape, Submission
from fleetctl.fleet.views import Views
from fleetctl.gcode import Analysis, UnpackedProgram, analyze, kind_of, unpack
from fleetctl.model.identity import CodeKind
from fleetctl.model.job import Job, JobState, RemakeInterrupted
from fleetctl.store import jobs, machines, programs, settings
from fleetctl.store.blobs import BlobStore, BlobWriter
from fleetctl.store.programs import Program

T = TypeVar("T")

DAMAGED = ("GC030", "GC001")
"""Findings of a file that is not whole: its end is missing, or there are zero bytes in it. The more telling first."""

MAGIC_BYTES = 4
"""How much of a file tells what container it is."""

CONTAINER_NAME = re.compile(r"(?i)\.(gz|gzip|3mf|bgcode|bgc|ufp|zip)$")
PROGRAM_NAME = re.compile(r"(?i)\.(gcode|gco|g|nc|ngc|tap|cnc|txt)$")

GREATEST_QUANTITY = 100_000
GREATEST_YIELD = 1000
GREATEST_PRIORITY = 1_000_000


class OffLoop(Protocol):
    """Runs work where it may block, and gives its result."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """The result of `work`."""
        ...


class Intake:
    """Receives programs and orders."""

    def __init__(self, record: Record, blobs: BlobStore, views: Views, off_loop: OffLoop) -> None:
        self._record = record
        self._blobs = blobs
        self._views = views
        self._off_loop = off_loop

    async def receive(
        self, name: str, blocks: AsyncIterator[bytes], actor: str, plate: int | None = None
    ) -> ProgramShape:
        """Store a program as it arrives and analyse it; `plate` chooses one of a `.gcode.3mf`.

        Raises NotGcode, or UsageError for a plate that is not there or not said, and then nothing is kept.
        """
        writer = self._blobs.begin()
        unpacked: UnpackedProgram | None = None
        try:
            head = b""
            async for block in blocks:
                head += block[: MAGIC_BYTES - len(head)]
                await self._off_loop(lambda data=block: writer.write(data))  # type: ignore[misc]
            if kind_of(head):
                writer, unpacked = await self._unpack(writer, _plain_name(name), plate)
            analysis = await self._off_loop(lambda: analyze(writer.path, unpacked=unpacked))
            _refuse_damaged(analysis)
            sha256, size_bytes = await self._off_loop(writer.commit)
        except BaseException:
            writer.abort()
            raise
        program = Program(
            sha256=sha256,
            name=_plain_name(name) if unpacked is None else _unpacked_name(_plain_name(name)),
            size_bytes=size_bytes,
            dialect=analysis.dialect,
            analysis=analysis,
            created_s=self._record.now_s(),
        )
        await self._record.change(actor, lambda conn, stamp: _store_program(conn, program, stamp))
        return await self._views.program(sha256)

    async def _unpack(
        self, container: BlobWriter, name: str, plate: int | None
    ) -> tuple[BlobWriter, UnpackedProgram]:
        """The plain program of a received container, as a file of its own; the container is forgotten.

        Work off the loop cannot be cancelled: when this is, the work notices and cleans up after itself.
        """
        work = _Unpacking(self._blobs, container.path, name, plate)
        try:
            found = await self._off_loop(work.run)
        except BaseException:
            work.abandon()
            raise
        container.abort()
        return found

    async def submit(self, submission: Submission, actor: str) -> JobShape:
        """Place an order of one line. Raises UsageError, NotFound."""
        _validate(submission)
        code = await self._record.change(actor, lambda conn, stamp: _place_order(conn, submission, stamp))
        return await self._views.job(code)


class _Unpacking:
    """One container being unpacked in a thread, for somebody who may go away meanwhile."""

    def __init__(self, blobs: BlobStore, path: Path, name: str, plate: int | None) -> None:
        self._blobs = blobs
        self._path = path
        self._name = name
        self._plate = plate
        self._lock = threading.Lock()
        self._abandoned = False
        self._made: BlobWriter | None = None

    def run(self) -> tuple[BlobWriter, UnpackedProgram]:
        """In the thread: the file with the plain program, not yet committed, and what its container said."""
        writer = self._blobs.begin()
        try:
            unpacked = unpack(self._path, _Watched(writer, self), plate=self._plate, name=self._name)
            with self._lock:
                self.go_on()
                self._made = writer
        except BaseException:
            writer.abort()
            raise
        return writer, unpacked

    def go_on(self) -> None:
        """Raises when nobody waits any more."""
        if self._abandoned:
            raise UsageError("The upload was given up.")

    def abandon(self) -> None:
        """On the loop: nobody waits any more. What was made, or is being made, goes."""
        with self._lock:
            self._abandoned = True
            if self._made is not None:
                self._made.abort()


class _Watched:
    """Writes on while somebody waits for it."""

    def __init__(self, writer: BlobWriter, work: _Unpacking) -> None:
        self._writer = writer
        self._work = work

    def write(self, data: bytes, /) -> None:
        self._work.go_on()
        self._writer.write(data)


def _unpacked_name(name: str) -> str:
    """`part.bgcode`, `part.gcode.gz` and `part.gcode.3mf` as the plain program is called: `part.gcode`."""
    stem = CONTAINER_NAME.sub("", name)
    return stem if PROGRAM_NAME.search(stem) else f"{stem or 'program'}.gcode"


def _refuse_damaged(analysis: Analysis) -> None:
    for code in DAMAGED:
        for finding in analysis.findings:
            if finding.code == code:
                raise NotGcode(finding.message, line=finding.line, hint=finding.hint)


def _plain_name(name: str) -> str:
    """The last part of a path, whatever system wrote it, without control characters, 200 characters at most."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(character for character in last if character.isprintable()).strip()
    return (printable or "program.gcode")[:200]


def _store_program(conn: sa.Connection, program: Program, stamp: Stamp) -> None:
    if programs.add(conn, program):
        log_event(
            conn, stamp, "program.received", program.sha256[:12], name=program.name, size_bytes=program.size_bytes
        )


def _validate(submission: Submission) -> None:
    if not 1 <= submission.quantity <= GREATEST_QUANTITY:
        raise UsageError(f"The quantity must be from 1 to {GREATEST_QUANTITY}, not {submission.quantity}.")
    if not 1 <= submission.yield_parts <= GREATEST_YIELD:
        raise UsageError(f"The yield of a run must be from 1 to {GREATEST_YIELD}, not {submission.yield_parts}.")
    if abs(submission.priority) > GREATEST_PRIORITY:
        raise UsageError(f"The priority must be from -{GREATEST_PRIORITY} to {GREATEST_PRIORITY}.")
    texts.text(submission.title, "title", texts.TITLE_MOST)
    texts.text(submission.material, "material")
    texts.text(submission.group, "group")
    texts.date(submission.due_s, "due date")
    if submission.remake_interrupted not in set(RemakeInterrupted):
        raise UsageError("remake_interrupted is at_clear or at_once.")


def _place_order(conn: sa.Connection, submission: Submission, stamp: Stamp) -> str:
    program = programs.get(conn, submission.program_sha256)
    title = submission.title or program.name
    order = jobs.Order(
        id=stamp.new_id(),
        code=settings.next_code(conn, CodeKind.ORDER),
        title=title,
        placed_by=stamp.actor,
        created_s=stamp.at_s,
    )
    jobs.add_order(conn, order)
    job = Job(
        id=stamp.new_id(),
        code=settings.next_code(conn, CodeKind.JOB),
        order_id=order.id,
        title=title,
        program_sha256=program.sha256,
        yield_parts=submission.yield_parts,
        quantity=submission.quantity,
        state=JobState.HELD if submission.hold else JobState.QUEUED,
        held_reason="submitted on hold" if submission.hold else "",
        priority=submission.priority,
        due_s=submission.due_s,
        material=submission.material,
        machine_id=machines.named(conn, submission.machine).id if submission.machine else None,
        group=submission.group,
        remake_interrupted=RemakeInterrupted(submission.remake_interrupted),
        failed_in_a_row=0,
        created_s=stamp.at_s,
        done_s=None,
        version=1,
    )
    jobs.add(conn, job)
    log_event(
        conn,
        stamp,
        "job.submitted",
        job.code,
        order=order.code,
        title=title,
        quantity=job.quantity,
        held=submission.hold,
    )
    return job.code
