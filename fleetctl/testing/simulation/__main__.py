"""`python -m fleetctl.testing.simulation`: live through worlds by seed, replay one, or measure.

Resolves machine types through the entry points, as the daemon does. It must not know what a world consists of.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from importlib.metadata import entry_points

from fleetctl.plugin.manager import PluginManager
from fleetctl.testing.simulation.kinds import MachineKind, kinds
from fleetctl.testing.simulation.outcome import Outcome, digest
from fleetctl.testing.simulation.scenario import draw
from fleetctl.testing.simulation.world import quiet_logs, run_world


def installed_kinds() -> dict[str, MachineKind]:
    """The machine types that are installed and that the simulation knows."""
    plugins = PluginManager()
    plugins.load()
    return kinds(plugins.drivers(), {e.name: e.load() for e in entry_points(group="fleetctl.simulators")})


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 when no world broke an invariant, else 1."""
    asked = _parser().parse_args(arguments)
    quiet_logs()
    known = installed_kinds()
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    outcomes: list[Outcome] = []
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    for seed in seeds:
        scenario = draw(seed, tuple(sorted(known)), asked.hours)
        outcome = run_world(scenario, known, say=_say if asked.trace else None)
        outcomes.append(outcome)
        _tell(outcome)
        if asked.until_s and time.perf_counter() - began_s > asked.until_s:
            break
    _sum_up(outcomes, time.perf_counter() - began_s, time.process_time() - began_cpu_s)
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fleetctl.testing.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="live through this one world")
    parser.add_argument("--first", type=int, default=1, help="first of several seeds")
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds")
    parser.add_argument("--hours", type=float, default=0.0, help="hours of trouble by the controller's clock")
    parser.add_argument(
        "--until-s", type=float, default=0.0, help="begin no further world after so many real seconds"
    )
    parser.add_argument("--trace", action="store_true", help="print the log of every world")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _tell(outcome: Outcome) -> None:
    for violation in outcome.violations[:10]:
        _say(f"seed {outcome.seed}: {violation}")
    if outcome.violations:
        _say(f"  replay: python -m fleetctl.testing.simulation --seed {outcome.seed} --trace")


def _sum_up(outcomes: list[Outcome], real_s: float, cpu_s: float) -> None:
    counts: Counter[str] = sum((outcome.counts for outcome in outcomes), Counter())
    for name, count in sorted(counts.items()):
        _say(f"{count:10d} {name}")
    run_h, job_h, fleet_h = (sum(getattr(o, name) for o in outcomes) for name in ("run_h", "job_h", "fleet_h"))
    bad = sum(bool(outcome.violations) for outcome in outcomes)
    _say(f"{len(outcomes)} worlds, {bad} with violations, {real_s:.1f} s, {cpu_s:.1f} s CPU")
    _say(f"log {digest(outcomes)[:16]}")
    for name, hours in (("fleet", fleet_h), ("run", run_h), ("job", job_h)):
        _say(f"{name}-hours {hours:.1f}: {hours / real_s:.2f} per second, {hours / cpu_s:.2f} per CPU second")


if __name__ == "__main__":
    sys.exit(main())
