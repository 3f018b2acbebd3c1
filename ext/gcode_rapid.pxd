"""How low a mill's rapids go: what runs into stock, vise or clamps if anything does.

Facts for two questions of a machinist, per coordinate system: how low is Z while a rapid moves in X or Y (both ends
of the move count, for the tool goes straight from one to the other), and does a rapid go down to where nothing was
cut before? Coming back down into a hole that was drilled a moment ago is no plunge.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_types cimport *


cdef inline void lower(Range* r, int64_t value, int64_t line) noexcept nogil:
    if value < r.low:
        r.low = value
        r.low_line = line


cdef inline void rapid_move(Core* s, const int64_t* target, const int32_t* frame) noexcept nogil:
    """A rapid of the present line, before the axes stand at its end; only axes that the line names have a target."""
    cdef uint32_t mask = s.w.mask
    cdef Rapid* there
    cdef int64_t z
    if mask & (BIT_X | BIT_Y):
        if s.spindle and s.s_value > 0 and s.cut.lit_rapid_line == 0:
            s.cut.lit_rapid_line = s.line
        if s.frame[2] != FRAME_START:
            lower(&s.cut.rapid[s.frame[2]].travel, s.pos[2], s.line)
    if not mask & BIT_Z or frame[2] == FRAME_START:
        return
    there = &s.cut.rapid[frame[2]]
    z = target[2]
    if mask & (BIT_X | BIT_Y):
        lower(&there.travel, z, s.line)
    if z < s.frames[frame[2]].work[2].low and (s.frame[2] != frame[2] or z < s.pos[2]):
        lower(&there.plunge, z, s.line)


cdef inline void lone_move(Core* s, bint rapid, const int64_t* target, const int32_t* frame) noexcept nogil:
    """A straight move that is a rapid, or that moves Z alone at a feed."""
    if rapid and s.reads & READ_CNC:
        rapid_move(s, target, frame)
    elif s.w.mask & BITS_XYZ == BIT_Z and s.feed > s.cut.z_feed:
        s.cut.z_feed = s.feed
        s.cut.z_feed_line = s.line
