"""What moves zero: homing, G92 and G52, G10, tool lengths, stored places."""

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_frame cimport choose_frame, forget_shift, name_here, settle, settle_all, without_length
from fleetctl._ext.gcode_go cimport go_back, keep_place
from fleetctl._ext.gcode_heat cimport heat_tool
from fleetctl._ext.gcode_motion cimport answer, begin_here, reach, straight, to_mm
from fleetctl._ext.gcode_note cimport clamp, note
from fleetctl._ext.gcode_place cimport column_of
from fleetctl._ext.gcode_plan cimport pause
from fleetctl._ext.gcode_types cimport *


cdef inline bint word(Core* s, int letter) noexcept nogil:
    return s.w.mask & ~s.w.flags & (<uint32_t> 1 << letter)


cdef inline int64_t whole(Core* s, int letter, int64_t missing) noexcept nogil:
    """The whole number of a word, or `missing`."""
    return s.w.value[letter] // 1000000 if word(s, letter) else missing


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


cdef inline void judge_stored(Core* s, Place* place, uint32_t named, int32_t g) noexcept nogil:
    """A mill's G28 or G30 to a place that this program did not store: with the named axes, or all of them at once."""
    cdef int32_t i, nth = 0
    cdef bint stored = True
    for i in range(3):
        if named == 0 or named & (<uint32_t> BIT_X << i):
            stored = stored and place.known[i] != 0
    if stored:
        return
    for i in range(s.w.ng):
        if s.w.g[i] == g:
            nth = i
    note(s, HAZ_STORED_PLACE if named else HAZ_STORED_ALL, column_of(s, LETTER_G, nth))


cdef inline void home(Core* s, Planner* q, int32_t g) noexcept nogil:
    """G28 and G30. A printer's G28 drives the named axes (all, if none is named) to their switches."""
    cdef uint32_t named = s.w.mask & BITS_XYZ
    cdef uint32_t mask = s.w.mask
    cdef int32_t a
    pause(q, SPENT_HOMING, 0, homing_seconds(s, q) if g == 280 and not s.reads & READ_CNC else 0.0, s.line)
    s.in_work = 0
    if s.first_home_line == 0 and g == 280:
        s.first_home_line = s.line
    if s.reads & READ_CNC:
        if named:                       # by way of the given point, then to a stored position
            s.w.mask = named
            straight(s, q, True, False)
            s.w.mask = mask
        judge_stored(s, &s.modes.stored[0 if g == 280 else 1], named, g)
        go_back(s, q, &s.modes.stored[0 if g == 280 else 1], named if named else <uint32_t> BITS_XYZ, True, 0.0)
        return
    if s.checks & CHECK_FIRST:
        s.first_motion_line = s.line
        answer(s, CHECK_FIRST)
    answer(s, CHECK_HOME)
    for a in range(3):
        if named == 0 or named & (<uint32_t> BIT_X << a):
            s.modes.g92[a] = 0
            s.foreign[a] = 0
            settle(s, a)
            reach(s, a, s.home[a], FRAME_MACHINE)


cdef inline void store_place(Core* s, int32_t g) noexcept nogil:
    """G28.1 and G30.1 keep the present place of every axis."""
    note(s, HAZ_OFFSET_WRITE, 1)
    keep_place(s, &s.modes.stored[0 if g == 281 else 1])


cdef inline void keep_shift(Core* s) noexcept nogil:
    """What G92.3 will bring back."""
    cdef int a
    s.modes.g92_kept_known = 1
    for a in range(3):
        s.modes.g92_kept_foreign[a] = s.foreign[a]
        s.modes.g92_kept[a] = s.modes.anchor[a] if s.foreign[a] else s.modes.g92[a]


cdef inline void set_origin(Core* s) noexcept nogil:
    """G92 and G52 with the axis words of the line; unnamed axes keep theirs (rs274, Grbl gc_execute_line)."""
    cdef int a
    cdef uint32_t named = s.w.mask & (BITS_XYZ | BIT_E)
    cdef bint all_ = named == 0 and s.reads & READ_G92_ALONE_ZEROES
    if s.w.mask & BIT_E or all_:
        s.e_last = to_mm(s, s.w.value[LETTER_E]) if s.w.mask & BIT_E else 0
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a) or all_:
            name_here(s, a, to_mm(s, s.w.value[LETTER_X + a]) if not all_ else 0)
            begin_here(s, a)            # now it is known where it stands
    keep_shift(s)


cdef inline void local_origin(Core* s) noexcept nogil:
    """G52: the shift itself is given; it takes the place of G92's (rs274)."""
    cdef int a
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a):
            s.modes.g92[a] = to_mm(s, s.w.value[LETTER_X + a])
            s.foreign[a] = 0
            settle(s, a)
    keep_shift(s)


