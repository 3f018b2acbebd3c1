"""Agents as people see them, and a machine that gets another one (I9): nothing is held twice and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from fleetctl.errors import AgentUnavailable, Conflict, UsageError
from fleetctl.fleet.agent_desk import AgentDesk
from fleetctl.fleet.agents import agent_of
from fleetctl.fleet.link import AgentLink
from fleetctl.fleet.shapes import NewMachine
from fleetctl.model.machine import Link, Position
from fleetctl.model.messages import Assign, BlockedReport, Hello, Leave, LeavingReport, Stop, StopOutcome, Verb
from fleetctl.model.run import RunState
from fleetctl.scheduling.assign import assign
from fleetctl.scheduling.why import why_job
from fleetctl.store import events, machines
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.fleet.conftest import AGENT, Book
from tests.unit.fleet.desk import Desk, PretendAgent, desk_of, until


class Offices:
    """A desk whose other agents are pretended too, made when they are asked for."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.others: dict[str, PretendAgent] = {}
        self.stuck = ""
        desk.agents._make_link = self._make_link
        self.agents = AgentDesk(desk.record, desk.agents, lambda _: self.stuck)

    def _make_link(self, name: str) -> AgentLink:
        agent = self.others[name] = PretendAgent()
        agent.welcome = {"agent": name, "journal_id": f"journal-{name}"}
        like = self.desk.link
        return AgentLink(name, "test", agent.dial, like._record, like._telemetry, like._clock, like._rng)

    def held(self, name: str) -> list[str]:
        """The machines that an agent was told to hold last."""
        agent = self.desk.agent if name == AGENT else self.others[name]
        told = [message for message in agent.heard if isinstance(message, Hello | Assign)]
        return [machine.name for machine in told[-1].machines]


@asynccontextmanager
async def offices_of(book: Book) -> AsyncIterator[Offices]:
    async with desk_of(book) as desk:
        await desk.connected()
        offices = Offices(desk)
        yield offices
        for agent in offices.others.values():
            await agent.end()


@pytest.mark.parametrize(
    ("choice", "machine", "name"),
    [("", "K1", "local"), ("own", "K1", "own-k1"), ("own", "Big.Mill_2", "own-big-mill-2"), ("mills", "K1", "mills")],
)
def test_what_a_choice_means(choice: str, machine: str, name: str) -> None:
    assert agent_of(choice, machine, "local") == name


@pytest.mark.parametrize("choice", ["Mills", "../x", "a/b", "-a", "x" * 33, " "])
def test_a_name_that_is_no_part_of_a_path_is_refused(choice: str) -> None:
    with pytest.raises(UsageError):
        agent_of(choice, "K1", "local")


def test_an_own_name_is_short_whatever_the_machine_is_called() -> None:
    assert len(agent_of("own", "x" * 63, "local")) == 32


@under_virtual_clock()
async def test_a_machine_gets_an_agent_of_its_own_and_comes_back(book: Book) -> None:
    book.machine("K1")
    book.machine("K2")
    async with offices_of(book) as offices:
        assert await offices.agents.give("K1", "own", "bea") == "own-k1"
        await until(lambda: "own-k1" in offices.desk.agents.connected())
        await until(lambda: offices.held(AGENT) == ["K2"] and offices.held("own-k1") == ["K1"])
        made_safe = [message.verb for message in offices.desk.agent.of(Verb)]
        assert made_safe == ["make-safe"], "the old agent switched it off before it let go"
        assert {shape.name: shape.machines for shape in await offices.agents.agents()} == {
            AGENT: ("K2",),
            "own-k1": ("K1",),
        }
        await offices.agents.give("K1", "", "bea")
        await until(lambda: offices.held(AGENT) == ["K1", "K2"])
        other = offices.others["own-k1"]
        await until(lambda: other.of(Leave))
        assert [shape.name for shape in await offices.agents.agents()] == [AGENT], "who holds nothing ends"
    assert "machine.given" in book.kinds()


@under_virtual_clock()
async def test_not_during_a_run_and_not_when_it_cannot_be_made_safe(book: Book) -> None:
    book.job(quantity=1)
    machine = book.machine("K1")
    async with offices_of(book) as offices:
        run = book.report(book.dispatch()[0], RunState.RUNNING)
        with pytest.raises(Conflict, match="active run"):
            await offices.agents.give("K1", "own", "bea")
        book.report(run, RunState.FINISHED)
        book.machine_says(machine)

        async def refuses(*_: object, **__: object) -> tuple[str, ...]:
            raise AgentUnavailable("No answer.")

        offices.desk.agents.verb = refuses  # type: ignore[method-assign]
        with pytest.raises(AgentUnavailable):
            await offices.agents.give("K1", "own", "bea")
        assert offices.others == {} and book.look(machines.named, "K1").agent == AGENT


