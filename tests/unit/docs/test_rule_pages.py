"""Every code that a finding may have has its page, and every page its code; heads agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleetctl.gcode.findings import READING_SEVERITIES, READING_TITLES
from fleetctl.preflight.rule import page_of
from fleetctl.preflight.rules import RULES, RULES_BY_CODE

TOP = Path(__file__).resolve().parents[3]
PAGES = TOP / "docs" / "reference" / "rules"
CODES = sorted(RULES_BY_CODE.keys() | READING_TITLES.keys())


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index") == CODES


def test_every_code_in_the_source_is_a_rule_or_of_reading() -> None:
    said = {
        code
        for folder in ("preflight", "gcode", "cli", "fleet", "scheduling")
        for path in (TOP / "fleetctl" / folder).rglob("*.py")
        for code in re.findall(r"\"((?:FQ|GC)\d{3})\"", path.read_text(encoding="utf-8"))
    }
    assert said == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_page_has_its_head_an_example_and_what_to_do(code: str) -> None:
    text = (TOP / "docs" / page_of(code)).read_text(encoding="utf-8")
    rule = RULES_BY_CODE.get(code)
    title = rule.title if rule else READING_TITLES[code]
    severity = rule.severity if rule else READING_SEVERITIES[code]
    assert text.startswith(f"# {code}: {title}\n\nSeverity: {severity}. Machines: ")
    assert "## Why it matters\n" in text and "\n```gcode\n" in text and "## What to do\n" in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_page_of_a_rule_gives_its_reason_its_machines_and_its_source(rule: object) -> None:
    assert rule in RULES
    text = (TOP / "docs" / rule.page).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    flowing = " ".join(text.split())
    assert f"Machines: {rule.machines}." in flowing  # type: ignore[attr-defined]
    assert rule.reason in flowing  # type: ignore[attr-defined]
    assert "## Source\n" in text
