"""Every rule finds what it is for, at its line and column, and keeps quiet where nothing is wrong."""

from __future__ import annotations

import msgspec
import pytest

from fleetctl.gcode import analyze
from fleetctl.model.profile import Process, Profile, Setup
from fleetctl.preflight.gate import check
from fleetctl.preflight.rules import RULES, RULES_BY_CODE

from .programs import (
    ENGRAVING,
    FLUIDNC,
    GRBLHAL,
    KLIPPER,
    KLIPPER_PRINT,
    LASER,
    LASER_SETUP,
    LINUXCNC,
    MILL,
    MILL_SETUP,
    MILLING,
    PRINT,
    PRINTER,
    PRINTER_SETUP,
    RRF,
    SMOOTHIE,
    found,
    insert,
    judge,
)

replace = msgspec.structs.replace
BLIND = replace(PRINTER, envelope=None)
LONG = "G1 X1.0000 Y1.0000 Z1.0000 F100.0000 " + " ".join(["S1"] * 25)


def with_places(**places_mm: tuple[float, float, float]) -> Setup:
    """The mill with the places of G28 and G30 on record."""
    return replace(MILL_SETUP, offsets_mm=MILL_SETUP.offsets_mm | places_mm)


FITTING: list[tuple[str, Profile, Setup]] = [
    (PRINT, PRINTER, PRINTER_SETUP),
    (PRINT, RRF, PRINTER_SETUP),
    (PRINT, SMOOTHIE, PRINTER_SETUP),
    (KLIPPER_PRINT, KLIPPER, PRINTER_SETUP),
    (MILLING, MILL, MILL_SETUP),
    (MILLING, GRBLHAL, MILL_SETUP),
    (insert(MILLING, 7, "/G1 X40"), MILL, MILL_SETUP),
    (insert(MILLING, 9, "G28"), MILL, with_places(G28=(-1.0, -1.0, -1.0))),
    (insert(KLIPPER_PRINT, 9, "SET_SKEW CLEAR=1"), KLIPPER, PRINTER_SETUP),
    (insert(PRINT, 3, "M302 P0 S180"), PRINTER, PRINTER_SETUP),
    (insert(PRINT, 3, "G4 P1 (x)"), RRF, PRINTER_SETUP),
    (MILLING, FLUIDNC, MILL_SETUP),
    (MILLING, LINUXCNC, MILL_SETUP),
    (ENGRAVING, LASER, LASER_SETUP),
]

