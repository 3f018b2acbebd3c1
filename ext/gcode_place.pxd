"""At which column of the line being read a word stands; looked up only where something is written down.

Columns count bytes from 1. Nothing here is done for a line that sets no record, so reading stays as fast.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from fleetctl._ext.gcode_skip cimport KIND_CR, KIND_LF, KIND_OPEN, KIND_SEMICOLON
from fleetctl._ext.gcode_types cimport Core, Range


cdef inline int64_t column_of(Core* s, int32_t letter, int32_t nth) noexcept nogil:
    """The column of the word with `letter` (1 is A) that follows `nth` others of it; 1 if there is none.

    A letter that is given by a cycle or by an expression, and not by the line itself, counts as there from its start.
    """
    cdef const uint8_t* p = s.text
    cdef uint8_t k
    if p == NULL:
        return 1
    while True:
        k = s.kind[p[0]]
        if k == KIND_LF or k == KIND_CR or k == KIND_SEMICOLON:
            return 1
        if k == KIND_OPEN:
            while p[0] != 41 and s.kind[p[0]] != KIND_LF and s.kind[p[0]] != KIND_CR:
                p += 1
            if p[0] != 41:
                return 1
        elif p[0] & 31 == letter and p[0] >= 65 and (p[0] & 0xDF) <= 90:
            if nth == 0:
                return p - s.text + 1
            nth -= 1
        p += 1


cdef inline void place_range(Core* s, Range* r, int32_t letter) noexcept nogil:
    """The range was widened by a word of the present line: note its column for the ends that it set."""
    cdef int64_t column = 1
    if s.motion > 50:
        column = column_of(s, letter, 0)        # a cycle moves axes that its line does not name
    elif s.w.mask & (<uint32_t> 1 << letter):
        column = s.cut.at[letter] - s.text + 1
    if r.low_line == s.line:
        r.low_column = column
    if r.high_line == s.line:
        r.high_column = column
