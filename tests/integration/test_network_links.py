"""What only one kind of network link does: commands between the bytes, a port at the other end, frames."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from aiohttp import WSMsgType

from fleetctl.clock import SystemClock
from fleetctl.errors import LinkUnavailable
from fleetctl.transport.opener import PortWish, TransportOpener
from fleetctl.transport.telnet import DO, DONT, ECHO, IAC, SB, SE, WILL, WONT
from tests.integration.far_ends import (
    DescriptorEnd,
    Recorder,
    Rfc2217End,
    eventually,
    socket_link,
    soon,
    websocket_link,
)

COM_PORT, TERMINAL_TYPE = 44, 24


async def test_a_telnet_server_that_negotiates_gets_answers_and_the_machine_is_heard() -> None:
    transport, recorder, far = await socket_link("telnet", DescriptorEnd)
    far.listen()
    far.say(bytes((IAC, WILL, ECHO, IAC, DO, TERMINAL_TYPE)) + b"Grbl 1.1h")
    await eventually(lambda: recorder.data == b"Grbl 1.1h")
    assert far.data == bytes((IAC, DONT, ECHO, IAC, WONT, TERMINAL_TYPE))
    transport.close()
    far.close()


async def test_a_server_that_sends_no_command_gets_none() -> None:
    """FluidNC and grblHAL pass every byte to the firmware: 24 would be a reset there."""
    transport, _, far = await socket_link("telnet", DescriptorEnd)
    far.listen()
    transport.write(b"?\n")
    await eventually(lambda: far.data == b"?\n")
    transport.close()
    far.close()


async def test_a_doubled_byte_is_never_cut_in_two_by_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it and the next byte would be a command."""
    send = socket.socket.send
    monkeypatch.setattr(socket.socket, "send", lambda link, data: send(link, data[:3]))
    transport, _, far = await socket_link("telnet", DescriptorEnd)
    far.listen()
    transport.write(b"\xff" * 100)
    assert transport.unsent_bytes == 98  # three wire bytes: one and a half of ours
    assert transport.discard_output() == 98
    transport.urgent(b"!")
    await eventually(lambda: far.data.endswith(b"!"))
    assert far.data == b"\xff\xff\xff\xff!"
    transport.close()
    far.close()


async def test_the_port_behind_rfc_2217_is_set_as_the_machine_wants() -> None:
    wish = PortWish(options={"dtr": "off", "rts": "on"}, baud=250000)
    transport, _, far = await socket_link("rfc2217", Rfc2217End, wish=wish)
    assert isinstance(far, Rfc2217End)
    assert (far.port.baudrate, far.port.parity, far.port.stopbits) == (250000, "N", 1)
    assert (far.port.dtr, far.port.rts) == (False, True)
    transport.close()
    far.close()


async def test_a_stop_tells_the_bridge_to_drop_what_it_holds() -> None:
    transport, _, far = await socket_link("rfc2217", DescriptorEndThatAgrees)
    far.listen()
    far.data.clear()
    transport.write(b"G1 X1\n")
    transport.discard_output()
    transport.urgent(b"\nM112\n")
    await eventually(lambda: far.data.endswith(b"M112\n"))
    assert far.data == b"G1 X1\n" + bytes((IAC, SB, COM_PORT, 12, 2, IAC, SE)) + b"\nM112\n"
    transport.close()
    far.close()


async def test_a_full_bridge_gets_no_more_data_until_it_says_so_but_a_stop_at_once() -> None:
    transport, recorder, far = await socket_link("rfc2217", DescriptorEndThatAgrees, "?stall_s=30")
    far.listen()
    far.data.clear()
    far.say(bytes((IAC, SB, COM_PORT, 108, IAC, SE)) + b"full")
    await eventually(lambda: recorder.data == b"full")
    transport.write(b"G1 X1\n")
    await asyncio.sleep(0.02)
    assert far.data == b""
    assert transport.unsent_bytes == 6
    far.say(bytes((IAC, SB, COM_PORT, 109, IAC, SE)))
    await eventually(lambda: far.data == b"G1 X1\n")
    far.say(bytes((IAC, SB, COM_PORT, 108, IAC, SE)) + b"again")
    await eventually(lambda: recorder.data == b"fullagain")
    transport.urgent(b"M112\n")
    await eventually(lambda: far.data == b"G1 X1\nM112\n")
    transport.close()
    far.close()


