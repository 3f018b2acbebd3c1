"""How feed, temperatures, spindle, fan and flow change over the program: (line, value, planned time), bounded.

A history that is full loses half: of every four neighbours the least and the greatest stay, in their order, so the
extremes of the whole are always there; the newest is never lost. How many changes there were is kept.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport malloc

from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *


cdef inline void thin(History* h) noexcept nogil:
    """Makes room: the least and the greatest of each group of neighbours stay, and the newest of all."""
    cdef int32_t i = 0, j, k, low, high, n = 0, settled = 0
    cdef int32_t last = h.count - 1
    while i < h.count:
        low = i
        high = i
        j = i
        while j < i + HISTORY_GROUP and j < h.count:
            if h.row[j].value < h.row[low].value:
                low = j
            if h.row[j].value > h.row[high].value:
                high = j
            j += 1
        for k in range(i, j):
            if k == low or k == high or k == last:
                settled += k < h.settled
                h.row[n] = h.row[k]
                n += 1
        i = j
    h.settled = settled
    h.count = n


cdef inline void changed(Core* s, int32_t which, double value) noexcept nogil:
    """The quantity `which` has a value from the present line on; only a new value is written down."""
    cdef History* h = &s.trace.history[which]
    cdef Change* row
    if h.row == NULL:
        h.row = <Change*> malloc(HISTORY_CAP * sizeof(Change))
        if h.row == NULL:
            s.trace.out_of_memory = 1
            return
    if h.count and h.row[h.count - 1].value == value:
        return
    h.seen += 1
    if h.count == HISTORY_CAP:
        thin(h)
    row = &h.row[h.count]
    h.count += 1
    row.line = s.line
    row.value = value
    row.planned = s.trace.pace.planned
    row.at_s = s.trace.pace.now_s
    if h.settled == h.count - 1 and row.planned == s.trace.pace.done:
        h.settled = h.count


cdef inline void history(Core* s, int32_t which, double value) noexcept nogil:
    if seldom(s.trace.histories):
        changed(s, which, value)
