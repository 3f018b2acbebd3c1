"""What the agent's process carries: it lives for months beside the controller and must stay small."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("sqlalchemy", "alembic", "aiohttp", "jinja2", "rich", "fleetctl.store", "fleetctl.fleet", "fleetctl.api")
COMMAND = """
import sys
from fleetctl.cli import invoke
invoke(["agent", "--help"])
import fleetctl.agent_app
from fleetctl.plugin.manager import PluginManager
plugins = PluginManager()
plugins.load()
assert plugins.drivers(), "no plug-in was loaded"
print("loaded:", *sys.modules)
"""


def test_the_agent_loads_neither_store_nor_controller_nor_api() -> None:
    done = subprocess.run([sys.executable, "-c", COMMAND], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert "fleetctl.agent.agent" in loaded
    assert loaded & set(HEAVY) == set()
