"""What people do to a farm on purpose or by mistake, at any moment: pause, cancel, hold, stop, change set-ups, poke.

Everything here is allowed by the API; nothing of it may break an invariant. It must not know when it is done.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from fleetctl.testing.simulation.eyes import Eyes
from fleetctl.testing.simulation.operator import WHO, Desk
from fleetctl.testing.simulation.rig import Rig


class Mischief:
    """One act at a time, drawn from the seed."""

    def __init__(self, desk: Desk, eyes: Eyes, rigs: Mapping[str, Rig], rng: random.Random) -> None:
        self._desk = desk
        self._eyes = eyes
        self._rigs = rigs
        self._rng = rng

    async def act(self) -> None:
        """Do one thing."""
        acts = (
            *(self._run, self._run, self._job, self._part, self._machine, self._machine),
            *(self._stop, self._setup, self._command),
        )
        await self._rng.choice(acts)()

    async def _run(self) -> None:
        code = self._pick("SELECT code FROM runs WHERE active ORDER BY code")
        verb = self._rng.choice(("pause", "pause", "resume", "cancel", "cycle_start"))
        if code is not None:
            await self._desk.act(f"{verb} {code}", lambda c: getattr(c.runs, verb)(code, WHO))

    async def _job(self) -> None:
        code = self._pick("SELECT code FROM jobs WHERE state NOT IN ('done', 'cancelled') ORDER BY code")
        verb = self._rng.choice(("hold", "hold", "hold", "release", "cancel"))
        if code is None:
            return
        if verb == "hold":
            await self._desk.act(f"hold {code}", lambda c: c.jobs.hold(code, "not now", WHO))
        elif verb == "release":
            await self._desk.act(f"release {code}", lambda c: c.jobs.release(code, WHO))
        else:
            await self._desk.act(f"cancel {code}", lambda c: c.jobs.cancel(code, WHO))

    async def _part(self) -> None:
        """A good part turns out bad, or is worked over; also in a job that is done."""
        code = self._pick("SELECT code FROM parts WHERE state IN ('good', 'hold', 'rework', 'made') ORDER BY code")
        if code is None:
            return
        if self._rng.random() < 0.5:
            await self._desk.act(f"inspect {code} fail", lambda c: c.parts.inspect(code, "fail", "dropped it", WHO))
        else:
            decision = self._rng.choice(("scrap", "rework", "hold", "return"))
            await self._desk.act(f"dispose {code} {decision}", lambda c: c.parts.dispose(code, decision, "", WHO))

    async def _machine(self) -> None:
        name = self._rng.choice(list(self._rigs))
        rig = self._rigs[name]
        chance = self._rng.randrange(6)
        if chance == 0:
            await self._desk.act(f"reconnect {name}", lambda c: c.machines.reconnect(name, WHO))
        elif chance == 1:
            rig.permit("home")
            await self._desk.act(f"home {name}", lambda c: c.machines.home(name, WHO))
        elif chance == 2:
            rig.permit("reset")
            await self._desk.act(f"reset {name}", lambda c: c.machines.reset(name, WHO))
        elif chance == 3:
            service = self._rng.choice(("maintenance", "locked-out"))
            await self._desk.act(f"{name} {service}", lambda c: c.machines.set_service(name, service, WHO))
        elif chance == 4:
            on = self._rng.random() < 0.5
            await self._desk.act(f"unattended {name} {on}", lambda c: c.machines.set_unattended(name, on, WHO))
        elif not rig.bed and rig.at_rest():
            await self._desk.act(
                f"clear {name}", lambda c: c.machines.clear(name, None, (), WHO, self._version(name))
            )

    async def _stop(self) -> None:
        if self._rng.random() < 0.5:
            name = self._rng.choice(list(self._rigs))
            await self._desk.act(f"stop {name}", lambda c: c.stop.machine(name, WHO))
        else:
            await self.stop_everything()

    async def stop_everything(self) -> None:
        """The big button."""
        await self._desk.act("stop everything", lambda c: c.stop.everything(WHO))

    async def meddle(self) -> None:
        """A machine is not any more what somebody has just seen: another nozzle, or out of service."""
        if self._rng.random() < 0.5:
            await self._setup()
            return
        name = self._rng.choice(list(self._rigs))
        await self._desk.act(f"{name} maintenance", lambda c: c.machines.set_service(name, "maintenance", WHO))

    async def _setup(self) -> None:
        """The same set-up but for a nozzle: another configuration, which the programs fit as well."""
        name = self._rng.choice(list(self._rigs))
        setup = self._rigs[name].kind.setup
        other = type(setup)(
            material=setup.material,
            nozzle_mm=self._rng.choice((0.4, 0.6, None)),
            tools=setup.tools,
            offsets_mm=setup.offsets_mm,
            tool_lengths_mm=setup.tool_lengths_mm,
        )
        await self._desk.act(f"set up {name}", lambda c: c.machines.set_setup(name, other, WHO))

    async def _command(self) -> None:
        name = self._rng.choice(list(self._rigs))
        text = "M105" if self._rigs[name].kind.name == "marlin" else "$G"
        await self._desk.act(f"command {text} to {name}", lambda c: c.machines.command(name, text, WHO))

    def _version(self, name: str) -> int:
        return int(str(self._eyes.rows("SELECT version FROM machines WHERE name = ?", name)[0][0]))

    def _pick(self, statement: str) -> str | None:
        found = self._eyes.rows(statement)
        return str(self._rng.choice(found)[0]) if found else None
