"""Runs one target under libFuzzer: `python -m tests.fuzz.harness TARGET [libFuzzer arguments]`.

Called by `run`, which preloads the sanitizers. The instrumented modules of `build/asan/` take the place of the usual.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec

import atheris

from .build import OUT
from .targets import TARGETS

COMPILED = "fleetctl._ext."


class Instrumented:
    """Finds compiled modules in `build/asan/`; a module that is not there is an error, not the usual one."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if not name.startswith(COMPILED):
            return None
        file = OUT / f"{name.removeprefix(COMPILED)}.so"
        if not file.exists():
            raise ModuleNotFoundError(f"{file} was not compiled")
        return importlib.util.spec_from_file_location(name, file)


def again(name: str) -> str:
    """A program that runs this target: libFuzzer starts itself anew to merge corpora, by the word it was called."""
    script = OUT / f"{name}.sh"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.fuzz.harness {name} "$@"\n')
    script.chmod(0o755)
    return str(script)


def main() -> None:
    """Fuzz until libFuzzer stops."""
    target = TARGETS[sys.argv.pop(1)]
    sys.meta_path.insert(0, Instrumented)  # type: ignore[arg-type]
    if target.instrument:
        with atheris.instrument_imports(include=list(target.instrument)):
            one = target.load()
    else:
        one = target.load()
    sys.argv[0] = again(target.name)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
