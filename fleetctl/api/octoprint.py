"""The part of OctoPrint's HTTP API that slicers call, so that they send straight to the queue.

What stands behind it is the whole fleet, not one printer: `print=true` makes a queued job of one good part (or of
`userdata.quantity`), which starts where and when a machine is ready and never past the clear gate; `print=false`
only stores the program, and a person queues it on its page. Answers that describe "the printer" say honestly what
is true of the queue. The calls are those of OctoPrint's documentation (docs/api) that PrusaSlicer, OrcaSlicer and
Cura's OctoPrint plug-in use.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

import fleetctl
from fleetctl.api.bodies import Upload, convert
from fleetctl.api.permission import Permission
from fleetctl.api.routing import Call, Routes
from fleetctl.errors import NotFound, UsageError
from fleetctl.fleet.shapes import ProgramShape, Submission

routes = Routes("octoprint")

API_LEVEL = "0.1"
SERVER_LEVEL = "1.10.0"
"""The OctoPrint version whose calls these are; slicers compare it to know what they may ask."""

TRUE_WORDS = frozenset({"true", "1", "yes", "on"})


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What `userdata` (a JSON text field of OctoPrint's upload) may say about the job; other keys are ignored."""

    quantity: int = 1
    material: str = ""
    machine: str | None = None
    group: str = ""
    priority: int = 0


@routes.route("GET", "/api/version", permission=Permission.SUBMIT, answer=dict[str, str])
async def version(call: Call[None]) -> dict[str, str]:
    """OctoPrint: what answers here. Slicers test address and key with it."""
    return {"api": API_LEVEL, "server": SERVER_LEVEL, "text": f"OctoPrint (fleetctl {fleetctl.__version__})"}


