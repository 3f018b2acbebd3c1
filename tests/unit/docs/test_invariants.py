"""The page of the invariants names tests that exist and that name their invariant."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
PAGE = TOP / "docs" / "reference" / "invariants.md"
NOT_BUILT = {"I8"}


def sections() -> dict[str, list[tuple[str, str]]]:
    """The tests of each invariant, as file and function."""
    parts = re.split(r"^## (I\d+)(?: \*)?$", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    return {
        name: re.findall(r"^- `([\w/]+\.py)::(\w+)`$", text, re.M)
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_invariant_has_a_test() -> None:
    found = sections()
    assert list(found) == [f"I{number}" for number in range(1, 16)]
    assert {name for name, tests in found.items() if not tests} == NOT_BUILT


@pytest.mark.parametrize(
    ("invariant", "file", "name"), [(invariant, *test) for invariant, tests in sections().items() for test in tests]
)
def test_a_test_on_the_page_exists_and_names_its_invariant(invariant: str, file: str, name: str) -> None:
    module = ast.parse((TOP / file).read_text(encoding="utf-8"))
    functions = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    assert functions, f"{file} has no {name}"
    said = f"{ast.get_docstring(module)} {ast.unparse(functions[0])}"
    named = f"_{invariant.lower()}_" in name or re.search(rf"\b{invariant}\b", said)
    assert named, f"{file}::{name} does not say {invariant}"
