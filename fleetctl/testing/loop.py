"""The virtual clock: an event loop whose time jumps to the next timer as soon as nothing is ready.

One seed gives one order of events, in every process: tasks and futures hash by the order of their creation
(asyncio keeps them in sets, which would otherwise be walked in address order), equal timers fire in the order
they were set, and nothing from outside gets in: sockets, pipes, processes, signals and threads are refused.
It must not know fleetctl's own parts.

With a seed for noise, tasks that are ready at the same moment run in a shuffled order, and sleeps last a
little longer. Plain callbacks and their timers are never reordered: links rely on their order, as on a real
wire.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import threading
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from fleetctl.errors import FleetctlError
from fleetctl.testing.ordered import OrderedFuture, OrderedTask

Result = TypeVar("Result")

START_S = 1000.0
"""Virtual time at the start; not 0, so that code which takes a time for a truth value is found out."""

EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
"""Wall time at the start: a Monday morning."""


SPIN_LIMIT = 1_000_000
"""Turns of the loop without time passing before we call it a livelock; a busy fleet needs some hundreds."""

COMPACT_AT = 128
"""Cancelled timers kept before the heap is rebuilt without them."""

REFUSED = (
    "add_reader",
    "add_signal_handler",
    "add_writer",
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "getnameinfo",
    "remove_reader",
    "remove_writer",
    "sendfile",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_recvfrom_into",
    "sock_sendall",
    "sock_sendfile",
    "sock_sendto",
    "start_tls",
    "subprocess_exec",
    "subprocess_shell",
)
"""Methods of an event loop that would reach the real world."""


class RealInputOutputRefused(FleetctlError):
    """Code under the virtual clock tried to reach the real world."""

    code = "real-io-refused"


class Deadlock(FleetctlError):
    """Nothing is ready, no timer is set, and the main task is not done."""

    code = "deadlock"


class VirtualTimeExceeded(FleetctlError):
    """The virtual clock reached its limit before the main task was done."""

    code = "virtual-time-exceeded"


class TasksLeft(FleetctlError):
    """Tasks were still pending when the main task was done."""

    code = "tasks-left"


class CallbackFailed(FleetctlError):
    """A callback or a task that nobody awaits raised."""

    code = "callback-failed"


class VirtualClockLoop(asyncio.BaseEventLoop):
    """An event loop on virtual time.

    `noise` shuffles tasks that are ready together and stretches sleeps by up to `noise_s` seconds. With
    `inline_executor`, work for threads (`run_in_executor`, `asyncio.to_thread`) is done at once in the loop;
    else it is refused. `limit_s` bounds the virtual seconds. Exceptions that nobody awaits are kept in
    `failures`.
    """

    # Attributes of asyncio's base loop (3.11 to 3.13) that its stubs leave out.
    _ready: deque[asyncio.Handle]
    _stopping: bool
    _thread_id: int | None
    _timer_cancelled_count: int

    def __init__(
        self,
        *,
        noise: random.Random | None = None,
        noise_s: float = 0.0,
        inline_executor: bool = False,
        limit_s: float | None = None,
    ) -> None:
        super().__init__()
        self.failures: list[dict[str, Any]] = []
        self._noise = noise
        self._noise_s = noise_s
        self._inline_executor = inline_executor
        self._end_s = None if limit_s is None else START_S + limit_s
        self._now_s = START_S
        self._number = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._turns_at_this_time = 0
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda loop, context: self.failures.append(context))

    def next_number(self) -> int:
        """The next number of this loop's tasks, futures and timers."""
        self._number += 1
        return self._number

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    def create_future(self) -> asyncio.Future[Any]:
        """A future that hashes by its number."""
        return OrderedFuture(loop=self)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at `when`; equal times in the order they were set. Sleeps may be stretched by the
        noise.
        """
        self._check_closed()  # type: ignore[attr-defined]
        if self._noise is not None and callback is _set_result_unless_cancelled:
            when += self._noise.random() * self._noise_s
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        timer._scheduled = True  # type: ignore[attr-defined]
        heapq.heappush(self._timers, (when, self.next_number(), timer))
        return timer

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Like `call_soon`; refused from another thread, whose timing would get in."""
        if self._thread_id not in (None, threading.get_ident()):
            raise RealInputOutputRefused("another thread called back under the virtual clock")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do the work now, in the loop, if that was allowed; the result comes at the next turn."""
        if not self._inline_executor:
            raise RealInputOutputRefused("run_in_executor was called under the virtual clock")
        future = self.create_future()
        try:
            self.call_soon(_set_result_unless_cancelled, future, func(*args))
        except Exception as error:  # noqa: BLE001  handed on to whoever awaits the future, as an executor does
            self.call_soon(_fail_unless_done, future, error)
        return future

    def pending_tasks(self) -> list[asyncio.Task[Any]]:
        """Tasks that are not done, oldest first."""
        return sorted(asyncio.all_tasks(self), key=hash)

    # What asyncio's base loop calls

    def _run_once(self) -> None:
        """One turn: jump if nothing is ready, then run what is ready."""
        if not self._ready and not self._stopping:
            self._jump()
        self._collect_due_timers()
        if self._noise is not None:
            self._shuffle_tasks()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()
        self._turns_at_this_time += 1
        if self._turns_at_this_time > SPIN_LIMIT:
            raise Deadlock(f"{SPIN_LIMIT} turns without time passing; {_describe(self.pending_tasks())}")

    def _process_events(self, event_list: object) -> None:
        """There are no descriptors."""

    def _write_to_self(self) -> None:
        """There is nobody to wake."""

    # Ours

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coro: Any, context: Context | None = None
    ) -> asyncio.Task[Any]:
        return OrderedTask(coro, loop=self, name=f"task-{self._number + 1}", context=context)

    def _jump(self) -> None:
        """Moves time to the next timer. Raises Deadlock when there is none."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            raise Deadlock(f"nothing is ready and no timer is set; {_describe(self.pending_tasks())}")
        when = timers[0][0]
        if self._end_s is not None and when > self._end_s:
            raise VirtualTimeExceeded(
                f"the limit of {self._end_s - START_S:g} virtual seconds passed; {_describe(self.pending_tasks())}"
            )
        if when > self._now_s:
            self._now_s = when
            self._turns_at_this_time = 0

    def _collect_due_timers(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self._now_s:
            timer = heapq.heappop(timers)[2]
            timer._scheduled = False  # type: ignore[attr-defined]
            if not timer._cancelled:
                self._ready.append(timer)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio says that a timer was cancelled; now and then the heap is rebuilt without them."""
        if not handle._scheduled:  # type: ignore[attr-defined]
            return
        self._timer_cancelled_count += 1
        if self._timer_cancelled_count > COMPACT_AT and 2 * self._timer_cancelled_count > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2]._cancelled and entry[2] is not handle]
            heapq.heapify(self._timers)
            self._timer_cancelled_count = 0

    def _shuffle_tasks(self) -> None:
        """Shuffles the ready tasks among the places that tasks have; plain callbacks keep theirs."""
        assert self._noise is not None
        handles = list(self._ready)
        places = [index for index, handle in enumerate(handles) if _is_task_step(handle)]
        if len(places) < 2:
            return
        shuffled = places.copy()
        self._noise.shuffle(shuffled)
        for place, source in zip(places, shuffled, strict=True):
            self._ready[place] = handles[source]


def _is_task_step(handle: asyncio.Handle) -> bool:
    """Whether the handle starts or wakes a task."""
    callback = handle._callback  # type: ignore[attr-defined]
    return isinstance(getattr(callback, "__self__", None), asyncio.Task)


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(self: VirtualClockLoop, *args: object, **options: object) -> NoReturn:
        raise RealInputOutputRefused(f"{name} was called under the virtual clock")

    return refuse


for _name in REFUSED:
    setattr(VirtualClockLoop, _name, _refusal(_name))


class VirtualClock:
    """A `Clock` on the running virtual loop; `wall_offset_s` puts this computer's wall clock wrong."""

    def __init__(self, *, wall_offset_s: float = 0.0) -> None:
        self.wall_offset_s = wall_offset_s

    def monotonic(self) -> float:
        """Virtual seconds of the running loop."""
        return asyncio.get_running_loop().time()

    def wall(self) -> datetime:
        """`EPOCH` plus the virtual seconds since the start."""
        return EPOCH + timedelta(seconds=self.monotonic() - START_S + self.wall_offset_s)

    async def sleep(self, duration_s: float) -> None:
        """Wait at least `duration_s` virtual seconds."""
        await asyncio.sleep(max(0.0, duration_s))

    async def sleep_until(self, deadline_s: float) -> None:
        """Wait until `monotonic()` is at least `deadline_s`."""
        await asyncio.sleep(max(0.0, deadline_s - self.monotonic()))


def run(
    main: Coroutine[Any, Any, Result],
    *,
    seed: int | None = None,
    noise_s: float = 0.0,
    inline_executor: bool = False,
    limit_s: float | None = None,
    strict: bool = False,
) -> Result:
    """Run `main` under a fresh virtual loop and give its result; afterwards cancel what is left.

    With a `seed` there is scheduling noise. With `strict`, tasks left over raise TasksLeft, and exceptions
    that nobody awaited raise CallbackFailed. Raises Deadlock, VirtualTimeExceeded, RealInputOutputRefused.
    """
    loop = VirtualClockLoop(
        noise=None if seed is None else random.Random(seed),
        noise_s=noise_s,
        inline_executor=inline_executor,
        limit_s=limit_s,
    )
    try:
        try:
            result = loop.run_until_complete(main)
            left = loop.pending_tasks()
            if strict and left:
                raise TasksLeft(_describe(left))
        finally:
            _cancel(loop, loop.pending_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())
        if strict and loop.failures:
            failure = loop.failures[0]
            raise CallbackFailed(str(failure.get("message"))) from failure.get("exception")
        return result
    finally:
        loop.close()


def _cancel(loop: VirtualClockLoop, tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))


def _fail_unless_done(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _describe(tasks: list[asyncio.Task[Any]]) -> str:
    """Which tasks are pending and where each of them waits."""
    if not tasks:
        return "no task is pending"
    return "pending: " + "; ".join(f"{task.get_name()} in {_where(task.get_coro())}" for task in tasks)


def _where(coroutine: Any) -> str:
    """The innermost function outside asyncio that a suspended coroutine stands in, with its file and line."""
    name = getattr(coroutine, "__qualname__", str(coroutine))
    place = ""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent.name != "asyncio" or not place:
            name = coroutine.__qualname__
            place = f" ({path.name}:{frame.f_lineno})"
        coroutine = coroutine.cr_await
    return name + place
