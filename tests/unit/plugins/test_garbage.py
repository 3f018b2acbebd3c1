"""Whatever bytes a machine sends, its engine does not break, and keeps no more of them than it must."""

from __future__ import annotations

import random

import pytest
from fleetctl_plugins.grbl import standing
from fleetctl_plugins.grbl.lane import LanedGrblEngine
from fleetctl_plugins.grbl.status import StatusReader
from fleetctl_plugins.marlin import words as marlin_words
from fleetctl_plugins.marlin.lane import LanedMarlinEngine
from fleetctl_plugins.tinyg import words as tinyg_words
from fleetctl_plugins.tinyg.engine import TinygEngine

from fleetctl.errors import FleetctlError
from fleetctl.protocol.engine import Engine
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.lines import ANSWER_MOST_LINES

SPEECH: dict[str, tuple[bytes, ...]] = {
    "marlin": (
        b"ok\n",
        b"ok N5 P15 B3\n",
        b"FIRMWARE_NAME:Marlin 2.1 SOURCE_CODE_URL:x\n",
        b"Cap:EMERGENCY_PARSER:1\n",
        b"X:0.00 Y:0.00 Z:0.00 E:0.00\n",
        b"ok T:20.0 /0.0 B:20.0 /0.0\n",
        b"Resend: 3\n",
        b"Error:0\n",
        b"echo:busy: processing\n",
        b"//action:prompt_begin a\n",
        b"//action:prompt_show\n",
        b"start\n",
        b"wait\n",
        b"SD printing byte 1/2\n",
    ),
    "grbl": (
        b"ok\r\n",
        b"Grbl 1.1h ['$' for help]\r\n",
        b"[VER:1.1h.20190825:]\r\n",
        b"[OPT:V,15,128]\r\n",
        b"$32=0\r\n",
        b"[G54:0.000,0.000,0.000]\r\n",
        b"[G92:0.000,0.000,0.000]\r\n",
        b"[TLO:0.000]\r\n",
        b"[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]\r\n",
        b"<Idle|MPos:0.000,0.000,0.000|Bf:15,128|FS:0,0|WCO:0.000,0.000,0.000>\r\n",
        b"<Hold:0|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100|A:S>\r\n",
        b"<Check|MPos:0.000,0.000,0.000>\r\n",
        b"error:20\r\n",
        b"ALARM:1\r\n",
        b"[echo: G1X1]\r\n",
    ),
    "tinyg": (
        *(
            b'{"r":{"%s":%s},"f":[1,0,%d]}\n' % (name, value, len(name) + 10)
            for name, value in [
                *((b"fv", b"0.97"), (b"fb", b"440.2"), (b"hp", b"1"), (b"id", b'"a"'), (b"sv", b"1"), (b"qv", b"1")),
                *((b"unit", b"1"), (b"coor", b"1")),
                *((b"g%d" % number, b'{"x":0,"y":0,"z":0}') for number in (54, 55, 56, 57, 58, 59, 92)),
                *((b"home", b"0"), (b"qr", b"28")),
                (b"sr", b'{"stat":1,"posx":0,"posy":0,"posz":0,"vel":0,"unit":1,"coor":1}'),
            ]
        ),
        b'{"r":{},"f":[1,0,12]}\n',
        b'{"r":{"mpo":{"x":0,"y":0,"z":0}},"f":[1,0,13]}\n',
        b'{"r":{"prb":{"e":1,"x":0,"y":0,"z":0}},"f":[1,0,0]}\n',
        b'{"prb":{"e":0,"x":0,"y":0,"z":0}}\n',
        b'{"sr":{"stat":2}}\n',
        b'{"qr":28}\n',
        b'{"er":{"fb":440.2,"st":204,"msg":"a"}}\n',
        b'{"er":{"fb":440.2,"st":220,"msg":"a"}}\n',
        b'{"r":{"msg":"SYSTEM READY"},"f":[1,0,8]}\n',
    ),
}
NOISE = (b"\x00", b"\xff", b"\xfe\xff", b"9" * 400, b"-", b",", b"[" * 3000, b"e", b"\xb2", b"nan", b'"', b"\\ud800")


def engine_of(name: str) -> Engine:
    return {"marlin": LanedMarlinEngine, "grbl": LanedGrblEngine, "tinyg": TinygEngine}[name]()


