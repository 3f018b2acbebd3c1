"""Findings as SARIF 2.1.0, which editors and code review show beside the line.

One run; a rule for each code that was found. Pure: what was checked is passed in. Source of the format: OASIS
SARIF 2.1.0, sections 3.13 (log), 3.19 (tool component), 3.27 (result), 3.30 (region), 3.49 (reporting descriptor).
It must not know what a finding means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from fleetctl.gcode.facts import Finding
from fleetctl.gcode.findings import READING_TITLES
from fleetctl.preflight.rule import page_of
from fleetctl.preflight.rules import RULE_SET, RULES_BY_CODE

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
NOT_READ = "not-gcode"


class Checked(msgspec.Struct, frozen=True):
    """One file with its findings, their columns in UTF-16 units. `path` is relative, with forward slashes.

    `refused`: why it was not read at all.
    """

    path: str
    findings: tuple[Finding, ...] = ()
    refused: str = ""
    sha256: str = ""


def sarif(files: Sequence[Checked], version: str, docs_uri: str = "") -> dict[str, Any]:
    """The log as plain values, ready for JSON. `version` is fleetctl's.

    `docs_uri` is where the documentation is, an absolute URI that ends in a slash; without it rules have no address
    of their page (SARIF wants an absolute one), only its name.
    """
    codes = sorted({finding.code for file in files for finding in file.findings})
    if any(file.refused for file in files):
        codes.append(NOT_READ)
    index = {code: number for number, code in enumerate(codes)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "fleetctl preflight",
                        "version": version,
                        "properties": {"ruleSet": RULE_SET},
                        "rules": [_descriptor(code, docs_uri) for code in codes],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "artifacts": [_artifact(file) for file in files],
                "results": list(_results(files, index)),
            }
        ],
    }


def _descriptor(code: str, docs_uri: str) -> dict[str, Any]:
    rule = RULES_BY_CODE.get(code)
    title = rule.title if rule else READING_TITLES.get(code, "The file cannot be read as G-code")
    described: dict[str, Any] = {"id": code, "shortDescription": {"text": f"{title}."}}
    if rule is not None:
        described["fullDescription"] = {"text": rule.reason}
        described["defaultConfiguration"] = {"level": LEVELS[rule.severity]}
    if code != NOT_READ:
        described["help"] = {"text": f"See {page_of(code)} in fleetctl's documentation."}
        if docs_uri:
            described["helpUri"] = docs_uri + page_of(code)
    return described


def _artifact(file: Checked) -> dict[str, Any]:
    described: dict[str, Any] = {"location": {"uri": quote(file.path)}}
    if file.sha256:
        described["hashes"] = {"sha-256": file.sha256}
    return described


def _results(files: Sequence[Checked], index: dict[str, int]) -> Iterable[dict[str, Any]]:
    for number, file in enumerate(files):
        place = {"uri": quote(file.path), "index": number}
        if file.refused:
            yield {
                "ruleId": NOT_READ,
                "ruleIndex": index[NOT_READ],
                "level": "error",
                "message": {"text": file.refused},
                "locations": [{"physicalLocation": {"artifactLocation": place}}],
            }
        for finding in file.findings:
            yield _result(finding, index[finding.code], place)


def _result(finding: Finding, rule_index: int, place: dict[str, Any]) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": place}
    if finding.line > 0:
        location["region"] = {"startLine": finding.line, "startColumn": max(1, finding.column)}
    return {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.message} {finding.hint}".strip()},
        "locations": [{"physicalLocation": location}],
    }
