"""Where the seconds go: sums by kind, the time at which every line ends, and who waits for one. Knows neither G-code
nor speeds."""

from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_lines cimport line_slot
from fleetctl._ext.gcode_pace cimport pace_block
from fleetctl._ext.gcode_planner cimport *


cdef inline Block* fresh_block(Planner* q) noexcept nogil:
    """Room at the end of the window, where the caller has seen to it that there is some."""
    cdef Block* b = &q.block[q.count]
    q.count += 1
    q.trace.pace.planned += 1
    b.tag = q.trace.pace.tag
    return b


cdef inline void plan_mark(Planner* q, int64_t line) noexcept nogil:
    """Line `line` has ended at the time reached so far; gaps are filled when the reading is done."""
    cdef double* slot
    if q.out_of_memory:
        return
    slot = <double*> line_slot(&q.times, line)
    if slot == NULL:
        q.out_of_memory = 1
        return
    slot[0] = q.total_s


cdef inline void spend(Planner* q, Block* b, double seconds) noexcept nogil:
    """The block is settled, and takes `seconds`."""
    q.spent_s[b.spent] += seconds
    q.total_s += seconds
    pace_block(q.trace, b.tag, seconds, q.total_s)
    if q.want_times:
        plan_mark(q, b.line)
