"""When things happen: hands the times that the planner settles to whoever waits for one; knows no G-code."""

from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_trace cimport *


cdef inline void pace_block(Trace* t, int32_t tag, double seconds, double now) noexcept nogil:
    """One more move or wait, for the feature `tag`, is settled; it took `seconds` and ends at `now`."""
    t.pace.done += 1
    t.pace.end_s[t.pace.done & (PACE_RING - 1)] = now
    t.pace.feature_s[tag] += seconds


cdef inline void pace_settle(Trace* t) noexcept nogil:
    """After a run of moves was settled: those rows that waited for one of them get their time."""
    cdef LayerTable* layers = &t.layers
    cdef History* h
    cdef int32_t i
    t.pace.now_s = t.pace.end_s[t.pace.done & (PACE_RING - 1)]
    while layers.settled < layers.count and layers.row[layers.settled].planned <= t.pace.done:
        layers.row[layers.settled].start_s = t.pace.end_s[layers.row[layers.settled].planned & (PACE_RING - 1)]
        layers.settled += 1
    if not t.histories:
        return
    for i in range(HISTORIES):
        h = &t.history[i]
        while h.settled < h.count and h.row[h.settled].planned <= t.pace.done:
            h.row[h.settled].at_s = t.pace.end_s[h.row[h.settled].planned & (PACE_RING - 1)]
            h.settled += 1
