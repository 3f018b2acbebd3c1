"""Where zero is: coordinate systems, homing, G92 and stored offsets."""

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_heat cimport heat_nozzle
from fleetctl._ext.gcode_motion cimport aim, answer, begin_here, lose, reach, to_mm
from fleetctl._ext.gcode_note cimport clamp, note
from fleetctl._ext.gcode_plan cimport pause
from fleetctl._ext.gcode_types cimport *


cdef inline void choose_frame(Core* s, int32_t frame) noexcept nogil:
    """G54..G59.3. Each axis stays where it is, in the frame it was put there in."""
    cdef int a
    s.wcs = frame
    for a in range(3):
        # A shift that was measured from a place in another frame differs from this frame's by offsets not known here.
        s.abs_frame[a] = FRAME_START if s.foreign[a] else frame


cdef inline double homing_seconds(Core* s, Planner* q) noexcept nogil:
    """A printer's G28: each named axis (all, if none is) fast to its switch, back, and slowly once more."""
    cdef uint32_t named = s.w.mask & BITS_XYZ
    cdef double way, seconds = 0.0
    cdef int a
    for a in range(3):
        if (named == 0 or named & (<uint32_t> BIT_X << a)) and q.homing_speed[a] > 0.0:
            way = q.homing_travel[a]
            if s.frame[a] == FRAME_MACHINE and s.commanded[a]:
                way = fabs(<double> (s.pos[a] - s.home[a]) * 1e-6)
            seconds += (way + q.homing_back[a]) / q.homing_speed[a]
            if q.homing_slow[a] > 0.0:
                seconds += q.homing_back[a] / q.homing_slow[a]
    return seconds


cdef inline void home(Core* s, Planner* q, int32_t g) noexcept nogil:
    """G28 and G30. A printer's G28 drives the named axes (all, if none is named) to their switches."""
    cdef uint32_t named = s.w.mask & BITS_XYZ
    cdef int32_t a, frame
    cdef int64_t target
    pause(q, SPENT_HOMING, 0, homing_seconds(s, q) if g == 280 and not s.reads & READ_CNC else 0.0, s.line)
    s.in_work = 0
    if s.first_home_line == 0 and g == 280:
        s.first_home_line = s.line
    if not s.reads & READ_CNC:
        if g == 300:
            return                  # Marlin: a single probe
        if s.checks & CHECK_FIRST:
            s.first_motion_line = s.line
            answer(s, CHECK_FIRST)
        answer(s, CHECK_HOME)
        for a in range(3):
            if named == 0 or named & (<uint32_t> BIT_X << a):
                s.shift[a] = 0
                s.abs_frame[a] = s.wcs
                reach(s, a, s.home[a], FRAME_MACHINE)
        return
    for a in range(3):              # by way of the given point, then to a stored position we do not know
        if named & (<uint32_t> BIT_X << a):
            aim(s, a, to_mm(s, s.w.value[LETTER_X + a]), False, &target, &frame)
            reach(s, a, target, frame)
    for a in range(3):
        if named == 0 or named & (<uint32_t> BIT_X << a):
            lose(s, a)


cdef inline void shift_origin(Core* s, int32_t g) noexcept nogil:
    """G92, G92.1 to .3, G52: program coordinates move against the frame."""
    cdef int a
    cdef int64_t value
    cdef uint32_t named = s.w.mask & (BITS_XYZ | BIT_E)
    if g == 920 or g == 520:
        if g == 920 and s.w.mask & BIT_E:
            s.e_last = to_mm(s, s.w.value[LETTER_E])
        for a in range(3):
            if not s.w.mask & (<uint32_t> BIT_X << a):
                if not (g == 920 and named == 0 and not s.reads & READ_CNC):
                    continue        # Marlin: G92 alone sets every axis to zero
                value = 0
            else:
                value = to_mm(s, s.w.value[LETTER_X + a])
            if g == 520:
                s.shift[a] = clamp(value)
                continue
            s.shift[a] = clamp(s.pos[a] - value)
            s.abs_frame[a] = s.frame[a]
            s.foreign[a] = s.frame[a] != s.wcs and s.reads & READ_CNC
            begin_here(s, a)        # now it is known where it stands
        if g == 920 and named == 0 and not s.reads & READ_CNC:
            s.e_last = 0
        return
    for a in range(3):
        if g == 921 or g == 922:
            s.saved_shift[a] = s.shift[a] if g == 922 else 0
            s.saved_foreign[a] = s.foreign[a] if g == 922 else 0
            s.shift[a] = s.length_mm if a == 2 else 0
            s.abs_frame[a] = s.wcs
            s.foreign[a] = 0
        elif g == 923:
            s.shift[a] = s.saved_shift[a]
            s.foreign[a] = s.saved_foreign[a]
            s.abs_frame[a] = FRAME_START if s.foreign[a] else s.wcs


cdef inline void offset_length(Core* s, bint on) noexcept nogil:
    """G43.1 Z sets the tool length offset, G49 ends it: Z counts from there on from another place."""
    cdef int64_t length = 0
    if on:
        if not s.w.mask & BIT_Z:
            return
        length = to_mm(s, s.w.value[LETTER_Z])
    s.shift[2] = clamp(s.shift[2] + length - s.length_mm)
    s.length_mm = length


cdef inline void write_offset(Core* s, Planner* q) noexcept nogil:
    """G10: stored offsets (L2, L20); in RepRapFirmware P S sets a tool's temperature."""
    cdef int a
    cdef int64_t l = s.w.value[LETTER_L] // 1000000 if s.w.mask & BIT_L else 0
    cdef int64_t p = s.w.value[LETTER_P] // 1000000 if s.w.mask & BIT_P else 0
    if l != 2 and l != 20:
        if s.reads & READ_CNC:
            note(s, HAZ_OFFSET_WRITE, 1)
        if s.reads & READ_SPEEDS_PER_MINUTE and s.w.mask & BIT_P and s.w.mask & BIT_S:
            s.w.mask |= BIT_T
            s.w.value[LETTER_T] = s.w.value[LETTER_P]
            heat_nozzle(s, q, s.w.value[LETTER_S], False, False)
        return
    note(s, HAZ_OFFSET_WRITE, 1)
    if l == 20 and (p == 0 or p == s.wcs):
        for a in range(3):          # from here on the active frame reads the given value at this place
            if s.w.mask & (<uint32_t> BIT_X << a):
                reach(s, a, clamp(to_mm(s, s.w.value[LETTER_X + a]) + s.shift[a]), s.wcs)
                s.abs_frame[a] = s.wcs
        s.in_work = 0
