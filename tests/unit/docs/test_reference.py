"""The reference pages name everything there is: commands, events, hooks, errors, settings."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from fleetctl.cli.root import root
from fleetctl.gcode import Analysis
from fleetctl.model.job import JobState
from fleetctl.model.part import PartState
from fleetctl.model.run import RunState

TOP = Path(__file__).resolve().parents[3]
REFERENCE = TOP / "docs" / "reference"
STATES = {"run": RunState, "part": PartState, "job": JobState}
KIND = re.compile(r"[a-z]+\.[a-z-]+")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", TOP / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["analysis.md", "errors.md", "hooks.md", "settings.md"])
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == generator().pages()[name], "call `make docs`"


def test_every_command_and_option_is_documented() -> None:
    """Compared by what it says: how click breaks lines differs between its versions."""
    sections = dict(
        re.findall(r"^## `([^`]+)`\n\n```text\n(.*?)```", (REFERENCE / "cli.md").read_text(), re.M | re.S)
    )
    commands = dict(generator().commands(root, "fleetctl"))
    assert sections.keys() == commands.keys(), "call `make docs`"
    for path, command in commands.items():
        for parameter in command.params:
            for word in (
                parameter.opts if isinstance(parameter, click.Option) else [parameter.make_metavar(_context())]
            ):
                assert word in sections[path], f"{path}: {word} is not in docs/reference/cli.md; call `make docs`"


def _context() -> click.Context:
    return click.Context(root)


def test_every_fact_of_a_program_has_a_meaning() -> None:
    """In its own words, or in those of its type."""
    facts = generator().facts_of(Analysis)
    silent = [name for name, _, meaning in facts if not meaning]
    assert silent == []


def test_every_setting_has_a_meaning() -> None:
    assert [name for name, _, meaning in generator().settings() if not meaning] == []


def test_every_event_kind_has_a_row_and_no_row_is_made_up() -> None:
    rows = set(re.findall(r"^\| `([a-z]+\.[a-z-]+)` \|", (REFERENCE / "events.md").read_text(), re.M))
    kinds = {kind for path in (TOP / "fleetctl" / "fleet").glob("*.py") for kind in event_kinds(path)}
    # A state in which a thing begins is no event of its own: nothing moves into it.
    begins = {"job.queued", "run.claimed", "part.planned"}
    assert len(kinds) > 30 and kinds - begins <= rows, f"not documented: {sorted(kinds - begins - rows)}"
    assert rows <= kinds | begins, f"documented but never told: {sorted(rows - kinds)}"


def event_kinds(path: Path) -> Iterator[str]:
    """Every kind that a module gives to `log_event`, with the members of an enum where the text has a state."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("log_event"):
                yield from _texts(call.args[2])
                if isinstance(call.args[2], ast.Name):
                    yield from _texts(function)


def _texts(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and KIND.fullmatch(each.value):
            yield each.value
        elif isinstance(each, ast.JoinedStr) and isinstance(each.values[0], ast.Constant):
            prefix = str(each.values[0].value).removesuffix(".")
            yield from (f"{prefix}.{state.value}" for state in STATES.get(prefix, ()))


@pytest.mark.parametrize("enum", STATES.values(), ids=STATES)
def test_the_glossary_names_every_state(enum: type[RunState | PartState | JobState]) -> None:
    page = (REFERENCE / "glossary.md").read_text()
    assert ", ".join(state.value for state in enum) in page
