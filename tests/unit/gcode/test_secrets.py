"""Secrets in comments are found wherever they stand, with their line, and never come out again."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS, analyze
from fleetctl.gcode.secrets import holds_secret, is_secret
from tests.unit.gcode import packers

VALUE = "hunter2-4711"
BODY = b"G28\nM104 S200\nG1 X1 E1\n"


@pytest.mark.parametrize(
    "comment",
    [
        f"; printhost_apikey = {VALUE}",
        f"; printhost_password = {VALUE}",
        f";API key: {VALUE}",
        f"; wifi_password={VALUE}",
        f"; access_code : {VALUE}",
        f"; mqtt_user = {VALUE}",
        f'; settings {{"nozzle": 0.4, "octoprint_api_key": "{VALUE}"}}',
        f'; settings {{\\"api_key\\": \\"{VALUE}\\"}}',
        f"; start_gcode = M117 hi\\n; token = {VALUE}",
        f"G4 P1 ; password: {VALUE}",
        f";SETTING_3 [values]\\\\noctoprint_password = {VALUE}\\\\n",
        f"; Authorization: Bearer {VALUE}",
    ],
)
@pytest.mark.parametrize("before", [b"", BODY * 20_000])
def test_a_secret_is_found_with_its_line_and_kept_out(comment: str, before: bytes) -> None:
    program = BODY + before + comment.encode() + b"\n" + (before or BODY)
    facts = analyze(program, dialect="marlin")
    line = (BODY + before).count(b"\n") + 1
    assert (facts.hazards["secret"].line, facts.hazards["secret"].count) == (line, 1)
    assert VALUE not in msgspec.json.encode(facts).decode()


@pytest.mark.parametrize(
    "comment",
    [
        "; printhost_apikey =",
        '; printhost_password = ""',
        '; settings {"api_key": "", "nozzle": 0.4}',
        "; host_type = octoprint",
        "; printhost_port = 80",
        "; printhost_authorization_type = key",
        "; bridge_flow_ratio = 1",
        "; monkey = ape",
        "; Pass: 2 of 5",
        "; author: Ann",
        "; small_area_infill_flow_compensation = 0",
        "; the key idea: keep it cold",
        "; AAAAkeyAAAA==",
        "; keyhole_width = 4",
    ],
)
def test_what_only_looks_like_a_secret_is_none(comment: str) -> None:
    assert "secret" not in analyze(BODY + comment.encode() + b"\n").hazards


def test_a_secret_in_a_setting_of_a_container_has_no_line() -> None:
    settings = packers.settings(packers.SLICER, {"printhost_apikey": VALUE, "notes": f"token = {VALUE}", "a": "1"})
    facts = analyze(packers.bgcode(BODY, before=settings))
    assert facts.hazards["secret"].line == 0
    assert VALUE not in msgspec.json.encode(facts).decode()
    assert facts.metadata["a"] == "1"


def test_the_first_line_and_the_number_of_secrets_are_told() -> None:
    facts = analyze(BODY + b"; api_key = x\n; password = y\nG4 P1\n; api_key = z\n")
    assert (facts.hazards["secret"].line, facts.hazards["secret"].count) == (4, 3)


@given(
    st.lists(st.sampled_from([b"; api_key = 1", b"; x", b"G1 X1 ; pwd: a", b'; {"token":"b"}', b";pass=", b"\xff="]))
)
def test_any_split_gives_the_same_keys(lines: list[bytes]) -> None:
    text = b"\n".join(lines)
    whole = gcode_core.Scanner(DIALECTS["marlin"].reads, False, False)
    whole.feed(text)
    whole.finish()
    split = gcode_core.Scanner(DIALECTS["marlin"].reads, False, False)
    for at in range(len(text)):
        split.feed(text[at : at + 1])
    split.finish()
    assert whole.secret_keys() == split.secret_keys()


def test_a_thousand_odd_keys_do_not_grow_the_core() -> None:
    scan = gcode_core.Scanner(DIALECTS["marlin"].reads, False, False)
    scan.feed(b"".join(b"; key_%d = 1\n" % number for number in range(5000)))
    scan.finish()
    assert len(scan.secret_keys()) == 256


def test_names_of_secrets() -> None:
    assert all(map(is_secret, ("wifi_passphrase", "octoprint_api_key", "AccessCode", "client_secret", "auth_token")))
    assert not any(map(is_secret, ("passes", "user_profile", "keyword", "authentic", "layer_height", "token_count")))
    assert holds_secret("http://lan:hunter2@192.168.1.9/") and not holds_secret("http://192.168.1.9:5000/a@b")
    assert holds_secret('{"api_key": "abc"}') and not holds_secret("see the api key page") and not holds_secret("")
