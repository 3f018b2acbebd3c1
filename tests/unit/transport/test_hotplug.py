"""Noticing that a port came back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.transport.hotplug import LOOK_EVERY_S, PortWatch, Signature, signature


class Dev:
    """The folder of device files, and how often it was looked into."""

    def __init__(self) -> None:
        self.files: dict[str, Signature] = {}
        self.looks = 0

    def look(self, path: str) -> Signature | None:
        self.looks += 1
        return self.files.get(path)


async def news(watch: PortWatch, dev: Dev, before: Signature | None, *later: Signature | None) -> list[float]:
    """When `appeared` was called while the port became each of `later`, a second apart."""
    at: list[float] = []
    begun_s = asyncio.get_running_loop().time()
    with watch.watching("/dev/x?baud=9600", before, lambda: at.append(asyncio.get_running_loop().time() - begun_s)):
        for each in later:
            dev.files.pop("/dev/x", None)
            if each is not None:
                dev.files["/dev/x"] = each
            await asyncio.sleep(1.0)
    return at


@under_virtual_clock()
async def test_a_port_that_comes_back_is_noticed_once_within_a_quarter_second() -> None:
    dev = Dev()
    watch = PortWatch(dev.look)
    [at] = await news(watch, dev, (1,), None, (1,), None, (1,))
    assert 1.0 <= at <= 1.0 + LOOK_EVERY_S


@under_virtual_clock()
async def test_what_stood_there_all_the_time_is_no_news_and_another_device_is() -> None:
    dev = Dev()
    watch = PortWatch(dev.look)
    assert await news(watch, dev, (1,), (1,), (1,)) == []
    assert len(await news(watch, dev, (1,), (2,))) == 1
    assert len(await news(watch, dev, None, (1,))) == 1


@under_virtual_clock()
async def test_it_looks_only_while_somebody_waits_and_at_devices_only() -> None:
    dev = Dev()
    watch = PortWatch(dev.look)
    with watch.watching("socket://host:23", None, lambda: None), watch.watching("memory://m", None, lambda: None):
        await asyncio.sleep(10.0)
    assert dev.looks == 0
    assert watch.look("tcp://host:1") is None
    await news(watch, dev, None, None)
    looked = dev.looks
    await asyncio.sleep(10.0)
    assert dev.looks == looked


def test_the_signature_follows_links_and_changes_with_rights(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyUSB0", tmp_path / "by-path"
    assert signature(str(link)) is None
    device.touch(0o600)
    link.symlink_to(device)
    before = signature(str(link))
    assert before == signature(str(device))
    device.chmod(0o660)
    assert signature(str(link)) not in (None, before)
    other = tmp_path / "ttyUSB1"
    other.touch()
    link.unlink()
    link.symlink_to(other)
    assert signature(str(link)) == signature(str(other)) != signature(str(device))
