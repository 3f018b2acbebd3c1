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
    ],
)
def test_every_part_of_the_set_up_changes_the_hash(changed: dict[str, object]) -> None:
    assert configuration_hash(PROFILE, SETUP) != configuration_hash(
        PROFILE, msgspec.structs.replace(SETUP, **changed)
    )


def test_the_profile_changes_the_hash() -> None:
    hotter = msgspec.structs.replace(PROFILE, nozzle_max_degc=300.0)
    assert configuration_hash(PROFILE, SETUP) != configuration_hash(hotter, SETUP)


def test_profiles_are_found_under_their_own_name() -> None:
    assert all(name == profile.name for name, profile in PROFILES.items())
