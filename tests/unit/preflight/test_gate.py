"""The gate refuses what does not fit and names the line; what fits passes."""

from __future__ import annotations

import msgspec
import pytest

from fleetctl.gcode import analyze
from fleetctl.gcode.facts import Finding
from fleetctl.model.profile import Process, Profile, Setup
from fleetctl.preflight.gate import Verdict, check

from .programs import BARE_PRINT as PRINT
from .programs import MILL, MILLING, PRINTER, insert

PRINTER_SETUP = Setup(material="PLA", nozzle_mm=0.4)
MILL_SETUP = Setup(offsets_mm={"G54": (-150.0, -90.0, -20.0)})


def judge(text: str, profile: Profile = PRINTER, setup: Setup = PRINTER_SETUP) -> Verdict:
    return check(analyze(text.encode()), profile, setup)


def judge_milling(text: str, setup: Setup = MILL_SETUP) -> Verdict:
    return judge(text, MILL, setup)


def errors(verdict: Verdict) -> list[tuple[str, int]]:
    return [(finding.code, finding.line) for finding in verdict.findings if finding.severity == "error"]


def test_a_fitting_print_passes() -> None:
    verdict = judge(PRINT)
    assert verdict.passed, verdict.findings
    assert verdict.first_error is None


def test_a_fitting_milling_program_passes() -> None:
    verdict = judge_milling(MILLING)
    assert verdict.passed, verdict.findings


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (insert(PRINT, 9, "G1 X221 E6"), "FQ001", 10),
        (insert(PRINT, 9, "G1 Y-1 E6"), "FQ001", 10),
        (insert(PRINT, 9, "G1 Z251"), "FQ001", 10),
        (PRINT.replace("M109 S200", "M109 S265"), "FQ002", 7),
        (PRINT.replace("M190 S60", "M190 S120"), "FQ002", 6),
        (insert(PRINT, 3, "M141 S50"), "FQ002", 4),
        (insert(PRINT, 9, "G1 X20 Y~20"), "FQ007", 10),
        (insert(PRINT, 9, "G1 X20 !"), "FQ007", 10),
        (insert(PRINT, 9, "M500"), "FQ009", 10),
        (insert(PRINT, 9, "M112"), "FQ009", 10),
        (insert(PRINT, 9, "G1 X{first_layer} Y2"), "FQ010", 10),
        (insert(PRINT, 9, "M486 A" + "A" * 95), "FQ008", 10),
        (insert(PRINT, 9, "M862.3 P " + "A" * 79), "FQ008", 10),
        (insert(PRINT, 9, "; " + "A" * 70_000), "FQ008", 10),
        (insert(PRINT, 9, "G90 G1 X5"), "FQ010", 10),
        (insert(PRINT, 9, "X5 Y5"), "FQ010", 10),
        (insert(PRINT, 9, "M92 X160"), "FQ011", 10),
        (insert(PRINT, 9, "G1 X#5"), "FQ011", 10),
        (insert(PRINT, 9, "M104 S200 B300 F1"), "FQ002", 10),
        (insert(PRINT, 9, "M303 E-1 S130"), "FQ002", 10),
        (insert(PRINT, 9, "M23 other.gco"), "FQ015", 10),
        (insert(PRINT, 9, "G18"), "FQ015", 10),
        (PRINT[:-9], "FQ006", 12),
    ],
)
def test_a_print_that_does_not_fit_is_refused_at_its_line(text: str, code: str, line: int) -> None:
    assert (code, line) in errors(judge(text))


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (insert(MILLING, 7, "G1 X151 F300"), "FQ001", 8),
        (insert(MILLING, 7, "G1 Z-26 F300"), "FQ001", 8),
        (MILLING.replace("S8000", "S12000"), "FQ003", 4),
        (insert(MILLING, 7, "G64"), "FQ005", 8),
        (insert(MILLING, 3, "M6 T1"), "FQ019", 4),
        (insert(MILLING, 7, "G10 L20 P1 X0"), "FQ009", 8),
        (insert(MILLING, 7, "$H"), "FQ009", 8),
        (MILLING.replace("M3 S8000\n", ""), "FQ012", 5),
        (MILLING.replace(" F100", "").replace(" F300", ""), "FQ012", 6),
        (insert(MILLING, 7, "G1 X1 \u00c4"), "FQ007", 8),
        (insert(MILLING, 3, "G91") + "", "FQ001", 5),
    ],
)
def test_a_milling_program_that_does_not_fit_is_refused_at_its_line(text: str, code: str, line: int) -> None:
    found = errors(judge_milling(text))
    assert code in [name for name, _ in found]
    if code != "FQ001" or "G91" not in text:
        assert (code, line) in found


