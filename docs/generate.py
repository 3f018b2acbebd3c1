"""Writes the reference pages that are taken from the code: facts of programs, command line, errors, hooks, settings.

`make docs` runs it; a test fails when a page differs from what this would write. It must not know any other page.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click

from fleetctl import config, errors
from fleetctl.cli.root import root
from fleetctl.gcode import facts, trace
from fleetctl.gcode.findings import READING_SEVERITIES, READING_TITLES
from fleetctl.plugin import hookspecs
from fleetctl.preflight.rules import RULE_SET, RULES

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code; change the code, then `make docs`. -->"


def pages() -> dict[str, str]:
    """File name and text of every generated page."""
    return {
        "analysis.md": analysis_page(),
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "hooks.md": hooks_page(),
        "rules/index.md": rules_page(),
        "settings.md": settings_page(),
    }


def analysis_page() -> str:
    """Every fact of a program with its type and meaning, from the sources of `facts` and `trace`."""
    lines = [
        "# Facts of a program",
        NOTE,
        "",
        "`fleetctl.gcode.analyze(source)` gives an `Analysis`; `fleetctl preflight FILE --json` and the API give the",
        "same as JSON, where bytes are base64 and a NaN is null. Units are in the names: `_mm`, `_mm_s`, `_s`,",
        "`_degc`, `_g`, `_bytes`; what else has a unit says so. Lines and columns count from 1, 0 means nowhere.",
    ]
    kinds = [facts.Analysis, *_structs(trace), *(kind for kind in _structs(facts) if kind is not facts.Analysis)]
    for kind in kinds:
        lines += ["", f"## {kind.__name__}", "", inspect.getdoc(kind) or "", ""]
        rows = [f"| `{name}` | `{of}` | {meaning} |" for name, of, meaning in facts_of(kind)]
        lines += ["| fact | type | meaning |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _structs(module: ModuleType) -> list[type]:
    """The value types that a module defines, in its own order."""
    tree = ast.parse(inspect.getsource(module))
    return [getattr(module, node.name) for node in tree.body if isinstance(node, ast.ClassDef)]


def facts_of(kind: type) -> Iterator[tuple[str, str, str]]:
    """Name, type and meaning of each field and property; a field's meaning is the string below it."""
    tree = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(tree, ast.ClassDef)
    for node, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            told = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            meaning = str(below.value.value) if told else ""  # type: ignore[union-attr]
            yield node.target.id, _cell(ast.unparse(node.annotation)), _cell(meaning)
        elif isinstance(node, ast.FunctionDef) and any(ast.unparse(d) == "property" for d in node.decorator_list):
            returns = ast.unparse(node.returns) if node.returns else ""
            yield node.name, _cell(returns), _cell(ast.get_docstring(node) or "")


def _cell(text: str) -> str:
    """Text as it stands in a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def cli_page() -> str:
    """Every command with its help text."""
    lines = [
        "# Command line",
        NOTE,
        "",
        "Exit status: 0 ok, 1 the thing asked for failed, 2 wrong usage. Every listing has `--json`.",
        "A command finds the daemon by `--url` (or `FLEETCTL_URL`) with the token in `FLEETCTL_TOKEN`, else by the",
        "address and the token in the data directory: `--data`, or `FLEETCTL_DATA`, or `~/.local/share/fleetctl`.",
    ]
    for path, command in commands(root, "fleetctl"):
        context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
        lines += ["", f"## `{path}`", "", "```text", command.get_help(context).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below `command`, groups first, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in sorted(command.list_commands(context)):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, f"{path} {name}")


def errors_page() -> str:
    """Every error class: its code, its sentence, and what it is a kind of."""
    lines = [
        "# Errors",
        NOTE,
        "",
        "The code is stable; the HTTP API gives it as `code` of the problem (RFC 9457). *Kind of* says who can",
        "mend it: `OperatorError` the request or the set-up, `MachineError` the machine, `LinkError` the line,",
        "`StoreError` the database.",
        "",
        "| class | code | kind of | sentence |",
        "|---|---|---|---|",
    ]
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.FleetctlError):
            sentence = (kind.__doc__ or "").strip().splitlines()[0]
            lines.append(f"| `{name}` | `{kind.code}` | `{kind.__bases__[0].__name__}` | {sentence} |")
    return "\n".join(lines) + "\n"


def hooks_page() -> str:
    """Every hook with its signature and its sentence."""
    lines = [
        "# Hooks",
        NOTE,
        "",
        "A plug-in is a package with an entry point in the group `fleetctl` and functions marked",
        "`@fleetctl.plugin.hookspecs.hookimpl`. It takes only the arguments it names. How to write a machine type:",
        "[write a driver](../how-to/write-a-driver.md).",
    ]
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if hasattr(hook, f"{hookspecs.PROJECT}_spec"):
            signature = str(inspect.signature(hook)).replace("'", "")
            lines += [
                "",
                f"## `{name}`",
                "",
                "```python",
                f"def {name}{signature}",
                "```",
                "",
                inspect.getdoc(hook) or "",
            ]
    return "\n".join(lines) + "\n"


def rules_page() -> str:
    """Every code that a finding may have, with its page."""
    lines = [
        "# Findings",
        NOTE,
        "",
        "What `fleetctl preflight`, a job that does not start and the page of a program show. Codes are stable.",
        "`FQ...` compare a program with one machine as it is set up now; `GC...` are about reading the file and need",
        "no machine. An *error* refuses the program; the severity given here is the gravest that a code can have.",
        f"Set of rules: {RULE_SET}.",
        "",
        "Every rule is answered from facts that are noted while a program is read once, also those about order",
        "(hot before extruding, rapids above what was cut): no rule reads the file again.",
        "",
        "## Against a machine",
        "",
        "| code | severity | machines | |",
        "|---|---|---|---|",
    ]
    for rule in sorted(RULES, key=lambda rule: rule.code):
        lines.append(f"| [{rule.code}]({rule.code}.md) | {rule.severity} | {rule.machines} | {rule.title} |")
    lines += ["", "## Reading the file", "", "| code | severity | |", "|---|---|---|"]
    for code, title in sorted(READING_TITLES.items()):
        lines.append(f"| [{code}]({code}.md) | {READING_SEVERITIES[code]} | {title} |")
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every setting of the daemon with its default and its meaning, from the source of `Config`."""
    lines = [
        "# Settings",
        NOTE,
        "",
        "`fleetctl serve --config FILE` reads TOML with these keys; an unknown key is an error. `--data` and",
        "`--listen` overrule the file. Settings of machines and jobs live in the store, not here.",
        "",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    for name, default, meaning in settings():
        lines.append(f"| `{name}` | `{default}` | {meaning} |")
    return "\n".join(lines) + "\n"


def settings() -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of each field of `Config`; a field's meaning is the string below it."""
    tree = ast.parse(inspect.getsource(config.Config)).body[0]
    assert isinstance(tree, ast.ClassDef)
    for field, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            default = ast.unparse(field.value).strip("'") if field.value is not None else "the data directory"
            meaning = ""
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                meaning = str(below.value.value)
            yield field.target.id, default or "(empty)", " ".join(meaning.split())


def main() -> None:
    """Write the pages that changed."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).parent.mkdir(exist_ok=True)
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
