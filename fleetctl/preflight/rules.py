"""The register of preflight rules (I2, I13): their order, and the version of the set.

Additive and subtractive work go through the same engine; a rule says itself which machines it concerns. It must not
know how a rule judges.
"""

from __future__ import annotations

from functools import cache

from fleetctl.model.profile import Process
from fleetctl.preflight.characters import checksums, realtime_bytes, secrets
from fleetctl.preflight.comments import bracket_comments
from fleetctl.preflight.ends import after_the_end, complete, left_on
from fleetctl.preflight.envelope import envelope
from fleetctl.preflight.feed import feed
from fleetctl.preflight.heat import cold, temperatures
from fleetctl.preflight.lines import line_length
from fleetctl.preflight.material import diameters, material, material_heat
from fleetctl.preflight.rapids import rapids
from fleetctl.preflight.refused import cutting, memory, not_provable, unreadable
from fleetctl.preflight.rule import Check, Rule
from fleetctl.preflight.spindle import laser_mode, spindle
from fleetctl.preflight.start import assumed, homed
from fleetctl.preflight.stored import stored_places
from fleetctl.preflight.tools import tool_change, tools_on_record
from fleetctl.preflight.words import dialect, refused_words, unknown_words

RULE_SET = "2026-11.9"
"""Version of the rules; a pass given by another version is void (I2). Count up with every change of a verdict."""

RULES: tuple[Rule, ...] = (
    envelope,
    temperatures,
    spindle,
    dialect,
    unknown_words,
    complete,
    realtime_bytes,
    line_length,
    memory,
    unreadable,
    not_provable,
    cutting,
    left_on,
    homed,
    refused_words,
    feed,
    assumed,
    cold,
    tool_change,
    tools_on_record,
    material,
    material_heat,
    diameters,
    rapids,
    laser_mode,
    checksums,
    secrets,
    after_the_end,
    stored_places,
    bracket_comments,
)
"""Every rule, by code."""

RULES_BY_CODE: dict[str, Rule] = {each.code: each for each in RULES}


@cache
def checks_for(process: Process) -> tuple[Check, ...]:
    """The functions of the rules that concern a kind of machine."""
    return tuple(each.check for each in RULES if process in each.processes)
