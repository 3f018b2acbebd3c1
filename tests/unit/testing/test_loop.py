"""The virtual clock: time, order, refusals, and the same order in every process."""

import asyncio
import itertools
import os
import random
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import (
    EPOCH,
    START_S,
    CallbackFailed,
    Deadlock,
    RealInputOutputRefused,
    TasksLeft,
    VirtualClock,
    VirtualTimeExceeded,
    run,
)


def test_a_year_passes_at_once_and_exactly() -> None:
    async def main() -> float:
        await VirtualClock().sleep(365 * 24 * 3600)
        return VirtualClock().monotonic()

    begin = time.monotonic()
    assert run(main()) == START_S + 365 * 24 * 3600
    assert time.monotonic() - begin < 5


@under_virtual_clock()
async def test_the_clock_gives_monotonic_and_wall_time_that_agree() -> None:
    clock = VirtualClock(wall_offset_s=3600)
    assert clock.wall() == EPOCH + timedelta(hours=1)
    await clock.sleep_until(clock.monotonic() + 2.5)
    assert clock.monotonic() == START_S + 2.5
    assert clock.wall() == EPOCH + timedelta(hours=1, seconds=2.5)
    await clock.sleep_until(0)
    await clock.sleep(-1)
    assert clock.monotonic() == START_S + 2.5


@under_virtual_clock()
async def test_equal_timers_fire_in_the_order_they_were_set() -> None:
    fired: list[int] = []
    loop = asyncio.get_running_loop()
    for number in range(200):
        loop.call_at(START_S + 5 + (number % 3 == 0), fired.append, number)
    await asyncio.sleep(10)
    assert fired == [n for n in range(200) if n % 3] + [n for n in range(200) if n % 3 == 0]


@under_virtual_clock()
async def test_cancelled_timers_never_fire_and_do_not_pile_up() -> None:
    loop = asyncio.get_running_loop()
    fired: list[int] = []
    for number in range(10_000):
        loop.call_later(3600, fired.append, number).cancel()
    assert len(loop._timers) < 1000  # type: ignore[attr-defined]
    kept = loop.call_later(1, fired.append, -1)
    loop.call_later(0.5, loop.call_later(2, fired.append, -2).cancel)
    await asyncio.sleep(7200)
    assert fired == [-1]
    kept.cancel()


def test_a_deadlock_names_who_waits_and_where() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"task-1 in .*forever \(test_loop\.py:\d+\)"):
        run(forever())


def test_a_task_that_spins_without_time_passing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetctl.testing.loop.SPIN_LIMIT", 1000)

    async def spin() -> None:
        while True:  # noqa: ASYNC110  a task that never ends is the point
            await asyncio.sleep(0)

    with pytest.raises(Deadlock, match="without time passing"):
        run(spin())


def test_the_limit_of_virtual_time_ends_a_run() -> None:
    async def tick() -> None:
        while True:  # noqa: ASYNC110  a task that never ends is the point
            await asyncio.sleep(1)

    with pytest.raises(VirtualTimeExceeded, match="60 virtual seconds"):
        run(tick(), limit_s=60)


def test_tasks_left_over_are_cancelled_and_with_strict_an_error() -> None:
    ended: list[str] = []

    async def worker(name: str) -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append(name)

    async def main() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(worker(name)) for name in "abc"]
        await asyncio.sleep(1)
        return tasks

    run(main())
    assert ended == ["a", "b", "c"]
    with pytest.raises(TasksLeft, match=r"task-\d+ in .*worker"):
        run(main(), strict=True)


def test_an_exception_that_nobody_awaits_is_an_error_with_strict() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(CallbackFailed) as caught:
        run(main(), strict=True)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "reach",
    [
        lambda: asyncio.open_connection("127.0.0.1", 1),
        lambda: asyncio.open_unix_connection("/nowhere"),
        lambda: asyncio.start_server(lambda r, w: None, "127.0.0.1", 0),
        lambda: asyncio.create_subprocess_exec("true"),
        lambda: asyncio.to_thread(time.time),
        lambda: asyncio.get_running_loop().getaddrinfo("localhost", 1),
        lambda: asyncio.get_running_loop().add_reader(0, print),
        lambda: asyncio.get_running_loop().add_signal_handler(10, print),
    ],
)
def test_the_real_world_is_refused(reach: object) -> None:
    async def main() -> None:
        waiting = reach()  # type: ignore[operator]
        await waiting

    with pytest.raises(RealInputOutputRefused, match="under the virtual clock"):
        run(main())


