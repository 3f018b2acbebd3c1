"""Sixty seconds of fuzzing with sanitizers in every `make test`, and proof that the sanitizers see something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .build import compile_one, missing
from .run import environment
from .targets import ROOT, TARGETS

SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing() or "all is there")]

OVERFLOW = """
int past(const char *text, int n) { int sum = 0; for (int i = 0; i <= n; i++) sum += text[i]; return sum; }
int twice(int n) { return n * 2; }
"""
CALL = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
# A bytes object of 100 holds 101: one byte further is its red zone.
print("past", library.past(b"x" * 100, 100 + int(sys.argv[2])))
print("twice", library.twice(int(sys.argv[3])))
"""


def test_nothing_breaks_in_a_minute() -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "--seconds", str(SECONDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in TARGETS:
        assert f"{name}: " in done.stdout


@pytest.mark.parametrize(
    ("more", "number", "said"),
    [(0, 21, "twice 42"), (1, 21, "heap-buffer-overflow"), (0, 2**31 - 1, "signed integer overflow")],
)
def test_the_sanitizers_see(tmp_path: Path, more: int, number: int, said: str) -> None:
    source, library = tmp_path / "small.c", tmp_path / "small.so"
    source.write_text(OVERFLOW)
    compile_one(source, library)
    command = [sys.executable, "-c", CALL, str(library), str(more), str(number)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert said in done.stdout + done.stderr
    assert (done.returncode == 0) == (said == "twice 42")
