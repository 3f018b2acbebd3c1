"""What is secret on a link is blanked, however it is cut into pieces, and nothing else is."""

import pytest

from fleetctl.transport.blanking import Blanker, blank_line, blank_url

SECRETS = [
    ('M587 S"shop" P"hunter22"', "M587" + "*" * 20),
    ("M588 S1", "M588***"),
    ('N12 M551 P"hunter22"*87', "N12 M551***************"),
    ("M511 P1234", "M511******"),
    ("$75=hunter22", "$75=********"),
    ("$331=hunter22", "$331=********"),
    ("$Sta/Password=hunter22", "$Sta/Password=********"),
    ("[ESP101]hunter22", "[ESP101]********"),
    ('{"api_key": "abc123"}', '{"api_key":**********'),
    ('echo:Unknown command: "M587 P"x""', 'echo:Unknown command: "M587******'),
    ("X-Api-Key: abc123", "X-Api-Key:*******"),
    ("M511P1234", "M511*****"),
    ("m 0512 p1 s2", "m 0512******"),
    ("N12M511 P1234", "N12M511******"),
    ("M 587 Sshop", "M 587******"),
    ("$ 75=hunter22", "$ 75=********"),
    ('{"wifi_pwd": "hunter22"}', '{"wifi_pwd":************'),
]
HARMLESS = [
    "M587x", "M5", "M58", "$110=5000.000", "$7=1", "$$", "G1 X10 E0.3", "ok T:200.1 /200.0 B:60.0 /60.0 @:64 B@:12",
    "<Idle|MPos:0.000,0.000,0.000|FS:0,0>", "M1170 Pass 3 of 4", "M117 Passing layer 3", "$751=3", "M5110",
]  # fmt: skip


@pytest.mark.parametrize(("line", "shown"), SECRETS)
def test_what_follows_the_name_of_a_secret_is_blanked_to_the_end_of_the_line(line: str, shown: str) -> None:
    assert blank_line(line) == shown
    assert len(shown) == len(line)


@pytest.mark.parametrize("line", HARMLESS[1:])
def test_what_is_no_secret_stays(line: str) -> None:
    assert blank_line(line) == line


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pieces_may_end_anywhere(size: int) -> None:
    text = "".join(f"{line}\r\n" for pair in zip(SECRETS, HARMLESS, strict=False) for line in (pair[0][0], "ok"))
    expected = "".join(f"{line}\r\n" for pair in SECRETS for line in (pair[1], "ok"))
    blanker = Blanker()
    data = text.encode()
    got = b"".join(blanker.blank(data[at : at + size]) for at in range(0, len(data), size))
    assert got.decode() == expected[: len(got)]
    assert "hunter22" not in got.decode()


def test_a_secret_far_in_a_long_line_is_found() -> None:
    text = '{"reports": "' + "x" * 3000 + '", "password": "hunter22"}\n'
    for size in (1, 61, 5000):
        blanker = Blanker()
        data = text.encode()
        got = b"".join(blanker.blank(data[at : at + size]) for at in range(0, len(data), size))
        assert b"hunter22" not in got and got.startswith(b'{"reports": "xxx') and len(got) == len(data)


def test_the_next_line_is_seen_again() -> None:
    blanker = Blanker()
    assert blanker.blank(b"$75=a\nG1 X1\n") == b"$75=*\nG1 X1\n"
    assert blanker.blank(b"$75") == b"$75"
    assert blanker.blank(b"=secret") == b"=******"
    assert blanker.blank(b"more") == b"****"
    assert blanker.blank(b"\nok\n") == b"\nok\n"


def test_an_address_loses_its_password() -> None:
    assert blank_url("ws://lan:hunter22@192.168.1.5:81/") == "ws://192.168.1.5:81/"
    assert blank_url("ws://lan:hunt@er22@192.168.1.5:81/") == "ws://192.168.1.5:81/"
    assert blank_url("/dev/ttyUSB0") == "/dev/ttyUSB0"
