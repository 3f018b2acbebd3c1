"""What only printers do: percentages, pushed states, stored places, and commands after which the head is elsewhere.

Sources: Marlin's G and M pages, RepRapFirmware's G-code dictionary, Smoothieware's supported codes.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_filament cimport set_flow, set_retraction, set_volume
from fleetctl._ext.gcode_go cimport go_back, keep_place
from fleetctl._ext.gcode_motion cimport answer, lose, to_mm
from fleetctl._ext.gcode_note cimport clamp, note
from fleetctl._ext.gcode_types cimport *


cdef inline void lose_all(Core* s) noexcept nogil:
    cdef int a
    for a in range(3):
        lose(s, a)


cdef inline void set_feed_factor(Core* s, double factor) noexcept nogil:
    """M220: every F counts times `factor` from here on, the one in force too."""
    s.feed *= factor / s.modes.feed_factor
    s.modes.feed_factor = factor


cdef inline void set_speed(Core* s) noexcept nogil:
    """M220 S: speed in per cent. Marlin's B keeps the one in force and R brings that back (M220.cpp); to Klipper a
    missing S is 100 (gcode_move.py, cmd_M220)."""
    cdef double before = s.modes.feed_factor
    cdef bint keeps = not s.reads & (READ_EXTENDED | READ_PUSHES_STATE)     # only Marlin
    if keeps and s.w.mask & BIT_R:
        set_feed_factor(s, s.modes.feed_kept)
    if keeps and s.w.mask & (<uint32_t> 1 << LETTER_B):
        s.modes.feed_kept = before
    if s.w.mask & BIT_S and s.w.value[LETTER_S] > 0:
        set_feed_factor(s, <double> s.w.value[LETTER_S] * 1e-8)
    elif s.reads & READ_EXTENDED and not s.w.mask & BIT_S:
        set_feed_factor(s, 1.0)


cdef inline void keep_state(Core* s, Saved* saved) noexcept nogil:
    """Remember modes, speeds, extruder and place."""
    cdef int a
    saved.used = 1
    saved.relative = s.relative
    saved.e_relative = s.e_relative
    saved.inch = s.inch
    saved.feed = s.feed
    saved.feed_known = s.feed_known
    saved.feed_factor = s.modes.feed_factor
    saved.flow = s.modes.flow[s.tool]
    saved.e_last = s.e_last
    for a in range(3):
        saved.g92[a] = s.modes.g92[a]
        saved.extra[a] = s.modes.extra[a]
        saved.anchor[a] = s.modes.anchor[a]
        saved.anchor_frame[a] = s.modes.anchor_frame[a]
        saved.anchor_system[a] = s.modes.anchor_system[a]
        saved.foreign[a] = s.foreign[a]
    keep_place(s, &saved.place)


cdef inline void push_state(Core* s) noexcept nogil:
    """M120 (RepRapFirmware, Smoothieware): remember the modes."""
    if s.modes.pushed_count < MAX_SAVED:
        keep_state(s, &s.modes.pushed[s.modes.pushed_count])
    else:
        note(s, HAZ_STATE_UNKNOWN, 1)
    s.modes.pushed_count += s.modes.pushed_count < 1000


cdef inline void pop_state(Core* s) noexcept nogil:
    """M121: back to the modes of the last M120."""
    cdef Saved* saved
    if s.modes.pushed_count == 0:
        note(s, HAZ_STATE_UNKNOWN, 1)
        return
    s.modes.pushed_count -= 1
    if s.modes.pushed_count < MAX_SAVED:
        saved = &s.modes.pushed[s.modes.pushed_count]
        s.relative = saved.relative
        s.e_relative = saved.e_relative
        s.feed = saved.feed
        s.feed_known = saved.feed_known
        if s.reads & READ_HOMING_MOVES:
            s.inch = saved.inch         # RepRapFirmware keeps the units with the state


cdef inline int64_t spot_number(Core* s, int letter) noexcept nogil:
    """Which stored place a word means, -1 for one that there is no room for."""
    cdef int64_t n = s.w.value[letter] // 1000000 if s.w.mask & (<uint32_t> 1 << letter) else 0
    return n if 0 <= n < MAX_SAVED else -1


cdef inline void stored_place(Core* s, Planner* q, int32_t g) noexcept nogil:
    """G60 S keeps the present place, G61 S goes back to it (Marlin), with the named axes or all."""
    cdef int64_t n = spot_number(s, LETTER_S)
    cdef uint32_t named = s.w.mask & BITS_XYZ
    cdef Place place
    cdef int a
    if n < 0:
        note(s, HAZ_STATE_UNKNOWN, 1)
        if g == 610:
            lose_all(s)
    elif g == 600:
        keep_place(s, &s.modes.spots[n])
    else:
        place = s.modes.spots[n]
        for a in range(3):
            if named & ~s.w.flags & (<uint32_t> BIT_X << a):    # a number is added (Marlin G61.cpp)
                place.pos[a] = clamp(place.pos[a] + to_mm(s, s.w.value[LETTER_X + a]))
        go_back(s, q, &place, named if named else <uint32_t> BITS_XYZ, False, 0.0)


cdef inline void from_stored(Core* s, Planner* q, bint rapid) noexcept nogil:
    """RepRapFirmware G1 R: the axis words are measured from a stored place. Takes them off the line."""
    cdef int64_t n = spot_number(s, LETTER_R)
    cdef Place place
    cdef int a
    for a in range(3):
        place.known[a] = n >= 0 and s.modes.spots[n].known[a]
        if place.known[a]:
            place.frame[a] = s.modes.spots[n].frame[a]
            place.pos[a] = s.modes.spots[n].pos[a] + to_mm(s, s.w.value[LETTER_X + a])
    go_back(s, q, &place, s.w.mask & BITS_XYZ, rapid, 0.0)
    s.w.mask &= ~<uint32_t> (BITS_XYZ | BIT_R)


cdef inline bint homing_move(Core* s) noexcept nogil:
    """RepRapFirmware G1 H1, H2, H3, H4: axes run until a switch stops them. True if this was one."""
    cdef int a
    if not s.w.mask & (<uint32_t> 1 << LETTER_H) or s.w.value[LETTER_H] == 0:
        return False
    answer(s, CHECK_HOME)
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a):
            lose(s, a)
    s.w.mask &= ~<uint32_t> BITS_XYZ
    return True


cdef inline bint moves_head(int32_t g) noexcept nogil:
    """Words that clean, probe, level, park or calibrate: nobody can say from the file where the head is then."""
    return g in (120, 260, 270, 290, 291, 292, 293, 300, 310, 320, 330, 340, 350, 760, 4250)


cdef inline bint printer_command(Core* s, Planner* q, int32_t m) noexcept nogil:
    """The M words (times ten) of printers that change how later lines are read; True if this was one."""
    if m == 2200:
        set_speed(s)
    elif m == 2210:
        set_flow(s)
        return False        # its history is kept with that of the other M words
    elif m == 2000 and s.reads & READ_VOLUMETRIC:
        set_volume(s)
    elif (m == 2070 or m == 2080) and s.reads & READ_FIRMWARE_RETRACT and not s.reads & READ_EXTENDED:
        if m == 2070 or not s.reads & READ_HOMING_MOVES:    # RepRapFirmware's M208 is the axes' travel
            set_retraction(s, m)
    elif m == 1200 and s.reads & READ_PUSHES_STATE:
        push_state(s)
    elif m == 1210 and s.reads & READ_PUSHES_STATE:
        pop_state(s)
    elif m in (480, 1250, 4100) or (m == 980 and s.reads & READ_HOMING_MOVES):     # M98 runs a file of the machine
        lose_all(s)
    else:
        return False
    return True
