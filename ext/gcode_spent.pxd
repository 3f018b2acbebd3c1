"""Where the seconds go: sums by kind and by feature, and the time at which every line ends. Knows no speeds."""

from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_lines cimport line_slot
from fleetctl._ext.gcode_pace cimport pace_block
from fleetctl._ext.gcode_planner cimport *


cdef inline void announce(Planner* q, Block* b) noexcept nogil:
    """A block is planned: whoever waits for the time of what comes next counts it."""
    q.trace.pace.planned += 1
    b.tag = q.trace.pace.tag


cdef inline void spend(Planner* q, Block* b, int32_t kind, double seconds) noexcept nogil:
    """Block `b` takes `seconds`; call once for each block that was announced."""
    q.spent_s[kind] += seconds
    q.total_s += seconds
    pace_block(q.trace, b.tag, seconds, q.total_s)


cdef inline void plan_mark(Planner* q, int64_t line) noexcept nogil:
    """Line `line` has ended at the time reached so far; gaps are filled when the reading is done."""
    cdef double* slot
    if not q.want_times or q.out_of_memory:
        return
    slot = <double*> line_slot(&q.times, line)
    if slot == NULL:
        q.out_of_memory = 1
        return
    slot[0] = q.total_s
