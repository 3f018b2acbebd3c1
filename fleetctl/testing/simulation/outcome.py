"""What came of a world, and how much was simulated in it.

It must not know how a world goes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fleetctl.clock import Clock
from fleetctl.testing.simulation.eyes import Eyes
from fleetctl.testing.simulation.record import Record


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one world. Hours: `fleet_h` by the controller's clock, `run_h` and `job_h` machine time (see
    Scenario.lapse): with a run in hand, and with a job unfinished."""

    seed: int
    sha256: str
    violations: tuple[str, ...]
    fleet_h: float
    run_h: float
    job_h: float
    counts: Counter[str]
    tail: tuple[str, ...]


class Hours(NamedTuple):
    """Hours of machine time: with a run in hand, summed over machines; with a job unfinished, summed over jobs."""

    run_h: float
    job_h: float


def measure(eyes: Eyes, record: Record, lapse: float, clock: Clock) -> Hours:
    """The hours on record, and the counts of runs and jobs."""
    now_s = clock.wall().timestamp()
    run_s, runs = eyes.rows("SELECT coalesce(sum(coalesce(ended_s, ?) - started_s), 0), count(*) FROM runs", now_s)[0]
    job_s, jobs = eyes.rows(
        "SELECT coalesce(sum(coalesce(done_s, (SELECT max(at_s) FROM events WHERE kind = 'job.cancelled'"
        " AND subject = code), ?) - created_s), 0), count(*) FROM jobs",
        now_s,
    )[0]
    record.counts["runs"], record.counts["jobs"] = int(str(runs)), int(str(jobs))
    return Hours(float(str(run_s)) * lapse / 3600, float(str(job_s)) * lapse / 3600)


def digest(outcomes: Iterable[Outcome]) -> str:
    """One hash over several worlds."""
    return hashlib.sha256("".join(outcome.sha256 for outcome in outcomes).encode()).hexdigest()