def spoiled(chance: random.Random, piece: bytes) -> bytes:
    """A line as a bad link delivers it: something put in, taken out or cut off, or untouched."""
    at = chance.randrange(len(piece))
    match chance.randrange(6):
        case 0:
            return piece[:at] + chance.choice(NOISE) + piece[at:]
        case 1:
            return piece[:at] + piece[at + chance.randrange(1, 4) :]
        case 2:
            return piece[at:]
        case _:
            return piece


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("name", sorted(SPEECH))
def test_no_bytes_break_an_engine(name: str, seed: int) -> None:
    chance = random.Random(seed)
    engine = engine_of(name)
    now = 100.0
    engine.connected(now)
    for turn in range(150):
        # In order first, so that the engine gets past its greeting.
        said = SPEECH[name][turn % len(SPEECH[name])] if turn < 60 else chance.choice(SPEECH[name])
        engine.receive(spoiled(chance, said), now)
        now += chance.choice((0.0, 0.1, 1.0, 40.0))
        engine.elapse(now)
        try:
            match chance.randrange(8):
                case 0:
                    feeder = Feeder(line_limit_bytes=79, remove_spaces=name != "marlin")
                    feeder.push(b"G1 X1 F100\n" * 50)
                    feeder.finish()
                    engine.start(feeder, now)
                case 1:
                    engine.command("$C" if name == "grbl" else "M114", now)
                case 2:
                    engine.clear_fault(now)
                case 3:
                    engine.make_safe(now)
        except FleetctlError:
            pass  # refused, as it may be
        engine.discards_output()
        engine.take_urgent()
        engine.take_output()
        engine.events()
        engine.next_deadline()


@pytest.mark.parametrize("name", sorted(SPEECH))
def test_a_megabyte_without_an_end_is_forgotten(name: str) -> None:
    engine = engine_of(name)
    engine.connected(1.0)
    for _ in range(256):
        engine.receive(b"{[<o" * 1024, 1.0)
    assert len(engine._lines._rest if name != "tinyg" else engine._splitter._rest) <= 4096  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["grbl", "marlin"])
def test_of_an_answer_without_end_the_beginning_is_kept(name: str) -> None:
    engine = engine_of(name)
    engine.connected(1.0)
    greeting = b"ok\nok\n" if name == "marlin" else b"<Idle|MPos:0.000,0.000,0.000|FS:0,0>\r\n"
    engine.receive(greeting, 1.0)
    engine.take_output()
    for _ in range(50):
        engine.receive(b"[MSG:and on and on]\n" * 1000, 1.0)
    asked = engine._sender.window.oldest() if name == "grbl" else engine._link.oldest  # type: ignore[attr-defined]
    assert len(asked.lines) == ANSWER_MOST_LINES


def test_a_firmware_name_behind_noise_is_read_as_far_as_it_can_be() -> None:
    assert marlin_words.firmware_facts(["\xffFIRMWARE_NAME:Marlin 2.1"])[0] == "Marlin-like"


@pytest.mark.parametrize("line", ["[TLO:-]", "[G92:0.000,,0.000]", "[G92:0.000"])
def test_an_offset_that_cannot_be_read_counts_as_set(line: str) -> None:
    assert standing.lost_by_reset([line]) == line[1:4]


def test_an_offset_with_a_value_missing_is_no_answer() -> None:
    offsets = [f"[G{number}:0.000,0.000,0.000]" for number in range(54, 60)] + [
        "[G92:0.000,0.000,0.000]",
        "[TLO:0.000]",
    ]
    modes = ["[GC:G0 G54 G17 G21 G90 G94]"]
    assert standing.read(offsets, modes, inches=False) is not None
    assert standing.read([*offsets, "[G59.1:0.000,0.000]"], modes, inches=False) is None


@pytest.mark.parametrize("value", [b"nan", b"inf", b"9" * 400])
def test_a_place_that_is_no_number_is_no_report(value: bytes) -> None:
    """A jog is kept inside the travel by comparing with it, and nothing compares with NaN."""
    assert StatusReader().read(b"<Idle|MPos:" + value + b",0.000,0.000|FS:0,0>") is None
    assert StatusReader().read(b"<Idle|MPos:0.000,0.000,0.000|FS:" + value + b",0>") is None


@pytest.mark.parametrize("line", [b'{"msg":"\xff"}', b'{"a":' + b"[" * 4000])
def test_what_is_no_json_is_no_answer(line: bytes) -> None:
    assert tinyg_words.read(line) is None
