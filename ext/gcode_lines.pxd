"""Numbers for every line of a program, on request: a list of chunks that grows without copying.

A line that was never executed has no numbers of its own; whoever reads the array out gives it those of the line
before. A line that is executed several times keeps the last.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from fleetctl._ext.gcode_trace cimport LINE_CHUNK, LineArray


cdef inline float* line_slot(LineArray* a, int64_t line) noexcept nogil:
    """Where the numbers of a line (1-based) go; NULL without memory. A new chunk holds 0xFF: nothing written yet."""
    cdef int64_t which = (line - 1) // LINE_CHUNK
    cdef int64_t room
    cdef float** grown
    if which >= a.room:
        room = which * 2 + 64
        grown = <float**> realloc(a.chunk, room * sizeof(void*))
        if grown == NULL:
            return NULL
        memset(&grown[a.room], 0, (room - a.room) * sizeof(void*))
        a.chunk = grown
        a.room = room
    if a.chunk[which] == NULL:
        a.chunk[which] = <float*> malloc(LINE_CHUNK * a.width * sizeof(float))
        if a.chunk[which] == NULL:
            return NULL
        memset(a.chunk[which], 0xFF, LINE_CHUNK * a.width * sizeof(float))
    return a.chunk[which] + ((line - 1) % LINE_CHUNK) * a.width


cdef inline void free_lines(LineArray* a) noexcept nogil:
    cdef int64_t i
    for i in range(a.room):
        free(a.chunk[i])
    free(a.chunk)
    a.chunk = NULL
    a.room = 0
