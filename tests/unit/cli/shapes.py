"""Answers of the daemon for tests, with what the test does not care about filled in."""

from __future__ import annotations

from typing import Any

from fleetctl.fleet.shapes import JobShape, MachineShape, PartShape, ProgressShape, RunShape
from fleetctl.model.profile import PROFILES, Setup


def job(**facts: Any) -> JobShape:
    usual: dict[str, Any] = {
        "code": "J-0001",
        "order": "O-0001",
        "title": "Bracket",
        "program": "bracket.gcode",
        "program_sha256": "ab" * 32,
        "quantity": 6,
        "yield_parts": 1,
        "state": "active",
        "priority": 0,
        "due_s": None,
        "material": "",
        "machine": None,
        "group": "",
        "good": 2,
        "hold": 0,
        "running": 1,
        "to_make": 3,
        "scrap": 1,
        "surplus": 0,
        "created_s": 1.0,
        "done_s": None,
        "version": 4,
    }
    return JobShape(**{**usual, **facts})


def run(**facts: Any) -> RunShape:
    usual: dict[str, Any] = {
        "code": "R-0007",
        "job": "J-0001",
        "machine": "K1",
        "program": "bracket.gcode",
        "program_sha256": "ab" * 32,
        "state": "running",
        "active": True,
        "reason": "",
        "started": True,
        "settled": False,
        "created_s": 1.0,
        "started_s": 2.0,
        "ended_s": None,
        "progress": ProgressShape(fraction=0.25, acknowledged_line=120, sent_line=124, lines=480, planner_depth=16),
    }
    return RunShape(**{**usual, **facts})


def machine(**facts: Any) -> MachineShape:
    usual: dict[str, Any] = {
        "name": "K1",
        "driver": "marlin",
        "port": "/dev/ttyUSB0",
        "group": "",
        "profile": PROFILES["generic-220"],
        "setup": Setup(material="PLA", nozzle_mm=0.4),
        "configuration_hash": "cd" * 32,
        "process": "additive",
        "link": "online",
        "activity": "idle",
        "clearance": "clear",
        "service": "in-service",
        "position": "known",
        "reason": "",
        "firmware": "Marlin 2.1.2",
        "ready": True,
        "unattended_by": None,
        "word": "ready",
        "sentence": "Ready.",
        "since_s": 1.0,
        "version": 3,
    }
    return MachineShape(**{**usual, **facts})


def part(**facts: Any) -> PartShape:
    usual: dict[str, Any] = {
        "code": "P-00003",
        "job": "J-0001",
        "run": "R-0007",
        "machine": "K1",
        "place": 2,
        "state": "made",
        "live": True,
        "version": 2,
    }
    return PartShape(**{**usual, **facts})
