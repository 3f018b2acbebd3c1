"""Forms and JSON into records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.api.bodies import convert, file_name, from_form
from fleetctl.api.machines import ClearRequest, SetupRequest, UnattendedRequest
from fleetctl.errors import UsageError
from fleetctl.fleet.shapes import NewMachine, Submission


def test_a_form_becomes_a_record() -> None:
    fields = [
        ("program_sha256", "abcdef"),
        ("quantity", "40"),
        ("title", " "),
        ("machine", ""),
        ("hold", "true"),
        ("_x", "1"),
    ]
    assert from_form(fields, Submission) == Submission(program_sha256="abcdef", quantity=40, hold=True)


def test_one_ticked_box_and_several() -> None:
    assert from_form([("bad", "P-1")], ClearRequest).bad == ("P-1",)
    assert from_form([("bad", "P-1"), ("bad", "P-2"), ("good", "3")], ClearRequest) == ClearRequest(
        good=3, bad=("P-1", "P-2")
    )
    assert from_form([], ClearRequest) == ClearRequest()
    assert from_form([("on", "false")], UnattendedRequest).on is False


def test_records_inside_lists_in_one_text_and_local_times() -> None:
    fields = [
        ("setup.material", "PETG"),
        ("setup.nozzle_mm", "0.4"),
        ("setup.tools,", "T1, T2"),
        ("setup.offsets_mm.G54,", "1 -2.5 3"),
        ("setup.stock_top_mm.G54", "12.5"),
        ("setup.laser_mode", "false"),
        ("setup.spindle_max_rpm", "1000"),
        ("setup.filament_diameter_mm", ""),
    ]
    setup = from_form(fields, SetupRequest).setup
    assert (setup.material, setup.nozzle_mm, setup.tools) == ("PETG", 0.4, ("T1", "T2"))
    assert setup.offsets_mm == {"G54": (1.0, -2.5, 3.0)} and setup.stock_top_mm == {"G54": 12.5}
    assert (setup.laser_mode, setup.spindle_max_rpm, setup.filament_diameter_mm) == (False, 1000.0, None)
    due = from_form([("program_sha256", "a"), ("quantity", "1"), ("due_s@", "2026-11-30T16:00")], Submission).due_s
    assert due is not None and due > 1.7e9
    machine = from_form(
        [("name", "e"), ("driver", "d"), ("port", "p"), ("profile", "x"), ("setup.material", "m")], NewMachine
    )
    assert machine.setup.material == "m"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ([("quantity", "4")], "program_sha256"),
        ([("program_sha256", "a"), ("quantity", "four")], "quantity"),
        ([("program_sha256", "a"), ("quantity", "4"), ("qty", "4")], "'qty'"),
        ([("program_sha256", "a"), ("quantity", "4"), ("due_s@", "tomorrow")], "tomorrow"),
        ([("program_sha256", "a"), ("quantity", "4"), ("quantity", "5")], "quantity"),
        ([("quantity", "4"), ("quantity.a", "5")], "quantity.a"),
    ],
)
def test_what_does_not_fit_is_named(fields: list[tuple[str, str]], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_form(fields, Submission)
    assert word in str(caught.value)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=6))
def test_any_form_is_a_record_or_a_usage_error(fields: list[tuple[str, str]]) -> None:
    try:
        record = from_form([("program_sha256", "a"), ("quantity", "1"), *fields], Submission)
    except UsageError:
        return
    assert isinstance(record, Submission)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
    )
)
def test_any_json_is_a_record_or_a_usage_error(values: object) -> None:
    try:
        assert isinstance(convert(values, ClearRequest), ClearRequest)
    except UsageError:
        pass


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a.gcode", "a.gcode"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\b.nc", "b.nc"),
        ("a\r\nb.gcode", "ab.gcode"),
        ("..", "unnamed.gcode"),
        ("", "unnamed.gcode"),
        ("x/", "unnamed.gcode"),
    ],
)
def test_a_file_name_has_no_folders(sent: str, kept: str) -> None:
    assert file_name(sent) == kept


def test_a_name_with_a_dot_of_its_own_is_one_name() -> None:
    fields = [
        ("setup.offsets_mm.G59.1,", "1 2 3"),
        ("setup.stock_top_mm.G59.3", "4"),
        ("setup.offsets_mm.G54,", "0 0 0"),
    ]
    setup = from_form(fields, SetupRequest).setup
    assert setup.offsets_mm == {"G59.1": (1.0, 2.0, 3.0), "G54": (0.0, 0.0, 0.0)}
    assert setup.stock_top_mm == {"G59.3": 4.0}
