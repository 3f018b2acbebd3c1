"""The agent with its Grbl machines streamed by the engine alone, as the lane's reference: what the lane is worth.

usage: unlaned_agent.py -m fleetctl agent ...     as the interpreter would be called
"""

from __future__ import annotations

import sys

import fleetctl_plugins.grbl.driver as grbl_driver
from fleetctl_plugins.grbl.engine import GrblEngine

from fleetctl.cli import main as fleetctl


def main() -> None:
    """Patch, then be the agent."""
    grbl_driver.LanedGrblEngine = GrblEngine  # type: ignore[attr-defined, assignment]
    sys.argv = sys.argv[2:]
    fleetctl()


if __name__ == "__main__":
    main()
