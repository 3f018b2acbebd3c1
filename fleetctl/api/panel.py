"""`/api/v1/machines/{name}/...` of the operator panel: console, macros, temperatures, camera, captures."""

from __future__ import annotations

import msgspec
from aiohttp import web

from fleetctl.api.machines import ONE, seen
from fleetctl.api.operating import WorkOffsetRequest, set_work_offset
from fleetctl.api.permission import Permission
from fleetctl.api.routing import Call, Empty, Routes
from fleetctl.errors import Conflict, NotFound, UsageError
from fleetctl.fleet.shapes import WorkOffsetsShape
from fleetctl.fleet.temperatures import TemperatureColumns
from fleetctl.model.messages import CaptureState, ConsoleLines

routes = Routes("panel")

CAPTURE_TYPE = "application/x-ndjson"


class Macro(msgspec.Struct, frozen=True, kw_only=True):
    """A few lines in the machine's own language under a name."""

    name: str
    text: str


class MacroNamed(msgspec.Struct, frozen=True, kw_only=True):
    """Which macro. `version` is the machine's version that was seen."""

    name: str
    version: int | None = None


class MacroAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine said to all lines."""

    lines: tuple[str, ...]


class CameraRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where the camera gives a single picture; empty: there is none."""

    url: str = ""


class CaptureRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How long to capture. `reconnect`: open the link anew first, so that a test can replay it from its begin."""

    seconds: float = 60.0
    reconnect: bool = False


class ConsoleQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`after`: only entries numbered above. `traffic`: also what goes over the link, from now on."""

    after: int = 0
    traffic: bool = False


class TemperatureQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`after`: only what is newer (Unix seconds)."""

    after: float = 0.0


def operate_page(call: Call[object], _answer: object) -> str:
    """The page of the panel."""
    return f"/machines/{call.path['name']}/operate"


@routes.route("GET", f"{ONE}/temperatures", permission=Permission.VIEW, answer=TemperatureColumns)
async def temperatures(call: Call[None]) -> TemperatureColumns:
    """Temperatures of the last half hour, in columns."""
    return await call.controller.panels.temperatures(call.path["name"], call.ask(TemperatureQuery).after)


@routes.route("GET", f"{ONE}/console", permission=Permission.OPERATE, answer=ConsoleLines)
async def console(call: Call[None]) -> ConsoleLines:
    """The newest lines of the machine's console."""
    asked = call.ask(ConsoleQuery)
    return await call.controller.panels.console(call.path["name"], asked.after, asked.traffic)


# Macros


@routes.route("GET", f"{ONE}/macros", permission=Permission.VIEW, answer=list[Macro])
async def macros(call: Call[None]) -> list[Macro]:
    """The macros of a machine."""
    panel = await call.controller.panels.panel(call.path["name"])
    return [Macro(name=name, text=text) for name, text in panel.macros.items()]


@routes.route("POST", f"{ONE}/macros", permission=Permission.OPERATE, body=Macro, answer=Empty, page=operate_page)
async def save_macro(call: Call[Macro]) -> None:
    """Keep a macro; one of the same name is replaced."""
    await call.controller.panels.save_macro(call.path["name"], call.body.name, call.body.text, call.actor)


@routes.route(
    "POST", f"{ONE}/macros/remove", permission=Permission.OPERATE, body=MacroNamed, answer=Empty, page=operate_page
)
async def remove_macro(call: Call[MacroNamed]) -> None:
    """Forget a macro."""
    await call.controller.panels.remove_macro(call.path["name"], call.body.name, call.actor)


@routes.route("POST", f"{ONE}/macros/run", permission=Permission.OPERATE, body=MacroNamed, answer=MacroAnswer)
async def run_macro(call: Call[MacroNamed]) -> MacroAnswer | web.Response:
    """Send the lines of a macro, one after the other, outside a run, and give what the machine said."""
    name = await seen(call)
    lines = await call.controller.panels.run_macro(name, call.body.name, call.actor)
    if call.wants_page:
        return await call.page("console.html", machine=name, text=call.body.name, lines=lines)
    return MacroAnswer(lines=tuple(lines))