def test_work_for_threads_is_done_in_the_loop_where_that_is_allowed() -> None:
    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 42)

    assert run(main(), inline_executor=True) == 42


async def scheduling(tasks: int = 30) -> str:
    """A story that depends on the order of sets, timers, locks and cancellation."""
    story: list[str] = []
    lock = asyncio.Lock()

    async def worker(number: int) -> None:
        try:
            for _ in range(3):
                await asyncio.sleep((number * 7) % 5 / 10)
                async with lock:
                    story.append(f"{number}")
                    await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            story.append(f"end {number}")

    futures = [asyncio.get_running_loop().create_future() for _ in range(20)]
    for future in futures:
        asyncio.get_running_loop().call_later(5, future.set_result, None)
    done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    story.append(str([futures.index(future) for future in done]))
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(tasks):
                group.create_task(worker(number))
            await asyncio.sleep(60)
            raise RuntimeError("stop")
    except* RuntimeError:
        pass
    return " ".join(story)


def test_task_groups_cancel_in_the_order_of_creation() -> None:
    story = run(scheduling(10))
    assert story.endswith(" ".join(f"end {number}" for number in range(10)))


def test_one_seed_gives_one_order_in_every_process() -> None:
    stories = set()
    code = (
        "import importlib.util, sys\n"
        "junk = [bytearray(n % 977) for n in range(int(sys.argv[2]))]\n"
        "spec = importlib.util.spec_from_file_location('story', sys.argv[1])\n"
        "story = importlib.util.module_from_spec(spec); spec.loader.exec_module(story)\n"
        "print(story.run(story.scheduling())); print(story.run(story.scheduling(), seed=5, noise_s=0.05))\n"
    )
    for hash_seed, junk in (("0", "0"), ("1", "5000"), ("4242", "77777")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", code, __file__, junk]
        stories.add(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
    assert len(stories) == 1
    assert stories.pop().splitlines() == [run(scheduling()), run(scheduling(), seed=5, noise_s=0.05)]


def test_noise_changes_the_order_of_tasks_by_the_seed() -> None:
    stories = {run(scheduling(), seed=seed) for seed in range(5)}
    assert len(stories) == 5
    assert run(scheduling(), seed=1) == run(scheduling(), seed=1)


@pytest.mark.parametrize("seed", range(5))
def test_noise_never_reorders_plain_callbacks_or_their_timers(seed: int) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        seen: list[int] = []
        rng = random.Random(seed)
        when = loop.time()
        for number in range(200):
            when += rng.choice((0.0, 0.0, 0.001))
            loop.call_at(when, seen.append, number)
            if number % 7 == 0:
                asyncio.ensure_future(asyncio.sleep(0.001))  # noqa: RUF006  run() cancels it
        await asyncio.sleep(100)
        for number in range(200, 400):
            loop.call_soon(seen.append, number)
        await asyncio.sleep(1)
        return seen

    assert run(main(), seed=seed, noise_s=0.01) == list(range(400))


def test_noise_never_shortens_a_sleep() -> None:
    async def main() -> list[float]:
        begins = asyncio.get_running_loop().time()
        return [begins, *[await nap(0.5) for _ in range(50)]]

    async def nap(duration_s: float) -> float:
        await asyncio.sleep(duration_s)
        return asyncio.get_running_loop().time()

    times = run(main(), seed=3, noise_s=0.25)
    naps = [b - a for a, b in itertools.pairwise(times)]
    assert all(0.5 <= nap_s <= 0.75 + 1e-9 for nap_s in naps)
    assert len(set(naps)) > 10
