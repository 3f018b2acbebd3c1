"""What a person sees before an interrupted run is continued: where it stopped, what is proposed, what would be sent.

Only shapes; who fills them is `fleet/continuing.py`. Lines are those of the run's program, layers count from 1.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fleetctl.fleet.shapes import FindingShape
from fleetctl.gcode.transform import PreviewLine
from fleetctl.scheduling.reason import Action


class StoppedIn(msgspec.Struct, frozen=True, kw_only=True):
    """The interval in which execution stopped.

    All lines up to `surely_executed_line` are executed; of those up to `acknowledged_line` nobody knows how many.
    Layers are 0 and heights None where the program has none.
    """

    surely_executed_line: int
    acknowledged_line: int
    lines: int
    first_layer: int = 0
    last_layer: int = 0
    layers: int = 0
    first_z_mm: float | None = None
    last_z_mm: float | None = None


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A value taken from what is on record, and where it comes from. Nothing is used before a person has said it."""

    name: str
    value: str | int | float | bool
    reason: str


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has to do at the machine before the run can be continued."""

    sentence: str
    action: Action | None = None


class ContinuationOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether and how a run can be continued. `refusal` empty: it can, once `obstacles` is empty."""

    run: str
    version: int
    machine: str
    process: str
    program: str
    program_sha256: str
    stopped: StoppedIn
    parts: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    obstacles: tuple[Obstacle, ...]
    refusal: str = ""


class ContinuationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where to take the run up and what only somebody beside the machine knows: parameters of *restart*.

    `program_sha256` is what the preview gave: the same bytes are sent, or none. `version` is that of the run.
    """

    parameters: dict[str, Any] = {}
    program_sha256: str = ""
    version: int | None = None


class ContinuationPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent: the preamble line by line with reasons, then the program from `first_line` on.

    `program_sha256` is the new program's; `passed` and `findings` are the gate's word on this machine;
    `position_mm` is where the tool is at the beginning of `first_line`, in the program's coordinates.
    """

    run: str
    version: int
    machine: str
    summary: str
    first_line: int
    layer: int
    position_mm: tuple[float, float, float] | None
    repeated_lines: int
    """Lines from `first_line` to the acknowledged one: they may be executed twice."""
    skipped_lines: int
    """Lines behind the last surely executed one that would be left out."""
    lines: tuple[PreviewLine, ...]
    warnings: tuple[str, ...]
    program_sha256: str
    size_bytes: int
    passed: bool
    findings: tuple[FindingShape, ...]
    obstacles: tuple[Obstacle, ...]
