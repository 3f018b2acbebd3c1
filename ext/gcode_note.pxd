"""Writing down what was seen: hazards with their first place, extremes with their first line, names.

Everything here is bounded in memory whatever the file holds.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from fleetctl._ext.gcode_types cimport MAX_NAMES, NAME_ARENA, Core, Mark, NameTable, Range


cdef inline void note(Core* s, int hazard, int64_t column) noexcept nogil:
    """One more of a hazard on the present line; the first keeps its place."""
    cdef Mark* mark = &s.hazard[hazard]
    if mark.count == 0:
        mark.line = s.line
        mark.column = column
    mark.count += 1


cdef inline bint touch(Range* r, int64_t value, int64_t line) noexcept nogil:
    """Widen a range to hold `value`; True when it did. An equal value keeps the earlier line."""
    cdef bint wider = False
    if value < r.low:
        r.low = value
        r.low_line = line
        wider = True
    if value > r.high:
        r.high = value
        r.high_line = line
        wider = True
    return wider


cdef inline int64_t clamp(int64_t value) noexcept nogil:
    """Keeps sums of hostile numbers far from the end of int64."""
    if value > 1000000000000000000LL:
        return 1000000000000000000LL
    if value < -1000000000000000000LL:
        return -1000000000000000000LL
    return value


cdef inline int32_t note_name(NameTable* t, const uint8_t* text, int32_t length, int64_t line,
                              bint fold) noexcept nogil:
    """Count a name; a new one is kept while there is room. FNV-1a tells names apart."""
    cdef uint64_t h = 14695981039346656037ULL
    cdef int32_t i
    cdef uint8_t c
    for i in range(length):
        c = text[i]
        if fold and 97 <= c <= 122:
            c -= 32
        h = (h ^ c) * 1099511628211ULL
    for i in range(t.count):
        if t.hash[i] == h:
            t.use[i].count += 1
            return i
    if length <= 0 or t.count >= MAX_NAMES or t.used + length > NAME_ARENA:
        return -1
    i = t.count
    memcpy(&t.arena[t.used], text, length)
    t.hash[i] = h
    t.offset[i] = t.used
    t.length[i] = length
    t.use[i].first_line = line
    t.use[i].count = 1
    t.used += length
    t.count += 1
    return i
