"""The lane against its reference: the same input in the same pieces gives the same bytes, events and deadlines."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from fleetctl_plugins.marlin.engine import MarlinEngine
from fleetctl_plugins.marlin.lane import LanedMarlinEngine
from fleetctl_plugins.marlin.quirks import ROWS, UNKNOWN, Quirks
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import FleetctlError
from fleetctl.protocol.engine import EngineEvent, Progress
from fleetctl.protocol.feeder import Feeder

GREETING = (
    "ok",
    "ok",
    "FIRMWARE_NAME:Marlin 2.1.2 SOURCE_CODE_URL:none",
    "Cap:AUTOREPORT_TEMP:1",
    "Cap:AUTOREPORT_POS:1",
    "Cap:EMERGENCY_PARSER:1",
    "Cap:SDCARD:0",
    "ok",
    "ok",
    "ok",
    "ok",
    "ok T:20.0 /0.0 B:20.0 /0.0",
    "X:0.00 Y:0.00 Z:0.00 E:0.00",
    "ok",
)

MOVES = ("G1 X10.123 Y20.456 E0.01234", "g0 x1", "G01 X2", "G2 X1 Y1 I1 J0", "G1 X3 ; comment", "G1 X5.5 Y6.25 F3000")
OTHERS = (
    "M109 S200",
    "G28",
    "M117 hello",
    "G4 P100",
    "M104 S210",
    "",
    "; nothing",
    "M110 N5",
    "G10",
    "G1.1 X1",
    "M0",
)


@dataclass
class Host:
    """What the streamer does with an engine, with everything that comes of it kept."""

    engine: MarlinEngine
    now: float = 100.0
    bytes_out: bytes = b""
    urgent: bytes = b""
    events: list[EngineEvent] = field(default_factory=list)
    progress: Progress | None = None
    by_lane: int = 0

    def hear(self, data: bytes) -> None:
        if isinstance(self.engine, LanedMarlinEngine):
            lane = self.engine.lane
            output = lane.receive(data, self.now)
            if output is not None:
                self.by_lane += 1
                self.bytes_out += output
                if lane.wants_step:
                    lane.wants_step = False
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
        if isinstance(self.engine, LanedMarlinEngine) and (late := self.engine.progress()) is not None:
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
                    self.engine.command("M119", self.now)
                case _:
                    getattr(self.engine, verb)(self.now)
        self.pump()


MARLIN_2 = next(row for row in ROWS if row.name == "Marlin 2")


def streaming(engine: MarlinEngine, program: bytes, quirks: Quirks = MARLIN_2) -> tuple[Host, Feeder]:
    """A host whose engine has been greeted and has begun the program, on a firmware with these quirks."""
    host = Host(engine)
    engine.connected(host.now)
    host.pump()
    for line in GREETING:
        host.hear(line.encode() + b"\n")
    engine._quirks = quirks
    engine._link.receive_bytes = quirks.receive_bytes
    feeder = Feeder(line_limit_bytes=95, text_commands=True)
    feeder.push(program)
    engine.start(feeder, host.now)
    host.pump()
    return host, feeder


def board_says(draw: st.DataObject, reference: MarlinEngine, end: str) -> bytes:
    """One line from the board, most of them answers."""
    link = reference._link
    number = link.oldest_number + draw.draw(st.sampled_from((0,) * 8 + (-1, 1)))
    named = f"ok N{number} P15 B{draw.draw(st.integers(0, 7))}"
    rare = (
        "T:200.1 /200.0 B:60.0 /60.0 @:0 B@:0",
        "echo:busy: processing",
        "echo:busy: paused for user",
        f"Resend: {max(1, link.history.next_number - draw.draw(st.integers(0, 3)))}",
        "ok N1 P15",
        f"{named} ",
        "okay",
        "o",
        "wait",
        "Error:Line Number is not Last Line Number+1, Last Line: 3",
        "//action:pause",
        "start",
    )
    word = draw.draw(st.sampled_from(("ok",) * 12 + (named,) * 12 + rare))
    return word.encode() + end.encode()


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_lane_and_engine_do_the_same(draw: st.DataObject) -> None:
    lines = draw.draw(st.lists(st.sampled_from(MOVES * 4 + OTHERS), min_size=1, max_size=30))
    end = draw.draw(st.sampled_from(("\n", "\r\n")))
    program = "\n".join(lines).encode()
    quirks = draw.draw(st.sampled_from((MARLIN_2, MARLIN_2, *ROWS, UNKNOWN)))
    reference, plain_feeder = streaming(MarlinEngine(), program, quirks)
    laned, lane_feeder = streaming(LanedMarlinEngine(), program, quirks)
    hosts = (reference, laned)
    finish_at = draw.draw(st.integers(0, 30))
    for turn in range(draw.draw(st.integers(1, 40))):
        if turn == finish_at:
            for host, feeder in ((reference, plain_feeder), (laned, lane_feeder)):
                feeder.finish()
                host.engine.elapse(host.now)
                host.pump()
        said = b"".join(board_says(draw, reference.engine, end) for _ in range(draw.draw(st.integers(1, 4))))
        cuts = sorted(draw.draw(st.sets(st.integers(1, len(said) - 1), max_size=3))) if len(said) > 1 else []
        for begin, stop in zip([0, *cuts], [*cuts, len(said)], strict=True):
            for host in hosts:
                host.hear(said[begin:stop])
            same(reference, laned)
        verb = draw.draw(
            st.sampled_from(("",) * 20 + ("pause", "resume", "override", "ask", "cancel", "make_safe", "stop"))
        )
        wait_s = draw.draw(st.sampled_from((0.0, 0.0, 0.01, 0.2, 3.0, 40.0)))
        for host in hosts:
            host.passes(wait_s)
            if verb:
                host.does(verb)
        same(reference, laned)


def test_two_answers_in_one_moment_are_two() -> None:
    """As on a clock that stands still between them: what is sent after the second has its own patience."""
    program = b"G1 X1\nG1 X2\nG1 X3\nM0\n"
    hosts = [streaming(engine(), program)[0] for engine in (MarlinEngine, LanedMarlinEngine)]
    for wait_s in (3.0, 0.0, 3.0):
        for host in hosts:
            host.hear(b"ok\n")
            host.passes(wait_s)
        same(hosts[0], hosts[1])
    assert hosts[1].by_lane == 3


def same(reference: Host, laned: Host) -> None:
    assert laned.bytes_out == reference.bytes_out
    assert laned.urgent == reference.urgent
    assert laned.events == reference.events
    assert laned.progress == reference.progress
    assert laned.engine.next_deadline() == reference.engine.next_deadline()
    ours, theirs = laned.engine._link, reference.engine._link
    assert ours.oldest_number == theirs.oldest_number
    assert (len(ours.window), ours.window.used_bytes) == (len(theirs.window), theirs.window.used_bytes)
    assert ours.window.max_lines == theirs.window.max_lines
    assert remembered(laned) == remembered(reference)


def remembered(host: Host) -> list[bytes]:
    """What could be repeated."""
    history = host.engine._link.history
    return [history.line(number) for number in range(history.oldest_number, history.next_number)]


def test_the_lane_takes_what_is_plain_and_nothing_else() -> None:
    host, _ = streaming(LanedMarlinEngine(), b"G1 X1\nG1 X2\nG1 X3\nM109 S200\nG1 X4\n")
    for answer in (b"o", b"k", b"\n", b"\r\nok\r\n"):
        host.hear(answer)
    assert host.by_lane == 4
    assert host.bytes_out.count(b"G1 X") == 3
    host.hear(b"ok\n")
    assert b"M109" in host.bytes_out
    before = host.by_lane
    host.hear(b"T:100.0 /200.0 B:20.0 /0.0 W:?\n")
    host.hear(b"ok\n")
    assert host.by_lane == before
    assert host.bytes_out.count(b"G1 X") == 4


def test_with_a_window_the_lane_answers_many_at_once() -> None:
    host, feeder = streaming(LanedMarlinEngine(), b"G1 X1\n" * 40)
    link = host.engine._link
    for _ in range(3):
        oldest = link.history.next_number - len(link.window)
        answers = "".join(f"ok N{oldest + n} P15 B7\n" for n in range(len(link.window)))
        host.hear(answers.encode())
    assert len(link.window) == 7  # what fits the receive ring: 7 lines of 17 or 18 bytes
    assert host.by_lane == 3
    assert not feeder.exhausted


def test_the_lane_waits_until_the_lines_before_its_own_are_written() -> None:
    """A program begins in one turn of the loop and its first lines are written in the next; a stray ok between."""
    host = Host(LanedMarlinEngine())
    host.engine.connected(host.now)
    host.pump()
    for line in GREETING:
        host.hear(line.encode() + b"\n")
    feeder = Feeder(line_limit_bytes=95, text_commands=True)
    feeder.push(b"G1 X1\nG1 X2\nG1 X3\n")
    before = len(host.bytes_out)
    host.engine.start(feeder, host.now)
    host.hear(b"ok\n")
    host.pump()
    assert [line.split()[2].partition(b"*")[0] for line in host.bytes_out[before:].splitlines()] == [b"X1", b"X2"]


def test_the_lane_keeps_to_the_receive_ring_whatever_room_the_firmware_claims() -> None:
    program = b"G1 X100.123 Y100.456 Z100.789 E100.12345\n" * 20
    host, _ = streaming(LanedMarlinEngine(), program)
    link = host.engine._link
    for _ in range(3):
        host.hear(b"ok N%d P15 B7\n" % link.oldest_number)
    assert host.by_lane == 3
    assert len(link.window) == 2
    assert link.window.used_bytes <= link.receive_bytes < 1.5 * link.window.used_bytes


def test_what_the_lane_sent_is_repeated_when_it_is_asked_for() -> None:
    host, _ = streaming(LanedMarlinEngine(), b"".join(b"G1 X%d\n" % n for n in range(20)))
    for _ in range(5):
        host.hear(b"ok\n")
    assert host.by_lane == 5
    last = host.bytes_out.splitlines(keepends=True)[-1]
    before = len(host.bytes_out)
    host.hear(b"Resend: %d\nok\n" % host.engine._link.oldest_number)
    host.passes(1.0)
    assert host.bytes_out[before:] == last


def test_the_program_ends_with_its_last_line_whoever_sent_it() -> None:
    hosts = []
    for engine in (MarlinEngine(), LanedMarlinEngine()):
        host, feeder = streaming(engine, b"G1 X1\nG1 X2\n")
        feeder.finish()
        host.hear(b"ok\n")
        host.does("pause")
        hosts.append(host)
    assert hosts[1].by_lane == 1
    same(*hosts)
    assert hosts[0].engine._phase is hosts[1].engine._phase
