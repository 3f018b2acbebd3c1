"""Requests into records: JSON bodies, plain HTML forms, query strings, and files streamed from multipart bodies.

Refuses by name what does not fit. Must not know what a record is for.

A form names its fields as the record does; `setup.material` is a field of a record inside, a trailing comma
(`tools,`) marks one text that holds a list split at commas or spaces, a trailing `@` (`due_s@`) a local time that
is meant as Unix seconds. An empty field counts as not given; one that begins with `_` is not for the record.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.multipart import MultipartReader

from fleetctl.errors import UsageError

Record = TypeVar("Record", bound=msgspec.Struct)

BLOCK_BYTES = 256 * 1024
FIELD_LIMIT_BYTES = 64 * 1024
PLATE_DIGITS = 6
JSON_LIMIT_BYTES = 1024 * 1024
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_NOT_WHOLE = (ValueError, LookupError, HttpProcessingError, web.HTTPException, web.RequestPayloadError)
"""What aiohttp raises while it reads a body that is cut off or is not what its headers say."""

_DOT = re.compile(r"(?<!G59)\.")
"""Between the names of records inside each other; the dot of `G59.1` belongs to the name."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def convert(values: object, record: type[Record]) -> Record:
    """Plain values as a record; raises UsageError that names the field which is unknown, missing or wrong."""
    if isinstance(values, dict):
        known = {field.encode_name for field in msgspec.structs.fields(record)}
        unknown = sorted(str(name) for name in values if name not in known)
        if unknown:
            raise UsageError(f"There is no field {unknown[0]!r} here.", hint=_fields(record))
    try:
        return msgspec.convert(values, record)
    except msgspec.ValidationError as error:
        raise UsageError(f"{error}.", hint=_fields(record)) from error


def _fields(record: type[msgspec.Struct]) -> str:
    return f"Fields: {', '.join(sorted(field.encode_name for field in msgspec.structs.fields(record)))}."