# Camera


@routes.route("GET", f"{ONE}/camera", permission=Permission.VIEW)
async def camera(call: Call[None]) -> web.Response:
    """A picture of the machine's camera, not older than a second."""
    name = call.path["name"]
    url = (await call.controller.panels.panel(name)).camera_url
    if not url:
        raise NotFound(f"{name} has no camera.", hint="An administrator can give its address.")
    picture = await call.site.snapshots.picture(name, url)
    return web.Response(body=picture.data, content_type=picture.content_type)


@routes.route(
    "POST", f"{ONE}/camera", permission=Permission.ADMIN, body=CameraRequest, answer=Empty, page=operate_page
)
async def set_camera(call: Call[CameraRequest]) -> None:
    """Say where the camera of a machine gives a picture, or that it has none."""
    await call.controller.panels.set_camera(call.path["name"], call.body.url, call.actor)


# Work offsets


@routes.route(
    "POST",
    f"{ONE}/work-offsets",
    permission=Permission.OPERATE,
    body=WorkOffsetRequest,
    answer=WorkOffsetsShape,
    page=operate_page,
)
async def set_work_offset_by_form(call: Call[WorkOffsetRequest]) -> WorkOffsetsShape:
    """Give the place where the tool is now coordinates in a frame; the same as PUT, for forms."""
    return await set_work_offset(call)


# Captures


@routes.route("GET", f"{ONE}/capture", permission=Permission.OPERATE, answer=CaptureState)
async def capture(call: Call[None]) -> CaptureState:
    """How the newest capture of the link stands."""
    return await call.controller.panels.capture(call.path["name"])


@routes.route(
    "POST",
    f"{ONE}/capture",
    permission=Permission.OPERATE,
    body=CaptureRequest,
    answer=CaptureState,
    page=operate_page,
)
async def begin_capture(call: Call[CaptureRequest]) -> CaptureState:
    """Begin to capture the link; it ends by itself."""
    asked = call.body
    return await call.controller.panels.begin_capture(call.path["name"], asked.seconds, asked.reconnect, call.actor)


@routes.route(
    "POST", f"{ONE}/capture/end", permission=Permission.OPERATE, body=Empty, answer=CaptureState, page=operate_page
)
async def end_capture(call: Call[Empty]) -> CaptureState:
    """End the capture under way."""
    return await call.controller.panels.end_capture(call.path["name"])


@routes.route("GET", f"{ONE}/capture/file", permission=Permission.OPERATE)
async def capture_file(call: Call[None]) -> web.StreamResponse:
    """The newest capture as a file, to be attached to a report."""
    name = call.path["name"]
    pieces = call.controller.panels.capture_file(name)
    first = await anext(pieces, b"")
    if not first:
        raise UsageError("The capture is empty.", machine=name)
    headers = {"Content-Disposition": f'attachment; filename="{name}.capture.jsonl"'}
    response = web.StreamResponse(headers=headers)
    response.content_type = CAPTURE_TYPE
    await response.prepare(call.request)
    await response.write(first)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


# Questions of the firmware


class PromptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the offered answers, counted from 0. `asked`: the question that was seen; `version`: the machine's."""

    choice: int
    asked: str | None = None
    version: int | None = None


@routes.route("POST", f"{ONE}/prompt", permission=Permission.OPERATE, body=PromptAnswer, answer=Empty)
async def answer_prompt(call: Call[PromptAnswer]) -> None:
    """Answer what the firmware asks, also during a run."""
    name = await seen(call)
    prompt = (await call.controller.views.machine(name)).prompt
    if call.body.asked is not None and (prompt is None or prompt.text != call.body.asked):
        raise Conflict("It asks something else now, or nothing; look again before you answer.", machine=name)
    await call.controller.machines.answer_prompt(name, call.body.choice, call.actor)
