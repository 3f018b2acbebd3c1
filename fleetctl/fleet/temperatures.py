"""Temperatures of the last half hour, by machine: what charts are drawn from. Kept in memory, bounded, never stored.

Must not know pages. A machine that was not heard leaves a gap, so that nothing is drawn that nobody measured.
"""

from __future__ import annotations

import math
from array import array

import msgspec

KEPT_S = 1800.0
EVERY_S = 2.0
"""A sample at most so often: 900 of each heater in half an hour, 7 kB."""

SAMPLES = int(KEPT_S / EVERY_S)


class HeaterColumns(msgspec.Struct, frozen=True, kw_only=True):
    """One heater, degC, a value for each time; None where it was not heard."""

    now_degc: tuple[float | None, ...]
    target_degc: tuple[float | None, ...]


class TemperatureColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Times (Unix seconds, rising) and one pair of columns for each heater."""

    at_s: tuple[float, ...] = ()
    heaters: dict[str, HeaterColumns] = {}


class _Series:
    """One machine."""

    def __init__(self) -> None:
        self.at_s = array("d")
        self.heaters: dict[str, tuple[array[float], array[float]]] = {}

    def add(self, at_s: float, readings: dict[str, tuple[float, float]]) -> None:
        """A row; a heater that is new has gaps before it."""
        for name in readings:
            if name not in self.heaters:
                gap = [math.nan] * len(self.at_s)
                self.heaters[name] = array("f", gap), array("f", gap)
        self.at_s.append(at_s)
        for name, (now, target) in self.heaters.items():
            reading = readings.get(name, (math.nan, math.nan))
            now.append(reading[0])
            target.append(reading[1])
        # Cut in blocks, so that nothing is moved at each sample.
        if len(self.at_s) > SAMPLES + SAMPLES // 8:
            self._drop(len(self.at_s) - SAMPLES)

    def _drop(self, count: int) -> None:
        del self.at_s[:count]
        for now, target in self.heaters.values():
            del now[:count]
            del target[:count]

    def columns(self, after_s: float) -> TemperatureColumns:
        """What is newer than `after_s`."""
        begin = next((index for index, at_s in enumerate(self.at_s) if at_s > after_s), len(self.at_s))
        return TemperatureColumns(
            at_s=tuple(self.at_s[begin:]),
            heaters={
                name: HeaterColumns(now_degc=_values(now[begin:]), target_degc=_values(target[begin:]))
                for name, (now, target) in self.heaters.items()
            },
        )


def _values(column: array[float]) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else round(value, 1) for value in column)


class Temperatures:
    """All machines, by name."""

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}

    def heard(self, machine: str, at_s: float, readings: dict[str, tuple[float, float]]) -> None:
        """New readings (now, target) in degC; kept if the last ones are old enough."""
        if not readings:
            return
        series = self._series.setdefault(machine, _Series())
        # A clock that was set back begins anew: times must rise.
        if series.at_s and at_s < series.at_s[-1] - EVERY_S:
            series = self._series[machine] = _Series()
        if not series.at_s or at_s - series.at_s[-1] >= EVERY_S:
            series.add(at_s, readings)

    def lost(self, machine: str) -> None:
        """Nobody hears the machine any more: what comes later is not joined to what was."""
        series = self._series.get(machine)
        if series is not None and series.at_s:
            series.add(series.at_s[-1] + EVERY_S / 2, {})

    def columns(self, machine: str, now_s: float, after_s: float = 0.0) -> TemperatureColumns:
        """The last half hour, or what of it is newer than `after_s` (Unix seconds)."""
        series = self._series.get(machine)
        return TemperatureColumns() if series is None else series.columns(max(after_s, now_s - KEPT_S))
