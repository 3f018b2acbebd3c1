"""The demo's operator: a pretend person who does what the machines' reasons ask for, a few seconds later.

It uses only the public HTTP API, and of that only what a person at the machines could do: load stock, press cycle
start, clear beds and vises, home a machine, reset a fault. It leaves whole parts to the gauge and throws away what an
interrupted run left half-made.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from fleetctl.clock import Clock
from fleetctl.sim.site import Json, Refused, SiteApi, Unreachable

LOOK_EVERY_S = 0.5
HASTE_S = (1.0, 3.0)
"""How long this person takes from seeing what to do until it is done: least and most, wall seconds."""

CHANGED_MEANWHILE = frozenset({"conflict", "illegal-transition", "stopped"})
"""Refusals that a next look clears up."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do: what to post where, as the reason gives it, and what was looked at (`version`)."""

    subject: str
    target: str
    verb: str
    sentence: str
    version: int | None
    parts: int = 0
    spoiled: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int | None]:
        """Two tasks with the same key are the same task seen twice."""
        return (self.target, self.verb, self.version)


DEEDS = {
    "clear": "finds {subject} empty and clears it",
    "start": "loads stock into {subject}, closes the door and presses cycle start",
    "home": "homes {subject}",
    "reset": "looks at the fault of {subject} and resets it",
}
"""What this person does, by the verb of the API; anything else is left to whoever watches the demo."""


def read_tasks(machines: Json) -> list[Task]:
    """What the reasons of these machines ask a person to do, as far as this person knows how, most urgent first."""
    tasks: list[tuple[int, Task]] = []
    for machine in machines:
        reason = machine.get("why") or {}
        action = reason.get("action")
        if not action or action["verb"] not in DEEDS:
            continue
        of_machine = action["target"] == f"machines/{machine['name']}"
        spoiled = [part["code"] for part in machine["parts_to_clear"]] if reason["code"] == "interrupted" else []
        task = Task(
            subject=machine["name"],
            target=action["target"],
            verb=action["verb"],
            sentence=reason["sentence"],
            version=machine["version"] if of_machine else None,
            parts=len(machine["parts_to_clear"]),
            spoiled=tuple(spoiled),
        )
        tasks.append((reason["need"], task))
    return [task for _, task in sorted(tasks, key=lambda pair: pair[0])]


class Operator:
    """One person with all machines in reach. `say` gets a sentence for each deed; `seed` makes the haste."""

    def __init__(self, api: SiteApi, clock: Clock, say: Callable[[str], None], seed: int = 0) -> None:
        self._api = api
        self._clock = clock
        self._say = say
        self._luck = random.Random(seed)
        self._due_s: dict[tuple[str, str, int | None], float] = {}
        self._left_alone: set[tuple[str, str, int | None]] = set()

    async def work(self) -> None:
        """Do what there is to do, until cancelled. While the daemon is away this person waits for it."""
        while True:
            try:
                await self.look()
            except Unreachable:
                self._due_s.clear()
            await self._clock.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Look at the machines once and do what is due."""
        tasks = read_tasks(await self._api.get("machines"))
        now_s = self._clock.monotonic()
        seen = {task.key for task in tasks}
        self._due_s = {key: due_s for key, due_s in self._due_s.items() if key in seen}
        due = []
        for task in tasks:
            due_s = self._due_s.setdefault(task.key, now_s + self._luck.uniform(*HASTE_S))
            if due_s <= now_s and task.key not in self._left_alone:
                due.append(self._do(task))
        await asyncio.gather(*due)

    async def _do(self, task: Task) -> None:
        body: dict[str, Json] = {} if task.version is None else {"version": task.version}
        if task.spoiled:
            body["bad"] = task.spoiled
        try:
            await self._api.post(f"{task.target}/{task.verb}", body)
        except Refused as refused:
            self._due_s.pop(task.key, None)
            await self._cope(task, refused)
            return
        self._due_s.pop(task.key, None)
        self._say(f"The operator {_deed(task)}.")

    async def _cope(self, task: Task, refused: Refused) -> None:
        """What a person does when a deed did not work."""
        if refused.problem_code in CHANGED_MEANWHILE:
            return
        if task.verb == "reset":
            # A halted board hears nothing; opening the port pulls its reset line, as on most real boards.
            try:
                await self._api.post(f"{task.target}/reconnect")
                self._say(f"The operator switches {task.subject} off and on, because it did not hear a reset.")
                return
            except Refused as again:
                refused = again
        self._left_alone.add(task.key)
        self._say(f"{task.subject}: the operator could not {task.verb}: {refused.message}")


def _deed(task: Task) -> str:
    """What was done, in words."""
    if task.spoiled:
        return f"throws away what {task.subject} left half-made ({', '.join(task.spoiled)}) and clears it"
    if task.verb == "clear" and task.parts:
        return f"takes {task.parts} part{'s' if task.parts > 1 else ''} off {task.subject} and clears it"
    return DEEDS[task.verb].format(subject=task.subject)
