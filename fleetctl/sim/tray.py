"""The tray beside a simulated machine: an append-only file of the parts it made, one JSON object per line.

It is the physical world and not a protocol: the daemon never reads it, a simulated gauge does. It must not know who
made a part or why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from fleetctl.sim.parts import Part


def lay(path: Path, parts: Iterable[Part]) -> None:
    """Append a plate in one write, so that a reader never sees half of one line that will stay."""
    text = "".join(json.dumps(asdict(part)) + "\n" for part in parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as tray:
        tray.write(text)


def look(path: Path) -> list[Part]:
    """Every part on the tray, oldest first; none when nothing was made. A torn last line is not yet a part."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1]
    return [Part(**json.loads(line)) for line in whole.splitlines()]
