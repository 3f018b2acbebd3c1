"""The configuration hash covers what a preflight pass depends on, and nothing that changes while working (I2)."""

from __future__ import annotations

import msgspec
import pytest

from fleetctl.model.profile import PROFILES, Setup, configuration_hash

PROFILE = PROFILES["generic-220"]
SETUP = Setup(material="PETG", nozzle_mm=0.4, offsets_mm={"G54": (1.0, 2.0, 3.0), "G55": (0.0, 0.0, 0.0)})


def test_the_same_configuration_has_the_same_hash_whatever_the_order_of_offsets() -> None:
    turned = msgspec.structs.replace(SETUP, offsets_mm=dict(reversed(SETUP.offsets_mm.items())))
    assert configuration_hash(PROFILE, SETUP) == configuration_hash(PROFILE, turned)


@pytest.mark.parametrize(
    "changed",
    [
        {"material": "PLA"},
        {"nozzle_mm": 0.6},
        {"tools": ("end mill 3",)},
        {"offsets_mm": {"G54": (1.0, 2.0, 3.1)}},
        {"firmware": "Marlin 2.1.2"},
        {"stock_top_mm": {"G54": 12.0}},
        {"filament_diameter_mm": 2.85},
        {"laser_mode": False},
        {"spindle_max_rpm": 24000.0},
        {"tool_lengths_mm": {3: 42.1}},
    ],
)
def test_every_part_of_the_set_up_changes_the_hash(changed: dict[str, object]) -> None:
    assert configuration_hash(PROFILE, SETUP) != configuration_hash(
        PROFILE, msgspec.structs.replace(SETUP, **changed)
    )


@pytest.mark.parametrize(
    "changed", [{"nozzle_max_degc": 300.0}, {"tool_change": "manual"}, {"extruders": 2}, {"macros": ("PRINT_START",)}]
)
def test_the_profile_changes_the_hash(changed: dict[str, object]) -> None:
    other = msgspec.structs.replace(PROFILE, **changed)
    assert configuration_hash(PROFILE, SETUP) != configuration_hash(other, SETUP)


def test_what_the_test_names_is_all_there_is() -> None:
    """A field that is added must be thought about here: does it decide whether a program fits?"""
    assert {field.name for field in msgspec.structs.fields(Setup)} == {
        "material", "nozzle_mm", "tools", "offsets_mm", "firmware", "stock_top_mm", "filament_diameter_mm",
        "laser_mode", "spindle_max_rpm", "tool_lengths_mm",
    }  # fmt: skip


def test_profiles_are_found_under_their_own_name() -> None:
    assert all(name == profile.name for name, profile in PROFILES.items())
