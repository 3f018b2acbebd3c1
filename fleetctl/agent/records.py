"""What the journal holds, record by record, and how records lie in the file.

A frame is 4 bytes length, 4 bytes CRC-32 (both little endian) and a MessagePack record. Pure: bytes and values
only. This module must not know files, time or what a record is used for.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from fleetctl.model.machine import Position
from fleetctl.model.messages import Answer, MachineAssignment, MachineReport, RunReport, StopReport

RECORD_MAX_BYTES = 64 * 1024 * 1024
"""A length above this is taken for damage; the snapshot of a full journal stays far below."""

_HEAD = struct.Struct("<II")

Outcome = Answer | StopReport


class RunRecord(msgspec.Struct, kw_only=True):
    """What the journal knows of one run. `started`: a byte of the program may have reached the machine.

    `planner_depth` counts moves that may not have been executed while the run goes on, and lines of the program once
    it has ended; `acknowledged_bytes` of the program's file end with `acknowledged_line`, 0: not told.
    """

    run_id: str
    machine_id: str
    epoch: int = 0
    state: str
    reason: str = ""
    started: bool = False
    acknowledged_line: int = 0
    planner_depth: int = 0
    program_sha256: str = ""
    acknowledged_bytes: int = 0


class _Record(msgspec.Struct, frozen=True, tag_field="record"):
    """Common form of all records."""


class Booted(_Record, frozen=True, tag="booted"):
    """An agent process began; its reports have sequence numbers above `sequence`. The journal keeps the first
    `journal_id` that it is given."""

    journal_id: str
    boot_id: str
    sequence: int


class Assigned(_Record, frozen=True, tag="assigned"):
    """The machines this agent holds from now on."""

    machines: tuple[MachineAssignment, ...]


class CommandSeen(_Record, frozen=True, tag="seen"):
    """A command came in; it must never act again."""

    command_id: str


class CommandDone(_Record, frozen=True, tag="done"):
    """What became of a command."""

    command_id: str
    outcome: Outcome


class RunTaken(_Record, frozen=True, tag="taken"):
    """The agent took a run in hand, or refused or withdrew it: the run id is used up."""

    run_id: str
    machine_id: str
    epoch: int
    state: str
    program_sha256: str = ""


class RunStarted(_Record, frozen=True, tag="started"):
    """The next byte to this machine may be of this run's program. Durable before that byte goes out."""

    run_id: str


class RunProgress(_Record, frozen=True, tag="progress"):
    """How far a run is: the acknowledged source line, where it ends in the program's file, and how many moves may not
    have been executed."""

    run_id: str
    acknowledged_line: int
    planner_depth: int
    acknowledged_bytes: int = 0


class Reported(_Record, frozen=True, tag="reported"):
    """A report that the controller must get."""

    report: MachineReport | RunReport


class Acknowledged(_Record, frozen=True, tag="acknowledged"):
    """The controller has committed all reports up to this number."""

    sequence: int


class Latched(_Record, frozen=True, tag="latched"):
    """The stop of everything that holds (I15), by the id of its command; empty: released."""

    stop_id: str


class MadeSafe(_Record, frozen=True, tag="made-safe"):
    """Heaters and spindle of this machine were switched off after a run that ended badly."""

    machine_id: str


class SpeedFound(_Record, frozen=True, tag="speed"):
    """The speed at which this machine was understood, in baud."""

    machine_id: str
    baud: int


class JournalContent(msgspec.Struct, kw_only=True):
    """All that the records before amount to. Dicts keep the order in which things came."""

    journal_id: str = ""
    last_sequence: int = 0
    acknowledged: int = 0
    stop_id: str = ""
    machines: dict[str, MachineAssignment] = {}
    positions: dict[str, Position] = {}
    unsafe: dict[str, bool] = {}
    speeds_baud: dict[str, int] = {}
    runs: dict[str, RunRecord] = {}
    commands: dict[str, Outcome | None] = {}
    reports: dict[int, MachineReport | RunReport] = {}


class Snapshot(_Record, frozen=True, tag="snapshot"):
    """Stands for all records before it."""

    content: JournalContent


Record = (
    Booted
    | Assigned
    | CommandSeen
    | CommandDone
    | RunTaken
    | RunStarted
    | RunProgress
    | Reported
    | Acknowledged
    | Latched
    | MadeSafe
    | SpeedFound
    | Snapshot
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class Scan(NamedTuple):
    """The whole records of a file, and how many bytes behind them make no record. `not_known`: the kind of a record
    that is whole, and that only another version can read; nothing behind it was looked at."""

    records: list[Record]
    torn_bytes: int
    not_known: str = ""


def frame(record: Record) -> bytes:
    """One record as it lies in the file."""
    payload = _encoder.encode(record)
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def scan(data: bytes) -> Scan:
    """All whole records from the beginning; the first that is torn, damaged or not known ends the scan.

    Fields that a newer version has added to a record are passed over.
    """
    records: list[Record] = []
    end = 0
    for payload, following in _payloads(memoryview(data)):
        try:
            records.append(_decoder.decode(payload))
        except msgspec.DecodeError:
            return Scan(records, len(data) - end, _kind(payload))
        end = following
    return Scan(records, len(data) - end)


def _kind(payload: memoryview) -> str:
    """The kind of a record of any version; empty when it is none."""
    try:
        found = msgspec.msgpack.decode(payload, type=dict[str, Any])
    except msgspec.DecodeError:
        return ""
    return str(found.get("record", ""))


def _payloads(data: memoryview) -> Iterator[tuple[memoryview, int]]:
    """Each payload with a right checksum, and the offset behind it."""
    offset = 0
    while offset + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, offset)
        begin = offset + _HEAD.size
        offset = begin + length
        if length > RECORD_MAX_BYTES or offset > len(data) or zlib.crc32(data[begin:offset]) != checksum:
            return
        yield data[begin:offset], offset
