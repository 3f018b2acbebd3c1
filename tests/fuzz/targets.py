"""Every fuzz target, by name. To fuzz another module: write a file with `one(data: bytes) -> None`, add a line here.

Also needed by the tests that replay the corpus, so nothing here may import atheris or a compiled module.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CORPUS = HERE / "corpus"


@dataclass(frozen=True)
class Target:
    """One thing to fuzz."""

    name: str
    share: int
    """Its part of the time, beside the others' shares."""
    instrument: tuple[str, ...] = ()
    """Python packages whose branches count as coverage too (compiled ones always do)."""
    max_bytes: int = 2048

    def load(self) -> Callable[[bytes], None]:
        """The function that is called with every input."""
        one: Callable[[bytes], None] = importlib.import_module(f"tests.fuzz.{self.name}").one
        return one

    def seeds(self) -> list[Path]:
        """Its corpus in the tree."""
        return sorted(path for path in (CORPUS / self.name).glob("*") if path.is_file())


TARGETS = {
    target.name: target
    for target in (
        Target("scanner", share=5),
        Target("program", share=2, instrument=("fleetctl.gcode",), max_bytes=4096),
        Target("feeder", share=2, instrument=("fleetctl.protocol.feeder",)),
        Target("sent", share=1),
    )
}
