"""Messages survive the way, and only ours are understood."""

from __future__ import annotations

import msgspec
import pytest

from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.messages import (
    Acknowledge,
    MachineReport,
    Start,
    TelemetryReport,
    decode_to_agent,
    decode_to_controller,
    encode,
)


def test_a_command_comes_out_as_it_went_in() -> None:
    start = Start(
        command_id="c", run_id="r", epoch=1, machine_id="m", program_sha256="a" * 64, not_after_s=1_700_000_000.5
    )
    assert decode_to_agent(encode(start)) == start


def test_a_report_comes_out_as_it_went_in() -> None:
    report = MachineReport(
        sequence=7,
        machine_id="m",
        link=Link.ONLINE,
        activity=Activity.IDLE,
        position=Position.KNOWN,
        at_s=1.0,
    )
    assert decode_to_controller(encode(report)) == report


def test_telemetry_keeps_pairs() -> None:
    reading = TelemetryReport(machine_id="m", at_s=1.0, temperatures_degc={"nozzle": (199.5, 200.0)})
    assert decode_to_controller(encode(reading)) == reading


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", encode(Acknowledge(sequence=1))])
def test_what_is_none_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_to_controller(data)
