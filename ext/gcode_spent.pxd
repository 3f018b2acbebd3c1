"""Where the seconds go: sums by kind, and the time at which every line ends. Knows neither G-code nor speeds."""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport realloc

from fleetctl._ext.gcode_planner cimport *


cdef inline void spend(Planner* q, int32_t kind, double seconds) noexcept nogil:
    q.spent_s[kind] += seconds
    q.total_s += seconds


cdef inline void plan_mark(Planner* q, int64_t line) noexcept nogil:
    """Line `line` has ended at the time reached so far; gaps are filled when the reading is done."""
    cdef int64_t size
    cdef double* grown
    if not q.want_times or q.out_of_memory:
        return
    if line > q.times_size:
        size = q.times_size * 2 if q.times_size * 2 > line else line + 65536
        grown = <double*> realloc(q.times, size * sizeof(double))
        if grown == NULL:
            q.out_of_memory = 1
            return
        q.times = grown
        while q.times_size < size:
            q.times[q.times_size] = -1.0
            q.times_size += 1
    q.times[line - 1] = q.total_s
