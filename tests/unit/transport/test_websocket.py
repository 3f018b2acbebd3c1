"""What a WebSocket link says when it does not come about."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.clock import SystemClock
from fleetctl.errors import LinkUnavailable
from fleetctl.transport.websocket import WebSocketTransport

from .receivers import Recorder


@pytest.mark.parametrize("host", ["127.0.0.1:1", "127.0.0.1:99999"])
def test_why_it_cannot_be_opened_is_told_without_its_password(host: str) -> None:
    """The reason goes into the journal, the API and captures."""

    async def run() -> str:
        address = f"ws://lan:hunter22@{host}/?token=abc123"
        transport = WebSocketTransport(address, address, SystemClock())
        with pytest.raises(LinkUnavailable) as refused:
            await transport.open(Recorder(), asyncio.get_running_loop().time() + 5.0)
        return str(refused.value)

    said = asyncio.run(run())
    assert f"ws://{host}/" in said
    assert "hunter22" not in said and "abc123" not in said
