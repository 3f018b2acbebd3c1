"""Coordinate systems: which place a program coordinate means, put together from origin, G92, offsets and tool length.

machine = coordinate + G92 + offset + tool length, counted from the origin of the system. A length that only the
machine's tool table knows is not added: it makes a frame of its own, the pair (system, tool number), so that the
facts hold for every machine. Nothing here moves an axis.
"""

from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_note cimport clamp, note
from fleetctl._ext.gcode_types cimport *


cdef inline int32_t pair_frame(Core* s, int32_t system, int64_t number) noexcept nogil:
    """The frame of a coordinate system with the length of tool `number` from the machine's table."""
    cdef Modes* m = &s.modes
    cdef int32_t i
    for i in range(m.pair_count):
        if m.pair_system[i] == system and m.pair_number[i] == number:
            return FRAME_PAIRS + i
    if m.pair_count == MAX_PAIRS:
        note(s, HAZ_FRAME_OVERFLOW, 1)
        return FRAME_START
    i = m.pair_count
    m.pair_count += 1
    m.pair_system[i] = system
    m.pair_number[i] = number
    return FRAME_PAIRS + i


cdef inline int32_t with_length(Core* s, int32_t frame) noexcept nogil:
    """Where Z counts from while the present tool length is in force; two lengths at once are not known."""
    cdef int64_t number = s.modes.length_number
    if number == NO_LENGTH or frame == FRAME_START:
        return frame
    if number == LOST_LENGTH or frame >= FRAME_PAIRS:
        return FRAME_START
    return pair_frame(s, frame, number)


cdef inline int32_t without_length(Core* s, int32_t frame) noexcept nogil:
    """The frame of an origin, for a place seen in `frame` with the present tool length."""
    cdef int64_t number = s.modes.length_number
    if number == NO_LENGTH:
        return frame
    if frame >= FRAME_PAIRS and s.modes.pair_number[frame - FRAME_PAIRS] == number:
        return s.modes.pair_system[frame - FRAME_PAIRS]
    return FRAME_START


cdef inline void settle(Core* s, int a) noexcept nogil:
    """Work out again what a coordinate of axis `a` means."""
    cdef Modes* m = &s.modes
    cdef bint same
    if not s.foreign[a]:
        s.abs_frame[a] = m.origin_frame[s.wcs][a]
        if a == 2:
            s.abs_frame[a] = with_length(s, s.abs_frame[a])
        s.shift[a] = clamp(m.origin[s.wcs][a] + m.g92[a] + m.extra[a] + m.length[a])
        return
    same = m.anchor_system[a] == s.wcs and (a < 2 or m.anchor_number == m.length_number)
    # A shift that was measured from a place in another frame differs from this frame's by offsets not known here.
    s.abs_frame[a] = m.anchor_frame[a] if same else FRAME_START
    s.shift[a] = clamp(m.anchor[a] + m.extra[a] + m.length[a])


cdef inline void settle_all(Core* s) noexcept nogil:
    cdef int a
    for a in range(3):
        settle(s, a)


cdef inline void name_here(Core* s, int a, int64_t value) noexcept nogil:
    """G92: the place where axis `a` stands is called `value` from here on."""
    cdef Modes* m = &s.modes
    cdef int32_t natural = m.origin_frame[s.wcs][a]
    cdef int64_t shift = clamp(s.pos[a] - value)
    if a == 2:
        natural = with_length(s, natural)
    s.foreign[a] = s.frame[a] != natural
    if s.foreign[a]:
        m.anchor[a] = clamp(shift - m.extra[a] - m.length[a])
        m.anchor_frame[a] = s.frame[a]
        m.anchor_system[a] = s.wcs
        if a == 2:
            m.anchor_number = m.length_number
    else:
        m.g92[a] = clamp(shift - m.origin[s.wcs][a] - m.extra[a] - m.length[a])
    settle(s, a)


cdef inline void forget_shift(Core* s, int a) noexcept nogil:
    """The G92 shift of an axis is not known from here on."""
    s.foreign[a] = 1
    s.modes.anchor_system[a] = -1
    s.modes.anchor[a] = 0
    settle(s, a)


cdef inline void choose_frame(Core* s, int32_t frame) noexcept nogil:
    """G54..G59.3. Each axis stays where it is, in the frame it was put there in."""
    s.wcs = frame
    settle_all(s)


cdef inline void begin_frames(Core* s) noexcept nogil:
    """Every system has its own origin, which only the machine knows; no tool length."""
    cdef int a, i
    s.modes.length_number = NO_LENGTH
    for a in range(3):
        for i in range(SYSTEMS):
            s.modes.origin_frame[i][a] = i
        settle(s, a)
