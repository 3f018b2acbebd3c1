"""Makes situations for tests: a site of plain values."""

from __future__ import annotations

from typing import Any

import msgspec

from fleetctl.model.job import Job, JobState, RemakeInterrupted, Tally
from fleetctl.model.machine import Clearance, Link, Machine, MachineFacts
from fleetctl.model.profile import PROFILES, Setup, configuration_hash
from fleetctl.model.run import Run, RunState
from fleetctl.scheduling.situation import Fit, OpenJob, Situation

AGENT = "local"
READY = MachineFacts(link=Link.ONLINE, clearance=Clearance.CLEAR)


def machine(name: str, **values: Any) -> Machine:
    """A ready printer, unless `values` or `facts=` say otherwise."""
    profile = values.pop("profile", PROFILES["generic-220"])
    setup = values.pop("setup", Setup())
    return Machine(
        **{
            "id": name,
            "name": name,
            "driver": "marlin",
            "port": f"memory://{name}",
            "group": "",
            "agent": AGENT,
            "profile": profile,
            "setup": setup,
            "options": {},
            "configuration_hash": configuration_hash(profile, setup),
            "unattended_by": None,
            "facts": READY,
            "firmware": "",
            "since_s": 0.0,
            "version": 1,
            **values,
        }
    )


def facts(**values: Any) -> MachineFacts:
    """Facts of a ready machine but for `values`."""
    return msgspec.structs.replace(READY, **values)


def open_job(code: str, free: int = 1, **values: Any) -> OpenJob:
    """A queued job with `free` places to make."""
    tally = values.pop("tally", Tally())
    quantity = values.pop("quantity", max(1, free))
    job = Job(
        **{
            "id": code,
            "code": code,
            "order_id": "order",
            "title": code,
            "program_sha256": "program",
            "yield_parts": 1,
            "quantity": quantity,
            "state": JobState.QUEUED,
            "held_reason": "",
            "priority": 0,
            "due_s": None,
            "material": "",
            "machine_id": None,
            "group": "",
            "remake_interrupted": RemakeInterrupted.AT_CLEAR,
            "failed_in_a_row": 0,
            "created_s": 0.0,
            "done_s": None,
            "version": 1,
            **values,
        }
    )
    return OpenJob(job=job, tally=tally, free_places=tuple(range(1, free + 1)))


def run_on(name: str, state: RunState = RunState.RUNNING, **values: Any) -> Run:
    """A run on the machine `name`."""
    return Run(
        **{
            "id": f"run-{name}",
            "code": "R-0001",
            "job_id": "J-1",
            "machine_id": name,
            "program_sha256": "program",
            "configuration_hash": "",
            "rule_set": "",
            "epoch": 1,
            "state": state,
            "reason": "",
            "started": True,
            "acknowledged_line": 0,
            "planner_depth": 0,
            "settled": False,
            "resumes_run_id": None,
            "not_after_s": 0.0,
            "created_s": 0.0,
            "started_s": None,
            "ended_s": None,
            "version": 1,
            **values,
        }
    )


def situation(jobs: list[OpenJob], machines: list[Machine], **values: Any) -> Situation:
    """A site in which every program fits every machine, unless `fits=` says otherwise."""
    pairs = {(item.job.program_sha256, m.configuration_hash) for item in jobs for m in machines}
    return Situation(
        **{
            "version": 0,
            "now_s": 0.0,
            "stopped": False,
            "stopped_by": "",
            "jobs": tuple(jobs),
            "machines": tuple(machines),
            "active": {},
            "unsettled": {},
            "to_clear": {},
            "fits": dict.fromkeys(pairs, Fit(True)),
            "blocked": frozenset(),
            "agents": frozenset({AGENT}),
            **values,
        }
    )
