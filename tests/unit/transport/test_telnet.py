"""Telnet's commands between the bytes: no speech of the machine is lost, none of ours is taken for a command."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.transport.telnet import (
    BINARY,
    DO,
    DONT,
    ECHO,
    IAC,
    SB,
    SE,
    SUBNEGOTIATION_MAX_BYTES,
    SUPPRESS_GO_AHEAD,
    WILL,
    WONT,
    TelnetCodec,
    escaped,
)

TERMINAL_TYPE = 24


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def answer(codec: TelnetCodec, *command: int) -> bytes:
    assert codec.receive(bytes((IAC, *command))) == b""
    said = bytes(codec.replies)
    codec.replies.clear()
    return said


@given(st.binary(), st.lists(st.integers(0, 10_000)))
def test_every_byte_survives_the_wire_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    codec = TelnetCodec()
    answer(codec, WILL, BINARY)
    assert b"".join(codec.receive(piece) for piece in pieces(escaped(data), cuts)) == data


@given(st.binary(), st.lists(st.integers(0, 10_000)))
def test_pieces_of_any_bytes_mean_the_same_as_the_whole(data: bytes, cuts: list[int]) -> None:
    whole, split = TelnetCodec(), TelnetCodec()
    assert b"".join(split.receive(piece) for piece in pieces(data, cuts)) == whole.receive(data)
    assert split.replies == whole.replies
    assert split.subnegotiations == whole.subnegotiations


def test_commands_vanish_from_the_speech() -> None:
    codec = TelnetCodec()
    data = bytes((*b"ok", IAC, 241, *b" T:", IAC, SB, TERMINAL_TYPE, 1, IAC, SE, *b"20\r\n"))
    assert codec.receive(data) == b"ok T:20\r\n"
    assert codec.subnegotiations == [(TERMINAL_TYPE, b"\x01")]


def test_it_begins_no_negotiation() -> None:
    codec = TelnetCodec()
    assert codec.receive(b"Grbl 3.7 [FluidNC v3.7 '$' for help]\r\n") == b"Grbl 3.7 [FluidNC v3.7 '$' for help]\r\n"
    assert not codec.replies


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ((DO, BINARY), (WILL, BINARY)),
        ((WILL, SUPPRESS_GO_AHEAD), (DO, SUPPRESS_GO_AHEAD)),
        ((DO, TERMINAL_TYPE), (WONT, TERMINAL_TYPE)),
        ((WILL, ECHO), (DONT, ECHO)),
        ((DONT, TERMINAL_TYPE), None),
        ((WONT, ECHO), None),
    ],
)
def test_what_is_agreed_to_and_what_is_refused(asked: tuple[int, int], answered: tuple[int, int] | None) -> None:
    assert answer(TelnetCodec(), *asked) == (bytes((IAC, *answered)) if answered else b"")


def test_an_agreement_is_answered_once_and_can_be_ended() -> None:
    codec = TelnetCodec()
    assert answer(codec, DO, BINARY) == bytes((IAC, WILL, BINARY))
    assert answer(codec, DO, BINARY) == b""  # else two sides would talk for ever
    assert codec.we_do(BINARY)
    assert answer(codec, DONT, BINARY) == bytes((IAC, WONT, BINARY))
    assert not codec.we_do(BINARY)
    assert answer(codec, DONT, BINARY) == b""


def test_what_we_offer_is_agreed_or_refused_without_a_further_word() -> None:
    codec = TelnetCodec(ours=frozenset({44}))
    codec.offer(44, BINARY)
    codec.ask(BINARY)
    assert bytes(codec.replies) == bytes((IAC, WILL, 44, IAC, WILL, BINARY, IAC, DO, BINARY))
    codec.replies.clear()
    assert answer(codec, DO, 44) == b""
    assert answer(codec, DONT, BINARY) == b""
    assert answer(codec, WILL, BINARY) == b""
    assert codec.we_do(44) and codec.they_do(BINARY)
    assert codec.refused == {BINARY}


def test_a_return_is_padded_with_zero_unless_both_speak_binary() -> None:
    codec = TelnetCodec()
    assert codec.receive(b"ok\r") + codec.receive(b"\0\r\n\0") == b"ok\r\r\n\0"
    answer(codec, WILL, BINARY)
    assert codec.receive(b"a\r\0b") == b"a\r\0b"


def test_a_subnegotiation_without_end_takes_no_memory() -> None:
    codec = TelnetCodec()
    codec.receive(bytes((IAC, SB, 44)) + b"x" * 100_000)
    assert codec.receive(bytes((IAC, SE)) + b"ok") == b"ok"
    assert len(codec.subnegotiations[0][1]) < SUBNEGOTIATION_MAX_BYTES
