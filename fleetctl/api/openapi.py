"""The OpenAPI 3.1 description of the API, generated from the same table that makes the routes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from aiohttp import web

import fleetctl
from fleetctl.api import problems
from fleetctl.api.permission import PHRASE, Permission
from fleetctl.api.routing import API, Call, Route, Routes

routes = Routes("description")

_VARIABLE = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_REFERENCE = "#/components/schemas/{name}"


@routes.route("GET", f"{API}/openapi.json", permission=Permission.PUBLIC)
async def openapi(call: Call[None]) -> web.Response:
    """This description."""
    response = web.Response(body=msgspec.json.encode(describe(call.site.routes)), content_type="application/json")
    response.enable_compression()
    return response


def describe(table: tuple[Route, ...]) -> dict[str, Any]:
    """The whole OpenAPI document of the described routes."""
    described = [route for route in table if not route.is_page]
    kinds: list[Any] = [problems.Problem]
    for route in described:
        kinds += [kind for kind in (route.body, route.query, route.answer) if kind is not None and kind not in kinds]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    schema_of = {repr(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in described:
        paths.setdefault(_VARIABLE.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(
            route, schema_of, components
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fleetctl",
            "version": fleetctl.__version__,
            "description": "One fleet of 3D printers and CNC machines. Errors are RFC 9457 problem details.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _operation(route: Route, schema_of: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    answer = {"description": "Done"}
    if route.answer is not None:
        answer["content"] = {"application/json": {"schema": schema_of[repr(route.answer)]}}  # type: ignore[assignment]
    refusal = {"schema": schema_of[repr(problems.Problem)]}
    operation: dict[str, Any] = {
        "operationId": f"{route.tag}_{route.handler.__name__}",
        "summary": route.summary,
        "description": f"Permission: {route.permission.value} ({PHRASE[route.permission]}).",
        "tags": [route.tag],
        "responses": {
            str(int(route.status)): answer,
            "default": {"description": "Refused", "content": {problems.MEDIA_TYPE: refusal}},
        },
    }
    if route.permission is not Permission.PUBLIC:
        operation["security"] = [{"bearer": []}, {"key": []}]
    parameters = [*_path_parameters(route), *_query_parameters(route, components)]
    if parameters:
        operation["parameters"] = parameters
    if body := _body(route, schema_of):
        operation["requestBody"] = body
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = _VARIABLE.findall(route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = components[route.query.__name__]
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _body(route: Route, schema_of: dict[str, Any]) -> dict[str, Any] | None:
    content: dict[str, Any] = {}
    if route.body is not None:
        content["application/json"] = {"schema": schema_of[repr(route.body)]}
    if route.multipart:
        fields: dict[str, Any] = {"file": {"type": "string", "contentMediaType": "application/octet-stream"}}
        extra = {"additionalProperties": {"type": "string"}} if route.body is not None else {}
        content["multipart/form-data"] = {
            "schema": {"type": "object", "required": ["file"], "properties": fields, **extra}
        }
    return {"content": content} if content else None
