"""`fleetctl program`: stored programs, and new ones made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import AMBER, QUIET, facts, moment, say, show_json, size, table
from fleetctl.errors import UsageError
from fleetctl.fleet.shapes import ProgramShape, TransformationShape
from fleetctl.gcode.transform import TRANSFORMATIONS, Preview

sha_argument = click.argument("sha", metavar="SHA")


@click.group()
def program() -> None:
    """Programs: stored G-code files, and new ones made from them."""


@program.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, metavar="N", help="How many at most.")
@json_option
@with_daemon
async def list_programs(client: Client, limit: int, as_json: bool) -> None:
    """List stored programs, the newest first."""
    answer = await client.get("programs", limit=limit)
    show_json(answer) if as_json else say(program_table(decode(answer, list[ProgramShape])))


@program.command("show")
@sha_argument
@json_option
@with_daemon
async def show_program(client: Client, sha: str, as_json: bool) -> None:
    """Show one program: SHA is its SHA-256, or at least six leading digits."""
    answer = await client.get(f"programs/{sha}")
    show_json(answer) if as_json else say(_card(decode(answer, ProgramShape)))


@program.command("transform")
@sha_argument
@click.argument("name", type=click.Choice(list(TRANSFORMATIONS)), metavar="TRANSFORMATION")
@click.option("--layer", type=click.IntRange(min=1), metavar="N", help="restart: begin at this layer, from 1.")
@click.option("--line", type=click.IntRange(min=1), metavar="N", help="restart: begin at this line.")
@click.option(
    "--z",
    "z_strategy",
    type=click.Choice(["trust", "at_height", "home"]),
    help="restart of a print: how the height of the nozzle is known.",
)
@click.option("--script", type=click.Path(path_type=Path), help="insert: the file.")
@click.option("--at", metavar="WHERE", help="insert: end, before_end_script, or a line.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other parameter; may be repeated.")
@click.option("--preview", is_flag=True, help="Only show what would be put in, and why.")
@json_option
@with_daemon
async def transform_program(
    client: Client,
    sha: str,
    name: str,
    layer: int | None,
    line: int | None,
    z_strategy: str | None,
    script: Path | None,
    at: str | None,
    settings: tuple[str, ...],
    preview: bool,
    as_json: bool,
) -> None:
    """Make a new program from a stored one.

    TRANSFORMATION is strip, fold, number, unnumber, restart or insert. The new program names its parent and has to
    pass the gate itself; look at a restart with --preview first.
    """
    given: dict[str, Any] = {"layer": layer, "line": line, "z_strategy": z_strategy, "at": at}
    if script is not None:
        given["script"] = _script(script)
    parameters = {key: value for key, value in given.items() if value is not None} | settings_of(settings)
    body = {"name": name, "parameters": parameters}
    path = f"programs/{sha}/transformations"
    if preview:
        answer = await client.post(f"{path}/preview", body)
        show_json(answer) if as_json else say(preview_table(decode(answer, Preview)))
        return
    answer = await client.post(path, body)
    if as_json:
        show_json(answer)
        return
    made = decode(answer, ProgramShape)
    fits = [said.machine for said in made.machines if said.passed]
    where = f"It fits {', '.join(fits)}." if fits else "It fits no machine as they are set up now."
    say(f"{made.sha256[:12]}  {made.name}, {size(made.size_bytes)}. {where}")


def _script(path: Path) -> str:
    if path.is_dir():
        raise UsageError(f"{path} is a directory.", hint="Name the file with the script in it.")
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", hint="Check the path; it counts from the present directory.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text.", hint="A script is plain ASCII text.") from error


def settings_of(texts: tuple[str, ...]) -> dict[str, object]:
    """`NAME=VALUE` as parameters; numbers, true and false are read as such."""
    values: dict[str, object] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise click.UsageError(f"{text!r} is not NAME=VALUE.")
        try:
            values[name.strip()] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            values[name.strip()] = value
    return values


def program_table(programs: list[ProgramShape]) -> Table | Text:
    """The programs as a table, or a sentence when there are none."""
    if not programs:
        return Text("No programs. Send one with `fleetctl submit FILE --quantity N`.")
    made = table("program", "name", "size", "dialect", "stored", "made from", right=("size",))
    for each in programs:
        parent = each.parent_sha256[:12] if each.parent_sha256 else ""
        made.add_row(each.sha256[:12], each.name, size(each.size_bytes), each.dialect, moment(each.created_s), parent)
    return made


def _card(shown: ProgramShape) -> Group:
    said = table("machine", "", "first finding")
    for each in shown.machines:
        first = each.findings[0].message if each.findings else ""
        said.add_row(each.machine, Text("fits") if each.passed else Text("does not fit", style=QUIET), first)
    about = facts(
        (
            ("program", shown.name),
            ("sha256", shown.sha256),
            ("size", size(shown.size_bytes)),
            ("dialect", shown.dialect),
            ("stored", moment(shown.created_s)),
            ("made from", shown.parent_sha256 or ""),
            ("by", _how(shown.transformation)),
        )
    )
    return Group(about, Text(), said if shown.machines else Text("There is no machine yet."))


def _how(made: TransformationShape | None) -> str:
    return f"{made.name} {bytes(made.parameters).decode()}" if made else ""


def preview_table(shown: Preview) -> Group:
    lines = table("line that is put in", "why")
    for each in shown.lines:
        lines.add_row(Text(each.text), Text(each.reason, style=QUIET))
    parts: list[Text | Table] = [Text(shown.summary)]
    if shown.lines:
        parts += [Text(), lines]
    if shown.warnings:
        parts += [Text(), *(Text(warning, style=AMBER) for warning in shown.warnings)]
    return Group(*parts)
