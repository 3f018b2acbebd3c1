"""Options of a simulated machine, given by name: one dataclass per driver, and the parts it makes.

It must not know where the options come from (command line, demo fleet, test).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from fleetctl.errors import UsageError
from fleetctl.sim.parts import PartSpec

Options = TypeVar("Options")


def read_options(kind: type[Options], given: Mapping[str, object]) -> tuple[Options, PartSpec]:
    """Divide `given` between the driver's dataclass `kind` and `PartSpec`, converting text to each field's type.

    Raises UsageError for a name that neither knows, or for a value that does not fit.
    """
    own: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    own_fields = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    part_fields = {field.name: field for field in fields(PartSpec)}
    for name, value in given.items():
        if name in own_fields:
            own[name] = _convert(name, str(own_fields[name].type), value)
        elif name in part_fields:
            parts[name] = _convert(name, str(part_fields[name].type), value)
        else:
            known = ", ".join(sorted({*own_fields, *part_fields}))
            raise UsageError(f"This simulator has no option {name!r}.", hint=f"It knows: {known}.")
    return kind(**own), PartSpec(**parts)


def _convert(name: str, kind: str, value: object) -> object:
    """Text as the annotated type; anything else is taken as it is."""
    if not isinstance(value, str) or kind == "str":
        return value
    try:
        if kind == "bool":
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]
        if kind.startswith("int"):
            return int(value)
        if kind == "float":
            return float(value)
        if kind.startswith("tuple"):
            number = int if "int" in kind else float
            return tuple(number(part) for part in value.split(",") if part.strip())
    except (KeyError, ValueError) as cause:
        raise UsageError(f"Option {name} is {value!r}; it must be a {kind}.") from cause
    raise UsageError(f"Option {name} cannot be given as text.")
