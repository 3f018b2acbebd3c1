"""`python -m fleetctl`: how the controller starts its agent with the same Python."""

from __future__ import annotations

from fleetctl.cli import main

main()
