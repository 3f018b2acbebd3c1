"""`/api/v1/machines/{name}/...`: what a person does by hand: jog, step, override, heat, work offsets, probe."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from fleetctl.api.machines import ONE, seen
from fleetctl.api.permission import Permission
from fleetctl.api.routing import Call, Empty, Routes
from fleetctl.api.security import check_origin, identify
from fleetctl.errors import FleetctlError, NotPermitted, UsageError
from fleetctl.fleet.jogging import JogChannel
from fleetctl.fleet.shapes import MeasurementShape, ProbeShape, WorkOffsetsShape
from fleetctl.model.deeds import AxisName, Heat, JogStep, OverrideName, Probe, SetWorkOffset
from fleetctl.model.deeds import Override as OverrideDeed

routes = Routes("operating")

LOOK_AGAIN_S = 1.0
"""A machine that is locked out while somebody jogs it is let go of within this time; so it is when the token of
whoever jogs is taken back."""

FRAME_MOST_BYTES = 1024

FRAMES_MOST = 100
"""In one second. Pages send 12; what was held up on its way comes in one heap of at most so many."""


class JogFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One heartbeat, every 80 ms while a key is held: mm/s by axis; none of them: stop. `at_ms`: when it was sent, by
    the sender's own clock, so that one which lay somewhere is told from a fresh one."""

    velocity_mm_s: dict[AxisName, float] = {}
    at_ms: float | None = None


class JogState(msgspec.Struct, frozen=True, kw_only=True):
    """Sent when it changes: why the machine does not move although a key is held; empty when it does."""

    refused: str


class StepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One bounded move from where the tool is: way in mm by axis, feed in mm/s."""

    distance_mm: dict[AxisName, float]
    feed_mm_s: float


class OverrideRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Run at this percentage of what the program says."""

    what: OverrideName
    percent: float


class HeatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The target of a heater (`T0`, `B` bed, `C` chamber) in degC; 0 is off."""

    heater: str
    target_degc: float


class WorkOffsetRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where the tool is now gets these coordinates in that frame (`G54`), mm by axis; or, with `origin_mm` instead,
    zero of these axes lies at these machine coordinates."""

    frame: str = "G54"
    axes_mm: dict[AxisName, float] = {}
    origin_mm: dict[AxisName, float] = {}


class ProbeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Move one axis until contact, at most `distance_mm`."""

    axis: AxisName = "Z"
    direction: int = -1
    distance_mm: float
    feed_mm_s: float
    version: int | None = None
    """The machine's version that was seen; a late tap probes nothing."""


class OffsetFromProbe(msgspec.Struct, frozen=True, kw_only=True):
    """The place that measurement `number` found gets this coordinate on its axis in that frame, mm: 0, or the
    thickness of the plate that was touched."""

    number: int
    frame: str = "G54"
    coordinate_mm: float = 0.0


def probe_panel(call: Call[Any], _answer: object) -> str:
    """Where a person sees what a probe found."""
    return f"/machines/{call.path['name']}/operate#probe"


@routes.route(
    "GET",
    f"{ONE}/jog",
    permission=Permission.OPERATE,
    answer=JogState,
    status=HTTPStatus.SWITCHING_PROTOCOLS,
)
async def jog(call: Call[None]) -> web.StreamResponse:
    """Jog while a key is held: a WebSocket that takes a JogFrame every 80 ms, and tells a JogState when it changes.

    The machine stops 150 ms after the last frame, at `{}` and when the socket closes. More than 100 frames within a
    second close it.
    """
    socket = web.WebSocketResponse(max_msg_size=FRAME_MOST_BYTES, compress=False)
    check_origin(call.request, call.visitor, changes=True)
    channel = await call.controller.jogging.open(call.path["name"], call.actor)
    try:
        if not socket.can_prepare(call.request).ok:
            raise UsageError("This is a WebSocket.", hint="Open it with Upgrade: websocket.")
        await socket.prepare(call.request)
        watching = asyncio.ensure_future(_watch(call, socket, channel))
        try:
            await call.site.streams.until_closing(_listen(socket, channel))
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    finally:
        await channel.close()
    with contextlib.suppress(ConnectionError):
        await socket.close()
    return socket


async def _listen(socket: web.WebSocketResponse, channel: JogChannel) -> None:
    """Pass heartbeats on until the socket closes; a frame that is none ends it, and so do far too many."""
    loop = asyncio.get_running_loop()
    since_s, count = loop.time(), 0
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return
        count += 1
        if loop.time() - since_s > 1.0:
            since_s, count = loop.time(), 1
        elif count > FRAMES_MOST:
            text = f"More than {FRAMES_MOST} heartbeats within a second. Send one every 80 ms."
            await socket.close(code=1008, message=text.encode())
            return
        try:
            frame = msgspec.json.decode(message.data, type=JogFrame)
        except msgspec.DecodeError as error:
            await socket.close(code=1007, message=str(error).encode()[:120])
            return
        channel.beat(
            {str(axis): speed for axis, speed in frame.velocity_mm_s.items()},
            None if frame.at_ms is None else frame.at_ms / 1000,
        )


