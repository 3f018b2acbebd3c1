"""A controller without fleet, store or agent: the surface that the API calls, over plain values in memory.

It keeps the promises that the API relies on (versions, events by number, one-time links) and decides as little as
it can. `fake_floor.py` fills it with a room.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace

import msgspec

from fleetctl.errors import CannotTransform, Conflict, NotFound, NotGcode, UsageError
from fleetctl.fleet.bus import Subscription
from fleetctl.fleet.shapes import (
    EventShape,
    ExplainShape,
    FloorShape,
    JobShape,
    MachineShape,
    MachineVerdict,
    NewMachine,
    PartShape,
    PreflightShape,
    ProgramShape,
    ResultShape,
    RunShape,
    StopShape,
    Submission,
    TodoItem,
    TransformationShape,
)
from fleetctl.gcode import tool_path
from fleetctl.gcode.transform import Preview, PreviewLine
from fleetctl.model.profile import PROFILES
from fleetctl.plugin.hookspecs import FoundPort
from fleetctl.scheduling.reason import Action, Need, Reason
from tests.unit.api.fake_agent_desk import FakeAgentDesk
from tests.unit.api.fake_continuing import FakeContinuing
from tests.unit.api.fake_operating import FakeJogging, FakeOperating
from tests.unit.api.fake_panels import FakePanels

replace = msgspec.structs.replace


class FakeBus:
    """Hands events to subscriptions, as the real bus does."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []

    def subscribe(self, limit: int = 1000) -> Subscription:
        subscription = Subscription(self, limit)
        self.subscriptions.append(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)

    def publish(self, event: EventShape) -> None:
        for subscription in list(self.subscriptions):
            subscription.offer(event)


class FakeTelemetry:
    """Announces that readings changed."""

    def __init__(self) -> None:
        self.changed: asyncio.Queue[dict[str, bytes]] = asyncio.Queue()

    async def watch(self, interval_s: float = 0.25) -> AsyncIterator[dict[str, bytes]]:
        while True:
            yield await self.changed.get()


class FakeController:
    """The world: dicts by name or code, an event log, and the parts of the surface that act on them."""

    def __init__(self) -> None:
        self.machine: dict[str, MachineShape] = {}
        self.job: dict[str, JobShape] = {}
        self.run: dict[str, RunShape] = {}
        self.part: dict[str, PartShape] = {}
        self.program: dict[str, ProgramShape] = {}
        self.log: list[EventShape] = []
        self.latch = StopShape(stopped=False)
        self.found: list[FoundPort] = []
        self.calls: list[tuple[object, ...]] = []
        self.bus = FakeBus()
        self.telemetry = FakeTelemetry()
        self.tokens = FakeTokens()
        self.views = FakeViews(self)
        self.intake = FakeIntake(self)
        self.transforming = FakeTransforming(self)
        self.continuing = FakeContinuing(self)
        self.agent_desk = FakeAgentDesk(self)
        self.paths = FakePaths(self)
        self.machines = FakeMachines(self)
        self.panels = FakePanels(self)
        self.operating = FakeOperating(self)
        self.jogging = FakeJogging(self)
        self.runs = FakeRuns(self)
        self.jobs = FakeJobs(self)
        self.parts = FakeParts(self)
        self.stop = FakeStop(self)
        self.discovery = SimpleNamespace(ports=self._ports)

    async def _ports(self) -> list[FoundPort]:
        return self.found

    def tell(self, kind: str, subject: str, actor: str = "site", **data: object) -> None:
        """Write an event and publish it."""
        event = EventShape(
            sequence=len(self.log) + 1,
            at_s=time.time(),
            kind=kind,
            subject=subject,
            actor=actor,
            data=msgspec.Raw(msgspec.json.encode(data)),
        )
        self.log.append(event)
        self.bus.publish(event)

    def change_machine(self, name: str, actor: str = "site", **facts: object) -> None:
        """Change a machine and tell it."""
        before = self.machine[name]
        self.machine[name] = replace(before, version=before.version + 1, **facts)
        self.tell("machine.changed", name, actor)

    def read(self, name: str, **readings: object) -> None:
        """Change readings of a machine, which are no event."""
        self.machine[name] = replace(self.machine[name], **readings)
        self.telemetry.changed.put_nowait({name: b"{}"})


