"""The invariants of DESIGN section 4 that can be seen in the record: checked in every unit and after every COMMIT.

Statements here are written against the tables and not with the repositories, so that the two check each other. What
is seen at the machine is checked by `rig` and `wire`. This module must not change anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import cast

from fleetctl.model.job import JobState
from fleetctl.model.machine import is_ready
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.situation import Situation
from fleetctl.scheduling.why import why_job, why_machine
from fleetctl.store.events import Event
from fleetctl.testing.simulation.eyes import Eyes
from fleetctl.testing.simulation.record import Record
from fleetctl.testing.simulation.rig import Attempt

_READY = ("online", "idle", "clear", "in-service", "known")

_CLAIMS = """
SELECT r.id, r.code, r.configuration_hash, r.rule_set, r.program_sha256, m.name, m.configuration_hash,
       m.link, m.activity, m.clearance, m.service, m.position,
       (SELECT count(*) FROM parts p WHERE p.run_id = r.id), j.yield_parts, j.state,
       (SELECT p.passed FROM preflights p WHERE p.program_sha256 = r.program_sha256
        AND p.configuration_hash = r.configuration_hash AND p.rule_set = r.rule_set),
       coalesce((SELECT json_extract(s.value, '$.stopped') FROM settings s WHERE s.key = 'stop'), 0),
       r.resumes_run_id IS NOT NULL
FROM runs r JOIN machines m ON m.id = r.machine_id JOIN jobs j ON j.id = r.job_id
WHERE r.active AND r.version = 1
"""

_JOBS = """
SELECT j.code, j.state, j.quantity, coalesce(sum(p.live AND p.place IS NOT NULL), 0),
       coalesce(sum(p.place IS NOT NULL AND p.state IN ('good', 'delivered')), 0),
       coalesce(sum(p.place IS NULL AND p.state = 'good'), 0),
       coalesce(min(p.place), 1), coalesce(max(p.place), 1),
       coalesce(sum(p.live != (p.state NOT IN ('scrap', 'unmade'))), 0)
