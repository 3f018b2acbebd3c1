"""What RS274 says about one line as a whole: words that exclude each other, that nothing uses, or that are missing.

Only for dialects of CNC controllers, which judge a line before they act on it (Grbl 1.1 gc_execute_line answers errors
21 to 37 for what is noted here); LinuxCNC's own rules are in `gcode_rs274`. Lines with a word outside Grbl's own list
are left alone: their words may use any letter.
"""

from libc.stdint cimport int32_t, uint32_t

from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_parameter cimport refuse
from fleetctl._ext.gcode_place cimport column_of
from fleetctl._ext.gcode_program cimport ERR_INTEGER
from fleetctl._ext.gcode_types cimport *

cdef enum:
    NO_GROUP = -1
    GROUP_ONCE = 0
    GROUP_MOTION = 1
    GROUP_PLANE = 2
    GROUP_DISTANCE = 3
    GROUP_ARC_DISTANCE = 4
    GROUP_FEED_MODE = 5
    GROUP_UNITS = 6
    GROUP_CUTTER = 7
    GROUP_LENGTH = 8
    GROUP_FRAME = 9
    GROUP_PATH = 10
    GROUP_FLOW = 11
    GROUP_SPINDLE = 12
    GROUP_COOLANT = 13


cdef inline int32_t g_group(int32_t g) noexcept nogil:
    """The modal group of a G word (times ten), or NO_GROUP for one that Grbl does not know."""
    if g in (0, 10, 20, 30, 800) or 382 <= g <= 385:
        return GROUP_MOTION
    if g in (40, 100, 280, 281, 300, 301, 530, 920, 921):
        return GROUP_ONCE
    if g in (170, 180, 190):
        return GROUP_PLANE
    if g == 900 or g == 910:
        return GROUP_DISTANCE
    if g == 911:
        return GROUP_ARC_DISTANCE
    if g == 930 or g == 940:
        return GROUP_FEED_MODE
    if g == 200 or g == 210:
        return GROUP_UNITS
    if g == 400:
        return GROUP_CUTTER
    if g == 431 or g == 490:
        return GROUP_LENGTH
    if 540 <= g <= 590 and g % 10 == 0:
        return GROUP_FRAME
    if g == 610:
        return GROUP_PATH
    return NO_GROUP


cdef inline int32_t m_group(int32_t m) noexcept nogil:
    """The modal group of an M word (times ten), or NO_GROUP."""
    if m in (0, 10, 20, 300):
        return GROUP_FLOW
    if m in (30, 40, 50):
        return GROUP_SPINDLE
    if m in (70, 80, 90):
        return GROUP_COOLANT
    return NO_GROUP


cdef inline bint uses_axes(int32_t g) noexcept nogil:
    """Words that take the axis words of their line away from motion (RS274NGC 3.5)."""
    return g in (100, 280, 300, 431, 520, 920)


cdef inline bint groups(Core* s, int32_t* once, int32_t* takers) noexcept nogil:
    """Note words that exclude each other; False when the line has words that are not Grbl's."""
    cdef Words* w = &s.w
    cdef uint32_t seen = 0, bit
    cdef int32_t i, group
    cdef bint known = True, twice = False
    for i in range(w.ng + w.nm):
        group = g_group(w.g[i]) if i < w.ng else m_group(w.m[i - w.ng])
        if group == NO_GROUP:
            known = False
            continue
        bit = <uint32_t> 1 << group
        twice |= (seen & bit) != 0
        seen |= bit
        if i < w.ng and group == GROUP_ONCE:
            once[0] = w.g[i]
        if i < w.ng and (uses_axes(w.g[i]) or group == GROUP_MOTION):
            takers[0] += 1
    if twice or takers[0] > 1:
        note(s, HAZ_REPEATED_GROUP, 1)
    return known


cdef inline uint32_t arc_letters(Core* s) noexcept nogil:
    """The letters that an arc in the present plane uses besides its axes."""
    if s.w.mask & BIT_R:
        return BIT_R
    if s.plane == 18:
        return BIT_I | BIT_K
    return BIT_J | BIT_K if s.plane == 19 else BIT_I | BIT_J


