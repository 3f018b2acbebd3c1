"""What goes on record can be shown again: texts, dates and set-ups that could not are refused by name."""

from __future__ import annotations

import pytest

from fleetctl.errors import UsageError
from fleetctl.fleet import texts
from fleetctl.fleet.intake import _validate
from fleetctl.fleet.shapes import Submission
from fleetctl.model.profile import Setup


@pytest.mark.parametrize(
    "wish",
    [
        {"title": "a" * 201},
        {"title": "two\0parts"},
        {"title": "\u202egpj.exe"},
        {"material": "a" * 65},
        {"group": "\x1b[31m"},
        {"priority": 2**63},
        {"priority": -(2**70)},
        {"due_s": 1e308},
        {"due_s": -1.0},
        {"due_s": float("nan")},
        {"quantity": 0},
        {"quantity": 2**70},
        {"yield_parts": 0},
        {"remake_interrupted": "never"},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(wish: dict[str, object]) -> None:
    asked: dict[str, object] = {"program_sha256": "a" * 64, "quantity": 3} | wish
    with pytest.raises(UsageError):
        _validate(Submission(**asked))  # type: ignore[arg-type]


def test_what_people_write_is_kept() -> None:
    _validate(Submission(program_sha256="a" * 64, quantity=3, title="Bügel <b> 👍", material="PETG", due_s=1.9e9))
    assert texts.text("ends\nhere", "reason") == "ends\nhere"


@pytest.mark.parametrize(
    "setup",
    [
        Setup(material="a" * 65),
        Setup(nozzle_mm=-0.4),
        Setup(nozzle_mm=400.0),
        Setup(tools=("x" * 65,)),
        Setup(tools=("x",) * 101),
        Setup(offsets_mm={"G53": (0.0, 0.0, 0.0)}),
        Setup(offsets_mm={"G54": (1e308, 0.0, 0.0)}),
        Setup(offsets_mm={"G54": (float("nan"), 0.0, 0.0)}),
        Setup(stock_top_mm={"G53": 0.0}),
        Setup(stock_top_mm={"G28": 0.0}),
        Setup(offsets_mm={"G28": (1e308, 0.0, 0.0)}),
        Setup(stock_top_mm={"G54": float("nan")}),
        Setup(stock_top_mm={"G54": 1e9}),
        Setup(filament_diameter_mm=0.0),
        Setup(filament_diameter_mm=175.0),
        Setup(spindle_max_rpm=-1.0),
        Setup(spindle_max_rpm=float("inf")),
    ],
)
def test_a_set_up_that_cannot_be_is_refused(setup: Setup) -> None:
    with pytest.raises(UsageError):
        texts.setup(setup)


def test_a_set_up_that_can_be_is_kept() -> None:
    setup = Setup(material="brass", nozzle_mm=0.4, tools=("6 mm",), offsets_mm={"G59.1": (-250.0, -3.5, 0.0)})
    assert texts.setup(setup) is setup