FROM jobs j LEFT JOIN parts p ON p.job_id = j.id GROUP BY j.id ORDER BY j.code
"""


class Invariants:
    """Everything that is checked in the record of one world. `attempt` finds what a run did physically."""

    def __init__(self, eyes: Eyes, record: Record, attempt: Callable[[str], Attempt | None]) -> None:
        self._eyes = eyes
        self._record = record
        self._attempt = attempt
        self._committed: list[tuple[object, ...]] = []
        self._published = 0
        self._claims_seen: set[str] = set()

    # Inside a transaction

    def unit(self, inside: sqlite3.Connection) -> None:
        """Behind every unit of work: claims made by it stand on the facts of this very snapshot (I2, I15)."""
        for row in inside.execute(_CLAIMS).fetchall():
            run_id, code = str(row[0]), str(row[1])
            if run_id in self._claims_seen:
                continue
            self._claims_seen.add(run_id)
            machine, facts = row[5], row[7:12]
            if facts != _READY:
                self._record.violation("I2", f"{code} was claimed on {machine}, which is {facts}")
            if row[2] != row[6] or row[3] != RULE_SET or not row[15]:
                self._record.violation("I2", f"{code} was claimed on {machine} without a pass of exactly its hashes")
            least = 1 if row[17] else row[13]  # what was scrapped meanwhile is not taken up again
            if not least <= row[12] <= row[13]:
                self._record.violation("I3", f"{code} has {row[12]} parts, its yield is {row[13]}")
            if row[14] not in ("queued", "active"):
                self._record.violation("I3", f"{code} was claimed for a job that is {row[14]}")
            if row[16]:
                self._record.violation("I15", f"{code} was claimed while everything is stopped")

    # After COMMIT

    def committed(self) -> frozenset[str]:
        """After every COMMIT, before anybody hears of it; gives the kinds of the new events."""
        known = len(self._committed)
        new = self._eyes.rows(
            "SELECT sequence, at_s, kind, subject, actor, data FROM events WHERE sequence > ? ORDER BY sequence",
            known,
        )
        for number, row in enumerate(new, known + 1):
            if row[0] != number:
                self._record.violation("I5", f"event {number} is missing; {row[0]} came")
            self._committed.append(row)
            self._record.log("committed " + " ".join(str(value) for value in row))
        self._rows()
        for row in new:
            if row[2] == "run.finished":
                self._finished(str(row[3]))
            elif row[2] == "part.good":
                self._good(str(row[3]))
        return frozenset(str(row[2]) for row in new)

    def _rows(self) -> None:
        for machine, count in self._eyes.rows(
            "SELECT machine_id, count(*) FROM runs WHERE active GROUP BY machine_id HAVING count(*) > 1"
        ):
            self._record.violation("I1", f"machine {machine} has {count} active runs")
        for job, place, count in self._eyes.rows(
            "SELECT job_id, place, count(*) FROM parts WHERE live AND place IS NOT NULL"
            " GROUP BY job_id, place HAVING count(*) > 1"
        ):
            self._record.violation("I1", f"place {place} of job {job} holds {count} live parts")
        for code, state, started in self._eyes.rows(
            "SELECT p.code, p.state, r.started FROM parts p JOIN runs r ON r.id = p.run_id"
            " WHERE (p.state = 'planned') != r.active OR (p.state = 'unmade' AND r.started)"
        ):
            self._record.violation("I3", f"{code} is {state} (run started: {started}), which its run contradicts")
        for row in self._eyes.rows(_JOBS):
            self._job(*cast(tuple[str, str, int], row))

    def _job(self, code: str, state: str, *counts: int) -> None:
        quantity, held, good, surplus, least, greatest, wrong = counts
        if held > quantity or least < 1 or greatest > quantity:
            self._record.violation("I3", f"{code} has {quantity} places; {held} are held, from {least} to {greatest}")
        if wrong:
            self._record.violation("I3", f"{wrong} part(s) of {code} are live although scrap, or the reverse")
        if state == "cancelled":
            return
        if (state == "done") != (good == quantity):
            self._record.violation("I3", f"{code} is {state} with {good} of {quantity} good parts")
        if surplus and held < quantity:
            self._record.violation("I3", f"{code} has a free place and {surplus} good surplus part(s)")

    def _finished(self, code: str) -> None:
        attempt = self._of_run_code(code)
        if attempt is None or not attempt.complete:
            came = "nothing" if attempt is None else f"{attempt.executed} of {len(attempt.program.lines)} lines"
            self._record.violation("I4", f"{code} is finished on record; the machine executed {came}")

    def _good(self, code: str) -> None:
        part_id, run_code, state = self._eyes.rows(
            "SELECT p.id, r.code, p.state FROM parts p JOIN runs r ON r.id = p.run_id WHERE p.code = ?", code
        )[0]
        if state != "good":
            return  # made good and scrapped again within one COMMIT: nobody ever saw it good
        attempt = self._of_run_code(str(run_code))
        if attempt is None or attempt.plates != 1:
            self._record.violation("I3", f"{code} of {run_code} is good, but no plate of that run was ever laid")
        given = self._eyes.rows("SELECT check_name, result FROM results WHERE part_id = ?", part_id)
        decided = self._eyes.rows(
            "SELECT 1 FROM dispositions WHERE part_id = ? AND disposition = 'use-as-is'", part_id
        )
        by_person = ("person", "pass") in given or bool(decided)
        by_checks = bool(given) and all(result == "pass" for _, result in given)
        if not by_person and not by_checks:
            self._record.violation("I7", f"{code} is good by {given}")

    def _of_run_code(self, code: str) -> Attempt | None:
        found = self._eyes.rows("SELECT id FROM runs WHERE code = ?", code)
        return self._attempt(str(found[0][0])) if found else None

    # What goes out, and what a crash leaves

    def published(self, events: Sequence[Event]) -> None:
        """What the bus is given must be committed, whole and in order (I5)."""
        for event in events:
            row = (event.sequence, event.at_s, event.kind, event.subject, event.actor, event.data)
            if event.sequence > len(self._committed) or self._committed[event.sequence - 1] != row:
                self._record.violation("I5", f"event {event.sequence} ({event.kind}) was published, not committed")
            if self._published and event.sequence != self._published + 1:
                self._record.violation("I5", f"event {event.sequence} was published after {self._published}")
            self._published = event.sequence

    def crashed(self) -> None:
        """After a crash of the controller: nothing that was committed is gone or different (I5)."""
        self._published = 0
        left = self._eyes.rows("SELECT sequence, at_s, kind, subject, actor, data FROM events ORDER BY sequence")
        if left != self._committed:
            self._record.violation("I5", f"{len(self._committed)} events were committed, {len(left)} are there")

    # Explanations

    def explained(self, value: object) -> None:
        """Every situation that the controller itself looks at: whatever waits says why (I10)."""
        if not isinstance(value, Situation):
            return
        for item in value.jobs:
            reason = why_job(item, value)
            waits = bool(item.free_places) or item.job.state is JobState.HELD
            if waits and (reason is None or not reason.sentence.strip()):
                self._record.violation("I10", f"{item.job.code} waits and nobody can say why")
        for machine in value.machines:
            unready = machine.id not in value.active and not is_ready(machine.facts)
            if unready and why_machine(machine, value) is None:
                self._record.violation("I10", f"{machine.name} is not ready and nobody can say why: {machine.facts}")

    # The end

    def accounts(self) -> None:
        """Every part that ends good was laid by a machine, and no run laid more than one plate."""
        for code, run_id in self._eyes.rows(
            "SELECT p.code, p.run_id FROM parts p WHERE p.state IN ('good', 'delivered') ORDER BY p.code"
        ):
            attempt = self._attempt(str(run_id))
            if attempt is None or attempt.plates != 1:
                plates = 0 if attempt is None else attempt.plates
                self._record.violation("I3", f"{code} ends good; its run laid {plates} plates")