@routes.route("GET", "/api/server", permission=Permission.SUBMIT, answer=dict[str, Any])
async def server(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: version of the server."""
    return {"version": SERVER_LEVEL, "safemode": None}


def _user(call: Call[None]) -> dict[str, Any]:
    return {
        "name": call.visitor.name,
        "active": True,
        "user": True,
        "admin": False,
        "apikey": None,
        "permissions": ["STATUS", "FILES_UPLOAD", "PRINT"],
        "groups": [],
        "settings": {},
    }


@routes.route("POST", "/api/login", permission=Permission.SUBMIT, answer=dict[str, Any])
async def login(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: passive login, which only tells who the key belongs to."""
    return _user(call) | {"session": "", "_is_external_client": True}


@routes.route("GET", "/api/currentuser", permission=Permission.SUBMIT, answer=dict[str, Any])
async def currentuser(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: who the key belongs to."""
    user = _user(call)
    return {"name": user["name"], "permissions": user["permissions"], "groups": []}


@routes.route("GET", "/api/settings", permission=Permission.SUBMIT, answer=dict[str, Any])
async def settings(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: settings that clients read; there is no camera and no storage card behind this."""
    return {
        "api": {"allowCrossOrigin": False},
        "appearance": {"name": "fleetctl", "color": "default"},
        "feature": {"sdSupport": False, "temperatureGraph": False},
        "webcam": {"webcamEnabled": False, "streamUrl": "", "snapshotUrl": ""},
        "plugins": {},
    }


async def _state(call: Call[None]) -> dict[str, Any]:
    """The queue as a printer: operational and ready unless everything is stopped."""
    stopped = (await call.controller.views.stop()).stopped
    flags = dict.fromkeys(("printing", "paused", "pausing", "cancelling", "sdReady", "closedOrError"), False)
    flags |= {"operational": not stopped, "ready": not stopped, "error": stopped}
    return {"text": "Stopped until released" if stopped else "Operational", "flags": flags}


@routes.route("GET", "/api/printer", permission=Permission.SUBMIT, answer=dict[str, Any])
async def printer(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: state of the queue; a fleet has no one temperature."""
    return {"state": await _state(call), "temperature": {}, "sd": {"ready": False}}


@routes.route("GET", "/api/job", permission=Permission.SUBMIT, answer=dict[str, Any])
async def job(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: no single job is "the" job of a fleet, so none is named."""
    nothing = {"completion": None, "filepos": None, "printTime": None, "printTimeLeft": None}
    file = {"name": None, "origin": None, "size": None, "date": None}
    return {
        "job": {"file": file, "estimatedPrintTime": None, "filament": None},
        "progress": nothing,
        "state": (await _state(call))["text"],
    }


@routes.route("GET", "/api/connection", permission=Permission.SUBMIT, answer=dict[str, Any])
async def connection(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: the queue is always connected."""
    state = (await _state(call))["text"]
    current = {"state": state, "port": "VIRTUAL", "baudrate": None, "printerProfile": "_default"}
    return {"current": current, "options": {"ports": ["VIRTUAL"], "baudrates": [], "printerProfiles": []}}


@routes.route("GET", "/api/printerprofiles", permission=Permission.SUBMIT, answer=dict[str, Any])
async def printerprofiles(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: one profile that stands for the fleet."""
    profile = {"id": "_default", "name": "fleetctl", "model": "fleet", "default": True, "current": True}
    return {"profiles": {"_default": profile}}


@routes.route("GET", "/api/files", permission=Permission.SUBMIT, answer=dict[str, Any])
async def files(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: stored programs."""
    stored = await call.controller.views.programs(limit=100)
    return {"files": [_file(call, program, program.name) for program in stored], "free": None}


@routes.route("GET", "/api/files/{storage}", permission=Permission.SUBMIT, answer=dict[str, Any])
async def files_of(call: Call[None]) -> dict[str, Any]:
    """OctoPrint: stored programs of one storage; there is only `local`."""
    _require_local(call)
    return await files(call)


@routes.route(
    "POST",
    "/api/files/{storage}",
    permission=Permission.SUBMIT,
    answer=dict[str, Any],
    status=HTTPStatus.CREATED,
    multipart=True,
)
async def upload(call: Call[None]) -> web.Response:
    """OctoPrint: upload a file; `print=true` queues one part of it, which still waits for a clear machine."""
    _require_local(call)
    sent = Upload(call.request)
    program: ProgramShape | None = None
    name = ""
    async for name, blocks in sent.files():
        if program is not None:
            raise UsageError("One request uploads one file.")
        program = await call.controller.intake.receive(name, blocks, call.actor, sent.plate)
    if program is None:
        raise UsageError("There is no file in the request.", hint="The field is called file.")
    code = None
    if sent.fields.get("print", "").strip().lower() in TRUE_WORDS:
        code = await _queue(call, program, sent.fields.get("userdata", ""))
    return _created(call, program, name, code)


def _require_local(call: Call[None]) -> None:
    if call.path["storage"] != "local":
        raise NotFound(f"There is no storage {call.path['storage']!r} here.", hint="Send to local.")


async def _queue(call: Call[None], program: ProgramShape, userdata: str) -> str:
    wishes = Wishes()
    if userdata.strip():
        try:
            wishes = msgspec.json.decode(userdata, type=Wishes)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UsageError(f"The field userdata does not fit: {error}.") from error
    asked = msgspec.structs.asdict(wishes) | {"program_sha256": program.sha256, "title": program.name}
    return (await call.controller.intake.submit(convert(asked, Submission), call.actor)).code


def _created(call: Call[None], program: ProgramShape, name: str, code: str | None) -> web.Response:
    file = _file(call, program, name)
    answer = {
        "files": {"local": file},
        "done": True,
        "effectiveSelect": code is not None,
        # Nothing prints yet: the job waits for a machine that a person has confirmed to be clear.
        "effectivePrint": False,
        "fleetctl": {"program": program.sha256, "job": code},
    }
    return web.Response(
        status=HTTPStatus.CREATED,
        body=msgspec.json.encode(answer),
        content_type="application/json",
        headers={"Location": str(file["refs"]["resource"])},
    )


def _file(call: Call[None], program: ProgramShape, name: str) -> dict[str, Any]:
    site = f"{call.request.scheme}://{call.request.host}"
    return {
        "name": name,
        "display": name,
        "path": name,
        "origin": "local",
        "type": "machinecode",
        "typePath": ["machinecode", "gcode"],
        "hash": program.sha256,
        "size": program.size_bytes,
        "date": int(program.created_s),
        "refs": {"resource": f"{site}/api/v1/programs/{program.sha256}"},
    }
