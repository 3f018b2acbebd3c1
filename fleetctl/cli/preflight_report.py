"""How `fleetctl preflight` looks: the verdict, the findings with the lines they are about, then the facts.

It shows what it is given and judges nothing. Severity is always a word, colour only repeats it; everything folds to
the width of the terminal, 60 columns included.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fleetctl.cli.output import AMBER, QUIET, RED, facts, size, span, table
from fleetctl.gcode import Analysis, Finding
from fleetctl.gcode.excerpt import readable
from fleetctl.gcode.secrets import shows_secret

STYLES = {"error": RED, "warning": AMBER, "info": ""}
HEADINGS = {
    "error": "Errors: each of these refuses the program",
    "warning": "Warnings: shown, and nothing is refused",
    "info": "For your information",
}
UNQUOTED = frozenset({"FQ027"})
"""Findings about a secret, whose line is never quoted: a report goes further than the file."""

NO_MACHINE = (
    "No machine was given, so nothing says whether it fits one: give --machine NAME, or --profile P for a model."
)

MOST_OF_A_KIND = 12
"""So many findings of one severity are laid out; the rest is counted. `--json` has them all."""


class Judged(msgspec.Struct, frozen=True):
    """One file: its facts and findings, or why it was not read. `target` is what it was compared with, or empty."""

    path: Path
    target: str
    analysis: Analysis | None = None
    findings: tuple[Finding, ...] = ()
    refused: str = ""

    @property
    def passed(self) -> bool:
        """Would a run of it be allowed to start?"""
        return not self.refused and all(finding.severity != "error" for finding in self.findings)

    def count(self, severity: str) -> int:
        """How many findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)


def report(judged: Judged, lines: Mapping[int, bytes]) -> RenderableType:
    """One file in full. `lines` holds the source lines to quote, by number."""
    parts: list[RenderableType] = [verdict(judged)]
    if not judged.target and not judged.refused:
        parts.append(Text(NO_MACHINE))
    if judged.analysis is not None:
        parts.append(Padding(_facts(judged.analysis), (1, 0, 0, 2), expand=False))
    for severity in ("error", "warning", "info"):
        some = [finding for finding in judged.findings if finding.severity == severity]
        if some:
            parts += [Text(), Text(HEADINGS[severity], style=STYLES[severity] or "bold")]
            parts += _laid_out(some, lines)
    return Group(*parts, Text())


def verdict(judged: Judged) -> Text:
    """The answer in one sentence, the file's name first."""
    said = Text(str(judged.path), style="bold")
    said.append("  ")
    counts = _counts(judged)
    if judged.target and not judged.refused:
        words = f"Fits {judged.target}." if judged.passed else f"Does not fit {judged.target}."
    elif judged.refused:
        words = "Not read."
    else:
        words = "The file can be read." if judged.passed else "Would be refused."
    said.append(words, style="bold green" if judged.passed else RED)
    if counts:
        said.append(f"  {counts}", style="not bold")
    return said


def _counts(judged: Judged) -> str:
    counts = Counter(finding.severity for finding in judged.findings)
    return ", ".join(
        f"{number} {word}{'s' if number > 1 else ''}" for word in ("error", "warning") if (number := counts[word])
    )


def _laid_out(some: Sequence[Finding], lines: Mapping[int, bytes]) -> Iterator[RenderableType]:
    for number, finding in enumerate(some[:MOST_OF_A_KIND]):
        if number:
            yield Text()
        yield _Laid(finding, lines.get(finding.line))
    if len(some) > MOST_OF_A_KIND:
        yield Text(f"  and {len(some) - MOST_OF_A_KIND} more; --json has them all.", style=QUIET)


class _Laid:
    """One finding: where and what, the line itself with a caret, and what to do."""

    def __init__(self, finding: Finding, line: bytes | None) -> None:
        self._finding = finding
        self._line = line

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        finding = self._finding
        head = Text("  ").append(f"{finding.severity} {finding.code}", style=STYLES[finding.severity])
        if finding.line:
            place = f"  line {finding.line}" + (f", column {finding.column}" if finding.column > 1 else "")
            head.append(place)
        yield head
        yield _indented(finding.message, options)
        if self._line is not None and self._line.strip() and finding.severity != "info":
            yield from _quoted(finding, self._line, options.max_width)
        if finding.hint:
            yield _indented(finding.hint, options, QUIET)


def _indented(sentence: str, options: ConsoleOptions, style: str = "") -> RenderableType:
    """A sentence under its heading: folded on a terminal; in a pipe one whole line, which padding would cut off."""
    if options.no_wrap:
        return Text("    ").append(sentence, style=style)
    return Padding(Text(sentence, style=style), (0, 0, 0, 4), expand=False)