cdef inline void shift_origin(Core* s, int32_t g) noexcept nogil:
    """G92, G92.1 to .3, G52: program coordinates move against the frame."""
    cdef int a
    if g == 520:
        local_origin(s)
        return
    if g == 920 and (s.w.mask & (BITS_XYZ | BIT_E) or not s.reads & READ_G92_ALONE_RESETS):
        set_origin(s)
        return
    if g == 923 and not s.modes.g92_kept_known:
        note(s, HAZ_OFFSET_UNKNOWN, 1)      # LinuxCNC brings back what an earlier program left
    for a in range(3):
        if g == 923:
            if not s.modes.g92_kept_known or s.modes.g92_kept_foreign[a]:
                forget_shift(s, a)
                s.modes.anchor[a] = s.modes.g92_kept[a]
                settle(s, a)
                continue
            s.modes.g92[a] = s.modes.g92_kept[a]
        else:
            s.modes.g92[a] = 0
            if g != 922:
                s.modes.g92_kept[a] = 0
                s.modes.g92_kept_foreign[a] = 0
                s.modes.g92_kept_known = 1
        s.foreign[a] = 0
        settle(s, a)


cdef inline void use_length(Core* s, int64_t number, bint add) noexcept nogil:
    """The length of tool `number` is in force; with `add` (G43.2) on top of what is."""
    cdef Modes* m = &s.modes
    cdef int32_t i
    if not add:
        m.length[0] = m.length[1] = m.length[2] = 0
        m.length_number = NO_LENGTH
    if m.lengths_lost:
        number = LOST_LENGTH
    for i in range(m.length_count):
        if m.lengths[i].number == number:
            if m.lengths[i].known:
                m.length[2] = clamp(m.length[2] + m.lengths[i].value)
                return
            number = LOST_LENGTH
            break
    m.length_number = number if m.length_number == NO_LENGTH else LOST_LENGTH
    if m.length_number == LOST_LENGTH:
        note(s, HAZ_LENGTH_UNKNOWN, 1)


cdef inline void offset_length(Core* s, int32_t g) noexcept nogil:
    """G43 and G43.2 (by number, or axis words), G43.1 (by axis words), G49: Z counts from another place."""
    cdef Modes* m = &s.modes
    cdef int64_t number = whole(s, LETTER_H, -1)
    cdef int a
    if g == 490:
        m.length[0] = m.length[1] = m.length[2] = 0
        m.length_number = NO_LENGTH
    elif g == 431 or (g == 432 and number < 0 and s.w.mask & BITS_XYZ):
        for a in range(3):
            if s.w.mask & (<uint32_t> BIT_X << a):
                m.length[a] = clamp(to_mm(s, s.w.value[LETTER_X + a]) + (m.length[a] if g == 432 else 0))
        if g == 431 and s.w.mask & BIT_Z:
            m.length_number = NO_LENGTH
    elif number > 0 or (number == 0 and not s.reads & READ_LENGTH_TABLE):
        use_length(s, number, g == 432)
    elif m.loaded_known:                # LinuxCNC: without H, and with H0, the tool in the spindle
        if m.loaded > 0:
            use_length(s, m.loaded, g == 432)
        elif g == 430:
            m.length[0] = m.length[1] = m.length[2] = 0
            m.length_number = NO_LENGTH
    else:
        m.length_number = LOST_LENGTH
        note(s, HAZ_LENGTH_UNKNOWN, 1)
    settle_all(s)


cdef inline void write_length(Core* s, int64_t l, int64_t number) noexcept nogil:
    """G10 L1, L10, L11: the program changes a tool of the table; it counts from the next G43 on."""
    cdef Modes* m = &s.modes
    cdef int32_t i
    if not s.w.mask & BIT_Z or number < 0:
        return
    for i in range(m.length_count):
        if m.lengths[i].number == number:
            break
    else:
        i = m.length_count
        if i == MAX_LENGTHS:
            note(s, HAZ_FRAME_OVERFLOW, 1)
            i -= 1
        else:
            m.length_count += 1
    m.lengths[i].number = number
    m.lengths[i].known = l == 1
    m.lengths[i].value = to_mm(s, s.w.value[LETTER_Z])


cdef inline void forget_length(Core* s) noexcept nogil:
    """Some tool length is in force, and nobody can say which."""
    s.modes.length_number = LOST_LENGTH
    settle_all(s)


cdef inline void forget_origin(Core* s, int a, int32_t system) noexcept nogil:
    """Where the origin of a coordinate system (-1: of every one) lies along axis `a` is not known from here on."""
    cdef int32_t i
    for i in range(1, SYSTEMS):
        if i == system or system < 0:
            s.modes.origin_frame[i][a] = FRAME_START
            s.modes.origin[i][a] = 0
    settle(s, a)