async def read_body(request: web.Request, record: type[Record]) -> Record:
    """The body of a request as a record, from JSON or a form; no body at all is an empty record."""
    if request.content_type in FORM_TYPES:
        try:
            fields = await request.post()
        except web.HTTPException:
            raise
        except _NOT_WHOLE as error:
            raise _cut_off(error) from error
        return from_form(((name, value) for name, value in fields.items() if isinstance(value, str)), record)
    data = await request.read()
    if len(data) > JSON_LIMIT_BYTES:
        raise UsageError(f"The body is larger than {JSON_LIMIT_BYTES} bytes.", hint=_fields(record))
    try:
        return convert(msgspec.json.decode(data) if data.strip() else {}, record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The body is not JSON: {error}.", hint="Send a JSON object, or a form.") from error
    except RecursionError as error:
        raise UsageError("The body is nested too deep.", hint=_fields(record)) from error


def from_form(fields: Iterable[tuple[str, str]], record: type[Record]) -> Record:
    """Form fields as a record. Numbers and truth values are read from text; repeated names make a list."""
    values: dict[str, Any] = {}
    for name, text in fields:
        if text.strip() and not name.startswith("_"):
            _place(values, name, text.strip())
    tree = _lists_where_wanted(values, record)
    known = {field.encode_name for field in msgspec.structs.fields(record)}
    unknown = sorted(name for name in tree if name not in known)
    if unknown:
        raise UsageError(f"There is no field {unknown[0]!r} here.", hint=_fields(record))
    try:
        return msgspec.convert(tree, record, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{error}.", hint=_fields(record)) from error


def _place(values: dict[str, Any], name: str, text: str) -> None:
    *parents, last = _DOT.split(name)
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise UsageError(f"The field {name!r} is given twice in different ways.")
    value: Any = text
    if last.endswith(","):
        last, value = last[:-1], re.split(r"[,\s]+", text)
    elif last.endswith("@"):
        last, value = last[:-1], _unix_seconds(text)
    if last in values:
        before = values[last] if isinstance(values[last], list) else [values[last]]
        value = [*before, *(value if isinstance(value, list) else [value])]
    values[last] = value


def _unix_seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not a date and time.", hint="Write it as 2026-11-30T16:00.") from error


def _lists_where_wanted(values: dict[str, Any], record: type[msgspec.Struct]) -> dict[str, Any]:
    """One ticked box of several arrives as one text; a field that holds a list gets a list."""
    wanted = {field.encode_name: str(field.type) for field in msgspec.structs.fields(record)}
    return {
        name: [value] if isinstance(value, str) and wanted.get(name, "").startswith(("tuple[", "list[")) else value
        for name, value in values.items()
    }


def read_query(query: Mapping[str, str], record: type[Record], *, of_page: bool = False) -> Record:
    """The query string as a record. The address of a page may carry names of others, as links from mail do."""
    known = {field.encode_name for field in msgspec.structs.fields(record)}
    return from_form(((name, text) for name, text in query.items() if name in known or not of_page), record)


class Upload:
    """A multipart body that holds one file: the file is streamed, the small fields around it are collected.

    Use `async for` over `files()`; the fields that came before a file are in `fields` while it is read, those
    after it once the loop has ended.
    """

    def __init__(self, request: web.Request) -> None:
        self.fields: dict[str, str] = {}
        self._request = request
        self._following: BodyPartReader | None = None

    @property
    def plate(self) -> int | None:
        """The field `plate`, if it came before the file: which plate of a `.gcode.3mf`. Raises UsageError."""
        text = self.fields.get("plate", "").strip()
        if text and not (text.isascii() and text.isdigit() and len(text) <= PLATE_DIGITS):
            raise UsageError(f"The plate is a number, not {text[:20]!r}.")
        return int(text) if text else None

    async def files(self) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
        """Each file of the body: its name without folders, and its blocks. Raises UsageError if cut off."""
        if not self._request.content_type.startswith("multipart/"):
            raise UsageError("A file is sent as multipart/form-data.", hint="With curl: -F file=@part.gcode")
        try:
            reader = await self._request.multipart()
            self._following = await _next_part(reader)
            while (part := self._following) is not None:
                if part.filename is None:
                    self.fields[part.name or ""] = await _field_text(part)
                    self._following = await _next_part(reader)
                else:
                    yield file_name(part.filename), self._blocks(reader, part)
                    if self._following is part:
                        raise UsageError("A file was not read to its end.")
        except _NOT_WHOLE as error:
            raise _cut_off(error) from error

    async def _blocks(self, reader: MultipartReader, part: BodyPartReader) -> AsyncIterator[bytes]:
        try:
            while block := await part.read_chunk(BLOCK_BYTES):
                yield bytes(block)
            # Only the boundary after it says that a file is whole: found before whoever stores it sees its end.
            self._following = await _next_part(reader)
        except _NOT_WHOLE as error:
            raise _cut_off(error) from error


def _cut_off(error: Exception) -> UsageError:
    return UsageError(
        f"The request is not a whole form or multipart body: {str(error)[:200]}.",
        hint="Send it again; nothing of it was kept.",
    )


async def _next_part(reader: MultipartReader) -> BodyPartReader | None:
    part = await reader.next()
    if isinstance(part, MultipartReader):
        raise UsageError("A part inside a part is not a file.")
    return part


async def _field_text(part: BodyPartReader) -> str:
    data = bytearray()
    while block := await part.read_chunk(FIELD_LIMIT_BYTES):
        data += block
        if len(data) > FIELD_LIMIT_BYTES:
            raise UsageError(f"The field {part.name!r} is longer than {FIELD_LIMIT_BYTES} bytes.")
    return data.decode("utf-8", errors="replace")


def file_name(text: str) -> str:
    """The last part of a path a client sent, without control characters, at most 200 characters."""
    name = _CONTROLS.sub("", text).replace("\\", "/").rsplit("/", 1)[-1].strip()
    return name[:200] if name.strip(".") else "unnamed.gcode"
