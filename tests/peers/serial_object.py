"""Puts any Python object that behaves like a serial port (`write`, `readline`) behind a pseudo-terminal.

Runs in another environment than the project's, as a process of its own; the object is named on the command line and
nothing of it is known here. Prints `port: PATH`, then serves until its standard input ends.

    serial_object.py '{"make": "module:Class", "settings": "module:Class.method", "set": {}, "trace": "method",
                       "trace_file": "PATH", "before": "module:function", "before_with": {}}'

settings: its result, a dictionary, with `set` over it, is handed to `make` as an object with `get`, `get_int`, ....
trace: each call of this method of the object is written to `trace_file`, its first argument a line.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import threading
import tty
from pathlib import Path
from typing import Any


class Settings:
    """A dictionary, asked by a path of keys; the `_` methods that hosts' plugins expect are all here."""

    def __init__(self, values: dict[str, Any], folder: str) -> None:
        self._values = values
        self._folder = folder

    def get(self, path: list[str], **_: Any) -> Any:
        """The value at this path, None when there is none."""
        found: Any = self._values
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def get_int(self, path: list[str]) -> int:
        """As a whole number."""
        return int(self.get(path) or 0)

    def get_float(self, path: list[str]) -> float:
        """As a number."""
        return float(self.get(path) or 0.0)

    def get_boolean(self, path: list[str]) -> bool:
        """As yes or no."""
        return bool(self.get(path))

    def global_get_basefolder(self, _: str) -> str:
        """A folder to write in."""
        return self._folder


def named(text: str) -> Any:
    """The object at `module:name.name`."""
    module, _, names = text.partition(":")
    found = importlib.import_module(module)
    for name in names.split("."):
        found = found() if name == "()" else getattr(found, name)
    return found


def main(wanted: dict[str, Any]) -> None:
    """Make the object, then carry bytes both ways."""
    folder = tempfile.mkdtemp()
    if "before" in wanted:
        named(wanted["before"])(**wanted.get("before_with", {}))
    settings = Settings({**named(wanted["settings"])(), **wanted.get("set", {})}, folder)
    port = named(wanted["make"])(settings, None, folder, read_timeout=0.5)
    if "trace" in wanted:
        trace(port, wanted["trace"], Path(wanted["trace_file"]))
    master, slave = os.openpty()
    tty.setraw(slave)
    print(f"port: {os.ttyname(slave)}", flush=True)
    threading.Thread(target=to_object, args=(master, port), daemon=True).start()
    threading.Thread(target=from_object, args=(master, port), daemon=True).start()
    sys.stdin.read()
    os._exit(0)  # the object's own threads never end


def trace(port: Any, name: str, file: Path) -> None:
    """Write each call of the method to the file before it is made."""
    method = getattr(port, name)

    def traced(line: Any, *rest: Any, **more: Any) -> Any:
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{line}\n")
        return method(line, *rest, **more)

    setattr(port, name, traced)


def to_object(master: int, port: Any) -> None:
    """Lines from the host, one at a time; what the object does not take at once waits, as in a system's driver."""
    rest = b""
    while True:
        *lines, rest = (rest + os.read(master, 4096)).split(b"\n")
        for line in lines:
            data = line + b"\n"
            while data:
                data = data[port.write(data) :]


def from_object(master: int, port: Any) -> None:
    """Lines to the host."""
    while True:
        line = port.readline()
        if line:
            os.write(master, line if line.endswith(b"\n") else line + b"\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