cdef inline void forget_written(Core* s, uint32_t unknown) noexcept nogil:
    """A G10 in which the words `unknown` have no known value: what it would have written is not known."""
    cdef bint aimless = unknown & (BIT_L | BIT_P)
    cdef int64_t l = whole(s, LETTER_L, 0)
    cdef int64_t p = whole(s, LETTER_P, 0)
    cdef int a
    note(s, HAZ_OFFSET_WRITE, 1)
    if aimless or l == 1 or l == 10 or l == 11:
        s.modes.lengths_lost = 1
    if aimless or l == 2 or l == 20:
        for a in range(3):
            if aimless or s.w.mask & (<uint32_t> BIT_X << a):
                forget_origin(s, a, -1 if aimless else (s.wcs if p == 0 else <int32_t> p))
    if unknown & BIT_R:
        note(s, HAZ_TRANSFORM, 1)
    s.in_work = 0


cdef inline void write_origin(Core* s, int64_t l, int32_t system) noexcept nogil:
    """G10 L2 (the origin itself, in machine coordinates) and L20 (the present place is called so)."""
    cdef Modes* m = &s.modes
    cdef int64_t value
    cdef int32_t a, frame
    for a in range(3):
        if not s.w.mask & (<uint32_t> BIT_X << a):
            continue
        value = to_mm(s, s.w.value[LETTER_X + a])
        if l == 2:
            m.origin[system][a] = value
            m.origin_frame[system][a] = FRAME_MACHINE
        else:
            frame = without_length(s, s.frame[a]) if a == 2 else s.frame[a]
            if s.foreign[a]:
                frame = FRAME_START         # G92 counts too, and how much is not known
                if system == s.wcs:         # but what the present place is called is
                    name_here(s, a, value)
                    m.origin_frame[system][a] = frame
                    continue
            m.origin[system][a] = clamp(s.pos[a] - value - m.g92[a] - m.length[a])
            m.origin_frame[system][a] = frame
            begin_here(s, a)
        if m.anchor_system[a] == system:
            m.anchor_system[a] = -1
    s.in_work = 0
    settle_all(s)


cdef inline void write_offset(Core* s) noexcept nogil:
    """G10 of a mill: stored offsets (L2, L20) and tools (L1, L10, L11)."""
    cdef int64_t l = whole(s, LETTER_L, 0)
    cdef int64_t p = whole(s, LETTER_P, 0)
    note(s, HAZ_OFFSET_WRITE, 1)
    if l == 1 or l == 10 or l == 11:
        write_length(s, l, p)
    elif l == 2 or l == 20:
        if s.w.mask & BIT_R and s.w.value[LETTER_R] != 0:
            note(s, HAZ_TRANSFORM, 1)
        if 0 <= p < SYSTEMS:
            write_origin(s, l, s.wcs if p == 0 else <int32_t> p)


cdef inline bint printer_origin(Core* s) noexcept nogil:
    """G10 L2 and L20 of a printer that has coordinate systems; True if this was one.

    Smoothieware (Robot.cpp) and RepRapFirmware begin in G54, which is here `machine` until a program selects one:
    what is written for it counts at once. P0 is the one in use (Smoothieware)."""
    cdef int64_t l = whole(s, LETTER_L, 0)
    cdef int64_t p = whole(s, LETTER_P, -1)
    if not s.reads & READ_ORIGINS or (l != 2 and l != 20):
        return False
    note(s, HAZ_OFFSET_WRITE, 1)
    if p == 0 and not s.reads & READ_HOMING_MOVES:
        p = s.wcs if s.wcs != FRAME_MACHINE else FRAME_G54
    if p == FRAME_G54 and s.wcs == FRAME_MACHINE:
        choose_frame(s, FRAME_G54)
    if 0 < p < SYSTEMS:
        write_origin(s, l, <int32_t> p)
    return True


cdef inline void tool_data(Core* s, Planner* q) noexcept nogil:
    """RepRapFirmware G10 P: S sets the tool's temperature, X Y Z where its nozzle is."""
    cdef int64_t p = whole(s, LETTER_P, -1)
    cdef int32_t a, i
    if p < 0:
        return
    heat_tool(s, q)
    for i in range(s.tool_count):
        if s.tools[i].number == p:
            break
    else:
        i = s.tool_count
        if s.w.mask & BITS_XYZ and i < MAX_TOOLS:
            s.tools[i].number = p
            s.tool_count += 1
        elif s.w.mask & BITS_XYZ:
            note(s, HAZ_TOOL_OVERFLOW, 1)
            return
        else:
            return
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a):
            # The carriage stands the offset back from where the nozzle shall be (GCodes::ToolOffsetTransform).
            s.modes.tool_offset[i][a] = -to_mm(s, s.w.value[LETTER_X + a])
            if i == s.tool:
                s.modes.extra[a] = s.modes.tool_offset[i][a]
                settle(s, a)
