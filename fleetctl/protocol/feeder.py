"""The door to the compiled feeder: blocks of program bytes in, cleaned lines out.

The work is done in `ext/feeder.pyx`; this module is the only one that imports it.
"""

from __future__ import annotations

from fleetctl._ext.feeder import Feeder, frame_line

__all__ = ["Feeder", "frame_line"]
