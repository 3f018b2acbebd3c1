"""`python -m fleetctl.cli`, for a checkout whose script is not installed."""

from __future__ import annotations

from fleetctl.cli import main

main()