async def _watch(call: Call[Any], socket: web.WebSocketResponse, channel: JogChannel) -> None:
    """Tell what stands in the way when that changes, and look again and again whether it may be moved at all."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await channel.news.wait()
        try:
            await call.controller.jogging.still_allowed(channel)
            await _still_permitted(call)
        except FleetctlError as error:
            await socket.close(code=1008, message=str(error).encode()[:120])
            return
        if channel.news.is_set():
            channel.news.clear()
            await socket.send_str(msgspec.json.encode(JogState(refused=channel.refused)).decode())


async def _still_permitted(call: Call[Any]) -> None:
    """A socket outlives the request that opened it (I11). Raises NotPermitted."""
    visitor = await identify(call.request, call.controller, call.site.settings.open_role)
    if not visitor.may(Permission.OPERATE):
        raise NotPermitted("You may not operate machines any more.")


@routes.route("POST", f"{ONE}/jog-step", permission=Permission.OPERATE, body=StepRequest, answer=Empty)
async def jog_step(call: Call[StepRequest]) -> None:
    """Move by one bounded step; answered when the machine has taken it."""
    step = JogStep(distance_mm=call.body.distance_mm, feed_mm_s=call.body.feed_mm_s)
    await call.controller.operating.jog_step(call.path["name"], step, call.actor)


@routes.route("POST", f"{ONE}/override", permission=Permission.OPERATE, body=OverrideRequest, answer=Empty)
async def override(call: Call[OverrideRequest]) -> None:
    """Change feed, rapid, spindle or flow in percent, also during a run."""
    wanted = OverrideDeed(what=call.body.what, percent=call.body.percent)
    await call.controller.operating.override(call.path["name"], wanted, call.actor)


@routes.route("POST", f"{ONE}/heat", permission=Permission.OPERATE, body=HeatRequest, answer=Empty)
async def heat(call: Call[HeatRequest]) -> None:
    """Set a heater's target outside a run; it goes off by itself after the profile's time without one."""
    wanted = Heat(heater=call.body.heater, target_degc=call.body.target_degc)
    await call.controller.operating.heat(call.path["name"], wanted, call.actor)


@routes.route("GET", f"{ONE}/work-offsets", permission=Permission.OPERATE, answer=WorkOffsetsShape)
async def work_offsets(call: Call[None]) -> WorkOffsetsShape:
    """Ask the machine for its work offsets, and compare them with the set-up on record."""
    return await call.controller.operating.work_offsets(call.path["name"])


@routes.route(
    "PUT", f"{ONE}/work-offsets", permission=Permission.OPERATE, body=WorkOffsetRequest, answer=WorkOffsetsShape
)
async def set_work_offset(call: Call[WorkOffsetRequest]) -> WorkOffsetsShape:
    """Give the place where the tool is now coordinates in a frame; on the machine and in the set-up on record."""
    wanted = SetWorkOffset(frame=call.body.frame, axes_mm=call.body.axes_mm, origin_mm=call.body.origin_mm)
    return await call.controller.operating.set_work_offset(call.path["name"], wanted, call.actor)


@routes.route(
    "POST",
    f"{ONE}/probe",
    permission=Permission.OPERATE,
    body=ProbeRequest,
    answer=ProbeShape,
    page=probe_panel,
)
async def probe(call: Call[ProbeRequest]) -> ProbeShape:
    """Move until contact; where that was is a measurement and goes on record."""
    asked = call.body
    if asked.direction not in (-1, 1):
        raise UsageError("direction is -1 or 1.")
    wanted = Probe(
        axis=asked.axis,
        direction=-1 if asked.direction < 0 else 1,
        distance_mm=asked.distance_mm,
        feed_mm_s=asked.feed_mm_s,
    )
    return await call.controller.operating.probe(await seen(call), wanted, call.actor)


@routes.route("GET", f"{ONE}/probe", permission=Permission.VIEW, answer=list[MeasurementShape])
async def measurements(call: Call[None]) -> list[MeasurementShape]:
    """What the newest probes found, with their time, newest first."""
    return list(await call.controller.operating.measurements(call.path["name"]))


@routes.route(
    "POST",
    f"{ONE}/work-offsets/from-probe",
    permission=Permission.OPERATE,
    body=OffsetFromProbe,
    answer=WorkOffsetsShape,
    page=probe_panel,
)
async def set_offset_from_probe(call: Call[OffsetFromProbe]) -> WorkOffsetsShape:
    """Set a work offset from what a probe found; on the machine and in the set-up on record."""
    asked = call.body
    return await call.controller.operating.set_offset_from_probe(
        call.path["name"], asked.number, asked.frame, asked.coordinate_mm, call.actor
    )
