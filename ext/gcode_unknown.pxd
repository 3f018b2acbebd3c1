"""Carrying out a line that was computed: assignments first, then its words; what is not known loses what it touches.

Such a line was noted as not provable already. Here facts only stay honest: an axis sent to an unknown place is lost,
a feed that is not known leaves the old one, a code that is not known loses every axis.
"""

from libc.stdint cimport int32_t, uint32_t

from fleetctl._ext.gcode_execute cimport execute, is_motion, takes_axes
from fleetctl._ext.gcode_motion cimport answer, lose
from fleetctl._ext.gcode_parameter cimport settle
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_types cimport *


cdef inline bint goes_straight(Core* s) noexcept nogil:
    """Is this line at most a G0 or G1?"""
    cdef int32_t i
    cdef int32_t motion = s.motion
    for i in range(s.w.ng):
        if is_motion(s, s.w.g[i]):
            motion = s.w.g[i]
        if takes_axes(s, s.w.g[i]):
            return False
    return motion <= 10


cdef inline void lose_origin(Core* s, int axis) noexcept nogil:
    """From here on coordinates of this axis count from an unknown place."""
    lose(s, axis)
    s.abs_frame[axis] = FRAME_START
    s.foreign[axis] = 1


cdef inline void drop_motion(Core* s) noexcept nogil:
    """Take the curve, cycle or offset off the line; its mode stays in force, its axes are lost."""
    cdef int32_t i, kept = 0
    cdef uint32_t unknown = s.w.unknown
    cdef int a
    for i in range(s.w.ng):
        if is_motion(s, s.w.g[i]):
            s.motion = -1 if s.w.g[i] == 800 else s.w.g[i]
        elif takes_axes(s, s.w.g[i]):
            for a in range(3):
                if unknown & (<uint32_t> BIT_X << a) or not unknown & <uint32_t> BITS_XYZ:
                    lose_origin(s, a)
        else:
            s.w.g[kept] = s.w.g[i]
            kept += 1
    s.w.ng = kept
    s.w.mask &= BIT_N | BIT_F | BIT_S | BIT_T
    for a in range(3):
        lose(s, a)


cdef inline void execute_unknown(Core* s, Planner* q) noexcept nogil:
    """A line with at least one word whose value is not known."""
    cdef uint32_t unknown = s.w.unknown
    cdef uint32_t modal = unknown & (BIT_F | BIT_S | BIT_T)
    cdef int a
    if unknown & ((1 << LETTER_G) | (1 << LETTER_M)):
        for a in range(3):
            lose_origin(s, a)
        s.commands += 1
        return
    if unknown & BIT_F:
        s.feed_known = 1
        answer(s, CHECK_FEED | CHECK_FEED_ZERO)
    if unknown & BIT_S:
        answer(s, CHECK_SPEED)
    s.w.mask &= ~modal
    unknown &= ~modal
    if unknown == 0:
        pass
    elif goes_straight(s):
        s.w.mask &= ~(unknown & <uint32_t> BITS_XYZ)
    else:
        drop_motion(s)
    if (s.w.mask & ~<uint32_t> BIT_N) | <uint32_t> s.w.ng | <uint32_t> s.w.nm:
        execute(s, q)
    else:
        s.commands += 1
    for a in range(3):
        if unknown & (<uint32_t> BIT_X << a):
            lose(s, a)
    if unknown & (1 << 8):              # H: which tool's length
        lose(s, 2)


cdef inline void execute_computed(Core* s, Planner* q) noexcept nogil:
    """A line with expressions that the controller would not refuse."""
    settle(s)
    if s.w.unknown:
        execute_unknown(s, q)
    elif (s.w.mask & ~<uint32_t> BIT_N) | <uint32_t> s.w.ng | <uint32_t> s.w.nm:
        execute(s, q)
    else:
        s.commands += 1
