"""What we have sent and the machine has not answered yet: the ledger behind every way of flow control.

With one line it is send-response, with k lines a small window, with a byte limit Grbl's character counting
(gnea/grbl, doc interface.md). It must not know what a line or an answer says. Compiled in `ext/flight.pyx`.
"""

from __future__ import annotations

from fleetctl._ext.flight import Window

__all__ = ["Window"]