def one(things: dict[str, object], code: str, kind: str) -> object:
    """The thing, or NotFound."""
    if code not in things:
        raise NotFound(f"There is no {kind} {code!r}.")
    return things[code]


def fresh(thing: object, seen: int | None) -> None:
    """Refuse when somebody looked at an older version."""
    if seen is not None and seen != thing.version:
        raise Conflict(f"It changed meanwhile: version {thing.version}, you saw {seen}.")


class FakeTokens:
    """Secrets in clear, since this is no store."""

    def __init__(self) -> None:
        self.known: dict[str, SimpleNamespace] = {}

    def add(self, secret: str, name: str, role: str, kind: str = "token") -> None:
        self.known[secret] = SimpleNamespace(name=name, role=role, kind=kind)

    async def check(self, secret: str) -> SimpleNamespace | None:
        token = self.known.get(secret)
        return None if token is None or token.kind == "link" else token

    async def create(
        self, name: str, role: str, actor: str, expires_s: float | None = None, kind: str = "token"
    ) -> str:
        secret = secrets.token_urlsafe(32)
        self.add(secret, name if kind == "token" else f"{name} 0192f0a0-0000-7000-8000-000000000000", role, kind)
        return secret

    async def use_link(self, secret: str) -> SimpleNamespace | None:
        token = self.known.get(secret)
        return self.known.pop(secret) if token is not None and token.kind == "link" else None

    async def end(self, secret: str) -> None:
        self.known.pop(secret, None)


class FakeViews:
    """Reads."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    async def floor(self) -> FloorShape:
        world = self._world
        return FloorShape(
            sequence=len(world.log),
            now_s=time.time(),
            stop=world.latch,
            machines=tuple(world.machine.values()),
            todo=tuple(self._todo()),
            agents={"local": True},
        )

    def _todo(self) -> list[TodoItem]:
        world = self._world
        items = [
            TodoItem(
                kind="machine",
                subject=machine.name,
                reason=machine.why,
                since_s=machine.since_s,
                version=machine.version,
                job=machine.run.job if machine.run else None,
                parts=machine.parts_to_clear,
            )
            for machine in world.machine.values()
            if machine.why is not None and machine.why.need < Need.NOBODY
        ]
        for part in world.part.values():
            if part.state == "hold":
                reason = Reason(
                    code="part-on-hold",
                    sentence=f"{part.code} of {part.job} is on hold: decide about it.",
                    need=Need.PERSON,
                    action=Action(label="Decide", target=f"parts/{part.code}", verb="disposition"),
                )
                items.append(
                    TodoItem(
                        kind="part",
                        subject=part.code,
                        reason=reason,
                        since_s=time.time() - 60,
                        version=part.version,
                        job=part.job,
                        parts=(part,),
                    )
                )
        return sorted(items, key=lambda item: (item.reason.need, item.since_s))

    async def machine(self, name: str) -> MachineShape:
        return one(self._world.machine, name, "machine")

    async def machines(self) -> list[MachineShape]:
        return list(self._world.machine.values())

    async def belongings(self, codes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        runs, parts = self._world.run, self._world.part
        found: dict[str, tuple[str, ...]] = {c: (runs[c].machine, runs[c].job) for c in codes if c in runs}
        return found | {c: (parts[c].machine, parts[c].job, parts[c].run) for c in codes if c in parts}

    async def queue(self, limit: int = 200) -> list[JobShape]:
        return sorted(self._world.job.values(), key=lambda job: job.state in ("done", "cancelled"))

    async def job(self, code: str) -> JobShape:
        return one(self._world.job, code, "job")

    async def explain(self, code: str) -> ExplainShape:
        job = one(self._world.job, code, "job")
        verdicts = tuple(
            MachineVerdict(machine=m.name, fits=m.ready, reason=m.why) for m in self._world.machine.values()
        )
        return ExplainShape(job=code, reason=job.why, machines=verdicts)

    async def runs(self, job=None, machine=None, active=None, limit=100) -> list[RunShape]:
        return [
            run
            for run in self._world.run.values()
            if (job is None or run.job == job)
            and (machine is None or run.machine == machine)
            and (active is None or run.active == active)
        ][:limit]

    async def run(self, code: str) -> RunShape:
        return one(self._world.run, code, "run")

    async def parts(self, job=None, run=None, limit=1000, after=None) -> list[PartShape]:
        return [
            part
            for part in self._world.part.values()
            if (job is None or part.job == job)
            and (run is None or part.run == run)
            and (after is None or part.code > after)
        ][:limit]

    async def part(self, code: str) -> PartShape:
        return one(self._world.part, code, "part")

    async def programs(self, limit: int = 100) -> list[ProgramShape]:
        return list(self._world.program.values())[:limit]

    async def program(self, sha256: str) -> ProgramShape:
        found = [program for sha, program in self._world.program.items() if sha.startswith(sha256)]
        if len(found) != 1 or len(sha256) < 6:
            raise NotFound(f"There is no program {sha256!r}.")
        return found[0]

    async def preflight(self, sha256: str, machine: str) -> PreflightShape:
        program = await self.program(sha256)
        await self.machine(machine)
        return next(said for said in program.machines if said.machine == machine)

    async def events(self, after: int, limit: int = 500) -> list[EventShape]:
        return self._world.log[after : after + limit]

    async def last_sequence(self) -> int:
        return len(self._world.log)

    async def stop(self) -> StopShape:
        return self._world.latch


class FakePaths:
    """Has a path for every program there is: of three lines of its own."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    async def of(self, sha256: str, detail: str) -> bytes:
        await self._world.views.program(sha256)
        return tool_path(b"G21 G90\nG0 X1 Y1 Z1\nG1 X2 F100\nG1 Y5\n", dialect="grbl", detail=detail).to_bytes()


