"""Canned cycles: the holes they make count for bounds; how long they take is only roughly known.

A hole is: rapid to X Y at the present height, down to R, feed to Z, back to R (G99) or to where it was (G98).
R and Z stay in force while the cycle does. Depth steps and dwells are left out.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_motion cimport straight, to_mm
from fleetctl._ext.gcode_note cimport clamp
from fleetctl._ext.gcode_types cimport *


cdef inline void cycle_step(Core* s, Planner* q, uint32_t mask, int64_t z, bint rapid) noexcept nogil:
    """One straight move of the cycle: X and Y words as given (mask), or Z to an absolute height of its frame."""
    cdef int32_t relative = s.relative
    cdef int32_t inch = s.inch
    s.w.mask = mask
    if mask & BIT_Z:
        s.relative = 0
        s.inch = 0
        s.w.value[LETTER_Z] = z - s.shift[2]
    straight(s, q, rapid, False)
    s.relative = relative
    s.inch = inch


cdef inline void cycle(Core* s, Planner* q) noexcept nogil:
    """One line in cycle mode: one hole, or L of them in a row with G91."""
    cdef uint32_t mask = s.w.mask
    cdef int64_t clear, repeat = 1
    cdef int64_t z, r
    if mask & BIT_L:
        repeat = s.w.value[LETTER_L] // 1000000
        if repeat > 1000 or not s.relative:
            repeat = 1 if repeat > 0 else 0
    if mask & BIT_R:
        s.cycle_r = to_mm(s, s.w.value[LETTER_R])
    if mask & BIT_Z:
        s.cycle_z = to_mm(s, s.w.value[LETTER_Z])
    if s.relative:
        r = clamp(s.pos[2] + s.cycle_r)
        z = clamp(r + s.cycle_z)
    else:
        r = clamp(s.cycle_r + s.shift[2])
        z = clamp(s.cycle_z + s.shift[2])
    clear = s.pos[2]
    if s.frame[2] != s.abs_frame[2] or clear < r or not s.old_z_return:
        clear = r
    if s.frame[2] == s.abs_frame[2] and s.pos[2] < r:
        cycle_step(s, q, BIT_Z, r, True)
    while repeat > 0:
        repeat -= 1
        if mask & (BIT_X | BIT_Y):
            cycle_step(s, q, mask & (BIT_X | BIT_Y), 0, True)
        cycle_step(s, q, BIT_Z, r, True)
        cycle_step(s, q, BIT_Z, z, False)
        cycle_step(s, q, BIT_Z, clear, True)
    s.w.mask = mask
