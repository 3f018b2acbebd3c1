"""The SARIF log has what OASIS SARIF 2.1.0 requires, and says what the findings say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from fleetctl.gcode.facts import Finding
from fleetctl.preflight.rules import RULE_SET
from fleetctl.preflight.sarif import Checked, sarif

TOP = Path(__file__).resolve().parents[3]
FOUND = (
    Finding("FQ001", "error", 12, 4, "X reaches 332 mm.", "Move the part."),
    Finding("GC005", "warning", 3, 9, "A character.", ""),
    Finding("FQ016", "info", 0, 0, "Fast.", ""),
)


def log(*files: Checked) -> dict[str, Any]:
    """As a reader gets it: through JSON."""
    made = json.loads(msgspec.json.encode(sarif(files, "1.2.3")))
    assert isinstance(made, dict)
    return made


def test_what_the_schema_requires_is_there() -> None:
    made = log(Checked("parts/a b.gcode", FOUND, sha256="0" * 64), Checked("noise", refused="This is no G-code."))
    assert made["version"] == "2.1.0" and made["$schema"].endswith("sarif-2.1.0.json")
    (run,) = made["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] and driver["version"] == "1.2.3" and driver["properties"] == {"ruleSet": RULE_SET}
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    for rule in driver["rules"]:
        assert rule["id"] and rule["shortDescription"]["text"].endswith(".")
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        place = location["physicalLocation"]["artifactLocation"]
        assert run["artifacts"][place["index"]]["location"]["uri"] == place["uri"]
        region = location["physicalLocation"].get("region")
        assert region is None or (region["startLine"] >= 1 and region["startColumn"] >= 1)


def test_results_say_what_the_findings_say() -> None:
    run = log(Checked("parts/a b.gcode", FOUND))["runs"][0]
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [
        ("FQ001", "error"), ("GC005", "warning"), ("FQ016", "note"),
    ]  # fmt: skip
    first = run["results"][0]
    assert first["message"]["text"] == "X reaches 332 mm. Move the part."
    where = first["locations"][0]["physicalLocation"]
    assert where == {
        "artifactLocation": {"uri": "parts/a%20b.gcode", "index": 0},
        "region": {"startLine": 12, "startColumn": 4},
    }
    assert "region" not in run["results"][2]["locations"][0]["physicalLocation"]


def test_help_is_the_page_of_the_code() -> None:
    rules = sarif([Checked("a", FOUND)], "1", "https://example.org/docs/")["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["FQ001", "FQ016", "GC005"]
    for rule in rules:
        assert rule["helpUri"].startswith("https://example.org/docs/")
        assert (TOP / rule["helpUri"].removeprefix("https://example.org/")).is_file()
    # The schema wants an absolute URI or none.
    assert all("helpUri" not in rule for rule in log(Checked("a", FOUND))["runs"][0]["tool"]["driver"]["rules"])


def test_a_file_that_was_not_read_is_an_error_and_nothing_is_a_log_too() -> None:
    run = log(Checked("noise.gcode", refused="This is no G-code."))["runs"][0]
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [("not-gcode", "error")]
    assert log()["runs"][0]["results"] == []
