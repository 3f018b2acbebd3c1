"""Every seed of the fuzz corpus, and every input that ever broke something, through its target; no sanitizers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import CORPUS, TARGETS

CORPUS_LIMIT_BYTES = 300_000
SEEDS = [(name, path) for name, target in TARGETS.items() for path in target.seeds()]


@pytest.mark.parametrize(("name", "path"), SEEDS, ids=[f"{name}-{path.name}" for name, path in SEEDS])
def test_a_seed_breaks_nothing(name: str, path: Path) -> None:
    TARGETS[name].load()(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_seeds(name: str) -> None:
    assert len(TARGETS[name].seeds()) >= 10


def test_the_corpus_is_small_and_has_no_folder_without_a_target() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < CORPUS_LIMIT_BYTES
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} == set(TARGETS)


def test_a_broken_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The targets compare: a core that answers something else for blocks than for the whole would not pass."""
    from tests.fuzz import scanner

    whole = scanner.read
    monkeypatch.setattr(scanner, "read", lambda blocks, *rest: whole([b"".join(blocks) + b"\n" * len(blocks)], *rest))
    with pytest.raises(AssertionError):
        scanner.one(b"l0G1 X1 F100\nG1 X2\n")
