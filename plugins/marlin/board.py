"""What of M115 tells one board from another. It must not know who compares it."""

from __future__ import annotations

SHARED_UUIDS = frozenset({"cede2a2f-41a2-4748-9b12-c55c62f367ff", "00000000-0000-0000-0000-000000000000"})
"""What a Marlin says that nobody gave a number of its own (DEFAULT_MACHINE_UUID, MarlinFirmware src/inc/Version.h;
the example of Configuration.h): thousands of machines share it, so it identifies none."""


def board_facts(facts: dict[str, str]) -> dict[str, str]:
    """`facts` of M115 with the board's own `uuid`, if it has one, and as `board` what its MACHINE_TYPE says."""
    named = {"board": facts["machine_type"]} if facts.get("machine_type") else {}
    kept = {name: value for name, value in facts.items() if name != "uuid" or value.lower() not in SHARED_UUIDS}
    return kept | named