TRIGGERS: list[tuple[str, str, Profile, Setup, tuple[str, int, int]]] = [
    ("FQ001", insert(PRINT, 13, "G1  X221 E6"), PRINTER, PRINTER_SETUP, ("error", 14, 5)),
    ("FQ001", insert(PRINT, 13, "G1 X5 Y-1 E6"), PRINTER, PRINTER_SETUP, ("error", 14, 7)),
    ("FQ001", PRINT, BLIND, PRINTER_SETUP, ("error", 7, 1)),
    ("FQ001", MILLING, MILL, Setup(), ("error", 5, 4)),
    ("FQ001", insert(MILLING, 7, "(X) g1 z-26"), MILL, MILL_SETUP, ("error", 8, 8)),
    ("FQ002", PRINT.replace("M109 S200", "M109 S265"), PRINTER, PRINTER_SETUP, ("error", 11, 6)),
    ("FQ002", insert(PRINT, 3, "M141 S50"), PRINTER, PRINTER_SETUP, ("error", 4, 6)),
    ("FQ002", insert(KLIPPER_PRINT, 9, "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=400"), KLIPPER, PRINTER_SETUP,
     ("error", 10, 40)),
    ("FQ002", insert(KLIPPER_PRINT, 9, "set_heater_temperature TARGET=150 HEATER=heater_bed"), KLIPPER, PRINTER_SETUP,
     ("error", 10, 24)),
    ("FQ002", insert(KLIPPER_PRINT, 9, "PID_CALIBRATE HEATER=extruder TARGET=400"), KLIPPER, PRINTER_SETUP,
     ("error", 10, 31)),
    ("FQ002", insert(PRINT, 9, "M145 S0 H400 B60"), PRINTER, PRINTER_SETUP, ("error", 10, 9)),
    ("FQ002", insert(PRINT, 9, "M145 S0 H200 B200"), PRINTER, PRINTER_SETUP, ("error", 10, 14)),
    ("FQ002", insert(PRINT, 9, "M104 S200 B300 F1"), PRINTER, PRINTER_SETUP, ("error", 10, 11)),
    ("FQ002", insert(PRINT, 9, "M190 R200"), PRINTER, PRINTER_SETUP, ("error", 10, 6)),
    ("FQ002", insert(PRINT, 9, "M568 P0 S400"), RRF, PRINTER_SETUP, ("error", 10, 9)),
    ("FQ002", insert(PRINT, 9, "G10 P0 S200 R400"), RRF, PRINTER_SETUP, ("error", 10, 13)),
    ("FQ002", insert(PRINT, 9, "M140 S60 R200"), RRF, PRINTER_SETUP, ("error", 10, 10)),
    ("FQ003", MILLING.replace("S8000", "S12000"), MILL, MILL_SETUP, ("error", 4, 4)),
    ("FQ003", MILLING, MILL, replace(MILL_SETUP, spindle_max_rpm=6000.0), ("error", 4, 4)),
    ("FQ003", ENGRAVING.replace("S700", "S1500"), LASER, LASER_SETUP, ("warning", 7, 8)),
    ("FQ004", PRINT, MILL, MILL_SETUP, ("error", 7, 1)),
    ("FQ004", MILLING, PRINTER, PRINTER_SETUP, ("error", 5, 1)),
    ("FQ004", PRINT, KLIPPER, PRINTER_SETUP, ("error", 7, 1)),
    ("FQ005", insert(MILLING, 7, "G1 X41 G64"), MILL, MILL_SETUP, ("error", 8, 8)),
    ("FQ005", insert(MILLING, 7, "G1 X41 A3"), MILL, MILL_SETUP, ("error", 8, 8)),
    ("FQ005", insert(MILLING, 7, "G61.1"), GRBLHAL, MILL_SETUP, ("error", 8, 1)),
    ("FQ005", insert(MILLING, 7, "G33"), GRBLHAL, MILL_SETUP, ("warning", 8, 1)),
    ("FQ005", insert(MILLING, 7, "G43 H1"), FLUIDNC, MILL_SETUP, ("error", 8, 1)),
    ("FQ005", insert(MILLING, 7, "G12.1"), LINUXCNC, MILL_SETUP, ("error", 8, 1)),
    ("FQ005", insert(PRINT, 9, "G29 P1\nG10"), PRINTER, PRINTER_SETUP, ("warning", 11, 1)),
    ("FQ005", insert(KLIPPER_PRINT, 9, "PURGE_LINE"), KLIPPER, PRINTER_SETUP, ("warning", 10, 1)),
    ("FQ005", insert(KLIPPER_PRINT, 9, "M900 K0.04"), KLIPPER, PRINTER_SETUP, ("info", 10, 1)),
    ("FQ005", insert(PRINT, 9, "  SET_FAN_SPEED FAN=x"), PRINTER, PRINTER_SETUP, ("warning", 10, 3)),
    ("FQ005", insert(PRINT, 13, "G1.5 X900"), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ005", insert(PRINT, 13, "G92.9 Z50"), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ006", PRINT[:-5], PRINTER, PRINTER_SETUP, ("error", 16, 1)),
    ("FQ006", PRINT.replace("M84\n", ""), PRINTER, PRINTER_SETUP, ("warning", 16, 1)),
    ("FQ007", insert(PRINT, 13, "G1 X20 Y~20"), PRINTER, PRINTER_SETUP, ("error", 14, 9)),
    ("FQ007", insert(MILLING, 7, "G1 X1 Ä"), MILL, MILL_SETUP, ("error", 8, 7)),
    ("FQ008", insert(PRINT, 13, "M862.3 P " + "A" * 79), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ008", insert(MILLING, 7, LONG), MILL, MILL_SETUP, ("error", 8, 1)),
    ("FQ008", insert(MILLING, 7, "G1 X1 (" + "x" * 260 + ")"), LINUXCNC, MILL_SETUP, ("error", 8, 1)),
    ("FQ008", insert(PRINT, 13, "; " + "A" * 70_000), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ009", insert(PRINT, 13, "M500"), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ009", insert(MILLING, 7, "G10 L20 P1 X0"), MILL, MILL_SETUP, ("error", 8, 1)),
    ("FQ009", insert(MILLING, 7, "G28.1"), MILL, MILL_SETUP, ("error", 8, 1)),
    ("FQ009", insert(PRINT, 13, "G10 L2 P1 X40"), SMOOTHIE, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ009", insert(PRINT, 13, "G10 L20 P1 X40"), RRF, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ009", insert(KLIPPER_PRINT, 9, "SKEW_PROFILE SAVE=mine"), KLIPPER, PRINTER_SETUP, ("error", 10, 1)),
    ("FQ009", insert(MILLING, 7, "$H"), MILL, MILL_SETUP, ("error", 8, 1)),
    ("FQ010", insert(PRINT, 13, "G1 X{first_layer} Y2"), PRINTER, PRINTER_SETUP, ("error", 14, 5)),
    ("FQ010", insert(MILLING, 7, "G81 X1 Z-1 R1 L2.5\nG80"), LINUXCNC, MILL_SETUP, ("error", 8, 15)),
    ("FQ010", insert(PRINT, 13, "G1 X900 X2"), PRINTER, PRINTER_SETUP, ("error", 14, 9)),
    ("FQ010", insert(PRINT, 9, "M104 S900 S200"), RRF, PRINTER_SETUP, ("error", 10, 11)),
    ("FQ011", insert(KLIPPER_PRINT, 9, "RESTORE_GCODE_STATE NAME=unsaid"), KLIPPER, PRINTER_SETUP,
     ("error", 10, 1)),
    ("FQ010", insert(MILLING, 7, "G1 X1 X2"), MILL, MILL_SETUP, ("error", 8, 7)),
    ("FQ011", insert(KLIPPER_PRINT, 9, " SET_SKEW XY=140.4,142.8,99.8"), KLIPPER, PRINTER_SETUP, ("error", 10, 2)),
    ("FQ011", insert(KLIPPER_PRINT, 9, "SKEW_PROFILE LOAD=mine"), KLIPPER, PRINTER_SETUP, ("error", 10, 1)),
    ("FQ011", insert(KLIPPER_PRINT, 9, "BED_MESH_OFFSET X=20"), KLIPPER, PRINTER_SETUP, ("error", 10, 1)),
    ("FQ011", insert(KLIPPER_PRINT, 9, "SET_DUAL_CARRIAGE CARRIAGE=1"), KLIPPER, PRINTER_SETUP, ("error", 10, 1)),
    ("FQ011", insert(PRINT, 13, "if move.axes[0].homed"), RRF, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ011", insert(PRINT, 13, "  while iterations < 3"), RRF, PRINTER_SETUP, ("error", 14, 3)),
    ("FQ011", insert(PRINT, 13, "M92 X160"), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ011", insert(MILLING, 7, "G68 R30"), LINUXCNC, MILL_SETUP, ("error", 8, 1)),
    ("FQ011", insert(MILLING, 7, "G81 X1 Z-1 R1\nG20\nX1\nG80\nG21"), LINUXCNC, MILL_SETUP, ("error", 10, 1)),
    ("FQ011", insert(MILLING, 7, "G98 G81 X1 Z-1 R1\nG92 Z9\nX2\nG80"), LINUXCNC, MILL_SETUP, ("error", 10, 1)),
    ("FQ011", insert(MILLING, 7, "G91 G81 X1 Z-1 R1\nG43.1 Z-9\nX2\nG80\nG90"), GRBLHAL, MILL_SETUP,
     ("error", 10, 1)),
    ("FQ011", insert(MILLING, 7, "G41 D1"), LINUXCNC, MILL_SETUP, ("error", 8, 1)),
    ("FQ010", insert(KLIPPER_PRINT, 9, "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=4e2"), KLIPPER, PRINTER_SETUP,
     ("error", 10, 1)),
    ("FQ011", insert(MILLING, 7, "/G0 Z5"), GRBLHAL, MILL_SETUP, ("error", 8, 1)),
    ("FQ011", insert(MILLING, 7, "/G0 Z5"), LINUXCNC, MILL_SETUP, ("error", 8, 1)),
    ("FQ012", MILLING.replace(" F100", "").replace(" F300", ""), MILL, MILL_SETUP, ("error", 6, 1)),
    ("FQ012", MILLING.replace("M3 S8000\n", ""), MILL, MILL_SETUP, ("error", 5, 1)),
    ("FQ012", MILLING.replace("G21\n", ""), MILL, MILL_SETUP, ("error", 4, 1)),
    ("FQ013", PRINT.replace("M104 S0\n", ""), PRINTER, PRINTER_SETUP, ("warning", 11, 1)),
    ("FQ013", MILLING.replace("M5\nM30\n", "%\n%\n"), MILL, MILL_SETUP, ("warning", 4, 1)),
    ("FQ013", KLIPPER_PRINT + "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=60\n", KLIPPER, PRINTER_SETUP,
     ("warning", KLIPPER_PRINT.count("\n") + 1, 1)),
    ("FQ014", PRINT.replace("G28\n", ""), PRINTER, PRINTER_SETUP, ("error", 11, 1)),
    ("FQ014", PRINT.replace("G28\n", "G91\nG1 Z5 F600\nG90\nG28\n"), PRINTER, PRINTER_SETUP, ("warning", 8, 1)),
    ("FQ015", insert(PRINT, 13, "M23 other.gco"), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ015", insert(MILLING, 7, "M70\nG91\nM72"), LINUXCNC, MILL_SETUP, ("error", 8, 1)),
    ("FQ015", insert(MILLING, 7, "G65 P1"), GRBLHAL, MILL_SETUP, ("error", 8, 1)),
    ("FQ015", insert(MILLING, 7, "M98 P100"), GRBLHAL, MILL_SETUP, ("error", 8, 1)),
    ("FQ015", insert(PRINT, 13, "M290 Z-3"), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ015", insert(PRINT, 13, "M290 S-3"), RRF, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ015", insert(PRINT, 13, "M143 H1 S500"), RRF, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ015", insert(KLIPPER_PRINT, 9, "SAVE_CONFIG"), KLIPPER, PRINTER_SETUP, ("error", 10, 1)),
    ("FQ015", insert(KLIPPER_PRINT, 9, "G20"), KLIPPER, PRINTER_SETUP, ("error", 10, 1)),
    ("FQ016", insert(MILLING, 7, "G1 X41 F3000"), MILL, MILL_SETUP, ("warning", 8, 1)),
    ("FQ016", insert(MILLING, 7, "G1 Z-2 F1200"), MILL, MILL_SETUP, ("warning", 8, 1)),
    ("FQ016", insert(PRINT, 13, "G1 X41 F30000"), PRINTER, PRINTER_SETUP, ("info", 14, 1)),
    ("FQ017", PRINT.replace("G90\n", ""), PRINTER, PRINTER_SETUP, ("warning", 11, 1)),
    ("FQ017", PRINT.replace("G21\n", ""), PRINTER, PRINTER_SETUP, ("info", 11, 1)),
    ("FQ017", PRINT.replace(" F3000", "").replace(" F1500", ""), PRINTER, PRINTER_SETUP, ("warning", 12, 1)),
    ("FQ017", insert(PRINT, 13, "G1 X9 F0"), PRINTER, PRINTER_SETUP, ("warning", 14, 1)),
    ("FQ017", insert(KLIPPER_PRINT, 14, "G1 X9 F0"), KLIPPER, PRINTER_SETUP, ("error", 15, 1)),
    ("FQ018", PRINT.replace("M109 S200\n", "").replace("M104 S200\n", ""), PRINTER, PRINTER_SETUP, ("error", 11, 1)),
    ("FQ018", PRINT.replace("M109 S200\n", ""), PRINTER, PRINTER_SETUP, ("warning", 12, 1)),
    ("FQ018", insert(PRINT, 3, "M302 P1"), PRINTER, PRINTER_SETUP, ("error", 4, 6)),
    ("FQ018", insert(PRINT, 3, "M302 P1"), RRF, PRINTER_SETUP, ("error", 4, 6)),
    ("FQ018", insert(PRINT, 3, "M302 S0"), PRINTER, PRINTER_SETUP, ("error", 4, 6)),
    ("FQ019", insert(MILLING, 3, "T1 M6"), MILL, MILL_SETUP, ("error", 4, 4)),
    ("FQ019", insert(MILLING, 3, "T1 M6"), GRBLHAL, MILL_SETUP, ("info", 4, 4)),
    ("FQ019", insert(insert(MILLING, 7, "T2"), 3, " T1"), MILL, MILL_SETUP, ("warning", 4, 2)),
    ("FQ019", insert(PRINT, 13, "T1"), PRINTER, PRINTER_SETUP, ("error", 14, 1)),
    ("FQ020", insert(MILLING, 3, "M6 T7"), LINUXCNC, replace(MILL_SETUP, tools=("T1", "2 drill")), ("error", 4, 4)),
    ("FQ020", insert(MILLING, 3, "M6 T7"), LINUXCNC, MILL_SETUP, ("warning", 4, 4)),
    ("FQ021", PRINT.replace("= PLA", "= PETG"), PRINTER, PRINTER_SETUP, ("error", 1, 1)),
    ("FQ021", PRINT.replace("= PLA", "= Wundergarn"), PRINTER, PRINTER_SETUP, ("warning", 1, 1)),
    ("FQ022", PRINT.replace("M109 S200", "M109 S245"), PRINTER, PRINTER_SETUP, ("warning", 11, 6)),
    ("FQ022", PRINT.replace("S60", "S90"), PRINTER, PRINTER_SETUP, ("warning", 4, 6)),
    ("FQ022", PRINT.replace("M109 S200", "M109 S275"), replace(PRINTER, nozzle_max_degc=300.0), PRINTER_SETUP,
     ("error", 11, 6)),
    ("FQ023", PRINT.replace("= 0.4", "= 0.6"), PRINTER, PRINTER_SETUP, ("error", 2, 1)),
    ("FQ023", PRINT.replace("= 1.75", "= 2.85"), PRINTER, PRINTER_SETUP, ("error", 3, 1)),
    ("FQ024", insert(MILLING, 7, "G0 X20"), MILL, MILL_SETUP, ("error", 8, 1)),
    ("FQ024", insert(MILLING, 7, "G0 X20"), MILL, replace(MILL_SETUP, stock_top_mm={}), ("warning", 8, 1)),
    ("FQ024", insert(MILLING, 5, "G0 Z-3"), MILL, MILL_SETUP, ("error", 6, 1)),
    ("FQ024", MILLING, MILL, replace(MILL_SETUP, stock_top_mm={"G54": 8.0}), ("error", 5, 1)),
    ("FQ024", insert(MILLING, 5, "G53 G0 X-20 Z-25"), MILL, MILL_SETUP, ("error", 6, 1)),
    ("FQ025", ENGRAVING, LASER, replace(LASER_SETUP, laser_mode=False), ("error", 4, 1)),
    ("FQ025", ENGRAVING.replace("M4 S0", "M3 S9"), LASER, replace(LASER_SETUP, laser_mode=None), ("warning", 5, 1)),
    ("FQ025", ENGRAVING, LASER, replace(LASER_SETUP, laser_mode=None), ("warning", 4, 1)),
    ("FQ025", MILLING, MILL, replace(MILL_SETUP, laser_mode=True), ("error", 4, 1)),
    ("FQ025", ENGRAVING, MILL, MILL_SETUP, ("warning", 4, 1)),
    ("FQ025", "; LightBurn 1.4.02\n" + ENGRAVING, MILL, MILL_SETUP, ("error", 5, 1)),
    ("FQ026", insert(MILLING, 7, "N3 G1 X41*85"), MILL, MILL_SETUP, ("warning", 8, 10)),
    ("FQ026", insert(MILLING, 7, "N3 G1 X41*85"), LINUXCNC, MILL_SETUP, ("error", 8, 10)),
    ("FQ027", insert(PRINT, 3, "; printhost_apikey = 12345"), PRINTER, PRINTER_SETUP, ("warning", 4, 1)),
    ("FQ028", MILLING + "G0 X0\n", MILL, MILL_SETUP, ("warning", 12, 1)),
    ("FQ029", insert(MILLING, 9, "G90 G28"), MILL, MILL_SETUP, ("error", 10, 5)),
    ("FQ029", insert(MILLING, 9, "G30"), MILL, MILL_SETUP, ("error", 10, 1)),
    ("FQ029", insert(MILLING, 9, "G91 G28 Z0"), MILL, MILL_SETUP, ("warning", 10, 5)),
    ("FQ029", insert(MILLING, 9, "G28"), MILL, with_places(G28=(5.0, 0.0, 0.0)), ("error", 10, 1)),
    ("FQ030", insert(PRINT, 3, "G4 P1 (G1 X900)"), PRINTER, PRINTER_SETUP, ("warning", 4, 7)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "profile", "setup", "expected"), TRIGGERS)
def test_a_rule_finds_what_it_is_for(
    code: str, text: str, profile: Profile, setup: Setup, expected: tuple[str, int, int]
) -> None:
    dialect = "marlin" if (code, profile) == ("FQ004", KLIPPER) else None
    if code == "FQ004" and dialect is None:
        dialect = "marlin" if "M84" in text else "grbl"
    assert expected in found(text, profile, setup, code, dialect)


@pytest.mark.parametrize(("text", "profile", "setup"), FITTING)
def test_what_fits_has_no_finding_at_all(text: str, profile: Profile, setup: Setup) -> None:
    """So no rule speaks where nothing is wrong, and every trigger above is due to what was spoiled."""
    assert judge(text, profile, setup) == ()


def test_every_rule_has_a_trigger_and_a_program_that_it_passes() -> None:
    assert {code for code, *_ in TRIGGERS} == set(RULES_BY_CODE)
    quiet = {
        code for _, profile, _ in FITTING for code, rule in RULES_BY_CODE.items() if profile.process in rule.processes
    }
    assert quiet == set(RULES_BY_CODE)


def test_codes_are_unique_and_in_order() -> None:
    codes = [rule.code for rule in RULES]
    assert sorted(set(codes)) == sorted(codes)
    assert len(RULES_BY_CODE) == len(RULES)


def test_a_rule_says_what_it_is() -> None:
    for rule in RULES:
        assert rule.title and not rule.title.endswith(".")
        assert rule.reason.endswith((".", ")."))
        assert rule.machines


def test_no_finding_is_graver_than_its_rule_says() -> None:
    order = ["info", "warning", "error"]
    for _, text, profile, setup, _ in TRIGGERS:
        for finding in judge(text, profile, setup):
            if rule := RULES_BY_CODE.get(finding.code):
                assert order.index(finding.severity) <= order.index(rule.severity), finding


def test_every_finding_has_a_place_and_says_what_to_do() -> None:
    for _, text, profile, setup, _ in TRIGGERS:
        for finding in judge(text, profile, setup):
            assert finding.line >= 1 and finding.column >= 1, finding
            assert finding.message.endswith("."), finding
            assert finding.hint or finding.severity == "info", finding


def test_rules_of_cutters_do_not_ask_printers_and_the_reverse() -> None:
    mills = {code for code, rule in RULES_BY_CODE.items() if rule.processes == frozenset({Process.SUBTRACTIVE})}
    printers = {code for code, rule in RULES_BY_CODE.items() if rule.processes == frozenset({Process.ADDITIVE})}
    assert "FQ024" in mills and {"FQ014", "FQ021"} <= printers
    codes = {finding.code for finding in judge(insert(MILLING, 7, "G0 X20"), LASER, LASER_SETUP)}
    assert "FQ024" not in codes


def test_what_nobody_said_is_no_reason_to_refuse() -> None:
    """A set-up without stock, tools, diameters and modes only costs the answers that need them."""
    bare = Setup(offsets_mm=MILL_SETUP.offsets_mm)
    assert check(analyze(MILLING.encode(), dialect="grbl"), MILL, bare).passed
    assert check(analyze(PRINT.encode(), dialect="marlin"), PRINTER, Setup()).passed


def test_coming_back_into_a_hole_is_no_plunge() -> None:
    """A drill that pecks lifts out and comes back at rapid speed to just above where it was."""
    pecks = insert(MILLING, 6, "G0 Z2\nG0 Z-0.8\nG1 Z-2 F100\nG0 Z2\nG0 Z-1.8\nG1 Z-3")
    assert found(pecks, MILL, MILL_SETUP, "FQ024") == []
    assert found(pecks.replace("G0 Z-1.8", "G0 Z-2.5"), MILL, MILL_SETUP, "FQ024") == [("error", 11, 1)]


def test_an_offset_that_is_missing_is_told_where_the_program_moves_in_it() -> None:
    program = "G21 G90 G17 G94 G54\nM3 S900\nG0 X1 Y1 Z5\nG1 Z-1 F90\nG55\nG0 Z5\nG0 X1\nM5\nM30\n"
    setup = replace(MILL_SETUP, offsets_mm={"G54": (10.0, 10.0, -20.0)})
    verdict = check(analyze(program.encode(), dialect="grbl"), MILL, setup)
    places = [(each.line, each.column) for each in verdict.findings if "no G55 offset" in each.message]
    assert places == [(6, 4)]