cdef inline uint32_t plane_axes(Core* s) noexcept nogil:
    if s.plane == 18:
        return BIT_X | BIT_Z
    return BIT_Y | BIT_Z if s.plane == 19 else BIT_X | BIT_Y


cdef inline void judge_centre(Core* s) noexcept nogil:
    """LinuxCNC's arc: P is a whole number from 1 on, with G90.1 both offsets stand there, and one does in any case."""
    cdef int64_t turns = s.w.value[LETTER_P]
    cdef uint32_t letters = s.w.mask & arc_letters(s)
    if s.w.mask & BIT_P and (turns < 1000000 or 1000 < turns % 1000000 < 999000):
        note(s, HAZ_ARC_INVALID, column_of(s, LETTER_P, 0))
    elif s.arc_absolute and not s.w.mask & BIT_R and letters and letters != arc_letters(s):
        note(s, HAZ_ARC_INVALID, 1)
    elif not s.w.mask & (BITS_XYZ | BITS_IJKR):
        note(s, HAZ_ARC_INVALID, 1)


cdef inline void judge_arc(Core* s) noexcept nogil:
    """A line that is an arc: it needs an axis of its plane, and uses only its own letters."""
    if not s.w.mask & plane_axes(s) and (s.w.mask & BIT_R or not s.reads & READ_ARC_SPIRALS):
        note(s, HAZ_AXES_MISSING, 1)    # with a centre LinuxCNC takes such a line for a full circle (rs274)
    if s.w.mask & (BITS_IJKR | BIT_P | BIT_L) & ~arc_letters(s) & ~(BIT_P if s.reads & READ_ARC_TURNS else 0):
        note(s, HAZ_UNUSED_WORD, 1)
    if s.reads & READ_ARC_SPIRALS and (s.arc_absolute or s.w.mask & BIT_P or not s.w.mask & BITS_IJKR):
        judge_centre(s)


cdef inline bint whole_words(Core* s) noexcept nogil:
    """H, L and T are whole numbers to LinuxCNC, to within 1e-4 (rs274: `L2.5` ends the program). False: noted."""
    cdef int64_t rest
    cdef int32_t letter
    for letter in range(LETTER_H, LETTER_T + 1):
        if letter != LETTER_H and letter != LETTER_L and letter != LETTER_T:
            continue
        rest = s.w.value[letter] % 1000000
        rest += 1000000 if rest < 0 else 0
        if not s.w.mask & ~s.w.flags & (<uint32_t> 1 << letter) or rest <= 100:
            continue
        if rest < 999900:
            return refuse(s, ERR_INTEGER, column_of(s, letter, 0))
        s.w.value[letter] += 1000000 - rest
    return True


cdef inline void judge_block(Core* s, bint machine) noexcept nogil:
    """A whole line, once its modes are set and before it moves."""
    cdef Words* w = &s.w
    cdef int32_t once = -1, takers = 0, i
    cdef uint32_t unused
    cdef bint motion_word = False, motion
    if not groups(s, &once, &takers):
        return
    for i in range(w.ng):
        motion_word |= g_group(w.g[i]) == GROUP_MOTION
    motion = motion_word or (takers == 0 and w.mask & BITS_XYZ)
    if machine and s.motion != 0 and s.motion != 10:
        note(s, HAZ_MACHINE_CURVE, 1)
    if motion and s.motion < 0 and w.mask & BITS_XYZ:
        note(s, HAZ_AXES_UNUSED, 1)
    if (once == 920 or once == 100 or (motion and s.motion >= 382)) and not w.mask & BITS_XYZ:
        note(s, HAZ_AXES_MISSING, 1)
    if once == 40 and not w.mask & BIT_P:
        note(s, HAZ_DWELL_MISSING, 1)
    if motion and (s.motion == 20 or s.motion == 30):
        judge_arc(s)
        return
    unused = w.mask & (BITS_IJKR | BIT_P | BIT_L)
    if once == 40:
        unused &= ~<uint32_t> BIT_P
    elif once == 100:
        unused &= ~<uint32_t> (BIT_P | BIT_L)
    if unused and not (s.motion > 385 or 50 <= s.motion <= 53 or 330 <= s.motion <= 331):
        note(s, HAZ_UNUSED_WORD, 1)
