"""Compiles `ext/*.c` a second time, into `build/asan/`, with sanitizers and coverage counters.

The C files are those that the usual build left (`make ext`). Only what was not made from its present C file is
compiled again. Delete the folder after a change of the flags.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from .targets import ROOT

OUT = ROOT / "build" / "asan"

# The run time comes from atheris, not from libclang-rt-dev: so no ignore list, and no sanitizers in the link.
# Cython itself adds zero to a null pointer where a class is called without arguments; ASan still sees every access.
FLAGS = (
    "-c", "-fPIC", "-O1", "-g1", "-fno-omit-frame-pointer", "-Wno-everything",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-sanitize=pointer-overflow",
    "-fno-sanitize-ignorelist",
    "-DFLEETCTL_WORK_CAP=3000000",
    "-fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp",
)  # fmt: skip


def clang() -> str | None:
    """The compiler, or None."""
    return shutil.which(os.environ.get("CLANG", "clang"))


def missing() -> str:
    """What fuzzing needs and this machine has not, in one sentence; empty if all is there."""
    if clang() is None:
        return "There is no clang: sudo apt-get install -y clang"
    if find_spec("atheris") is None:
        return "There is no atheris (Linux on x86-64, Python 3.11 to 3.13): .venv/bin/pip install atheris"
    return ""


def compile_all() -> list[Path]:
    """The instrumented modules; raises CalledProcessError with clang's words, FileNotFoundError before `make ext`."""
    sources = sorted((ROOT / "ext").glob("*.pyx"))
    OUT.mkdir(parents=True, exist_ok=True)
    made = []
    for source in sources:
        c_file = source.with_suffix(".c")
        if not c_file.exists():
            raise FileNotFoundError(f"{c_file.name} is not there; call `make ext` first")
        module = OUT / f"{source.stem}.so"
        made.append(module)
        written = c_file.stat().st_mtime_ns
        if module.exists() and module.stat().st_mtime_ns == written:
            continue
        part = module.with_suffix(f".{os.getpid()}")
        compile_one(c_file, part)
        os.utime(part, ns=(written, written))
        part.replace(module)
    return made


def compile_one(c_file: Path, module: Path) -> None:
    """One C file to a shared object with sanitizers; raises CalledProcessError."""
    compiler = clang()
    assert compiler is not None, missing()
    thing = module.with_suffix(f"{module.suffix}.o")
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run([compiler, *FLAGS, include, str(c_file), "-o", str(thing)], check=True)
    subprocess.run([compiler, "-shared", str(thing), "-o", str(module)], check=True)
    thing.unlink()
