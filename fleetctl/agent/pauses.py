"""Keeps what the interpreter does on its own from holding up lines at a random moment.

Must not know machines or runs; it is about this process alone.
"""

from __future__ import annotations

import asyncio
import gc
import sys

COLLECT_EVERY_S = 600.0
"""A look for cycles among all objects takes 60 ms with 300 machines, longer than a planner of 16 moves may last."""

THRESHOLDS = (700, 10, 1_000_000)
"""As in CPython, but the look at all objects never comes by itself."""

SWITCH_S = 0.0005
"""How long a thread that computes may keep the loop waiting, which is 5 ms in CPython. The threads here wait for
files nearly all the time."""


def set_up() -> None:
    """Once, when all that stays is loaded: it is never looked at again."""
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*THRESHOLDS)
    gc.collect()
    gc.freeze()


async def collect_regularly() -> None:
    """Free the cycles that lived long, such as the links of machines that come and go; until cancelled."""
    while True:
        await asyncio.sleep(COLLECT_EVERY_S)
        gc.collect()
