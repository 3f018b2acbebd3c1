"""A second, slow reading of G-code to check the compiled core against: pure Python, exact fractions, no cleverness.

It covers words, numbers, comments, modal state, coordinate systems, bounds with lines, arcs, extrusion, tools and
moves for `reference_plan`. Written from the same rules as the core (the docstrings of `fleetctl.gcode.facts`), not
from its code: it splits with regular expressions and keeps coordinates as Fractions.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction

from fleetctl.gcode import Dialect, MotionLimits
from fleetctl.gcode.planning import rule_of

from .reference_cycle import CYCLES, Cycle, steps
from .reference_filament import Filament
from .reference_plan import Move, chord_count
from .reference_watch import Watch
from .reference_zero import Zero

WORD = re.compile(r"([A-Za-z])[ \t]*([+-]?[ \t]*(?:\d[\d \t]*\.?[\d \t]*|\.[ \t]*\d[\d \t]*))")
PLAIN_WORD = re.compile(r"([A-Za-z])[ \t]*([+-]?(?:\d+\.?\d*|\.\d+))")
FRAMES = {540: "G54", 550: "G55", 560: "G56", 570: "G57", 580: "G58", 590: "G59",
          591: "G59.1", 592: "G59.2", 593: "G59.3"}  # fmt: skip
MICRO = Fraction(1, 1_000_000)


def micro(text: str) -> Fraction:
    """A number rounded to six decimals, halves away from zero."""
    value = Fraction(re.sub(r"[ \t]", "", text))
    sign = -1 if value < 0 else 1
    return sign * Fraction(math.floor(abs(value) / MICRO + Fraction(1, 2))) * MICRO


@dataclass
class Span:
    """Least and greatest with the first line of each."""

    low: Fraction | None = None
    low_line: int = 0
    high: Fraction | None = None
    high_line: int = 0

    def add(self, value: Fraction, line: int) -> None:
        if self.low is None or value < self.low:
            self.low, self.low_line = value, line
        if self.high is None or value > self.high:
            self.high, self.high_line = value, line


@dataclass
class Reading:
    """State and facts of one program."""

    dialect: Dialect
    limits: MotionLimits
    line: int = 0
    motion: int = 0
    inch: bool = False
    relative: bool = False
    e_relative: bool = False
    plane: int = 17
    wcs: str = ""
    pos: list[Fraction] = field(default_factory=lambda: [Fraction(0)] * 3)
    frame: list[str] = field(default_factory=lambda: ["start"] * 3)
    zero: Zero = field(default_factory=Zero)
    cycle: Cycle = field(default_factory=Cycle)
    before: int = 0
    old_return: bool = False
    inverse: bool = False
    filament: Filament = field(default_factory=Filament)
    stored: dict[int, list[tuple[Fraction, str, bool]]] = field(default_factory=dict)
    known: list[bool] = field(default_factory=lambda: [False] * 3)
    e_last: Fraction = Fraction(0)
    feed: Fraction | None = None
    tool: int = 0
    pushed: dict[int, Fraction] = field(default_factory=dict)
    pushed_max: dict[int, Fraction] = field(default_factory=dict)
    motion_bounds: dict[tuple[str, int], Span] = field(default_factory=dict)
    work_bounds: dict[tuple[str, int], Span] = field(default_factory=dict)
    words: dict[str, list[int]] = field(default_factory=dict)
    letters: dict[str, int] = field(default_factory=dict)
    commands: int = 0
    layers: int = 0
    layer_z: Fraction | None = None
    moves: list[Move | float] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        self.wcs = "G54" if self.dialect.cnc else "machine"
        self.old_return = not self.dialect.retract_to_r

    def mm(self, value: Fraction) -> Fraction:
        """Units as written to mm, to the micro mm."""
        if not self.inch:
            return value
        return micro(f"{(value * Fraction(254, 10)).numerator}/{(value * Fraction(254, 10)).denominator}")


def read(data: bytes, dialect: Dialect, limits: MotionLimits) -> Reading:
    """Read a whole program."""
    r = Reading(dialect, limits)
    lines = re.split(r"\r\n|\n|\r", data.decode("latin-1"))
    if lines[-1] == "":
        lines.pop()
    for line in lines:
        r.line += 1
        words = split(line, dialect)
        if any(letter != "N" for letter, _ in words):
            r.commands += 1
            execute(r, words)
    return r


def split(line: str, dialect: Dialect) -> list[tuple[str, Fraction]]:
    """The words of a line."""
    code = re.sub(r"\([^)]*(\)|$)", " ", line) if dialect.paren_comments else line
    code = code.split(";")[0].split("*")[0].lstrip(" \t/")
    if code.startswith("%"):
        return []
    pattern = WORD if dialect.spaced_numbers else PLAIN_WORD
    return [(letter.upper(), micro(number)) for letter, number in pattern.findall(code)]


def execute(r: Reading, words: list[tuple[str, Fraction]]) -> None:
    """One line."""
    g = [round(value * 10) for letter, value in words if letter == "G"]
    m = [round(value * 10) for letter, value in words if letter == "M"]
    w = {letter: value for letter, value in words if letter not in "GM"}
    r.watch.words(r, g, m, w)
    for letter in w:
        r.letters.setdefault(letter, r.line)
    for prefix, codes in (("G", g), ("M", m)):
        for code in codes:
            name = f"{prefix}{code // 10}" + (f".{code % 10}" if code % 10 else "")
            r.words.setdefault(name, [r.line, 0])[1] += 1
    if "T" in w and (r.dialect.cnc or not (g or m)):
        r.words.setdefault("T", [r.line, 0])[1] += 1
        if int(w["T"]) != r.tool and not r.dialect.cnc:
            r.moves.append(0.0)  # the firmware finishes its moves before it changes the tool
        r.tool = r.filament.tool = int(w["T"])
    for code in m:
        if code in (820, 830):
            r.e_relative = code == 830
        if not r.dialect.cnc:
            r.filament.command(r.dialect, code, w, Fraction(254, 10) if r.inch else Fraction(1))
        if code in (60, 70, 80, 90, 1090, 1900, 1910, 4000) or (r.dialect.cnc and code in (30, 40, 50)):
            r.moves.append(0.0)
    r.before = r.motion
    machine, consumed, motion_word, other = modes(r, g)
    if "F" in w:
        r.feed = w["F"] if r.inverse else r.mm(w["F"])
    for code in g:
        consumed |= nonmodal(r, code, w)
    axes = set(w) & set("XYZ") or (set(w) & {"E"} and not r.dialect.cnc)
    arc = r.motion in (20, 30) and set(w) & set("IJKR")
    if (axes or arc) and not consumed and (motion_word or r.dialect.cnc or not (other or m)):
        if r.motion in CYCLES:
            drill(r, w)
        elif r.motion != 800:
            move(r, w, machine)
    for code in m:
        if code in (0, 10):
            r.moves.append(0.0)


def modes(r: Reading, g: list[int]) -> tuple[bool, bool, bool, bool]:
    """G words that only change state; says whether G53, one that uses the axes, a motion, or another was there."""
    machine = motion_word = other = False
    for code in g:
        if code in (0, 10, 20, 30) or (r.dialect.cnc and code in (*CYCLES, 800)):
            r.motion, motion_word = code, True
        elif code in (200, 210):
            r.inch = code == 200
        elif code in (900, 910):
            r.relative = code == 910
            if r.dialect.e_follows_g90:
                r.e_relative = r.relative
        elif code in (170, 180, 190):
            r.plane = code // 10
        elif code in FRAMES:
            r.wcs = FRAMES[code]
        elif code in (980, 990):
            r.old_return = code == 980
        elif code in (930, 940) and r.dialect.cnc:
            if r.inverse != (code == 930) or r.dialect.expressions:
                r.inverse, r.feed = code == 930, None
        elif code == 530:
            machine = True
        elif code not in (40, 100, 110, 280, 281, 430, 431, 490, 520, 920, 921):
            other = True
    return machine, False, motion_word, other


def nonmodal(r: Reading, code: int, w: dict[str, Fraction]) -> bool:
    """G4, G28, G92, G92.1; True if the code uses the axis words."""
    if code == 40:
        seconds = w.get("P", Fraction(0)) / (1000 if r.dialect.g4_p_ms else 1)
        if r.dialect.g4_p_ms and not r.dialect.extended:
            seconds = w.get("S", seconds)
        r.moves.append(max(0.0, float(seconds)))
    elif code == 280:
        r.moves.append(0.0)
        for a, axis in enumerate("XYZ"):
            named = axis in w or not set(w) & set("XYZ")
            if named and not r.dialect.cnc:
                r.zero.g92[a], r.zero.anchors[a] = Fraction(0), None
                place(r, a, Fraction(r.limits.home_mm[a]), "machine")
        if r.dialect.cnc:
            home_mill(r, w)
    elif code == 921 or (code == 920 and r.dialect.g92_alone_resets and not set(w) & set("XYZE")):
        r.zero.clear()
    elif code == 920:
        everything = not set(w) & set("XYZE") and r.dialect.g92_alone_zeroes
        if "E" in w or everything:
            r.e_last = r.mm(w.get("E", Fraction(0)))
        for a, axis in enumerate("XYZ"):
            if axis in w or everything:
                r.zero.name(r.wcs, a, r.pos[a], r.frame[a], r.mm(w.get(axis, Fraction(0))))
                place(r, a, r.pos[a], r.frame[a])
    elif code == 520:
        for a, axis in enumerate("XYZ"):
            if axis in w:
                r.zero.g92[a], r.zero.anchors[a] = r.mm(w[axis]), None
    elif code == 100 and r.dialect.origins and w.get("L") in (2, 20):
        printer_origin(r, w)
    elif code in (100, 110) and not r.dialect.cnc:
        retraction(r, code == 110)
    elif code == 100:
        write_origin(r, w)
    elif code == 281:
        r.stored[280] = [(r.pos[a], r.frame[a], r.known[a] and r.frame[a] != "start") for a in range(3)]
    elif code in (430, 431, 490):
        r.zero.number = int(w["H"]) if code == 430 else None
        r.zero.length = r.mm(w["Z"]) if code == 431 else Fraction(0)
    return code in ((100, 280, 431, 520, 920) if r.dialect.cnc else (40, 100, 110, 280, 520, 920, 921))


def home_mill(r: Reading, w: dict[str, Fraction]) -> None:
    """By way of the named point at rapid, then to the stored place, if this program stored it."""
    named = [a for a, axis in enumerate("XYZ") if axis in w]
    if named:
        travel(r, {a: target(r, a, r.mm(w["XYZ"[a]]), False) for a in named}, True)
    places = r.stored.get(280, [(Fraction(0), "start", False)] * 3)
    back = {a: places[a][:2] for a in named or range(3) if places[a][2]}
    if back:
        travel(r, back, True)
    for a in named or range(3):
        if a not in back:
            r.pos[a], r.frame[a], r.known[a] = Fraction(0), "start", False


def printer_origin(r: Reading, w: dict[str, Fraction]) -> None:
    """G10 L2 and L20 of a printer, whose first system is in use until it selects another."""
    number = int(w.get("P", -1))
    if number == 0 and r.dialect.name == "smoothie":
        number = list(FRAMES.values()).index(r.wcs) + 1 if r.wcs != "machine" else 1
    if number == 1 and r.wcs == "machine":
        r.wcs = "G54"
    if 0 < number <= len(FRAMES):
        write_origin(r, w | {"P": Fraction(number)})


def write_origin(r: Reading, w: dict[str, Fraction]) -> None:
    """G10 L2 and L20."""
    names = list(FRAMES.values())
    system = names[int(w["P"]) - 1] if w.get("P") else r.wcs
    for a, axis in enumerate("XYZ"):
        if axis in w and w.get("L") == 2:
            r.zero.place_origin(system, a, "machine", r.mm(w[axis]))
        elif axis in w:
            r.zero.set_here(system, r.wcs, a, r.pos[a], r.frame[a], r.mm(w[axis]))
            place(r, a, r.pos[a], r.frame[a])


def retraction(r: Reading, back: bool) -> None:
    """G10 and G11 of a printer."""
    length = r.filament.retract(back)
    if length:
        add_filament(r, length)
        speed = float(r.filament.speeds[1 if back else 0])
        unit = (0.0, 0.0, 0.0, 1.0 if length > 0 else -1.0)
        chosen = r.limits.retract_accel_mm_s2 or math.inf
        r.moves.append(Move(unit, abs(float(length)), speed, chosen, r.line))


def drill(r: Reading, w: dict[str, Fraction]) -> None:
    """One line of a canned cycle, in any plane."""
    c = r.cycle
    across = {17: 2, 18: 1, 19: 0}[r.plane]
    if r.before not in CYCLES:
        c.level = (r.pos[across], r.frame[across])
    c.code = r.motion
    c.r, c.q = (r.mm(w[name]) if name in w else kept for name, kept in (("R", c.r), ("Q", c.q)))
    c.z = r.mm(w["XYZ"[across]]) if "XYZ"[across] in w else c.z
    c.p = w.get("P", c.p)
    frame, shift = r.zero.meaning(r.wcs, across)
    low = c.r + shift
    heights = (low, c.z + shift, frame)
    if r.relative:
        heights = (c.level[0] + c.r, c.level[0] + c.r + c.z, c.level[1])
        if c.level[1] == "start":
            place(r, across, r.pos[across], r.frame[across])
    named = {a: r.mm(w["XYZ"[a]]) for a in range(3) if a != across and "XYZ"[a] in w}
    first = {a: target(r, a, value, False) for a, value in named.items()}
    at, by = (r.pos[across], r.frame[across]), named if r.relative else {}
    for kind, what in steps(c, across, at, first, by, heights, r.old_return, int(w.get("L", 1))):
        if isinstance(what, float):
            r.moves.append(what)
        else:
            travel(r, what, kind == "rapid")


def target(r: Reading, a: int, value: Fraction, machine: bool) -> tuple[Fraction, str]:
    """Where an axis word leads."""
    if machine:
        return value, "machine"
    if r.relative:
        if r.frame[a] == "start":
            r.known[a] = True
            r.motion_bounds.setdefault(("start", a), Span()).add(r.pos[a], r.line)
        return r.pos[a] + value, r.frame[a]
    frame, shift = r.zero.meaning(r.wcs, a)
    return value + shift, frame


def place(r: Reading, a: int, value: Fraction, frame: str) -> None:
    r.pos[a], r.frame[a], r.known[a] = value, frame, True
    r.motion_bounds.setdefault((frame, a), Span()).add(value, r.line)


def work_here(r: Reading, pos: list[Fraction], frame: list[str], known: list[bool]) -> None:
    for a in range(3):
        if known[a]:
            r.work_bounds.setdefault((frame[a], a), Span()).add(pos[a], r.line)


def push_filament(r: Reading, w: dict[str, Fraction]) -> Fraction:
    """How far the E word of the line pushes."""
    if "E" not in w:
        return Fraction(0)
    value = r.mm(w["E"])
    if r.e_relative or (r.dialect.g91_makes_e_relative and r.relative):
        pushed = value
        r.e_last += value
    else:
        pushed = value - r.e_last
        r.e_last = value
    pushed *= r.filament.factor
    add_filament(r, pushed)
    return pushed


def add_filament(r: Reading, pushed: Fraction) -> None:
    """Count what went through the tool in use."""
    total = r.pushed[r.tool] = r.pushed.get(r.tool, Fraction(0)) + pushed
    r.pushed_max[r.tool] = max(total, r.pushed_max.get(r.tool, Fraction(0)))


def move(r: Reading, w: dict[str, Fraction], machine: bool) -> None:
    """One motion: ends, bounds, work, plan."""
    ends = {a: target(r, a, r.mm(w[axis]), machine) for a, axis in enumerate("XYZ") if axis in w}
    arc = arc_of(r, w, ends) if r.motion in (20, 30) else None
    if arc:
        for a in (arc.p, arc.q):
            r.known[a] = True
            r.motion_bounds.setdefault((r.frame[a], a), Span()).add(r.pos[a], r.line)
    known_before = list(r.known)
    pushed = push_filament(r, w)
    travel(r, ends, r.motion == 0, pushed, arc, known_before, w)


def travel(
    r: Reading,
    ends: dict[int, tuple[Fraction, str]],
    rapid: bool,
    pushed: Fraction = Fraction(0),
    arc: Curve | None = None,
    known_before: list[bool] | None = None,
    w: dict[str, Fraction] | None = None,
) -> None:
    """Go to places that are worked out: bounds, work, layers, plan."""
    start, start_frame = list(r.pos), list(r.frame)
    known_before = list(r.known) if known_before is None else known_before
    delta = [0.0] * 3
    moved = arc is not None
    for a, (value, frame) in ends.items():
        moved |= frame != r.frame[a] or value != r.pos[a]
        delta[a] = float(value - r.pos[a]) if frame == r.frame[a] else 0.0
    work = moved and (not rapid if r.dialect.cnc else pushed > 0)
    if work:
        work_here(r, start, start_frame, known_before)
    if arc:
        for a, value in arc.extremes:
            r.motion_bounds[(start_frame[a], a)].add(value, r.line)
            if work:
                r.work_bounds[(start_frame[a], a)].add(value, r.line)
    for a, (value, frame) in ends.items():
        place(r, a, value, frame)
    if work:
        work_here(r, r.pos, r.frame, r.known)
        if delta[2] == 0.0 and (r.layer_z is None or r.pos[2] > r.layer_z):
            r.layers += 1
            r.layer_z = r.pos[2]
    flat = math.sqrt(sum(d * d for d in delta))
    length = math.hypot(arc.sweep * arc.radius, delta[3 - arc.p - arc.q]) if arc else flat
    named = w if w is not None else {"XYZ"[a]: value for a, (value, _) in ends.items()}
    r.watch.motion(r, named, pushed, moved, work, length, rapid)
    plan_one(r, delta, float(pushed), arc, rapid)


@dataclass
class Curve:
    """An arc: plane axes, quadrant points, and what the planner wants."""

    p: int
    q: int
    radius: float
    start: float
    sweep: float
    extremes: list[tuple[int, Fraction]]


def arc_of(r: Reading, w: dict[str, Fraction], ends: dict[int, tuple[Fraction, str]]) -> Curve | None:
    """The arc of this line, or None if it is none and goes straight."""
    if r.dialect.extended and (r.relative or "R" in w):
        return None  # Klipper's gcode_arcs.py answers an error
    p = {17: 0, 18: 2, 19: 1}[r.plane]
    q = (p + 1) % 3
    for a in (p, q):
        if ends.get(a, (0, r.frame[a]))[1] != r.frame[a]:
            return None
    x = float(ends.get(p, (r.pos[p],))[0] - r.pos[p])
    y = float(ends.get(q, (r.pos[q],))[0] - r.pos[q])
    clockwise = r.motion == 20
    if "R" in w:
        radius, chord = float(r.mm(w["R"])), math.hypot(x, y)
        if chord == 0.0 or abs(radius) < chord / 2 - 0.0005:
            return None
        away = math.sqrt(max(0.0, radius**2 - chord**2 / 4)) * (-1 if clockwise == (radius > 0) else 1)
        cx, cy = x / 2 - y / chord * away, y / 2 + x / chord * away
    else:
        cx, cy = (float(r.mm(w.get("IJK"[a], Fraction(0)))) for a in (p, q))
        if cx == 0.0 and cy == 0.0:
            return None
    r0, r1 = math.hypot(cx, cy), math.hypot(x - cx, y - cy)
    if r1 < 5e-7:
        return None
    radius = r0
    most, least = (2.8284272, 0.028284272) if r.dialect.arc_spirals else (0.5, 0.005)
    apart = abs(r1 - r0) > most or (abs(r1 - r0) > least and abs(r1 - r0) > 0.001 * r0)
    if r.dialect.cnc and apart:
        radius = max(r0, r1)
    spiral = r.dialect.arc_spirals and not apart and r0 != r1
    start, end = math.atan2(-cy, -cx), math.atan2(y - cy, x - cx)
    sweep = (start - end if clockwise else end - start) % (2 * math.pi)
    if sweep <= 5e-7 or (x == 0.0 and y == 0.0):
        sweep = 2 * math.pi if (x == 0.0 and y == 0.0) else sweep + 2 * math.pi
    if r.dialect.arc_turns and w.get("P", 0) > 1:
        sweep += 2 * math.pi * (math.floor(w["P"] + Fraction(1, 2)) - 1)
    extremes = []
    for side in range(4):
        angle = side * math.pi / 2
        ahead = (start - angle if clockwise else angle - start) % (2 * math.pi)
        if ahead <= sweep + 1e-9 or ahead >= 2 * math.pi - 1e-9:
            axis, centre, sign = (p, cx, 1 - side) if side % 2 == 0 else (q, cy, 2 - side)
            here = radius
            if spiral:
                here = (
                    max(r0, r1)
                    if sweep > 2 * math.pi
                    else r0 + (r1 - r0) * (ahead if ahead <= sweep else 0.0) / sweep
                )
            extremes.append((axis, r.pos[axis] + Fraction(round((centre + sign * here) * 1e6)) * MICRO))
    if spiral:
        radius = max(r0, r1) if sweep > 2 * math.pi else (r0 + r1) / 2
    return Curve(p, q, radius, start, -sweep if clockwise else sweep, extremes)


def plan_one(r: Reading, delta: list[float], pushed: float, arc: Curve | None, rapid: bool) -> None:
    """Hand one move to the plan; an arc as the chords that the firmware makes of it."""
    rule = rule_of(r.dialect, r.limits)
    length = math.sqrt(sum(d * d for d in delta))
    if arc:
        length = math.hypot(arc.sweep * arc.radius, delta[3 - arc.p - arc.q])
    unset = 0.0 if r.dialect.cnc else 25.0
    speed = float(r.feed) / 60 * r.filament.feed_factor if r.feed is not None else unset * r.filament.feed_factor
    if r.inverse and r.feed is not None:
        speed *= length
    if rapid and r.dialect.cnc:
        speed = r.limits.rapid_mm_s or math.inf
    chosen = r.limits.accel_mm_s2 if pushed else r.limits.travel_accel_mm_s2
    if arc is None:
        chosen = chosen if length > 0 else r.limits.retract_accel_mm_s2
        length = length or abs(pushed)
        if length > 0.0:
            unit = tuple(d / length for d in (*delta, pushed))
            r.moves.append(Move(unit, length, speed, chosen or math.inf, r.line))
        return
    lift = 3 - arc.p - arc.q
    n = chord_count(rule, r.limits, arc.radius, arc.sweep, delta[lift])
    theta = arc.sweep / n
    flat = 2 * arc.radius * abs(math.sin(theta / 2))
    length = math.hypot(flat, delta[lift] / n)
    for i in range(n if length > 1e-9 else 0):
        angle = arc.start + (i + 0.5) * theta
        turn = math.copysign(flat / length, arc.sweep)
        along = [0.0, 0.0, 0.0, pushed / n / length]
        along[lift] = delta[lift] / n / length
        along[arc.p], along[arc.q] = -turn * math.sin(angle), turn * math.cos(angle)
        inside = arc.radius if rule == "marlin" and 0 < i < n - 1 else 0.0
        r.moves.append(Move(tuple(along), length, speed, chosen or math.inf, r.line, inside))