@under_virtual_clock()
async def test_what_the_old_agent_says_late_counts_no_more(book: Book) -> None:
    machine = book.machine("K1")
    async with offices_of(book) as offices:
        await offices.agents.give("K1", "own", "bea")
        await until(lambda: "own-k1" in offices.desk.agents.connected())
        offices.others["own-k1"].reports(machine.id, 1)
        await until(lambda: book.again(machine).facts.link is Link.ONLINE)
        offices.desk.agent.reports(machine.id, 1 << 31, link=Link.OFFLINE, position=Position.SUSPECT)
        await until(lambda: book.look(machines.last_sequence, AGENT) == 1 << 31)
        assert book.again(machine).facts.link is Link.ONLINE


@under_virtual_clock()
async def test_a_new_machine_may_begin_with_an_agent_of_its_own(book: Book) -> None:
    async with offices_of(book) as offices:
        new = NewMachine(name="K9", driver="marlin", port="memory://K9", agent="own")
        await offices.desk.machines.add(new, "bea")
        await until(lambda: "own-k9" in offices.desk.agents.connected())
        assert offices.held("own-k9") == ["K9"] and offices.held(AGENT) == []
        await offices.desk.machines.remove("K9", "bea")
        assert offices.desk.agents.names == (AGENT,)


@under_virtual_clock()
async def test_who_held_up_an_agent_is_on_record_and_shown(book: Book) -> None:
    machine = book.machine("K1")
    async with offices_of(book) as offices:
        told = BlockedReport(machine_id=machine.id, driver="marlin", late_s=1.5, where="a.py:1 f", at_s=7.0)
        offices.desk.agent.say(told)
        await until(lambda: "agent.blocked" in book.kinds())
        (event,) = [each for each in book.look(events.page, 0, 1000) if each.kind == "agent.blocked"]
        assert event.subject == "K1" and "marlin" in str(event.data)
        offices.stuck = "stuck for 12 s in a.py:1 f"
        (shown,) = await offices.agents.agents()
        assert [(each.machine, each.late_s, each.where) for each in shown.blocked] == [("K1", 1.5, "a.py:1 f")]
        assert shown.stuck == offices.stuck and shown.connected and shown.pid == 1


@under_virtual_clock()
async def test_nothing_is_given_to_an_agent_that_is_about_to_end(book: Book) -> None:
    """It would only be refused, and three refusals hold a job."""
    job = book.job(quantity=1)
    book.machine("K1")
    async with offices_of(book) as offices:
        agents = offices.desk.agents
        offices.desk.agent.say(LeavingReport(leaving=True))
        await until(lambda: agents.leaving() == {AGENT})
        assert book.plan() != []
        situation = book.situation()
        assert assign(situation) != []
        now = replace(situation, leaving=agents.leaving())
        assert assign(now) == []
        why = why_job(next(item for item in now.jobs if item.job.id == job.id), now)
        assert why is not None and why.code == "agent-leaving" and "successor takes K1 over" in why.sentence
        offices.desk.agent.say(LeavingReport(leaving=False))
        await until(lambda: not agents.leaving())


@under_virtual_clock()
async def test_an_agent_of_another_version_is_told_to_end_when_it_is_idle(book: Book) -> None:
    async with desk_of(book, lambda desk: setattr(desk.link, "_version", "2")) as desk:
        await desk.connected()
        assert [message.when for message in desk.agent.of(Leave)] == ["idle"]
        assert desk.agents.leaving() == {AGENT}
        desk.agent.peer.close()  # it ended, and its successor is of the same version again
        await until(lambda: len(desk.agent.of(Hello)) == 2 and desk.link.connected)
        assert len(desk.agent.of(Leave)) == 1 and desk.agents.leaving() == frozenset()
    async with desk_of(book, lambda desk: setattr(desk.link, "_version", "0")) as desk:
        await desk.connected()
        assert desk.agent.of(Leave) == [] and desk.agents.leaving() == frozenset()


@under_virtual_clock()
async def test_an_agent_that_hangs_keeps_the_stop_from_no_other(book: Book) -> None:
    """I9: its machines are unreachable after three seconds, the others have their stop at once."""
    machine = book.machine("K1")
    other = book.machine("K2")
    async with offices_of(book) as offices:
        await offices.agents.give("K1", "own", "bea")
        await until(lambda: "own-k1" in offices.desk.agents.connected())
        hanging = offices.others["own-k1"]
        hanging.stop_outcomes = None
        offices.desk.agent.stop_outcomes = (StopOutcome(machine_id=other.id, outcome="confirmed"),)
        sent = asyncio.ensure_future(offices.desk.stop.everything("bea"))
        await until(lambda: offices.desk.agent.of(Stop) and hanging.of(Stop), 0.1)
        stop = await sent
        assert stop.outcomes == {machine.name: "unreachable", other.name: "confirmed"} and stop.stopped
