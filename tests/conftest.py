"""What every test shares: how long hypothesis searches, and where the seconds went."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import PurePosixPath

import pytest
from hypothesis import settings

FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5000"))

# A shared, loaded machine says nothing about how long an example takes.
settings.register_profile("usual", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=FUZZ_EXAMPLES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make fuzz` searches longer where a test names its own number too: those are slow ones, so a fifth of it."""
    if os.environ.get("HYPOTHESIS_PROFILE") != "fuzz":
        return
    for item in items:
        function = getattr(item, "obj", None)
        own = getattr(function, "_hypothesis_internal_use_settings", None)
        if own is not None and own.max_examples != FUZZ_EXAMPLES:
            more = settings(own, max_examples=max(own.max_examples, FUZZ_EXAMPLES // 5))
            function._hypothesis_internal_use_settings = more  # type: ignore[union-attr]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds by folder, before pytest's own last line."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                folder = PurePosixPath(report.nodeid.split("::")[0]).parent
                stage = folder if folder.parts[0] == "plugins" else PurePosixPath(*folder.parts[:2])
                seconds[str(stage)] += report.duration
    if seconds:
        terminalreporter.section("seconds by folder")
        for stage, spent_s in seconds.most_common():
            terminalreporter.line(f"{spent_s:8.1f}  {stage}")
