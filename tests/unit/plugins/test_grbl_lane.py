"""The lane of the Grbl family against its reference: the same input in the same pieces gives the same bytes, events
and deadlines."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import pytest
from fleetctl_plugins.grbl.engine import GrblEngine
from fleetctl_plugins.grbl.lane import LanedGrblEngine
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import FleetctlError
from fleetctl.protocol.engine import EngineEvent, PositionSuspect, Progress, RunEnded, RunEndKind, RunFinished
from fleetctl.protocol.feeder import Feeder

FIRMWARES: dict[str, tuple[str, ...]] = {
    "grbl": ("[VER:1.1h.20190830:]", "[OPT:V,15,128]"),
    "small grbl": ("[VER:1.1h.20190830:]", "[OPT:V,15,66]"),
    "grblhal": ("[VER:1.1f.20260817:]", "[OPT:VNMZ,35,1024,3,0]", "[NEWOPT:ENUMS,RT+]", "[FIRMWARE:grblHAL]"),
    "fluidnc": ("[VER:3.9 FluidNC v3.9.9 (esp32-wifi) :]", "[OPT:PHS]"),
}
ROOM_BYTES = {"grbl": 128, "small grbl": 66, "grblhal": 1023, "fluidnc": 256}
STANDING = (
    *(f"[G{number}:0.000,0.000,0.000]" for number in (54, 55, 56, 57, 58, 59, 28, 30, 92)),
    "[TLO:0.000]",
)
MODES = "[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]"

MOVES = (
    "G1 X10.123 Y20.456 Z-1.5",
    "g0 x1",
    "G01X2Y-3.25F900",
    "G2 X1 Y1 I1 J0",
    "X3 ; modal",
    "G1 X5.5 S400 (cut)",
    "G3X1.5Y2.25R10F1000",
    "G1 X-123.45678 Y-123.45678 Z-12.34567 A1.5 F1234.5",
)
OTHERS = (
    "M3 S1000",
    "M6 T2",
    "T3 M6",
    "M6",
    "G1 X1 M06",
    "M0",
    "G4 P0.5",
    "G28",
    "G28.1",
    "G10 L20 P1 X0",
    "G010 L2 P1 X0",
    "G38.2 Z-5 F10",
    "G53 G0 Z0",
    "G92 X0",
    "G17 G21 G90",
    "/G1 X1",
    "$H",
    "[ESP]",
    "G1.0 X1",
    "G01.X2",
    "G1 X1 M5",
    "G1 X1 L5",
    "",
    "; nothing",
    "G1 X" + "1" * 80 + ".5",
    "G1 X1 ?",
)


@dataclass
class Host:
    """What the streamer does with an engine, with everything that comes of it kept."""

    engine: GrblEngine
    now: float = 100.0
    bytes_out: bytes = b""
    urgent: bytes = b""
    events: list[EngineEvent] = field(default_factory=list)
    progress: Progress | None = None
    by_lane: int = 0
    steps: int = 0

    def hear(self, data: bytes) -> None:
        if isinstance(self.engine, LanedGrblEngine):
            lane = self.engine.lane
            output = lane.receive(data, self.now)
            if output is not None:
                self.by_lane += 1
                self.bytes_out += output
                if lane.wants_step:
                    lane.wants_step = False
                    self.steps += 1
                    self.engine.receive(b"", self.now)
                self.pump()
                return
        self.engine.receive(data, self.now)
        self.pump()

    def pump(self) -> None:
        if self.engine.discards_output():
            self.urgent += b"<discard>"
        self.urgent += self.engine.take_urgent()
        self.bytes_out += self.engine.take_output()
        told = self.engine.events()
        if isinstance(self.engine, LanedGrblEngine) and (late := self.engine.progress()) is not None:
            told.append(late)
        for event in told:
            if isinstance(event, Progress):
                self.progress = event
            else:
                self.events.append(event)

    def passes(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.engine.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.engine.elapse(self.now)
            self.pump()
        self.now = end

    def does(self, verb: str) -> None:
        with contextlib.suppress(FleetctlError):
            match verb:
                case "override":
                    self.engine.override("feed", 90.0, self.now)
                case "ask":
                    self.engine.command("$G", self.now)
                case _:
                    getattr(self.engine, verb)(self.now)
        self.pump()

    def told(self, kind: type[EngineEvent]) -> list[EngineEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def report(state: str, free_bytes: int | None) -> str:
    room = "" if free_bytes is None else f"Bf:15,{free_bytes}|"
    return f"<{state}|MPos:1.000,2.000,-3.000|{room}FS:500,8000>"


def streaming(engine: GrblEngine, program: bytes, firmware: str = "grbl", *, finished: bool = False) -> Host:
    """A host whose controller has said who it is, and whose engine has begun the program."""
    host = Host(engine)
    engine.connected(host.now)
    host.pump()
    host.hear(report("Idle", ROOM_BYTES[firmware]).encode() + b"\r\n")
    for lines in (FIRMWARES[firmware], ("$13=0", "$22=1"), STANDING, (MODES,)):
        host.hear("".join(line + "\r\n" for line in (*lines, "ok")).encode())
    feeder = Feeder(line_limit_bytes=engine.line_most_bytes, remove_spaces=True)
    feeder.push(program)
    if finished:
        feeder.finish()
    engine.start(feeder, host.now)
    host.pump()
    for lines in (STANDING, (MODES,)):
        host.hear("".join(line + "\r\n" for line in (*lines, "ok")).encode())
    assert engine.dialect.name == firmware.split()[-1]
    host.feeder = feeder  # type: ignore[attr-defined]
    return host


STATES = ("Run", "Run", "Run", "Idle", "Hold:0", "Hold:1", "Door:0", "Alarm", "Check", "Jog", "Tool")
RARE = (
    "error:2",
    "error:20",
    "error:",
    "ALARM:1",
    "ALARM:3",
    "[MSG:Pgm End]",
    "[echo:G1X1]",
    "[echo:G1X10.123Y20.456Z-1.5]",
    "[GC:G0 G54 G17 G21 G90 G94 M3 M8 T0 F0 S0]",
    "Grbl 1.1h ['$' for help]",
    "okay",
    "OK",
    "o",
    " ok",
    "ok ",
    "<Run|MPos:1.000,2.0",
)
SPOKEN = ("ok",) * 25 + ("ok\r\nok\nok\r\nok",) * 15 + STATES + RARE


def controller_says(draw: st.DataObject, reference: GrblEngine, firmware: str) -> str:
    """One line from the controller, most of them answers."""
    word: str = draw.draw(st.sampled_from(SPOKEN))
    if word not in STATES:
        return word
    held = reference._sender.window.used_bytes + draw.draw(st.sampled_from((0, 0, 0, -20, 30)))
    return report(word, draw.draw(st.sampled_from((None, ROOM_BYTES[firmware] - held))))


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_lane_and_engine_do_the_same(draw: st.DataObject) -> None:
    firmware = draw.draw(st.sampled_from(sorted(FIRMWARES)))
    lines = draw.draw(st.lists(st.sampled_from(MOVES * 12 + OTHERS), min_size=1, max_size=60))
    end = draw.draw(st.sampled_from(("\r\n", "\r\n", "\n")))
    program = "\n".join(lines * draw.draw(st.sampled_from((1, 1, 5)))).encode()
    pushed = draw.draw(st.sampled_from((len(program), len(program), len(program) // 2)))
    reference = streaming(GrblEngine(), program[:pushed], firmware)
    laned = streaming(LanedGrblEngine(), program[:pushed], firmware)
    hosts = (reference, laned)
    finish_at = draw.draw(st.integers(0, 30))
    for turn in range(draw.draw(st.integers(1, 40))):
        if turn == finish_at:
            for host in hosts:
                host.feeder.push(program[pushed:])  # type: ignore[attr-defined]
                host.feeder.finish()  # type: ignore[attr-defined]
                host.engine.elapse(host.now)
                host.pump()
        said = "".join(
            controller_says(draw, reference.engine, firmware) + end for _ in range(draw.draw(st.integers(1, 4)))
        ).encode()
        cuts = sorted(draw.draw(st.sets(st.integers(1, len(said) - 1), max_size=3)))
        for begin, stop in zip([0, *cuts], [*cuts, len(said)], strict=True):
            for host in hosts:
                host.hear(said[begin:stop])
            same(*hosts)
        verb = draw.draw(
            st.sampled_from(
                ("",) * 20 + ("pause", "resume", "resume", "override", "ask", "cancel", "make_safe", "stop")
            )
        )
        wait_s = draw.draw(st.sampled_from((0.0, 0.0, 0.0, 0.01, 0.2, 0.8, 6.0)))
        for host in hosts:
            host.passes(wait_s)
            if verb:
                host.does(verb)
        same(*hosts)
        for host in hosts:  # what was compared once need not be again
            host.bytes_out = host.urgent = b""
            host.events.clear()


def same(reference: Host, laned: Host) -> None:
    assert laned.bytes_out == reference.bytes_out
    assert laned.urgent == reference.urgent
    assert laned.events == reference.events
    assert laned.progress == reference.progress
    assert laned.engine.next_deadline() == reference.engine.next_deadline()
    ours, theirs = laned.engine._sender, reference.engine._sender
    assert sizes(laned) == sizes(reference)
    assert (ours.window.used_bytes, ours.window.max_bytes) == (theirs.window.used_bytes, theirs.window.max_bytes)
    assert (ours.sent_bytes, ours.sent_line, ours.change) == (theirs.sent_bytes, theirs.sent_line, theirs.change)
    assert ours.budget_bytes == theirs.budget_bytes
    assert laned.engine._phase is reference.engine._phase
    assert laned.engine._acknowledged_line == reference.engine._acknowledged_line


def sizes(host: Host) -> list[bytes]:
    """What is in flight."""
    return [tag[0] if isinstance(tag, tuple) else tag.text.encode() for tag in host.engine._sender.window.tags()]


def drained(host: Host) -> None:
    """Answers to all lines of the program that go out."""
    while isinstance(host.engine._sender.window.oldest(), tuple):
        host.hear(b"ok\r\n")


def test_the_lane_takes_what_is_plain_and_nothing_else() -> None:
    host = streaming(LanedGrblEngine(), b"G1 X1\nG1 X2\nG1 X3\nM5\nG1 X4\n" + b"G1 X5.5\n" * 40)
    before = len(host.bytes_out)
    assert host.by_lane == 0
    for answer in (b"o", b"k", b"\r", b"\nok\r\n"):
        host.hear(answer)
    assert host.by_lane == 4
    assert host.bytes_out[before:] == b"G1X5.5\n" * 2  # for as many bytes as were free
    host.hear(b"ok\r\n<Run|MPos:0.000,0.000,0.000|FS:0,0>\r\n")
    assert host.by_lane == 4
    host.hear(b"ok\r\n")
    assert host.by_lane == 5


@pytest.mark.parametrize("line", MOVES + OTHERS)
def test_only_plain_moves_are_sent_by_the_lane(line: str) -> None:
    program = b"G1X1.5\n" * 40 + line.encode() + b"\n" + b"G1X2.5\n" * 40
    hosts = [streaming(engine, program) for engine in (GrblEngine(), LanedGrblEngine())]
    for _ in range(60):
        for host in hosts:
            host.hear(b"ok\r\n")
        same(*hosts)
    is_plain = line in MOVES or line in ("", "; nothing")
    assert (hosts[1].steps == 0) is is_plain
    assert hosts[1].by_lane > 20


@pytest.mark.parametrize("firmware", sorted(FIRMWARES))
def test_a_program_of_moves_is_streamed_by_the_lane_to_its_end(firmware: str) -> None:
    lines = [b"G1X%d.125Y%d.5Z-1.25F900\n" % (n, n % 7) for n in range(200)]
    host = streaming(LanedGrblEngine(), b"".join(lines), firmware, finished=True)
    before = host.bytes_out.index(b"G1X0.125")
    drained(host)
    host.hear(b"ok\r\n")
    host.hear(report("Idle", ROOM_BYTES[firmware]).encode() + b"\r\n")
    assert host.bytes_out[before:] == b"".join(lines) + b"G4P0.01\n"
    assert host.by_lane == 200
    assert host.steps == 1  # only the last answer needs the engine, which asks whether all was carried out
    assert host.told(RunFinished) == [RunFinished(200, len(b"".join(lines)))]


@pytest.mark.parametrize("size", range(6, 40))
@pytest.mark.parametrize("firmware", sorted(FIRMWARES))
def test_never_more_is_in_flight_than_the_buffer_holds(firmware: str, size: int) -> None:
    line = b"G1X".ljust(size - 1, b"7") + b"\n"
    host = streaming(LanedGrblEngine(), line * 600, firmware)
    most = 0
    for _ in range(300):
        host.hear(b"ok\r\n")
        most = max(most, host.engine._sender.window.used_bytes)
    buffer_bytes = {"grbl": 128, "small grbl": 66, "grblhal": 1024, "fluidnc": 256}[firmware]
    assert buffer_bytes - 1 - size < most < buffer_bytes
    assert host.by_lane == 300


@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_told_with_a_report_unless_somebody_looks_soon(watched: bool) -> None:
    engine = streaming(LanedGrblEngine(), b"G1X1.5\n" * 100).engine
    assert isinstance(engine, LanedGrblEngine)
    engine.lane.is_watched = watched
    assert engine.lane.receive(b"ok\r\n", 100.0) == b"G1X1.5\n"
    engine.receive(report("Run", None).encode() + b"\r\n", 100.0)
    told = [event for event in engine.events() if isinstance(event, Progress)]
    late = engine.progress()
    assert (told, late) == (([], Progress(1, 19, 7)) if watched else ([Progress(1, 19, 7)], None))
    assert engine.progress() is None


def test_an_answer_too_many_is_for_the_engine() -> None:
    host = streaming(LanedGrblEngine(), b"G1 X1\nG1 X2\n")
    host.hear(b"ok\r\nok\r\nok\r\n")
    assert host.by_lane == 0
    assert host.told(PositionSuspect)
    assert b"!" in host.urgent


def test_nothing_is_sent_by_the_lane_while_it_is_paused() -> None:
    host = streaming(LanedGrblEngine(), b"G1X1.5\n" * 100)
    host.does("pause")
    before = host.bytes_out
    host.hear(b"ok\r\nok\r\n")
    assert host.bytes_out == before
    host.does("resume")
    assert host.bytes_out == before + b"G1X1.5\n" * 2
    assert host.by_lane == 0
    host.hear(b"ok\r\n")
    assert host.by_lane == 1


def test_the_lane_is_shut_before_a_stop_is_written() -> None:
    """A stop of many machines leaves everything but the stop itself to the next turn of the loop."""
    host = streaming(LanedGrblEngine(), b"G1X1.5\n" * 100)
    host.engine.stop(host.now)
    assert isinstance(host.engine, LanedGrblEngine)
    assert host.engine.lane.receive(b"ok\r\n", host.now) is None
    assert host.engine.take_output() == b""


def test_an_answer_that_the_lane_took_clears_the_suspicion_that_one_was_lost() -> None:
    hosts = [streaming(engine, b"G1X1.5\n" * 100) for engine in (GrblEngine(), LanedGrblEngine())]
    for host in hosts:
        for _ in range(12):
            host.hear(report("Idle", None).encode() + b"\r\n")
            host.hear(b"ok\r\n")
            host.passes(0.4)
        assert not host.told(RunEnded)
        for _ in range(3):
            host.hear(report("Idle", None).encode() + b"\r\n")
            host.passes(0.4)
        (ended,) = host.told(RunEnded)
        assert isinstance(ended, RunEnded)
        assert (ended.kind, ended.acknowledged_line) == (RunEndKind.INTERRUPTED, 12)
    same(*hosts)


def test_bytes_lost_on_the_way_show_in_the_reports_also_while_the_lane_acts() -> None:
    host = streaming(LanedGrblEngine(), b"G1X100.125Y20.5Z-1.25F900\n" * 400)
    for lost_bytes in (0, 0, 0, 60):
        assert not host.told(PositionSuspect)
        host.hear(b"ok\r\n" * 2)
        for _ in range(8):
            host.passes(0.2)
            free = 128 - host.engine._sender.window.used_bytes
            host.hear(report("Run", free + lost_bytes).encode() + b"\r\n")
    assert host.by_lane == 4
    assert "lines were lost" in str(host.told(PositionSuspect)[0])


@pytest.mark.parametrize("modes", [MODES, MODES.replace("M5 M9", "M3 M8")])
def test_the_program_stands_at_a_tool_change_whoever_sent_the_line_before(modes: str) -> None:
    """With spindle and coolant on, lines of our own bring them back, and the program's stand behind them."""
    hosts = []
    for engine in (GrblEngine(), LanedGrblEngine()):
        host = streaming(engine, b"G1X1.5\n" * 30 + b"T2M6\n" + b"G1X2.5\n" * 30, finished=True)
        drained(host)
        assert host.engine._sender.change is not None
        host.hear(b"ok\r\n")  # to G4P0.01
        host.hear(modes.encode() + b"\r\nok\r\n")
        while host.engine._sender.window:
            host.hear(b"ok\r\n")  # to M5 and M9
        assert b"G1X2.5" not in host.bytes_out
        host.does("resume")
        while not host.bytes_out.endswith(b"G4P0.01\n"):
            host.hear(b"ok\r\n")
        assert host.bytes_out.count(b"G1X2.5\n") == 30
        assert (b"M3\nG4P4\nM8\n" in host.bytes_out) is (modes != MODES)
        hosts.append(host)
    same(*hosts)
    assert hosts[1].by_lane > 40


def test_the_lane_leaves_a_program_that_cannot_be_sent_on_to_the_engine() -> None:
    hosts = [
        streaming(engine, b"G1X1.5\n" * 30 + bad, finished=True)
        for bad in (b"G1X?\n", b"$X\n", b"G1X" + b"1" * 90 + b"\n")
        for engine in (GrblEngine(), LanedGrblEngine())
    ]
    for host in hosts:
        for _ in range(31):
            host.hear(b"ok\r\n" if not host.engine._end[1] else b"")
        assert "30" in host.engine._end[1] or "31" in host.engine._end[1], host.engine._end
    for reference, laned in zip(hosts[::2], hosts[1::2], strict=True):
        same(reference, laned)
        assert laned.by_lane > 5
