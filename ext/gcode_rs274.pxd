"""What LinuxCNC says about one line as a whole: words that exclude each other, that nothing uses, or that are missing.

`gcode_block` asks the same of a line for Grbl. Groups and letters are LinuxCNC 2.9's as its `rs274` answers them, word
by word: "Two g codes used from same modal group", "K word with no G2, G3, G33, G33.1, G76, or G87 to use it". G80 beside
another motion word is passed over there. G10 is not asked here: no gate lets it through.
"""

from libc.stdint cimport int32_t, uint32_t

from fleetctl._ext.gcode_block cimport judge_arc, uses_axes
from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_types cimport *

cdef enum:
    BIT_D = 1 << 4
    BITS_JUDGED = BITS_IJKR | BIT_D | BIT_E | BIT_H | BIT_L | BIT_P | BIT_Q
    BITS_AXES = BITS_XYZ | (1 << 1) | (1 << 2) | (1 << 3) | (1 << 21) | (1 << 22) | (1 << 23)   # ABC UVW
    UNGROUPED = 31


cdef inline bint is_cutting_motion(int32_t g) noexcept nogil:
    """The group of motion, without G80 and without what is no motion to LinuxCNC's own table (G5.3)."""
    return (g in (0, 10, 20, 30, 50, 51, 52, 330, 331, 760) or 382 <= g <= 385 or g in (700, 710, 720, 730, 740)
            or 810 <= g <= 890)


cdef inline int32_t group_of_g(int32_t g) noexcept nogil:
    """A number for the modal group of a G word (times ten)."""
    if is_cutting_motion(g):
        return 0
    if g in (40, 53, 100, 280, 281, 300, 301, 520, 530, 920):
        return 1
    if g == 70 or g == 80:
        return 2
    if g in (170, 171, 180, 181, 190, 191):
        return 3
    if g == 200 or g == 210:
        return 4
    if g in (400, 410, 411, 420, 421):
        return 5
    if g in (430, 431, 432, 490):
        return 6
    if 540 <= g <= 593:
        return 7
    if g == 610 or g == 611 or g == 640:
        return 8
    if g == 900 or g == 910:
        return 9
    if g == 901 or g == 911:
        return 10
    if 921 <= g <= 923:
        return 11
    if 930 <= g <= 950:
        return 12
    if g == 960 or g == 970:
        return 13
    if g == 980 or g == 990:
        return 14
    return UNGROUPED


cdef inline int32_t group_of_m(int32_t m) noexcept nogil:
    """The same for an M word; its numbers go on behind those of the G words."""
    if m in (0, 10, 20, 300, 600, 990):
        return 16
    if m in (30, 40, 50, 190, 700, 710, 720, 730):
        return 17
    if m == 60 or m == 610:
        return 18
    if m == 70 or m == 80 or m == 90:
        return 19
    if 480 <= m <= 530:
        return 20
    if 620 <= m <= 680:
        return 21
    return UNGROUPED


cdef inline uint32_t letters_of_motion(int32_t g) noexcept nogil:
    """The letters that a motion uses besides its axes; arcs are judged by `judge_arc`."""
    if g == 20 or g == 30:
        return BITS_IJKR | BIT_P | BIT_L
    if g == 50:
        return BIT_I | BIT_J | BIT_P | BIT_Q
    if g == 51:
        return BIT_I | BIT_J
    if g == 52:
        return BIT_L | BIT_P
    if g == 330:
        return BIT_K
    if g == 331:
        return BIT_K | BIT_I
    if g == 760:
        return BITS_JUDGED
    if g == 870:
        return BITS_IJKR | BIT_L
    if g == 730 or g == 830:
        return BIT_R | BIT_L | BIT_Q
    if g in (740, 820, 840, 860, 880, 890):
        return BIT_R | BIT_L | BIT_P
    return BIT_R | BIT_L if 810 <= g <= 890 else 0


cdef inline uint32_t letters_of_g(int32_t g) noexcept nogil:
    if g == 40:
        return BIT_P
    if g == 100:
        return BIT_I | BIT_J | BIT_L | BIT_P | BIT_Q | BIT_R
    if 410 <= g <= 421:
        return BIT_D | BIT_L
    if g == 430 or g == 432:
        return BIT_H
    if g == 640:
        return BIT_P | BIT_Q
    if g == 960:
        return BIT_D
    return BITS_JUDGED if 700 <= g <= 722 else 0    # turning cycles are not followed anyway


