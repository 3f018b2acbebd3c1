"""What a seed means: how many machines and jobs, how unlucky the world is, and for how long.

Pure: a seed in, plain values out. It must not know how anything of it is carried out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Luck:
    """How often things go wrong: probabilities for each occasion, or mean seconds between two of a kind.

    Seconds are those of the controller's clock; machine time goes `lapse` times as fast (see Scenario).
    """

    between_kills_s: float = 0.0
    between_power_cuts_s: float = 0.0
    between_machine_faults_s: float = 0.0
    between_unplugged_s: float = 0.0
    between_disk_faults_s: float = 0.0
    between_mischief_s: float = 0.0
    between_hands_s: float = 0.0
    kill_at_commit: float = 0.0
    kill_at_begin: float = 0.0
    stop_at_claim: float = 0.0
    meddle_at_clear: float = 0.0
    crash_in_commit: float = 0.0
    commit_fails: float = 0.0
    commit_slow: float = 0.0
    journal_slow_s: float = 0.0
    peer_break: float = 0.0
    peer_duplicate: float = 0.0
    peer_lose: float = 0.0
    peer_delay_s: float = 0.0
    wire_rate: float = 0.0
    check_delay_s: float = 3.0
    check_fails: float = 0.1
    check_silent: float = 0.0
    check_no_opinion: float = 0.0
    new_journal: float = 0.0


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """One order: which program, how many, the yield of a plate."""

    program: int
    quantity: int
    yield_parts: int
    remake: str


@dataclass(frozen=True, kw_only=True)
class ProgramPlan:
    """One program to generate."""

    kind: str
    lines: int
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One world. `trouble_s`: after this the world is kind and the operator attentive, until all jobs are over.

    `lapse`: machine time passes this much faster than the clock of controller and agent, as with the demo's
    `--speedup`; durations of programs are machine time.
    """

    seed: int
    lapse: float
    machines: tuple[str, ...]
    programs: tuple[ProgramPlan, ...]
    jobs: tuple[JobPlan, ...]
    trouble_s: float
    limit_s: float
    operator_delay_s: tuple[float, float]
    luck: Luck = field(default_factory=Luck)
    reader_turns: int = 3
    """Greatest number of turns of the loop that a read of the store takes."""


def draw(seed: int, kinds: tuple[str, ...] = ("grbl", "marlin"), hours: float = 0.0) -> Scenario:
    """The world of a seed. `hours` asks for about so many hours of trouble, by the controller's clock."""
    rng = random.Random(f"scenario/{seed}")
    machines = tuple(rng.choice(kinds) for _ in range(rng.randint(2, 4)))
    lapse = rng.choice((1.0, 30.0, 120.0, 240.0, 240.0, 240.0, 240.0, 360.0))
    short = lapse == 1.0
    programs = tuple(_program(kind, rng, short) for kind in sorted(set(machines)) for _ in range(rng.randint(1, 2)))
    jobs = tuple(_job(rng, len(programs), short) for _ in range(rng.randint(2, 5)))
    slow = rng.random() < 0.3
    return Scenario(
        seed=seed,
        lapse=lapse,
        machines=machines,
        programs=programs,
        jobs=jobs,
        trouble_s=hours * 3600 or rng.uniform(150.0, 900.0),
        limit_s=2 * 3600.0,
        operator_delay_s=(5.0, 90.0) if slow else (1.0, 20.0),
        luck=_luck(rng),
        reader_turns=rng.choice((3, 3, 12)),
    )


def crowded(seed: int) -> Scenario:
    """A world in which places are fought for: plates larger than what is missing, half of all parts scrap, several
    machines ready at once, and checks that answer at once. Finds a place that is given twice."""
    return Scenario(
        seed=seed,
        lapse=240.0,
        machines=("marlin",) * 4,
        programs=(ProgramPlan(kind="marlin", lines=12, duration_s=900.0),),
        jobs=tuple(JobPlan(program=0, quantity=quantity, yield_parts=4, remake="at_once") for quantity in (5, 9, 13)),
        trouble_s=200.0,
        limit_s=2 * 3600.0,
        operator_delay_s=(0.2, 1.0),
        luck=Luck(check_delay_s=0.0, check_fails=0.5),
        reader_turns=300,
    )


def _program(kind: str, rng: random.Random, short: bool) -> ProgramPlan:
    lines = rng.choice((12, 20, 40, 80)) if rng.random() < 0.9 else rng.randint(200, 500)
    duration_s = rng.uniform(60.0, 300.0) if short else rng.uniform(0.5, 3.0) * 3600
    return ProgramPlan(kind=kind, lines=lines, duration_s=duration_s)


def _job(rng: random.Random, programs: int, short: bool) -> JobPlan:
    yield_parts = rng.choice((1, 1, 2, 3, 4))
    runs = rng.randint(1, 2 if short else 5)
    return JobPlan(
        program=rng.randrange(programs),
        quantity=max(1, runs * yield_parts - rng.randint(0, yield_parts - 1)),
        yield_parts=yield_parts,
        remake=rng.choice(("at_clear", "at_clear", "at_once")),
    )


def _luck(rng: random.Random) -> Luck:
    """Each misfortune is absent in most worlds, so that those that come together are few enough to be understood."""

    def some(share: float, low: float, high: float) -> float:
        return rng.uniform(low, high) if rng.random() < share else 0.0

    return Luck(
        between_kills_s=some(0.5, 20.0, 300.0),
        between_power_cuts_s=some(0.3, 60.0, 600.0),
        between_machine_faults_s=some(0.5, 30.0, 300.0),
        between_unplugged_s=some(0.3, 30.0, 300.0),
        between_disk_faults_s=some(0.2, 60.0, 300.0),
        between_mischief_s=some(0.7, 5.0, 100.0),
        kill_at_commit=some(0.3, 0.001, 0.02),
        kill_at_begin=some(0.3, 0.02, 0.3),
        stop_at_claim=some(0.3, 0.05, 0.5),
        meddle_at_clear=some(0.3, 0.1, 0.6),
        crash_in_commit=some(0.3, 0.001, 0.02),
        commit_fails=some(0.3, 0.01, 0.2),
        commit_slow=some(0.4, 0.05, 0.5),
        journal_slow_s=some(0.4, 0.01, 0.5),
        peer_break=some(0.4, 0.0005, 0.01),
        peer_duplicate=some(0.4, 0.01, 0.2),
        peer_lose=some(0.2, 0.001, 0.02),
        peer_delay_s=some(0.6, 0.01, 2.0),
        wire_rate=some(0.3, 0.0005, 0.01),
        check_delay_s=rng.choice((0.0, 3.0)),
        check_fails=rng.choice((0.0, 0.1, 0.1, 0.3)),
        check_silent=some(0.4, 0.05, 0.3),
        check_no_opinion=some(0.4, 0.05, 0.5),
        new_journal=some(0.1, 0.1, 0.5),
        between_hands_s=some(0.5, 5.0, 60.0),
    )
