"""Transformations that change no word of a program: strip, fold, number, unnumber.

Which bytes of a line are what is decided in `ext/rewrite.pyx`; here is only for which dialects each makes sense.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

from fleetctl._ext.rewrite import Rewriter
from fleetctl.errors import CannotTransform
from fleetctl.gcode.dialects import Dialect
from fleetctl.gcode.source import open_source
from fleetctl.gcode.transform.contract import Given, Parameters, Prepared, Preview, Transformation

SLICE_BYTES = 64 * 1024
"""Bytes rewritten at once: what is held in memory is a small multiple of this."""

Work = Literal["strip", "fold", "number", "unnumber"]

MISREADS_CHECKSUMS = {
    "klipper": "ignores line numbers and keeps what follows the *",
    "grbl": "answers a * with an error",
    "grblhal": "answers a * with an error",
    "fluidnc": "answers a * with an error",
    "linuxcnc": "reads * as a multiplication",
}
"""By dialect: why numbers and checksums do harm (Klipper gcode.py; Grbl gcode.c; RS274NGC 3.3.2.3)."""


class Strip(Parameters, frozen=True):
    """`keep_markers`: slicers' comments for layers, objects and features stay, and their `key = value` lines."""

    keep_markers: bool = True


class Fold(Parameters, frozen=True):
    """Nothing to choose."""


class Number(Parameters, frozen=True):
    """`first`: the number of the first line, 0 to 9,999,999."""

    first: int = 1


class Unnumber(Parameters, frozen=True):
    """Nothing to choose."""


def _strip(given: Given, dialect: Dialect, chosen: Strip) -> Prepared:
    kept = "slicer markers are kept" if chosen.keep_markers else "slicer markers go too: layers are counted by height"
    summary = f"Comments, blanks and empty lines go away; words and their order stay; {kept}."
    return _prepared("strip", given, dialect, summary, markers=chosen.keep_markers)


def _fold(given: Given, dialect: Dialect, chosen: Fold) -> Prepared:
    return _prepared("fold", given, dialect, "Comments and texts become ASCII: letters lose their marks.")


def _number(given: Given, dialect: Dialect, chosen: Number) -> Prepared:
    if why := MISREADS_CHECKSUMS.get(dialect.name):
        raise CannotTransform(
            f"{dialect.title} {why}, so the lines are not numbered.",
            hint="fleetctl numbers lines by itself where a machine wants that.",
        )
    if not 0 <= chosen.first <= 9_999_999:
        raise CannotTransform("The first line number must be from 0 to 9999999.", hint="Leave it out for 1.")
    summary = f"Every command gets a line number, from {chosen.first} on, and a checksum; older ones are replaced."
    return _prepared("number", given, dialect, summary, first=chosen.first)


def _unnumber(given: Given, dialect: Dialect, chosen: Unnumber) -> Prepared:
    return _prepared("unnumber", given, dialect, "Line numbers and checksums go away.")


def _prepared(
    work: Work, given: Given, dialect: Dialect, summary: str, *, markers: bool = True, first: int = 1
) -> Prepared:
    return Prepared(Preview(name=work, summary=summary), partial(_blocks, work, given, dialect, markers, first))


def _blocks(work: Work, given: Given, dialect: Dialect, markers: bool, first: int) -> Iterator[bytes]:
    rewriter = Rewriter(
        work,
        parens=dialect.paren_comments,
        cnc=dialect.cnc,
        texts=dialect.text_commands,
        quotes=dialect.quoted_text,
        markers=markers,
        first=first,
    )
    with open_source(given) as opened:
        for block in opened.blocks():
            for start in range(0, len(block), SLICE_BYTES):
                yield rewriter.push(block[start : start + SLICE_BYTES])
    yield rewriter.finish()


STRIP = Transformation(name="strip", version=1, title="without comments", parameters=Strip, prepare=_strip)
FOLD = Transformation(name="fold", version=1, title="in ASCII", parameters=Fold, prepare=_fold)
NUMBER = Transformation(name="number", version=1, title="numbered", parameters=Number, prepare=_number)
UNNUMBER = Transformation(name="unnumber", version=1, title="without numbers", parameters=Unnumber, prepare=_unnumber)
