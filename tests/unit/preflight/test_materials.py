"""Names of materials as people and slicers write them."""

from __future__ import annotations

import pytest

from fleetctl.preflight.materials import MATERIALS, family


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("PLA", "PLA"),
        ("pla+", "PLA"),
        ("PLA Silk black", "PLA"),
        ("Prusament PET-G Orange", "PETG"),
        ("PETG HF", "PETG"),
        ("PET-CF", "PET"),
        ("PA12-CF", "PA"),
        ("Nylon", "PA"),
        ("TPU95A", "TPU"),
        ("Generic ABS", "ABS"),
    ],
)
def test_a_name_has_its_family(text: str, name: str) -> None:
    found = family(text)
    assert found is MATERIALS[name]


@pytest.mark.parametrize("text", ["", "aluminium", "PLACEHOLDER", "Platinum", "glass-filled"])
def test_other_words_have_none(text: str) -> None:
    assert family(text) is None


def test_ranges_are_ranges() -> None:
    for material in MATERIALS.values():
        if material.nozzle_degc is not None:
            low, high = material.nozzle_degc
            assert 150 <= low < high <= 320
