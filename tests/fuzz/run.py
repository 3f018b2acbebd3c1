"""Fuzzes the targets one after the other for a given time: `python -m tests.fuzz.run [--seconds N] [TARGET...]`.

Prints one line for each target: inputs run, and how coverage grew. Ends with 1 if any input broke something; the
input is left in `build/fuzz/found/`, and what libFuzzer and the sanitizers said is printed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .build import compile_all, missing
from .targets import CORPUS, ROOT, TARGETS, Target

FOUND = ROOT / "build" / "fuzz" / "found"
GROWN = ROOT / "build" / "fuzz" / "corpus"
RSS_LIMIT_MB = 1024
INPUT_LIMIT_S = 10
SEED_LIMIT_BYTES = 600
STATUS = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)")


@dataclass
class Outcome:
    """How one target fared."""

    target: str
    code: int
    runs: int
    coverage_first: int
    coverage_last: int
    said: str

    @property
    def sentence(self) -> str:
        grew = f"coverage {self.coverage_first} -> {self.coverage_last}"
        return f"{self.target}: {self.runs} inputs, {grew}, {'ok' if self.code == 0 else 'BROKEN'}"


def environment() -> dict[str, str]:
    """The child's: sanitizers preloaded, each Python object in its own piece of memory.

    CPython keeps memory until it ends, so leaks are not looked for; a growing one hits libFuzzer's memory limit.
    """
    spec = find_spec("atheris")
    assert spec is not None and spec.origin is not None
    site = Path(spec.origin).parent.parent
    return os.environ | {
        "LD_PRELOAD": str(site / "asan_with_fuzzer.so"),
        "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=32:malloc_context_size=8:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def call(target: Target, arguments: list[str], timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
    """libFuzzer with these arguments, in a child process."""
    command = [sys.executable, "-m", "tests.fuzz.harness", target.name, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), timeout=timeout_s, check=False, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def fuzz(target: Target, seconds: int, seed: int) -> Outcome:
    """One target for so many seconds, from the corpus of the tree and what earlier runs on this machine found."""
    grown = GROWN / target.name
    grown.mkdir(parents=True, exist_ok=True)
    FOUND.mkdir(parents=True, exist_ok=True)
    done = call(
        target,
        [
            str(grown), str(CORPUS / target.name), f"-max_total_time={seconds}", f"-max_len={target.max_bytes}",
            f"-timeout={INPUT_LIMIT_S}", f"-rss_limit_mb={RSS_LIMIT_MB}", f"-artifact_prefix={FOUND}/{target.name}-",
            f"-seed={seed}", f"-dict={CORPUS}/gcode.dict",
        ],
        timeout_s=seconds * 2 + 120,
    )  # fmt: skip
    seen = [(int(a), int(b)) for a, b, _ in STATUS.findall(done.stdout)] or [(0, 0)]
    return Outcome(target.name, done.returncode, seen[-1][0], seen[0][1], seen[-1][1], done.stdout)


def keep(target: Target) -> int:
    """Puts the smallest inputs that reach code which the corpus does not into the tree; says how many."""
    before = {path.name for path in target.seeds()}
    small = GROWN / f"{target.name}-small"
    shutil.rmtree(small, ignore_errors=True)
    small.mkdir(parents=True)
    for path in (GROWN / target.name).iterdir():
        if path.stat().st_size <= SEED_LIMIT_BYTES:
            shutil.copy(path, small)
    done = call(target, ["-merge=1", "-use_counters=0", str(CORPUS / target.name), str(small)])
    if done.returncode != 0:
        print(done.stdout[-2000:])
    return len({path.name for path in target.seeds()} - before)


def replay(paths: list[Path]) -> int:
    """Inputs again, each through the target its name begins with (or its folder is called)."""
    worst = 0
    for path in paths:
        name = path.parent.name if path.parent.name in TARGETS else path.name.split("-")[0]
        done = call(TARGETS[name], [str(path)])
        print(done.stdout)
        worst = max(worst, int(done.returncode != 0))
    return worst


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], default=[], metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--seed", type=int, default=1, help="of libFuzzer's choices; 0 takes the time")
    parser.add_argument("--keep", action="store_true", help="add to the corpus in the tree what was found")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE", help="run these inputs only")
    return parser.parse_args()


def main() -> int:
    """The exit status: 0 good, 1 something broke, 3 cannot fuzz here."""
    wanted = arguments()
    if lack := missing():
        print(f"Not fuzzed. {lack}")
        return 3
    compile_all()
    if wanted.replay:
        return replay(wanted.replay)
    chosen = [TARGETS[name] for name in wanted.targets] or list(TARGETS.values())
    shares = sum(target.share for target in chosen)
    worst = 0
    for target in chosen:
        outcome = fuzz(target, max(1, wanted.seconds * target.share // shares), wanted.seed)
        print(outcome.sentence, flush=True)
        if outcome.code != 0:
            worst = 1
            print(outcome.said[-8000:])
        elif wanted.keep:
            print(f"{target.name}: {keep(target)} new seeds")
    return worst


if __name__ == "__main__":
    sys.exit(main())
