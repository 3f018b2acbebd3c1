"""`/api/v1/jobs`: what is to be made, how many are good, and why the rest waits."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from fleetctl.api.bodies import Upload, from_form
from fleetctl.api.permission import Permission
from fleetctl.api.routing import API, Call, Routes, Seen
from fleetctl.errors import UsageError
from fleetctl.fleet.shapes import ExplainShape, JobShape, ProgramShape, Submission

routes = Routes("jobs")

JOBS = f"{API}/jobs"
ONE = f"{JOBS}/{{code}}"


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Why the job is held, in a person's words, and the version that was seen."""

    reason: str = ""
    version: int | None = None


def page_of(_call: Call[Any], job: JobShape) -> str:
    """The page of a job."""
    return f"/jobs/{job.code}"


@routes.route("GET", JOBS, permission=Permission.VIEW, answer=list[JobShape])
async def jobs(call: Call[None]) -> list[JobShape]:
    """Every job, those not done first, in the order in which they are served."""
    return await call.controller.views.queue()


@routes.route(
    "POST",
    JOBS,
    permission=Permission.SUBMIT,
    body=Submission,
    answer=JobShape,
    status=HTTPStatus.CREATED,
    page=page_of,
    multipart=True,
)
async def submit(call: Call[Submission | None]) -> JobShape:
    """Ask for good parts of a stored program; or send file and fields in one multipart body."""
    submission = call.body if call.body is not None else await _received(call)
    return await call.controller.intake.submit(submission, call.actor)


async def _received(call: Call[Submission | None]) -> Submission:
    upload = Upload(call.request)
    program: ProgramShape | None = None
    async for name, blocks in upload.files():
        if program is not None:
            raise UsageError("One job is made from one file.", hint="Send a request for each file.")
        program = await call.controller.intake.receive(name, blocks, call.actor, upload.plate)
    fields = dict(upload.fields)
    fields.pop("plate", None)
    if program is not None:
        fields["program_sha256"] = program.sha256
    return from_form(fields.items(), Submission)


@routes.route("GET", ONE, permission=Permission.VIEW, answer=JobShape)
async def job(call: Call[None]) -> JobShape:
    """One job with its counts."""
    return await call.controller.views.job(call.path["code"])


@routes.route("GET", f"{ONE}/explain", permission=Permission.VIEW, answer=ExplainShape)
async def explain(call: Call[None]) -> ExplainShape:
    """Why the job waits, and what stands in the way on each machine (I10)."""
    return await call.controller.views.explain(call.path["code"])


@routes.route("POST", f"{ONE}/hold", permission=Permission.OPERATE, body=HoldRequest, answer=JobShape)
async def hold(call: Call[HoldRequest]) -> JobShape:
    """Start nothing more of this job until somebody releases it."""
    code = call.path["code"]
    await call.controller.jobs.hold(code, call.body.reason, call.actor, call.body.version)
    return await call.controller.views.job(code)


@routes.route("POST", f"{ONE}/release", permission=Permission.OPERATE, body=Seen, answer=JobShape)
async def release(call: Call[Seen]) -> JobShape:
    """Let a held job go on."""
    await call.controller.jobs.release(call.path["code"], call.actor, call.body.version)
    return await call.controller.views.job(call.path["code"])


@routes.route("POST", f"{ONE}/cancel", permission=Permission.OPERATE, body=Seen, answer=JobShape)
async def cancel(call: Call[Seen]) -> JobShape:
    """End a job; parts already made stay on record."""
    await call.controller.jobs.cancel(call.path["code"], call.actor, call.body.version)
    return await call.controller.views.job(call.path["code"])
