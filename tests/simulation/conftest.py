"""The installed machine types, for worlds; found by entry points, as the daemon finds them."""

from __future__ import annotations

import pytest

from fleetctl.testing.simulation import MachineKind
from fleetctl.testing.simulation.__main__ import installed_kinds
from fleetctl.testing.simulation.world import quiet_logs


@pytest.fixture(scope="session")
def kinds() -> dict[str, MachineKind]:
    quiet_logs()
    return installed_kinds()
