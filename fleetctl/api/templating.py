"""Jinja2 templates: what all of them may call, and an answer made of HTML.

Must not know requests, or which page shows what.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from aiohttp import web

from fleetctl.api import grouping, hand, looks, reading
from fleetctl.api.permission import Permission
from fleetctl.api.statics import Statics
from fleetctl.model import job, machine, part, run

HTML = "text/html"
COMPRESS_FROM_BYTES = 1024
FILTERS: tuple[Callable[..., str], ...] = (
    reading.percent,
    reading.count,
    reading.span,
    reading.iso,
    reading.clock,
    reading.size,
    reading.heater,
)


class Templates:
    """The compiled templates."""

    def __init__(self, folder: Path, statics: Statics) -> None:
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # A newer version that is installed meanwhile must not mix its templates with this running code.
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        self.environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
        for kind in FILTERS:
            self.environment.filters[kind.__name__] = kind
        self.environment.globals.update(
            looks=looks,
            hand=hand,
            rank=grouping.rank,
            url=statics.url,
            has_file=statics.__contains__,
            lines=reading.lines,
            temperature=reading.temperature,
            place=reading.place,
            work_positions=reading.work_positions,
            shape_key=reading.shape_key,
            named=reading.named,
            OLD=reading.OLD,
            PHRASE={
                "job": {state.value: text for state, text in job.PHRASE.items()},
                "machine": {word.value: text for word, text in machine.PHRASE.items()},
                "part": {state.value: text for state, text in part.PHRASE.items()},
                "run": {state.value: text for state, text in run.PHRASE.items()},
            },
            Permission=Permission,
        )

    def render(self, template: str, /, **context: Any) -> str:
        """One template as text."""
        return self.environment.get_template(template).render(**context)


def html_response(html: str) -> web.Response:
    """HTML, compressed where it is worth it."""
    response = web.Response(text=html, content_type=HTML)
    if len(html) > COMPRESS_FROM_BYTES:
        response.enable_compression()
    response.headers["Vary"] = "Accept-Encoding, HX-Request, Cookie"
    return response


def raw(value: msgspec.Raw) -> Any:
    """A value that was kept as JSON text."""
    return msgspec.json.decode(value)
