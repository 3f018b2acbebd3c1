"""All transformations by name, and the two things one can do with one: look at it first, and carry it out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fleetctl.errors import UsageError
from fleetctl.gcode.analysis import detect
from fleetctl.gcode.dialects import DIALECTS
from fleetctl.gcode.source import open_source, refuse_other_formats
from fleetctl.gcode.transform.contract import (
    Given,
    Parameters,
    Prepared,
    Preview,
    Transformation,
    Transformed,
    canonical,
)
from fleetctl.gcode.transform.insert import INSERT
from fleetctl.gcode.transform.restart import RESTART
from fleetctl.gcode.transform.rewrite import FOLD, NUMBER, STRIP, UNNUMBER

TRANSFORMATIONS: dict[str, Transformation[Any]] = {
    each.name: each for each in (STRIP, FOLD, NUMBER, UNNUMBER, RESTART, INSERT)
}


def preview(given: Given, name: str, parameters: Mapping[str, object], *, dialect: str = "auto") -> Preview:
    """What the transformation would do, line by line where it puts lines in. Raises as `transform` does."""
    return _prepared(given, name, parameters, dialect)[2].preview


def transform(
    given: Given,
    name: str,
    parameters: Mapping[str, object],
    write: Callable[[bytes], object],
    *,
    dialect: str = "auto",
) -> Transformed:
    """Write the new program through `write`, in blocks, and say where it came from.

    `given` is a path or bytes, `dialect` how it is read. Raises UsageError for a name or parameters that do not
    exist or fit, CannotTransform for what this program does not allow, ForbiddenByte, LineTooLong, NotGcode.
    """
    kind, chosen, prepared = _prepared(given, name, parameters, dialect)
    parent = hashlib.sha256()
    with open_source(given) as opened:
        for block in opened.blocks():
            parent.update(block)
    made, size = hashlib.sha256(), 0
    for out in prepared.blocks():
        if out:
            made.update(out)
            size += len(out)
            write(out)
    return Transformed(
        name=kind.name,
        version=kind.version,
        parameters=msgspec.Raw(canonical(chosen)),
        parent_sha256=parent.hexdigest(),
        sha256=made.hexdigest(),
        size_bytes=size,
    )


def _prepared(
    given: Given, name: str, parameters: Mapping[str, object], dialect: str
) -> tuple[Transformation[Any], Parameters, Prepared]:
    kind = TRANSFORMATIONS.get(name)
    if kind is None:
        raise UsageError(f"There is no transformation {name!r}.", hint=f"Known are: {', '.join(TRANSFORMATIONS)}.")
    if dialect != "auto" and dialect not in DIALECTS:
        raise UsageError(f"There is no dialect {dialect!r}.", hint=f"Known are: auto, {', '.join(DIALECTS)}.")
    try:
        chosen = msgspec.convert(dict(parameters), kind.parameters, strict=False)
    except msgspec.ValidationError as error:
        fields = ", ".join(field.name for field in msgspec.structs.fields(kind.parameters)) or "none"
        raise UsageError(f"{error}.", hint=f"Parameters of {name}: {fields}.") from error
    with open_source(given) as opened:
        refuse_other_formats(opened.head, opened.size_bytes)
        read_as = DIALECTS[detect(opened) if dialect == "auto" else dialect]
    return kind, chosen, kind.prepare(given, read_as, chosen)
