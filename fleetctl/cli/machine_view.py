"""How machines look on the command line. It shows the daemon's words; it must not ask the daemon for anything."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fleetctl.api.reading import OLD, heater, named, temperature
from fleetctl.cli.output import QUIET, facts, sentence, style_of, table
from fleetctl.cli.part import part_table
from fleetctl.fleet.shapes import MachineShape
from fleetctl.plugin.hookspecs import FoundPort
from fleetctl.scheduling.reason import Need


def need_of(machine: MachineShape) -> Need:
    """How urgently the machine needs a person."""
    return machine.why.need if machine.why is not None else Need.NOBODY


def machine_table(machines: list[MachineShape]) -> Table | Text:
    """The machines as a table, those that need somebody first; a sentence when there are none."""
    if not machines:
        return Text("No machines yet. Look for some with `fleetctl machine discover`, or try `fleetctl demo`.")
    made = table("machine", "state", "", "run", "done", "material", right=("done",))
    for each in sorted(machines, key=lambda machine: (need_of(machine), machine.name)):
        made.add_row(
            each.name,
            Text(each.word, style=style_of(need_of(each))),
            _sentence(each),
            each.run.code if each.run else "",
            f"{each.run.progress.fraction:.0%}" if each.run else "",
            each.setup.material,
        )
    return made


def _sentence(shown: MachineShape) -> Text:
    """The state in words, and which inputs are active, for a probe or a limit may be why it does not go on."""
    active = shown.switches_closed or ()
    return Text.assemble(shown.sentence, (f" · active: {named(active)}", QUIET) if active else "")


def machine_card(shown: MachineShape) -> Group:
    """One machine in full."""
    profile, setup = shown.profile, shown.setup
    states = (shown.link, shown.activity, shown.clearance, shown.service, f"position {shown.position}")
    pairs: list[tuple[str, str | Text]] = [
        ("machine", shown.name),
        ("state", Text(shown.sentence, style=style_of(need_of(shown)))),
        ("why", sentence(shown.why) if shown.why and shown.why.sentence != shown.sentence else ""),
        ("asks", _prompt(shown)),
        ("run", f"{shown.run.code} of {shown.run.job}, {shown.run.progress.fraction:.0%}" if shown.run else ""),
        ("facts", " · ".join(states)),
        ("temperatures", _temperatures(shown)),
        ("position", _position(shown)),
        ("spindle", "" if shown.spindle_rpm is None else f"{shown.spindle_rpm:.0f} rpm"),
        ("switched on", "" if shown.accessories_on is None else named(shown.accessories_on)),
        ("active inputs", "" if shown.switches_closed is None else named(shown.switches_closed)),
        ("material", setup.material),
        ("nozzle", "" if setup.nozzle_mm is None else f"{setup.nozzle_mm:g} mm"),
        ("tools", ", ".join(setup.tools)),
        ("offsets", ", ".join(f"{name} {x:g} {y:g} {z:g}" for name, (x, y, z) in sorted(setup.offsets_mm.items()))),
        ("tool lengths", ", ".join(f"{n}: {mm:g} mm" for n, mm in sorted(setup.tool_lengths_mm.items()))),
        ("stock", ", ".join(f"{name} top at {z:g}" for name, z in sorted(setup.stock_top_mm.items()))),
        ("filament", "" if setup.filament_diameter_mm is None else f"{setup.filament_diameter_mm:g} mm"),
        ("controller", _controller(shown)),
        ("profile", f"{profile.name}: {profile.title}"),
        ("firmware", shown.firmware),
        ("board", str(shown.board) if shown.board.known else ""),
        ("refused board", str(shown.board_refused) if shown.board_refused else ""),
        ("driver", f"{shown.driver} at {shown.port}"),
        ("group", shown.group),
        ("agent", shown.agent),
        ("unattended", f"set by {shown.unattended_by}" if shown.unattended_by else ""),
    ]
    parts = [Text(), part_table(list(shown.parts_to_clear))] if shown.parts_to_clear else []
    return Group(facts(pairs), *parts)


def found_table(ports: list[FoundPort]) -> Table | Text:
    """Ports where a machine may be, with the command that adds it."""
    if not ports:
        return Text("No port found. Is the cable in, and the machine switched on?")
    made = table("port", "what", "driver", "identity", "state")
    for each in ports:
        device = f" ({each.device})" if each.device and each.device != each.port else ""
        state = f"added as {each.machine}" if each.machine else each.problem or "free"
        made.add_row(each.port, f"{each.title}{device}", each.driver, Text(each.identity, style=QUIET), Text(state))
    return made


def _controller(shown: MachineShape) -> str:
    setup = shown.setup
    mode = "" if setup.laser_mode is None else f"laser mode {'on' if setup.laser_mode else 'off'}"
    full = "" if setup.spindle_max_rpm is None else f"full speed at S{setup.spindle_max_rpm:g}"
    return " · ".join(part for part in (mode, full) if part)


def _prompt(shown: MachineShape) -> str:
    """What the firmware asks, and how it is answered."""
    if shown.prompt is None:
        return ""
    choices = ", ".join(shown.prompt.choices or ("Go on",))
    return f"{shown.prompt.text} ({choices}); answer it with `fleetctl machine answer {shown.name} CHOICE`"


def _temperatures(shown: MachineShape) -> str:
    return " · ".join(
        f"{heater(name)} {temperature(now, target)}" for name, (now, target) in shown.temperatures_degc.items()
    ) + (OLD if shown.readings_stale and shown.temperatures_degc else "")


def _position(shown: MachineShape) -> str:
    if shown.position_mm is None:
        return ""
    x, y, z = shown.position_mm
    return f"X {x:.2f}  Y {y:.2f}  Z {z:.2f} mm"
