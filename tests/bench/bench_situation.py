"""What the record costs on a large site: the dispatcher's read, the lists of pages, and the units of work of a run.

A site of 300 machines and 500 open jobs is put on record through the same functions as the daemon's; then each read
and unit is timed by the CPU time of this thread. Prints one JSON object, milliseconds.
"""

from __future__ import annotations

import functools
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from fleetctl.fleet.changes import Stamp
from fleetctl.fleet.claims import claim
from fleetctl.fleet.clearing import clear_machine
from fleetctl.fleet.moment import Moment
from fleetctl.fleet.reports import apply_report
from fleetctl.fleet.situation import read_situation, read_situation_of
from fleetctl.gcode import analyze
from fleetctl.model.job import Job, JobState, RemakeInterrupted
from fleetctl.model.machine import Activity, Clearance, Link, Machine, MachineFacts, Position
from fleetctl.model.messages import MachineReport, RunReport
from fleetctl.model.profile import PROFILES, Setup, configuration_hash
from fleetctl.model.run import Run
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.assign import Assignment, assign
from fleetctl.store import jobs, machines, migrate, programs, runs
from fleetctl.store.database import Database
from fleetctl.store.programs import Preflight, Program

MACHINES = 300
JOBS = 500
QUANTITY = 10
ROUNDS = 7
AGENT = "local"
AGENTS = frozenset({AGENT})
NOW_S = 1_000_000.0


class Ids:
    """Fresh ids that sort by when they were made."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        """One more."""
        return f"{next(self._numbers):036d}"


STAMP = Stamp(NOW_S, "bench", Ids())


def put_machine(conn: sa.Connection, number: int) -> None:
    """One printer, online and clear."""
    profile, setup = PROFILES["generic-220"], Setup(material="PLA")
    machines.add(
        conn,
        Machine(
            id=STAMP.new_id(),
            name=f"K{number}",
            driver="marlin",
            port=f"/dev/ttyUSB{number}",
            group=f"g{number % 10}",
            agent=AGENT,
            profile=profile,
            setup=setup,
            options={},
            configuration_hash=configuration_hash(profile, setup),
            unattended_by=None,
            facts=MachineFacts(link=Link.ONLINE, clearance=Clearance.CLEAR),
            firmware="",
            since_s=float(number),
            version=1,
        ),
    )


def put_job(conn: sa.Connection, number: int, sha256: str) -> None:
    """One job of ten parts for any machine of a group."""
    order = jobs.Order(id=STAMP.new_id(), code=f"O-{number:04d}", title="", placed_by="bench", created_s=NOW_S)
    jobs.add_order(conn, order)
    jobs.add(
        conn,
        Job(
            id=STAMP.new_id(),
            code=f"J-{number:04d}",
            order_id=order.id,
            title="",
            program_sha256=sha256,
            yield_parts=1,
            quantity=QUANTITY,
            state=JobState.QUEUED,
            held_reason="",
            priority=0,
            due_s=None,
            material="PLA",
            machine_id=None,
            group=f"g{number % 10}",
            remake_interrupted=RemakeInterrupted.AT_CLEAR,
            failed_in_a_row=0,
            created_s=NOW_S + number,
            done_s=None,
            version=1,
        ),
    )


def put_program(conn: sa.Connection, folder: Path) -> str:
    """A print, and that it passed the gate on every machine."""
    path = folder / "print.gcode"
    path.write_bytes(b"M140 S60\nM104 S200\nG28\nM109 S200\nG1 X10 Y10 E1 F1200\nM104 S0\nM140 S0\n")
    facts = analyze(path)
    programs.add(
        conn,
        Program(
            sha256=facts.sha256,
            name="print.gcode",
            size_bytes=facts.size_bytes,
            dialect=facts.dialect,
            analysis=facts,
            created_s=NOW_S,
        ),
    )
    for configuration in {machine.configuration_hash for machine in machines.every(conn)}:
        programs.put_preflight(
            conn,
            Preflight(
                program_sha256=facts.sha256,
                configuration_hash=configuration,
                rule_set=RULE_SET,
                passed=True,
                findings=(),
                at_s=NOW_S,
            ),
        )
    return facts.sha256


def reports(run: Run, first: int) -> Iterator[MachineReport | RunReport]:
    """What an agent tells of a run until it runs."""
    for number, (state, activity) in enumerate((("preparing", Activity.IDLE), ("running", Activity.RUNNING))):
        yield MachineReport(
            sequence=first + 2 * number,
            machine_id=run.machine_id,
            link=Link.ONLINE,
            activity=activity,
            position=Position.KNOWN,
            at_s=NOW_S,
        )
        yield RunReport(
            sequence=first + 2 * number + 1,
            run_id=run.id,
            machine_id=run.machine_id,
            state=state,
            started=state == "running",
            at_s=NOW_S,
        )


def cpu_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU milliseconds of this thread, and what came of it."""
    begun_s = time.thread_time()
    value = work()
    return (time.thread_time() - begun_s) * 1000, value