def test_the_offset_that_is_set_now_decides() -> None:
    """The same program fits or not with the work offset: I2 binds the pass to the configuration."""
    shifted = Setup(offsets_mm={"G54": (-20.0, -90.0, -20.0)})
    assert judge_milling(MILLING).passed
    assert errors(judge_milling(MILLING, shifted))[0][0] == "FQ001"


def test_no_offset_on_record_is_no_pass() -> None:
    assert ("FQ001", 5) in errors(judge_milling(MILLING, Setup()))


def test_an_unknown_envelope_is_no_pass() -> None:
    blind = msgspec.structs.replace(PRINTER, envelope=None)
    assert "FQ001" in [code for code, _ in errors(check(analyze(PRINT.encode()), blind, PRINTER_SETUP))]


def test_a_print_does_not_go_on_a_mill_nor_the_reverse() -> None:
    assert "FQ004" in [code for code, _ in errors(judge_milling(PRINT))]
    assert "FQ004" in [code for code, _ in errors(judge(MILLING))]


def test_a_print_that_never_homes_is_refused_and_one_that_lifts_first_is_not() -> None:
    assert "FQ014" in [code for code, _ in errors(judge(PRINT.replace("G28\n", "")))]
    lifted = judge(PRINT.replace("G28\n", "G91\nG1 Z5 F600\nG90\nG28\n"))
    assert lifted.passed, lifted.findings
    assert ("FQ014", "warning") in [(finding.code, finding.severity) for finding in lifted.findings]


def test_a_heater_left_on_is_said_but_passes() -> None:
    verdict = judge(PRINT.replace("M104 S0\n", ""))
    assert verdict.passed
    assert ("FQ013", "warning") in [(finding.code, finding.severity) for finding in verdict.findings]


def test_comments_may_hold_anything() -> None:
    assert judge(insert(PRINT, 9, "; für die Ecke: ~ ! ? \u20ac")).passed


def test_errors_come_first_then_lines() -> None:
    text = insert(insert(PRINT, 9, "G1 X300"), 3, "G1 Y-50").replace("M104 S0\n", "")
    order: list[Finding] = list(judge(text).findings)
    severities = [finding.severity for finding in order]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    lines = [finding.line for finding in order if finding.severity == "error"]
    assert lines == sorted(lines)


def test_lasers_count_as_cutting() -> None:
    laser = msgspec.structs.replace(MILL, process=Process.LASER)
    assert not check(analyze(PRINT.encode()), laser, MILL_SETUP).passed


@pytest.mark.parametrize(
    ("text", "code", "line", "hint"),
    [
        (insert(PRINT, 9, "G1 X{first_layer} Y2"), "FQ010", 10, "custom G-code"),
        (insert(PRINT, 9, "G1 X12345678901"), "FQ010", 10, "Correct the number"),
        (insert(PRINT, 9, "; " + "A" * 300_000), "FQ010", 10, "export the program again"),
        (insert(PRINT, 9, "M486 A" + "A" * 70_000), "FQ008", 10, "Split"),
    ],
)
def test_one_cause_is_one_finding_that_says_what_to_do(text: str, code: str, line: int, hint: str) -> None:
    found = [each for each in judge(text).findings if each.line == line and each.severity == "error"]
    assert [each.code for each in found if each.code in (code, "GC002", "GC003", "GC012")] == [code]
    assert hint in next(each.hint for each in found if each.code == code)


def test_what_the_evaluation_found_is_told_with_the_refusal() -> None:
    linuxcnc = msgspec.structs.replace(MILL, dialect="linuxcnc")
    verdict = check(analyze(insert(MILLING, 7, "G1 X[1/0]").encode(), dialect="linuxcnc"), linuxcnc, MILL_SETUP)
    (found,) = [each for each in verdict.findings if each.line == 8]
    assert found.code == "FQ010" and "divi" in found.message.lower() and found.hint