async def test_a_bridge_that_stays_full_is_lost() -> None:
    transport, recorder, far = await socket_link("rfc2217", DescriptorEndThatAgrees, "?stall_s=0.2")
    far.listen()
    far.say(bytes((IAC, SB, COM_PORT, 108, IAC, SE)) + b"full")
    await eventually(lambda: recorder.data == b"full")
    transport.write(b"G1 X1\n")
    await eventually(lambda: bool(recorder.losses))
    assert "took no bytes for 0.2 s" in str(recorder.losses[0])
    far.close()


class DescriptorEndThatAgrees(DescriptorEnd):
    """A bridge of which only the option and the speed are real; `data` is what went over the wire afterwards."""

    def decoded(self, data: bytes) -> bytes:
        if bytes((IAC, WILL, COM_PORT)) in data:
            os.write(self.descriptor, bytes((IAC, DO, COM_PORT)))
        if bytes((IAC, SB, COM_PORT, 1)) in data:
            os.write(self.descriptor, bytes((IAC, SB, COM_PORT, 101, 0, 1, 0xC2, 0, IAC, SE)) + b"")
        return data


class RefusesSpeed(DescriptorEndThatAgrees):
    def decoded(self, data: bytes) -> bytes:
        return super().decoded(data.replace(bytes((IAC, SB, COM_PORT, 1)), b"")) + self._answer(data)

    def _answer(self, data: bytes) -> bytes:
        if bytes((IAC, SB, COM_PORT, 1)) in data:
            os.write(self.descriptor, bytes((IAC, SB, COM_PORT, 101, 0, 0, 0x25, 0x80, IAC, SE)))
        return b""


class HangsUp(DescriptorEnd):
    def decoded(self, data: bytes) -> bytes:
        self.close()
        return data


@pytest.mark.parametrize(
    ("end", "reason"), [(RefusesSpeed, "cannot be set to 115200 baud"), (HangsUp, "closed the link|broke")]
)
async def test_a_bridge_that_does_not_agree_is_unavailable(end: type[DescriptorEnd], reason: str) -> None:
    with pytest.raises(LinkUnavailable, match=reason):
        await socket_link("rfc2217", end)


# WebSocket


async def test_what_the_web_server_says_for_itself_is_no_speech_of_the_machine() -> None:
    async with websocket_link("?protocol=arduino") as (_, recorder, far):
        assert far.link is not None and far.link.ws_protocol == "arduino"
        for text in ("CURRENT_ID:0", "activeID:0", "PING:60000:60000", "<Idle|MPos:0,0,0>\r\n", "error:9\r\n"):
            far.say_text(text)
        await eventually(lambda: recorder.data.endswith(b"error:9\r\n"))
        assert recorder.data == b"<Idle|MPos:0,0,0>\r\nerror:9\r\n"


@pytest.mark.parametrize(
    ("frames", "said", "kinds"),
    [
        ("binary", b"G0 X1\n", {WSMsgType.BINARY}),
        ("text", b"G0 X1\n", {WSMsgType.TEXT}),
        ("text", b"\x85", {WSMsgType.BINARY}),
    ],
)
async def test_frames_are_sent_as_the_machine_wants_and_no_byte_is_changed(
    frames: str, said: bytes, kinds: set[WSMsgType]
) -> None:
    async with websocket_link(f"?frames={frames}") as (transport, _, far):
        far.listen()
        transport.write(said)
        await eventually(lambda: far.data == said)
        assert far.kinds == kinds


async def test_a_closed_websocket_is_lost_once() -> None:
    async with websocket_link() as (transport, recorder, far):
        far.close()
        await eventually(lambda: bool(recorder.losses))
        assert "was closed at the other end" in str(recorder.losses[0])
        transport.write(b"x")
        transport.urgent(b"!")
        assert transport.discard_output() == 0
        transport.close()
        await asyncio.sleep(0.02)
        assert len(recorder.losses) == 1


async def test_a_websocket_that_takes_no_bytes_is_lost() -> None:
    async with websocket_link("?stall_s=0.3") as (transport, recorder, _):
        while not recorder.losses:
            transport.write(b"G1 X1\n" * 1000)
            await asyncio.sleep(0.01)
        assert "0.3 s" in str(recorder.losses[0]) or "No PONG" in str(recorder.losses[0])


async def test_a_page_without_a_websocket_says_so() -> None:
    async with websocket_link() as (transport, _, _):
        url = transport.url.replace("/ws", "/page")
        with pytest.raises(LinkUnavailable, match="has no WebSocket there \\(404\\)"):
            await TransportOpener(SystemClock()).make(url).open(Recorder(), soon())


async def test_nobody_at_home_says_so() -> None:
    with pytest.raises(LinkUnavailable, match="cannot be reached"):
        await TransportOpener(SystemClock()).make("ws://127.0.0.1:9/ws").open(Recorder(), soon())