cdef inline uint32_t letters_of_m(int32_t m) noexcept nogil:
    if m == 190:
        return BIT_P | BIT_Q | BIT_R
    if 500 <= m <= 530 or 620 <= m <= 650:
        return BIT_P
    if m == 610:
        return BIT_Q
    if m == 660:
        return BIT_P | BIT_E | BIT_L | BIT_Q
    if m == 670 or m == 680:
        return BIT_E | BIT_Q
    if m == 980:
        return BIT_P | BIT_L
    return BIT_P | BIT_Q if 1000 <= m <= 1990 else 0


cdef inline bint judge_groups(Core* s, bint* motion_word) noexcept nogil:
    """Note words that exclude each other. True if G10, G28, G30, G52 or G92 takes the axis words, or G43.1 does: the
    last may stand beside a motion, which then takes them as well."""
    cdef Words* w = &s.w
    cdef uint32_t seen = 0, bit
    cdef int32_t i, group
    cdef bint taken = False, length = False, twice = False
    for i in range(w.ng + w.nm):
        group = group_of_g(w.g[i]) if i < w.ng else group_of_m(w.m[i - w.ng])
        if group == UNGROUPED:
            continue
        bit = <uint32_t> 1 << group
        twice |= (seen & bit) != 0
        seen |= bit
        if i < w.ng:
            taken |= uses_axes(w.g[i]) and w.g[i] != 431
            length |= w.g[i] == 431 or (w.g[i] == 432 and not w.mask & BIT_H)
    motion_word[0] = seen & 1
    if twice or (taken and seen & 1):
        note(s, HAZ_REPEATED_GROUP, 1)
    return taken or length


cdef inline bint lacks_axes(Core* s, bint motion_word) noexcept nogil:
    """A motion other than G0 to G3 and G5.2, or G52 or G92, that has no axis to act on."""
    cdef int32_t i
    if s.w.mask & BITS_AXES:
        return False
    for i in range(s.w.ng):
        if s.w.g[i] == 520 or s.w.g[i] == 920:
            return True
    return motion_word and s.motion > 30 and s.motion != 52


cdef inline bint lacks_word(Core* s) noexcept nogil:
    """G96 has no S, M61 no Q, M62 to M65 no P, M66 neither P nor E, M67 or M68 no E."""
    cdef uint32_t given = s.w.mask & ~s.w.flags
    cdef int32_t i, m
    for i in range(s.w.ng):
        if s.w.g[i] == 960 and not given & BIT_S:
            return True
    for i in range(s.w.nm):
        m = s.w.m[i]
        if m == 610 and (not given & BIT_Q or s.w.value[LETTER_Q] < 0):
            return True
        if 620 <= m <= 650 and not given & BIT_P:
            return True
        if m == 660 and not given & (BIT_P | BIT_E):
            return True
        if (m == 670 or m == 680) and not given & BIT_E:
            return True
    return False


cdef inline void judge_line(Core* s, bint machine) noexcept nogil:
    """A whole line, once its modes are set and before it moves."""
    cdef Words* w = &s.w
    cdef bint motion_word = False, motion
    cdef bint taken = judge_groups(s, &motion_word)
    cdef uint32_t used = 0
    cdef int32_t i
    motion = motion_word or (not taken and w.mask & BITS_AXES)
    if not motion and not taken and (s.motion == 20 or s.motion == 30):
        motion = (w.mask & BITS_IJKR) != 0
    if machine and (not motion or (s.motion != 0 and s.motion != 10)):
        note(s, HAZ_MACHINE_CURVE, 1)
    if motion and s.motion < 0 and w.mask & BITS_AXES:
        note(s, HAZ_AXES_UNUSED, 1)
    if lacks_axes(s, motion_word):
        note(s, HAZ_AXES_MISSING, 1)
    if lacks_word(s):
        note(s, HAZ_CYCLE_WORD_MISSING, 1)
    for i in range(w.ng):
        used |= letters_of_g(w.g[i])
        if w.g[i] == 40 and not w.mask & BIT_P:
            note(s, HAZ_DWELL_MISSING, 1)
    for i in range(w.nm):
        used |= letters_of_m(w.m[i])
    if motion:
        used |= letters_of_motion(s.motion)
        if s.motion == 20 or s.motion == 30:
            judge_arc(s)
    if w.mask & BITS_JUDGED & ~used:
        note(s, HAZ_UNUSED_WORD, 1)
