"""What reading itself has to say: places that could not be read, or whose facts are not exact.

Only about the reading of the file. Whether a fact suits a machine is preflight's to judge.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.gcode.evaluation import REASONS
from fleetctl.gcode.facts import Ending, Finding, Mark, Severity
from fleetctl.gcode.hazards import HAZARDS

_READING: dict[str, tuple[str, Severity, str]] = {
    "nul": ("GC001", "error", "The file is damaged here; export it again."),
    "oversized_line": ("GC002", "error", "No controller takes such a line; export the program again."),
    "number_overflow": ("GC003", "error", "Correct the number."),
    "number_missing": ("GC004", "error", "Give the letter a number, or take it out."),
    "stray_character": ("GC005", "warning", "Take it out; controllers differ in what they make of it."),
    "repeated_word": ("GC006", "warning", "Keep one of them; controllers differ in which they take."),
    "repeated_motion": ("GC007", "error", "Put each motion on its own line."),
    "unclosed_comment": ("GC008", "error", "Close the comment with )."),
    "checksum_wrong": ("GC009", "error", "The line was changed after it was numbered; export it again."),
    "unknown_number": ("GC010", "error", "No controller knows such a command."),
    "tool_overflow": ("GC011", "warning", "Facts per tool are not complete."),
    "placeholder": ("GC012", "error", "A placeholder was not filled in; correct the slicer's custom G-code."),
    "expression": ("GC013", "warning", "Bounds and time cannot be known before the run."),
    "o_word": ("GC014", "warning", "Bounds and time cannot be known before the run."),
    "arc_invalid": ("GC015", "error", "Give the arc a centre or a radius that reaches its end."),
    "arc_radius": ("GC016", "error", "Export with more decimals, or correct the centre."),
    "arc_from_unknown": ("GC017", "warning", "Move to an absolute position first; bounds are not exact."),
    "relative_from_unknown": ("GC018", "info", "Bounds are relative to where the machine stands at the start."),
    "spline": ("GC019", "warning", "Bounds may be wider than the path."),
    "transform": ("GC020", "warning", "Bounds are not exact."),
    "cutter_compensation": ("GC021", "warning", "Bounds are the programmed path, not the tool's."),
    "inverse_time": ("GC022", "info", "The planned time is not exact."),
    "probe": ("GC023", "info", "Where the probe stops is not known before the run."),
    "volumetric": ("GC024", "info", "Give M200 its diameter D."),
    "canned_cycle": ("GC025", "info", "The planned time is not exact."),
    "nested_comment": ("GC026", "warning", "Controllers differ in where such a comment ends."),
    "cycle_word_missing": ("GC040", "error", "Give it its words; a cycle R and the bottom on its first line."),
    "cycle_invalid": ("GC041", "error", "Correct the words of the cycle."),
    "cycle_cap": ("GC042", "warning", "The planned time is not exact; the bounds are."),
    "spline_invalid": ("GC043", "error", "Correct the words of the spline."),
    "length_unknown": ("GC044", "warning", "Write the tool's number: G43 H with a number."),
    "frame_overflow": ("GC045", "warning", "Z is not known from here on."),
    "offset_unknown": ("GC046", "warning", "Set the shift with G92 in this program."),
    "retract_unknown": ("GC047", "info", "Net filament is right; give M207 S its length for the exact time."),
    "state_unknown": ("GC048", "warning", "Store it in this program first."),
    "not_followed": ("GC049", "warning", "Bounds are not exact; set it up on the machine instead."),
    "pin_set": ("GC050", "warning", "Make sure that the pin drives nothing hot or sharp, or let a macro do it."),
    "filament_unknown": ("GC051", "warning", "Filament per tool is not exact."),
    "meta_command": ("GC052", "warning", "Bounds and time hold for lines carried out once, in their order."),
    "checksum": ("GC027", "info", "Line numbers and checksums are taken off and made again for the machine."),
    "not_provable": ("GC031", "warning", "Bounds and time are not complete."),
    "evaluation_error": ("GC032", "error", "The controller stops there."),
    "flow_error": ("GC033", "error", "The controller stops there."),
    "loop_cap": ("GC034", "error", "Bounds and time are not complete."),
}


_EVALUATED = frozenset({"expression", "o_word"})
"""No finding of their own where the dialect evaluates them: what is wrong or unknown then is told as such."""

READING_TITLES: dict[str, str] = {
    code: f"{HAZARDS[name][0].upper()}{HAZARDS[name][1:]}" for name, (code, _, _) in _READING.items()
} | {"GC030": "The file stops in the middle of a word"}
"""What each code of reading is about."""

READING_CODES: dict[str, str] = {name: code for name, (code, _, _) in _READING.items()}
"""The code of each hazard that has a finding of reading."""

READING_SEVERITIES: dict[str, Severity] = {code: severity for code, severity, _ in _READING.values()} | {
    "GC030": "error"
}
"""How grave each code of reading is."""


def reading_findings(
    hazards: Mapping[str, Mark],
    ending: Ending,
    lines: int,
    *,
    evaluated: bool = False,
    reasons: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """One finding for each hazard of reading, in the order of the file, and one for a last word cut off.

    `evaluated`: the dialect computes expressions and follows O words. `reasons` names, by hazard, what the
    evaluation found (`evaluation.REASONS`).
    """
    found = []
    for name, (code, severity, hint) in _READING.items():
        mark = hazards.get(name)
        if mark is None or (evaluated and name in _EVALUATED):
            continue
        reason = REASONS.get((reasons or {}).get(name, ""))
        phrase, hint = reason or (HAZARDS[name], hint)
        found.append(Finding(code, severity, mark.line, mark.column, _sentence(phrase, mark), hint))
    if ending.cut_word:
        found.append(
            Finding("GC030", "error", lines, 1, "The file stops in the middle of a word.", "Send the whole file.")
        )
    return tuple(sorted(found, key=lambda finding: (finding.line, finding.code)))


def _sentence(phrase: str, mark: Mark) -> str:
    more = f" ({mark.count} times, first here)" if mark.count > 1 else ""
    return f"{phrase[0].upper()}{phrase[1:]}{more}."