def median_ms(work: Callable[[], Any]) -> float:
    """The median of some rounds."""
    return round(statistics.median(cpu_ms(work)[0] for _ in range(ROUNDS)), 2)


def each_ms(taken: list[float]) -> dict[str, float]:
    """Median and greatest of many."""
    return {"median": round(statistics.median(taken), 2), "most": round(max(taken), 2)}


def in_unit(database: Database, unit: Callable[[sa.Connection], Any]) -> tuple[float, Any]:
    """One unit of work as the writer runs it: a transaction with a savepoint; its own CPU time without COMMIT."""
    with database.write() as conn, conn.begin_nested():
        return cpu_ms(lambda: unit(conn))


def a_run(database: Database, plan: Assignment, first: int) -> Iterator[tuple[str, float]]:
    """Claim and begin one run; what each unit took."""
    taken, run = in_unit(database, lambda conn: claim(conn, plan, RULE_SET, STAMP))
    yield "claim", taken
    for report in reports(run, first):
        yield "report", in_unit(database, functools.partial(apply_report, agent=AGENT, report=report, stamp=STAMP))[0]


def look(database: Database, read: Callable[[sa.Connection], Any]) -> Any:
    """One read in a snapshot."""
    with database.read() as conn:
        return read(conn)


def moment(conn: sa.Connection) -> Moment:
    """The site now."""
    return Moment(conn, read_situation(conn, NOW_S, AGENTS), {})


def reads(database: Database) -> dict[str, float]:
    """What each look costs now."""

    def every(conn: sa.Connection) -> bytes:
        now = moment(conn)
        return msgspec.json.encode(now.machines())

    def queue(conn: sa.Connection) -> bytes:
        now = moment(conn)
        return msgspec.json.encode(now.jobs([item.job for item in now.situation.jobs]))

    def one(conn: sa.Connection) -> bytes:
        machine = machines.named(conn, "K7")
        situation = read_situation_of(conn, machine, NOW_S, AGENTS)
        return msgspec.json.encode(Moment(conn, situation, {}).machine(machine))

    return {
        "situation": median_ms(lambda: look(database, lambda conn: read_situation(conn, NOW_S, AGENTS))),
        "all_machines": median_ms(lambda: look(database, every)),
        "one_machine": median_ms(lambda: look(database, one)),
        "queue": median_ms(lambda: look(database, queue)),
    }


def clear_all(database: Database) -> list[float]:
    """Finish every second run and clear its machine."""

    def clear(conn: sa.Connection, machine_id: str) -> None:
        clear_machine(conn, machines.get(conn, machine_id), 1, frozenset(), STAMP)

    taken = []
    for number, run in enumerate(look(database, runs.active)[: MACHINES // 2], 1_000_000):
        end = RunReport(
            sequence=number, run_id=run.id, machine_id=run.machine_id, state="finished", started=True, at_s=NOW_S
        )
        in_unit(database, functools.partial(apply_report, agent=AGENT, report=end, stamp=STAMP))
        taken.append(in_unit(database, functools.partial(clear, machine_id=run.machine_id))[0])
    return taken


def measure(folder: Path) -> dict[str, Any]:
    """All of it."""
    database = Database.open(f"sqlite:///{folder / 'bench.sqlite'}")
    migrate.upgrade(database)
    with database.write() as conn:
        for number in range(MACHINES):
            put_machine(conn, number)
        machines.set_agent(conn, AGENT, "journal", "1")
        sha256 = put_program(conn, folder)
        for number in range(JOBS):
            put_job(conn, number, sha256)
    found: dict[str, Any] = {"idle": reads(database)}
    situation = look(database, lambda conn: read_situation(conn, NOW_S, AGENTS))
    found["assign"] = median_ms(lambda: assign(situation))
    units: dict[str, list[float]] = {"claim": [], "report": []}
    for number, plan in enumerate(assign(situation)):
        for what, taken in a_run(database, plan, 1 + 10 * number):
            units[what].append(taken)
    found["all_running"] = reads(database)
    units["clear"] = clear_all(database)
    found["half_uncleared"] = reads(database)
    found["units"] = {what: each_ms(taken) for what, taken in units.items()}
    database.close()
    return found


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    json.dump({"machines": MACHINES, "jobs": JOBS, "milliseconds": found}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