class FakeIntake:
    """Stores any text that has a G or M word in it."""

    def __init__(self, world: FakeController) -> None:
        self._world = world
        self.analysis: dict[str, object] = {}
        self.plates: list[int | None] = []

    async def receive(
        self, name: str, blocks: AsyncIterator[bytes], actor: str, plate: int | None = None
    ) -> ProgramShape:
        content = b"".join([block async for block in blocks])
        self.plates.append(plate)
        if b"\0" in content or not content.strip():
            raise NotGcode("This file holds bytes that no G-code has.", line=1, hint="Send the sliced file.")
        sha256 = hashlib.sha256(content).hexdigest()
        world = self._world
        if sha256 not in world.program:
            facts = self.analysis | {"sha256": sha256, "size_bytes": len(content), "lines": content.count(b"\n")}
            world.program[sha256] = ProgramShape(
                sha256=sha256,
                name=name,
                size_bytes=len(content),
                dialect="marlin",
                created_s=time.time(),
                analysis=msgspec.Raw(msgspec.json.encode(facts)),
                machines=tuple(
                    PreflightShape(
                        machine=machine.name,
                        passed=machine.process == "additive",
                        rule_set="1",
                        configuration_hash="",
                        findings=(),
                    )
                    for machine in world.machine.values()
                ),
            )
            world.tell("program.received", sha256[:12], actor)
        return world.program[sha256]

    async def submit(self, submission: Submission, actor: str) -> JobShape:
        world = self._world
        if submission.quantity < 1:
            raise UsageError(f"The quantity must be from 1 to 100000, not {submission.quantity}.")
        program = await world.views.program(submission.program_sha256)
        code = f"J-{len(world.job) + 1:04d}"
        world.job[code] = JobShape(
            code=code,
            order="O-0001",
            title=submission.title or program.name,
            program=program.name,
            program_sha256=program.sha256,
            quantity=submission.quantity,
            yield_parts=submission.yield_parts,
            state="held" if submission.hold else "queued",
            priority=submission.priority,
            due_s=submission.due_s,
            material=submission.material,
            machine=submission.machine,
            group=submission.group,
            good=0,
            hold=0,
            running=0,
            to_make=submission.quantity,
            scrap=0,
            surplus=0,
            created_s=time.time(),
            done_s=None,
            version=1,
            why=Reason(code="next", sentence=f"{code} starts as soon as its turn comes."),
        )
        world.tell("job.submitted", code, actor)
        return world.job[code]


