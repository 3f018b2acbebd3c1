"""Writes the reference pages that are taken from the code: command line, errors, hooks, settings.

`make docs` runs it; a test fails when a page differs from what this would write. It must not know any other page.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from fleetctl import config, errors
from fleetctl.cli.root import root
from fleetctl.gcode.findings import READING_SEVERITIES, READING_TITLES
from fleetctl.plugin import hookspecs
from fleetctl.preflight.rules import RULE_SET, RULES

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code; change the code, then `make docs`. -->"


def pages() -> dict[str, str]:
    """File name and text of every generated page."""
    return {
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "hooks.md": hooks_page(),
        "rules/index.md": rules_page(),
        "settings.md": settings_page(),
    }


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