def _quoted(finding: Finding, line: bytes, width: int) -> Iterator[Text]:
    gutter = f"    {finding.line} │ "
    if finding.code in UNQUOTED or shows_secret(line):
        yield Text(gutter, style=QUIET).append("(not shown, it holds a secret)")
        return
    text, at = readable(line, finding.column)
    room = max(12, width - cell_len(gutter))
    text, at = _window(text, at, room)
    yield Text(gutter, style=QUIET, no_wrap=True, overflow="crop").append(text, style="default")
    mark = "^" + "~" * (_word_length(text, at) - 1)
    blank = " " * (cell_len(gutter) - 2) + "│ "
    caret = Text(blank, style=QUIET, no_wrap=True, overflow="crop")
    yield caret.append(" " * cell_len(text[:at])).append(mark, style=STYLES[finding.severity] or "bold")


def _window(text: str, at: int, room: int) -> tuple[str, int]:
    """The part of a line around a place that fits, with … where it was cut."""
    if cell_len(text) <= room:
        return text, at
    begin = max(0, min(at - room // 3, len(text) - room + 1))
    part = text[begin : begin + room - 1]
    if begin:
        part, at = "…" + part[1:], at - begin
    if begin + room - 1 < len(text):
        part = part + "…"
    return part, min(at, len(part) - 1)


def _word_length(text: str, at: int) -> int:
    """How many characters the word has that begins at a place: a letter and its number, or a name."""
    length = 1
    while at + length < len(text) and not text[at + length].isspace():
        sign = text[at + length]
        if sign in ";(*" or (sign.isalpha() and not (text[at].isalpha() and text[at + 1].isalpha())):
            break
        length += 1
    return length


def summary(all_judged: Sequence[Judged]) -> Table:
    """Several files on one line each."""
    made = table("file", "verdict", "errors", "warnings", "time", right=("errors", "warnings", "time"))
    names = Counter(each.path.name for each in all_judged)
    for each in all_judged:
        words = "not read" if each.refused else "fits" if each.passed else "does not fit"
        if not each.target and not each.refused:
            words = "no error" if each.passed else "refused"
        errors = each.count("error") + bool(each.refused)
        made.add_row(
            str(each.path) if names[each.path.name] > 1 else each.path.name,
            Text(words, style="" if each.passed else RED),
            str(errors or ""),
            str(each.count("warning") or ""),
            span(each.analysis.duration_s) if each.analysis else "",
        )
    return made


def _facts(analysis: Analysis) -> Table:
    grams = sum(analysis.filament_g.values())
    metres = sum(analysis.filament_mm.values()) / 1000
    heaters = ", ".join(f"{name} {use.max_degc:g} °C" for name, use in sorted(analysis.temperatures.items()))
    rapids = [there.travel.z_mm for there in analysis.rapids if there.travel and there.frame != "machine"]
    return facts(
        (
            ("size", f"{size(analysis.size_bytes)}, {analysis.lines} lines, {analysis.commands} commands"),
            ("sha-256", Text(analysis.sha256, style=QUIET)),
            ("taken from", _container(analysis)),
            ("dialect", analysis.dialect + (" (detected)" if analysis.dialect_detected else "")),
            ("made by", analysis.slicer),
            ("motion", _box(analysis.bounds_mm)),
            ("work", _box(analysis.work_bounds_mm)),
            ("rapids", f"lowest at Z {min(rapids):.2f}" if rapids else ""),
            ("time", f"{span(analysis.duration_s)} (limits of the {analysis.limits_from})"),
            ("layers", str(analysis.layers) if analysis.layers else ""),
            ("filament", f"{metres:.2f} m" + (f", {grams:.1f} g" if grams else "") if metres else ""),
            ("sliced for", _sliced_for(analysis)),
            ("tools", _tools(analysis)),
            ("heat", heaters),
            ("spindle", "" if analysis.spindle_rpm_max is None else f"up to {analysis.spindle_rpm_max:g} rpm"),
            ("fastest", f"{analysis.max_feed_mm_s:.4g} mm/s" if analysis.max_feed_mm_s else ""),
            ("ends with", analysis.ending.marker or "nothing that says so"),
        )
    )


def _container(analysis: Analysis) -> str:
    container = analysis.container
    if container is None:
        return ""
    plates = ", ".join(map(str, container.plates))
    plate = f", plate {container.plate} (of {plates})" if container.plate is not None else ""
    return f"{container.kind}, {size(container.size_bytes)}{plate}, sha-256 {container.sha256[:12]}"


def _sliced_for(analysis: Analysis) -> str:
    kinds = " + ".join(dict.fromkeys(analysis.claims.filament_type))
    nozzle = "" if analysis.claims.nozzle_mm is None else f"{analysis.claims.nozzle_mm:g} mm nozzle"
    return ", ".join(part for part in (kinds, nozzle) if part)


def _tools(analysis: Analysis) -> str:
    return ", ".join(f"T{tool.number}" for tool in analysis.tools if tool.first_line)


def _box(bounds: tuple[tuple[float, float, float], tuple[float, float, float]]) -> str:
    axes = zip("XYZ", *bounds, strict=True)
    return "  ".join(f"{axis} {low:.2f}..{high:.2f}" for axis, low, high in axes if not math.isnan(low))
