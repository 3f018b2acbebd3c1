"""Child processes of the demo: started in sessions of their own, remembered in a file, ended by their ids.

A demo that was killed leaves its children alive; the next one finds them in the file and adopts those that are still
the same processes. It must not know what the children do.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from fleetctl.clock import Clock

POLL_S = 0.1
GIVE_UP_S = 10.0
"""A child that was asked to end gets this long, then it is killed."""

ASK_AGAIN_S = 0.5


class Child:
    """One process, started here or adopted."""

    def __init__(self, name: str, pid: int, process: asyncio.subprocess.Process | None = None) -> None:
        self.name = name
        self.pid = pid
        self._process = process

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        if self._process is not None:
            return self._process.returncode is None
        return _identity_of(self.pid) != ""

    @property
    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs or when it was adopted."""
        return None if self._process is None else self._process.returncode

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing when it has ended meanwhile."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass


class Children:
    """All children of one demo. `file` remembers them; their output goes to `logs`/NAME.log."""

    def __init__(self, file: Path, logs: Path, clock: Clock) -> None:
        self._file = file
        self._logs = logs
        self._clock = clock
        self._children: dict[str, Child] = {}

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    def log_of(self, name: str) -> Path:
        """Where the output of a child goes."""
        return self._logs / f"{name}.log"

    def adopt(self) -> list[str]:
        """Take over what an earlier demo left running; returns the names."""
        try:
            left = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return []
        for name, (pid, identity) in left.items():
            if identity and _identity_of(pid) == identity:
                self._children[name] = Child(name, pid)
        return sorted(self._children)

    async def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a child unless one of this name is alive."""
        known = self._children.get(name)
        if known is not None and known.alive:
            return known
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log_of(name).open("ab") as log:
            # A session of its own: Ctrl-C in the terminal must reach only the demo, which ends them in order.
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        child = self._children[name] = Child(name, process.pid, process)
        self._remember()
        return child

    def take_over(self, name: str, words: Sequence[str]) -> list[str]:
        """Make processes that a child started our own: those whose command line ends with just these words, or
        with these and a `--name`.

        Gives their names here: `name` and the process id.
        """
        taken = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _ends_with(list(words), _command_of(int(entry.name))):
                taken.append(f"{name} {entry.name}")
                self._children[taken[-1]] = Child(taken[-1], int(entry.name))
        return taken

    async def end(self, names: Sequence[str], *, insist: bool = False) -> None:
        """End these children by their ids: asked (again and again with `insist`), then killed. Waits for all."""
        ending = [self._children[name] for name in names if name in self._children and self._children[name].alive]
        for child in ending:
            child.signal(signal.SIGTERM)
        begin_s = self._clock.monotonic()
        ask_again_s = begin_s + ASK_AGAIN_S
        while alive := [child for child in ending if child.alive]:
            now_s = self._clock.monotonic()
            if now_s >= begin_s + GIVE_UP_S:
                for child in alive:
                    child.signal(signal.SIGKILL)
            elif insist and now_s >= ask_again_s:
                ask_again_s = now_s + ASK_AGAIN_S
                for child in alive:
                    child.signal(signal.SIGTERM)
            await self._clock.sleep(POLL_S)
        for child in ending:
            self._children.pop(child.name, None)
        self._remember()

    @property
    def names(self) -> list[str]:
        """Names of all children, in the order of their start."""
        return list(self._children)

    def _remember(self) -> None:
        kept = {name: (child.pid, _identity_of(child.pid)) for name, child in self._children.items() if child.alive}
        if kept:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(kept), encoding="utf-8")
        else:
            self._file.unlink(missing_ok=True)


def _identity_of(pid: int) -> str:
    """What tells a live process from a later one of the same id: this boot and the moment it started.

    Empty when there is no such process or it is a zombie (Linux: proc(5), fields 3 and 22 of /proc/PID/stat).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, started = fields[0], fields[19]
    return "" if state == "Z" else f"{boot}/{started}"


def _ends_with(words: list[str], command: list[str]) -> bool:
    if command[-2:-1] == ["--name"]:
        command = command[:-2]
    return command[-len(words) :] == words


def _command_of(pid: int) -> list[str]:
    """The words of a process's command line; empty when there is none, and for a moment after it was started."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
    except OSError:  # ended meanwhile, or not ours to look at
        return []
