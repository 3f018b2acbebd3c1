"""The controller's surface for continuing a run, for the API's tests: one offer, one preview, and what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fleetctl.errors import Conflict, UsageError
from fleetctl.fleet.continuation_shapes import (
    ContinuationOffer,
    ContinuationPreview,
    ContinuationRequest,
    Proposal,
    StoppedIn,
)
from fleetctl.fleet.shapes import RunShape
from fleetctl.gcode.transform import PreviewLine

if TYPE_CHECKING:
    from tests.unit.api.fake_controller import FakeController

PREVIEWED = "c" * 64


class FakeContinuing:
    """Continues any run that is interrupted; wants `z_strategy` as a print does."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    async def offer(self, code: str) -> ContinuationOffer:
        run = await self._world.views.run(code)
        return ContinuationOffer(
            run=code,
            version=run.version,
            machine=run.machine,
            process="additive",
            program=run.program,
            program_sha256=run.program_sha256,
            stopped=StoppedIn(
                surely_executed_line=800, acknowledged_line=816, lines=4000,
                first_layer=11, last_layer=12, layers=40, first_z_mm=2.2, last_z_mm=2.4,
            ),
            parts=("P-00009",),
            proposals=(
                Proposal(name="line", value=801, reason="the first line that is not surely executed"),
                Proposal(name="layer", value=11, reason="the layer in which that line is"),
                Proposal(name="z_mm", value=2.0, reason="the height of layer 10"),
            ),
            obstacles=(),
            refusal="" if run.state == "interrupted" else f"{code} is {run.state}.",
        )  # fmt: skip

    async def preview(self, code: str, parameters: dict[str, object]) -> ContinuationPreview:
        run = await self._world.views.run(code)
        if run.state != "interrupted":
            raise Conflict(f"{code} is {run.state}.")
        if not parameters.get("z_strategy"):
            raise UsageError("Say how the height of the nozzle is known.", hint="For example z_strategy trust.")
        return ContinuationPreview(
            run=code,
            version=run.version,
            machine=run.machine,
            summary="The program from line 801 on.",
            first_line=801,
            layer=11,
            position_mm=(10.0, 20.0, 2.2),
            repeated_lines=16,
            skipped_lines=0,
            lines=(PreviewLine("G28 X Y", "home X and Y only"),),
            warnings=("Lines 801 to 816 may have been executed in part.",),
            program_sha256=PREVIEWED,
            size_bytes=1000,
            passed=True,
            findings=(),
            obstacles=(),
        )

    async def confirm(self, code: str, asked: ContinuationRequest, actor: str) -> RunShape:
        await self.preview(code, asked.parameters)
        if asked.program_sha256 != PREVIEWED:
            raise Conflict("This is not what the preview showed.")
        self._world.calls.append(("continue", code, asked.parameters, asked.version, actor))
        new = msgspec.structs.replace(self._world.run[code], code="R-0099", state="claimed", resumes=code)
        self._world.run["R-0099"] = new
        return new
