"""How a Marlin's speech is told from noise, and its board from others."""

import pytest
from fleetctl_plugins.marlin.board import board_facts
from fleetctl_plugins.marlin.driver import DRIVER
from fleetctl_plugins.marlin.simulator import simulator
from fleetctl_plugins.marlin.speeds import HELLO, SPEED_PROBE, understood

from fleetctl.model.profile import PROFILES


@pytest.mark.parametrize(
    "data",
    [
        b"start\necho:Marlin 2.1.2\n",
        b"\xff\x80\xf0art\necho: Last Updated: 2024\r\n",
        b"ok T:20.1 /0.0 B:20.0 /0.0 @:0 B@:0\n",
        b"wait\n",
        b" T:21.3 /0.0\r\n",
        b"Error:Line Number is not Last Line Number+1, Last Line: 0\nResend: 1\nok\n",
        b"//action:prompt_end\n",
    ],
)
def test_speech_is_understood(data: bytes) -> None:
    assert understood(data)


@pytest.mark.parametrize(
    "data", [b"", b"ok", b"\xf8\x0c\xe6\n\x80ok", b"Grbl 1.1h ['$' for help]\r\n", bytes(range(128, 256)) * 4]
)
def test_noise_half_lines_and_other_firmwares_are_not(data: bytes) -> None:
    assert not understood(data)


def test_the_hello_of_the_probe_is_answered_by_a_marlin_and_changes_nothing() -> None:
    machine = simulator(7)
    machine.take_output()
    machine.receive(HELLO, 1.0)
    machine.elapse(3.0)
    assert understood(machine.take_output())
    assert machine.is_safe


def test_the_driver_looks_for_a_speed_where_the_model_does_not_say_one() -> None:
    assert DRIVER.speed_probe is SPEED_PROBE
    assert SPEED_PROBE.speeds_baud[:2] == (115200, 250000)
    assert all(PROFILES[name].baud is None for name in DRIVER.profiles)


def test_a_number_that_every_stock_build_has_identifies_no_board() -> None:
    facts = {"uuid": "CEDE2A2F-41A2-4748-9B12-C55C62F367FF", "machine_type": "Ender-3"}
    assert board_facts(facts) == {"machine_type": "Ender-3", "board": "Ender-3"}
    assert board_facts({"uuid": "1c8a", "cap:EEPROM": "1"}) == {"uuid": "1c8a", "cap:EEPROM": "1"}
    assert board_facts({}) == {}