class FakeTransforming:
    """Knows restarting only, and refuses line 1."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    async def preview(self, parent: str, name: str, parameters: dict[str, object]) -> Preview:
        await self._world.views.program(parent)
        if name != "restart":
            raise UsageError(f"There is no transformation {name!r}.")
        if parameters.get("line") == 1:
            raise CannotTransform("No work before this line.", line=1, hint="Run the program as it is.")
        return Preview(
            name=name,
            summary="The rest.",
            first_line=77,
            lines=(PreviewLine("G28 X Y", "home X and Y only"),),
            warnings=("Look at the nozzle.",),
        )

    async def transform(self, parent: str, name: str, parameters: dict[str, object], actor: str) -> ProgramShape:
        await self.preview(parent, name, parameters)
        self._world.calls.append(("transform", parent, name, parameters, actor))
        program = await self._world.views.program(parent)
        how = TransformationShape(name=name, version=1, parameters=msgspec.Raw(msgspec.json.encode(parameters)))
        sha256 = hashlib.sha256(msgspec.json.encode(how)).hexdigest()
        self._world.program[sha256] = replace(
            program, sha256=sha256, parent_sha256=program.sha256, transformation=how
        )
        return self._world.program[sha256]


class FakeMachines:
    """Verbs of a machine; each is noted in `calls`."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    async def add(self, new: NewMachine, actor: str) -> MachineShape:
        if new.name in self._world.machine:
            raise Conflict(f"There is a machine {new.name} already.", machine=new.name)
        if new.profile not in PROFILES:
            raise UsageError(f"There is no profile {new.profile!r}.")
        self._world.machine[new.name] = MachineShape(
            name=new.name,
            driver=new.driver,
            port=new.port,
            group=new.group,
            profile=PROFILES[new.profile],
            setup=new.setup,
            configuration_hash="0" * 64,
            process=PROFILES[new.profile].process.value,
            link="connecting",
            activity="idle",
            clearance="uncleared",
            service="in-service",
            position="known",
            reason="",
            firmware="",
            ready=False,
            unattended_by=None,
            word="connecting",
            sentence="Connecting",
            since_s=time.time(),
            version=1,
        )
        self._world.tell("machine.added", new.name, actor)
        return self._world.machine[new.name]

    async def remove(self, name: str, actor: str) -> None:
        one(self._world.machine, name, "machine")
        del self._world.machine[name]
        self._world.tell("machine.removed", name, actor)

    async def clear(self, name, good, bad, actor, seen) -> None:
        machine = one(self._world.machine, name, "machine")
        fresh(machine, seen)
        self._world.calls.append(("clear", name, good, tuple(bad), actor))
        for code in bad:
            part = self._world.part.get(code)
            if part is not None:
                self._world.part[code] = replace(part, state="scrap", version=part.version + 1)
        self._world.change_machine(
            name,
            actor,
            clearance="clear",
            activity="idle",
            word="ready",
            sentence="Ready",
            why=None,
            ready=True,
            parts_to_clear=(),
            since_s=time.time(),
        )

    async def reset(self, name: str, actor: str) -> None:
        self._world.calls.append(("reset", name, actor))
        self._world.change_machine(name, actor, activity="idle", word="ready", sentence="Ready", why=None)

    async def home(self, name: str, actor: str) -> None:
        self._world.calls.append(("home", name, actor))
        self._world.change_machine(name, actor, position="known")

    async def trust_position(self, name: str, actor: str) -> None:
        self._world.calls.append(("trust-position", name, actor))
        self._world.change_machine(name, actor, position="known")

    async def set_port(self, name: str, port: str, options: dict[str, str], actor: str) -> MachineShape:
        self._world.calls.append(("port", name, port, options, actor))
        self._world.change_machine(name, actor, port=port)
        return one(self._world.machine, name, "machine")

    async def confirm_board(self, name: str, actor: str) -> None:
        self._world.calls.append(("confirm-board", name, actor))

    async def reconnect(self, name: str, actor: str) -> None:
        self._world.calls.append(("reconnect", name, actor))

    async def answer_prompt(self, name: str, choice: int, actor: str) -> None:
        one(self._world.machine, name, "machine")
        self._world.calls.append(("prompt", name, choice, actor))

    async def command(self, name: str, text: str, actor: str) -> list[str]:
        one(self._world.machine, name, "machine")
        return [f"echo:{text}", "ok"]

    async def set_service(self, name: str, service: str, actor: str) -> None:
        self._world.change_machine(name, actor, service=service)

    async def set_unattended(self, name: str, on: bool, actor: str) -> None:
        self._world.change_machine(name, actor, unattended_by=actor if on else None)

    async def set_setup(self, name, setup, actor) -> None:
        self._world.calls.append(("setup", name, setup, actor))
        self._world.change_machine(name, actor, setup=setup)


