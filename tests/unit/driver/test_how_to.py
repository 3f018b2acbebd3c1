"""The how-to page's own example, taken from the page: it loads, and it passes the suite it names."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fleetctl.plugin.manager import PluginManager

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "write-a-driver.md"
FILE = re.compile(r"^`(acme_fleetctl/[\w.]+)`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example's files, as the page shows them."""
    for name, text in FILE.findall(PAGE.read_text()):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_example_loads(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(example))
    manager = PluginManager()
    manager.register(importlib.import_module("acme_fleetctl"), "acme")
    assert manager.drivers()["acme"].title == "Acme One"


def test_the_example_passes_the_suite(example: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    environment = {"PYTHONPATH": str(example), "PATH": ""}
    words += ["--rootdir", str(example), str(example)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert re.search(r"[3-9]\d passed", done.stdout)
