"""The pages hold together: links lead somewhere, and every command line in them is one that fleetctl knows."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fleetctl.cli.root import root

TOP = Path(__file__).resolve().parents[3]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]


def names(path: Path) -> str:
    return str(path.relative_to(TOP))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_to_a_page(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{names(page)} links to {target}, which is not there"


def command_lines(page: Path) -> Iterator[list[str]]:
    """Every `fleetctl ...` of the shell blocks and of the code in a sentence, as words."""
    text = page.read_text(encoding="utf-8")
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)).replace("\\\n", " ")
    for line in shell.splitlines():
        words = shlex.split(line, comments=True)
        for at, word in enumerate(words):
            if word.endswith("fleetctl") and "/pip" not in line and at + 1 < len(words):
                yield words[at + 1 :]
                break


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "cli.md"], ids=names)
def test_every_command_line_is_understood(page: Path) -> None:
    for words in command_lines(page):
        try:
            understand(root, words, "fleetctl")
        except click.ClickException as wrong:
            pytest.fail(f"{names(page)}: fleetctl {' '.join(words)}: {wrong.format_message()}")


def understand(command: click.Command, words: list[str], name: str) -> None:
    """Parse the words without doing anything. Raises click.ClickException."""
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        child = command.get_command(click.Context(command), words[0])
        if child is None:
            raise click.UsageError(f"{name} has no command {words[0]!r}")
        understand(child, words[1:], f"{name} {words[0]}")
    elif not isinstance(command, click.Group):
        command.make_context(name, list(words))


def test_the_readme_has_command_lines_to_check() -> None:
    assert len(list(command_lines(TOP / "README.md"))) >= 6
    with pytest.raises(click.ClickException):
        understand(root, ["job", "explode", "J-0001"], "fleetctl")
    with pytest.raises(click.ClickException):
        understand(root, ["submit", "x.gcode"], "fleetctl")


def test_every_make_target_that_the_pages_name_is_there() -> None:
    made = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.M))
    for page in PAGES:
        for target in re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8")):
            assert target in made, f"{names(page)} names `make {target}`"


def test_follow_one_job_names_only_functions_that_exist() -> None:
    page = (TOP / "docs" / "explanation" / "follow-one-job.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py):([\w.]+)`", page)
    assert len(named) > 40
    missing = [f"{file}:{name}" for file, name in named if name not in defined_in(file)]
    assert missing == [], "the tour is out of date"


def defined_in(file: str) -> set[str]:
    """Functions, classes and methods of a module, as `name` or `Class.name`."""
    path = TOP / file if file.startswith(("plugins/", "ext/")) else TOP / "fleetctl" / file
    assert path.exists(), f"{file} is not there"
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return found