class FakeRuns:
    """Verbs of a run: the state becomes what was asked for."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    def _to(self, code: str, state: str, actor: str) -> None:
        run = one(self._world.run, code, "run")
        why = None
        if state == "paused":
            action = Action(label="Resume", target=f"runs/{code}", verb="resume")
            why = Reason(code="paused", sentence=f"{code} is paused.", need=Need.PAUSED, action=action)
        run = replace(run, state=state, version=run.version + 1, why=why, active=state in ("running", "paused"))
        self._world.run[code] = run
        machine = self._world.machine[run.machine]
        self._world.machine[run.machine] = replace(
            machine, run=run if run.active else None, why=why, word=state if run.active else "uncleared"
        )
        self._world.tell(f"run.{state}", code, actor)

    async def pause(self, code: str, actor: str) -> None:
        self._to(code, "paused", actor)

    async def resume(self, code: str, actor: str) -> None:
        self._to(code, "running", actor)

    async def cycle_start(self, code: str, actor: str) -> None:
        self._to(code, "running", actor)

    async def cancel(self, code: str, actor: str) -> None:
        self._to(code, "cancelled", actor)


class FakeJobs:
    """Verbs of a job."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    def _to(self, code: str, state: str, actor: str, seen: int | None, why: Reason | None) -> None:
        job = one(self._world.job, code, "job")
        fresh(job, seen)
        self._world.job[code] = replace(job, state=state, version=job.version + 1, why=why)
        self._world.tell(f"job.{state}", code, actor)

    async def hold(self, code, reason, actor, seen=None) -> None:
        action = Action(label="Release", target=f"jobs/{code}", verb="release")
        why = Reason(code="held", sentence=f"{code} is held: {reason}.", need=Need.WHEN_CONVENIENT, action=action)
        self._to(code, "held", actor, seen, why)

    async def release(self, code, actor, seen=None) -> None:
        self._to(code, "queued", actor, seen, None)

    async def cancel(self, code, actor, seen=None) -> None:
        self._to(code, "cancelled", actor, seen, None)


class FakeParts:
    """Verdicts on a part."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    async def inspect(self, code, result, reason, actor, value=None, characteristic="", seen=None) -> PartShape:
        part = one(self._world.part, code, "part")
        fresh(part, seen)
        given = ResultShape(
            check="person",
            result=result,
            reason=reason,
            characteristic=characteristic,
            value=value,
            least=None,
            greatest=None,
            unit="mm",
            given_by=actor,
            at_s=time.time(),
        )
        state = {"pass": "good", "fail": "scrap"}.get(result, "hold")
        self._world.part[code] = replace(part, state=state, version=part.version + 1, results=(*part.results, given))
        self._world.tell(f"part.{state}", code, actor)
        return self._world.part[code]

    async def dispose(self, code, disposition, reason, actor, seen=None) -> PartShape:
        result = {"use-as-is": "pass", "scrap": "fail"}.get(disposition, "not-assessed")
        return await self.inspect(code, result, reason, actor, seen=seen)


class FakeStop:
    """The latch."""

    def __init__(self, world: FakeController) -> None:
        self._world = world

    async def everything(self, actor: str) -> StopShape:
        world = self._world
        outcomes = {m.name: "confirmed" if m.link == "online" else "unreachable" for m in world.machine.values()}
        now_s = time.time()
        world.latch = StopShape(stopped=True, by=actor, at_s=now_s, outcomes=outcomes, last_byte_s=0.012)
        world.tell("stop.pressed", "everything", actor)
        return world.latch

    async def machine(self, name: str, actor: str) -> StopShape:
        one(self._world.machine, name, "machine")
        self._world.tell("stop.pressed", name, actor)
        return replace(self._world.latch, outcomes={name: "confirmed"}, last_byte_s=0.004)

    async def release(self, actor: str) -> StopShape:
        self._world.latch = StopShape(stopped=False, by=actor, at_s=time.time())
        self._world.tell("stop.released", "everything", actor)
        return self._world.latch
