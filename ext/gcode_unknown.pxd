"""Carrying out a line that was computed: assignments first, then its words; what is not known loses what it touches.

Such a line was noted as not provable already. Here facts only stay honest: an axis sent to an unknown place is lost,
a feed that is not known leaves the old one, a code that is not known loses every axis.
"""

from libc.stdint cimport int32_t, uint32_t

from fleetctl._ext.gcode_execute cimport execute, is_motion, takes_axes
from fleetctl._ext.gcode_frame cimport forget_shift
from fleetctl._ext.gcode_motion cimport answer, lose
from fleetctl._ext.gcode_offset cimport forget_length, forget_origin, forget_written
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


cdef inline void lose_offset(Core* s, int32_t g) noexcept nogil:
    """What a word that takes axes would have set is not known from here on; G28 and G30 set nothing."""
    cdef uint32_t named = s.w.mask & BITS_XYZ
    cdef int a
    if g == 100:
        forget_written(s, s.w.unknown)
        return
    if g == 431 or g == 432:
        forget_length(s)
    for a in range(3):
        if named & (<uint32_t> BIT_X << a):
            if g == 920 or g == 520:
                forget_shift(s, a)
                s.modes.g92_kept_foreign[a] = 1
                s.modes.g92_kept_known = 1
            elif a < 2 and (g == 431 or g == 432):
                forget_origin(s, a, -1)


cdef inline void drop_motion(Core* s) noexcept nogil:
    """Take the curve, cycle or offset off the line; its mode stays in force, its axes are lost."""
    cdef int32_t i, g, kept = 0
    cdef int32_t motion = s.motion
    cdef bint moves = True
    cdef int a
    for i in range(s.w.ng):
        g = s.w.g[i]
        if is_motion(s, g):
            motion = g
            if not s.reads & READ_NURBS or not 50 <= g <= 51:   # LinuxCNC's G5 is not modal
                s.motion = -1 if g == 800 or g == 53 else g
        elif takes_axes(s, g):
            lose_offset(s, g)
            moves = g == 280 or g == 300
        else:
            s.w.g[kept] = g
            kept += 1
    s.w.ng = kept
    s.w.mask &= BIT_N | BIT_F | BIT_S | BIT_T
    if not moves:
        return
    if motion > 30:
        s.modes.cycle_lost = 1      # heights, pecks, or a point of a curve
    for a in range(3):
        lose(s, a)


cdef inline void drop_length(Core* s) noexcept nogil:
    """G43 and G43.2 with an H that is not known: take them off the line."""
    cdef int32_t i, kept = 0
    cdef bint found = False
    for i in range(s.w.ng):
        if s.w.g[i] == 430 or s.w.g[i] == 432:
            found = True
        else:
            s.w.g[kept] = s.w.g[i]
            kept += 1
    s.w.ng = kept
    if found:
        forget_length(s)


cdef inline void execute_unknown(Core* s, Planner* q) noexcept nogil:
    """A line with at least one word whose value is not known."""
    cdef uint32_t unknown = s.w.unknown
    cdef uint32_t modal = unknown & (BIT_F | BIT_S | BIT_T)
    cdef int a
    if unknown & ((1 << LETTER_G) | (1 << LETTER_M)):
        for a in range(3):
            lose(s, a)
            forget_origin(s, a, -1)
            forget_shift(s, a)
        forget_length(s)
        s.commands += 1
        return
    if unknown & BIT_H:
        drop_length(s)
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


cdef inline void execute_computed(Core* s, Planner* q) noexcept nogil:
    """A line with expressions that the controller would not refuse."""
    settle(s)
    if s.w.unknown:
        execute_unknown(s, q)
    elif (s.w.mask & ~<uint32_t> BIT_N) | <uint32_t> s.w.ng | <uint32_t> s.w.nm:
        execute(s, q)
    else:
        s.commands += 1
