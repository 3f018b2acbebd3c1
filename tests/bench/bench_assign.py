"""How fast the dispatcher decides: assignments and explanations per CPU-second on a large site.

Prints one JSON object. Only the pure decision; what a claim costs is the store's.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

from fleetctl.model.job import Job, JobState, RemakeInterrupted, Tally
from fleetctl.model.machine import Clearance, Link, Machine, MachineFacts
from fleetctl.model.profile import PROFILES, Setup, configuration_hash
from fleetctl.scheduling.assign import assign
from fleetctl.scheduling.situation import Fit, OpenJob, Situation
from fleetctl.scheduling.why import why_job

MACHINES = 200
JOBS = 500
GROUPS = 10
ROUNDS = 5


def machine(number: int) -> Machine:
    """A printer of one of the groups; every second one is ready."""
    profile, setup = PROFILES["generic-220"], Setup(material="PLA")
    clear = Clearance.CLEAR if number % 2 else Clearance.UNCLEARED
    return Machine(
        id=f"m{number}",
        name=f"K{number}",
        driver="marlin",
        port="",
        group=f"g{number % GROUPS}",
        agent="local",
        profile=profile,
        setup=setup,
        options={},
        configuration_hash=configuration_hash(profile, setup),
        unattended_by=None,
        facts=MachineFacts(link=Link.ONLINE, clearance=clear),
        firmware="",
        since_s=float(number),
        version=1,
    )


def job(number: int) -> OpenJob:
    """A job of ten parts for one of the groups."""
    wanted = Job(
        id=f"j{number}",
        code=f"J-{number:04d}",
        order_id="o",
        title="",
        program_sha256="p",
        yield_parts=1,
        quantity=10,
        state=JobState.QUEUED,
        held_reason="",
        priority=0,
        due_s=None,
        material="PLA",
        machine_id=None,
        group=f"g{number % GROUPS}",
        remake_interrupted=RemakeInterrupted.AT_CLEAR,
        failed_in_a_row=0,
        created_s=0.0,
        done_s=None,
        version=1,
    )
    return OpenJob(job=wanted, tally=Tally(), free_places=tuple(range(1, 11)))


def situation() -> Situation:
    """Two hundred machines and five hundred jobs."""
    machines = tuple(machine(number) for number in range(MACHINES))
    return Situation(
        version=1,
        now_s=0.0,
        stopped=False,
        stopped_by="",
        jobs=tuple(job(number) for number in range(JOBS)),
        machines=machines,
        active={},
        unsettled={},
        to_clear={},
        fits={("p", each.configuration_hash): Fit(passed=True) for each in machines},
        blocked=frozenset(),
        agents=frozenset({"local"}),
    )


def cpu_s(work: Callable[[], object]) -> float:
    """Median CPU seconds of one call."""
    taken = []
    for _ in range(ROUNDS):
        begun_s = time.process_time()
        work()
        taken.append(time.process_time() - begun_s)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    site = situation()
    assign_s = cpu_s(lambda: assign(site))
    explain_s = cpu_s(lambda: [why_job(item, site) for item in site.jobs[:50]]) / 50
    found = {
        "bench": "assign",
        "machines": MACHINES,
        "jobs": JOBS,
        "assignments": len(assign(site)),
        "assign_ms": round(assign_s * 1e3, 2),
        "pairs_per_cpu_s": round(MACHINES * JOBS / assign_s),
        "explain_one_job_ms": round(explain_s * 1e3, 3),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
