"""`/static` and the picture in the tab: the files that pages are made of, for browsers to keep."""

from __future__ import annotations

from aiohttp import web

from fleetctl.api.permission import Permission
from fleetctl.api.routing import Call, Routes

routes = Routes("static")

FOR_EVER = "public, max-age=31536000, immutable"


@routes.route("GET", "/static/{version}/{name:.+}", permission=Permission.PUBLIC)
async def static(call: Call[None]) -> web.Response:
    """A style sheet, script or picture."""
    file = call.site.statics.get(call.path["name"])
    if file is None:
        raise web.HTTPNotFound(text="There is no such file.")
    # A page of an older daemon asks for an older hash: it gets the file, but must not keep it under that name.
    current = call.path["version"] == call.site.statics.version
    headers = {"Cache-Control": FOR_EVER if current else "no-store", "Vary": "Accept-Encoding"}
    body = file.content
    if file.compressed and "gzip" in call.request.headers.get("Accept-Encoding", ""):
        body = file.compressed
        headers["Content-Encoding"] = "gzip"
    charset = "utf-8" if file.content_type.startswith("text/") else None
    return web.Response(body=body, content_type=file.content_type, charset=charset, headers=headers)


@routes.route("GET", "/favicon.ico", permission=Permission.PUBLIC)
async def favicon(call: Call[None]) -> web.Response:
    """The picture browsers ask for by themselves."""
    raise web.HTTPFound(call.site.statics.url("icon.svg"))
