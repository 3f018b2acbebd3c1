"""Canned cycles: G73, G74, G76, G81 to G89, move by move as LinuxCNC makes them (rs274 -g), in all three planes.

Words: R the height to go down to at rapid, Z (the axis across the plane) the bottom, Q the depth of a peck, P a
dwell, L how often. R, Z, Q and P stay in force while the cycle does; in G91 R counts from the height at which the row
of cycles began, Z from R. grblHAL makes the same moves for the cycles that it has.
"""

from libc.math cimport ceil, fabs, pow
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_go cimport go, go_axis
from fleetctl._ext.gcode_motion cimport aim, begin_here, to_mm
from fleetctl._ext.gcode_note cimport clamp, note, touch
from fleetctl._ext.gcode_parameter cimport object_to
from fleetctl._ext.gcode_plan cimport plan_wait
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_types cimport *

cdef enum:
    PECK_CLEARANCE = 254000         # 0.010 inch: how far above the last depth G73 and G83 go on (rs274)
    MAX_REPEATS = 10000
    MAX_LINE_STEPS = 20000

cdef struct Hole:
    int32_t c           # axis across the plane, 0..2
    int32_t a           # axes of the plane
    int32_t b
    uint32_t moved      # BIT_X and so on of the plane axes that the line names
    int64_t target[3]
    int32_t frame[3]
    int64_t step[3]     # G91: what each repeat adds
    int64_t clear       # where the tool goes back to
    int32_t clear_frame
    int64_t r
    int64_t bottom
    int64_t middle      # G87
    int64_t steps


cdef inline bint is_cycle(int32_t g) noexcept nogil:
    return g == 730 or g == 740 or 810 <= g <= 890


cdef inline int letter_across(Core* s) noexcept nogil:
    if s.plane == 18:
        return 1
    return 0 if s.plane == 19 else 2


cdef inline bint words_there(Core* s, int32_t g, Hole* h, bint new) noexcept nogil:
    """Are the words there that rs274 wants? A new cycle needs its R, bottom, Q and P; later lines may leave them."""
    cdef uint32_t mask = s.w.mask
    if not mask & BITS_XYZ:
        return False
    if new and not (mask & BIT_R and mask & (<uint32_t> BIT_X << h.c)):
        return False
    if new and (g == 730 or g == 830) and not mask & BIT_Q:
        return False
    if new and (g == 820 or g == 860 or g == 880 or g == 890) and not mask & BIT_P:
        return False
    return g != 870 or not new or (mask & BIT_I and mask & BIT_J and mask & BIT_K)


cdef inline bint allowed(Core* s, int32_t g) noexcept nogil:
    """What rs274 refuses whatever the depths: L0, no peck, G93, cutter compensation, a spindle that stands."""
    if s.w.mask & BIT_L and s.w.value[LETTER_L] < 1000000:
        return False
    if (g == 730 or g == 830) and s.modes.peck <= 0:
        return False
    if s.modes.dwell < 0.0 or s.modes.feed_mode == 93 or s.modes.cutter:
        return False
    if g == 740 or g == 840:
        return s.spindle and s.modes.spindle_forward == (g == 840)
    return s.spindle or not 860 <= g <= 880


cdef inline void take_words(Core* s, Hole* h) noexcept nogil:
    """The sticky words of the line into the state."""
    cdef int letter = LETTER_X + h.c
    if s.w.mask & BIT_R:
        s.cycle_r = to_mm(s, s.w.value[LETTER_R])
    if s.w.mask & (<uint32_t> 1 << letter):
        s.cycle_z = to_mm(s, s.w.value[letter])
    if s.w.mask & BIT_Q:
        s.modes.peck = to_mm(s, s.w.value[LETTER_Q])
    if s.w.mask & BIT_P:
        s.modes.dwell = <double> s.w.value[LETTER_P] * 1e-6


cdef inline void heights(Core* s, Planner* q, Hole* h) noexcept nogil:
    """Where R, the bottom and the way back are; the height at the start of the row counts from its own frame."""
    cdef int c = h.c
    cdef bint same
    if s.relative:
        h.frame[c] = s.modes.level_frame
        h.r = clamp(s.modes.level + s.cycle_r)
        h.bottom = clamp(h.r + s.cycle_z)
        if h.frame[c] == FRAME_START:
            note(s, HAZ_RELATIVE_FROM_UNKNOWN, 1)
            begin_here(s, c)
    else:
        h.frame[c] = s.abs_frame[c]
        h.r = clamp(s.cycle_r + s.shift[c])
        h.bottom = clamp(s.cycle_z + s.shift[c])
    same = s.modes.level_frame == h.frame[c]
    h.clear = h.r
    h.clear_frame = h.frame[c]
    if s.old_z_return and (not same or s.modes.level > h.r):
        h.clear = s.modes.level
        h.clear_frame = s.modes.level_frame
    if same and s.modes.level < h.r:
        go_axis(s, q, c, h.r, h.frame[c], True)


cdef inline void aim_hole(Core* s, Hole* h) noexcept nogil:
    """Where the first hole is."""
    cdef int i, x
    h.moved = 0
    for i in range(2):
        x = h.a if i == 0 else h.b
        h.target[x] = s.pos[x]
        h.frame[x] = s.frame[x]
        h.step[x] = 0
        if s.w.mask & (<uint32_t> BIT_X << x):
            h.moved |= <uint32_t> BIT_X << x
            if s.relative:
                h.step[x] = to_mm(s, s.w.value[LETTER_X + x])
            aim(s, x, to_mm(s, s.w.value[LETTER_X + x]), False, &h.target[x], &h.frame[x])


cdef inline void down(Core* s, Planner* q, Hole* h, int64_t height) noexcept nogil:
    """Feed to a height."""
    s.modes.steps += 1
    go_axis(s, q, h.c, height, h.frame[h.c], False)


cdef inline void lift(Core* s, Planner* q, Hole* h, int64_t height) noexcept nogil:
    """Rapid to a height."""
    s.modes.steps += 1
    go_axis(s, q, h.c, height, h.frame[h.c], True)


cdef inline void retreat(Core* s, Planner* q, Hole* h, bint rapid) noexcept nogil:
    """Back to where the next hole is approached from."""
    s.modes.steps += 1
    go_axis(s, q, h.c, h.clear, h.clear_frame, rapid)


cdef inline void pecks(Core* s, Planner* q, Hole* h, bint out) noexcept nogil:
    """G83 (`out`: up to R after every peck) and G73 (only a little way up)."""
    cdef int64_t depth = h.r - s.modes.peck
    cdef int64_t n = 0
    while depth > h.bottom:
        n += 1
        if n > MAX_LINE_STEPS or s.modes.steps > MAX_STEPS:
            note(s, HAZ_CYCLE_CAP, 1)
            break
        down(s, q, h, depth)
        if out:
            lift(s, q, h, h.r)
        lift(s, q, h, depth + PECK_CLEARANCE)
        depth -= s.modes.peck
    down(s, q, h, h.bottom)
    retreat(s, q, h, True)


cdef inline void back_bore(Core* s, Planner* q, Hole* h) noexcept nogil:
    """G87: in beside the hole's middle, up to K at feed, and out again with the spindle standing."""
    cdef uint32_t plane = (<uint32_t> BIT_X << h.a) | (<uint32_t> BIT_X << h.b)
    cdef int64_t aside[3]
    cdef int32_t x, i
    for i in range(2):
        x = h.a if i == 0 else h.b
        aside[x] = clamp(h.target[x] + to_mm(s, s.w.value[LETTER_I + x]))
    go(s, q, plane, aside, h.frame, True, 0.0)
    plan_wait(q, 0.0, s.line)
    lift(s, q, h, h.bottom)
    go(s, q, plane, h.target, h.frame, True, 0.0)
    plan_wait(q, 0.0, s.line)
    down(s, q, h, h.middle)
    down(s, q, h, h.bottom)
    plan_wait(q, 0.0, s.line)
    go(s, q, plane, aside, h.frame, True, 0.0)
    retreat(s, q, h, True)
    go(s, q, plane, h.target, h.frame, True, 0.0)
    plan_wait(q, 0.0, s.line)


cdef inline void make_hole(Core* s, Planner* q, int32_t g, Hole* h) noexcept nogil:
    """One hole; the tool stands at R above it."""
    if g == 730 or g == 830:
        pecks(s, q, h, g == 830)
        return
    if g == 870:
        back_bore(s, q, h)
        return
    down(s, q, h, h.bottom)
    if g == 740 or g == 840:            # tapping: stop, turn the other way, dwell, out at feed, and turn back
        plan_wait(q, s.modes.dwell, s.line)
        retreat(s, q, h, False)
        plan_wait(q, 0.0, s.line)
    elif g == 820:
        plan_wait(q, s.modes.dwell, s.line)
        retreat(s, q, h, True)
    elif g == 850:
        down(s, q, h, h.r)
        retreat(s, q, h, True)
    elif g == 860:
        plan_wait(q, s.modes.dwell, s.line)
        retreat(s, q, h, True)
        plan_wait(q, 0.0, s.line)
    elif g == 880:                      # stop and wait for a person, who takes the tool out
        plan_wait(q, s.modes.dwell, s.line)
    elif g == 890:
        plan_wait(q, s.modes.dwell, s.line)
        retreat(s, q, h, False)
    else:
        retreat(s, q, h, True)


cdef inline void approach(Core* s, Planner* q, Hole* h) noexcept nogil:
    """Over the hole at the height of the way back or higher, then down to R."""
    cdef int c = h.c
    cdef uint32_t mask = h.moved
    h.target[c] = h.clear
    if s.frame[c] == h.frame[c] and h.clear_frame == h.frame[c]:
        mask |= <uint32_t> BIT_X << c
        if s.pos[c] > h.clear:
            h.target[c] = s.pos[c]
    s.modes.steps += 1
    if mask:
        go(s, q, mask, h.target, h.frame, True, 0.0)
    if s.pos[c] != h.r or s.frame[c] != h.frame[c]:
        lift(s, q, h, h.r)


cdef inline void holes(Core* s, Planner* q, int32_t g, Hole* h) noexcept nogil:
    """L holes; past the cap only the last one is made, so that the bounds are still right."""
    cdef int64_t repeats = s.w.value[LETTER_L] // 1000000 if s.w.mask & BIT_L else 1
    cdef int64_t n = 0, more
    cdef int x
    while True:
        approach(s, q, h)
        make_hole(s, q, g, h)
        n += 1
        if n >= repeats:
            return
        more = 1
        if n >= MAX_REPEATS or s.modes.steps > MAX_STEPS:
            note(s, HAZ_CYCLE_CAP, 1)
            more = repeats - n
            n = repeats - 1
        for x in range(3):
            if x != h.c:
                h.target[x] = clamp(h.target[x] + further(h.step[x], more))


cdef inline int64_t further(int64_t step, int64_t times) noexcept nogil:
    """`times` steps, held far from the end of int64."""
    cdef double far = <double> step * <double> times
    if fabs(far) > 1e18:
        return 1000000000000000000LL if far > 0 else -1000000000000000000LL
    return step * times


cdef inline void begin_row(Core* s, int c) noexcept nogil:
    """A row of cycles begins: where the axis across stands, and how its coordinates count."""
    s.modes.level = s.pos[c]
    s.modes.level_frame = s.frame[c]
    s.modes.level_zero = s.abs_frame[c]
    s.modes.level_shift = s.shift[c]
    s.modes.level_inch = s.inch


cdef inline void judge_row(Core* s, int c) noexcept nogil:
    """Once zero or units change inside a row, LinuxCNC takes its numbers (R, bottom, height of return) as they are,
    in the new ones (rs274), and others may not: where such a cycle goes is not told."""
    cdef Modes* m = &s.modes
    if m.level_zero == s.abs_frame[c] and m.level_shift == s.shift[c] and m.level_inch == s.inch:
        return
    if s.program != NULL:
        object_to(s, HAZ_NOT_PROVABLE, WHY_ROW, 1)
    else:
        note(s, HAZ_NOT_PROVABLE, 1)


cdef inline void cycle(Core* s, Planner* q) noexcept nogil:
    """One line in cycle mode."""
    cdef Hole h
    cdef int32_t g = s.motion
    cdef bint new = s.modes.last_motion != g
    h.c = letter_across(s)
    h.a = (h.c + 1) % 3
    h.b = (h.c + 2) % 3
    if not is_cycle(s.modes.last_motion):
        begin_row(s, h.c)
    judge_row(s, h.c)
    if not words_there(s, g, &h, new):
        note(s, HAZ_CYCLE_WORD_MISSING, 1)
        if not s.w.mask & BITS_XYZ:
            return
    take_words(s, &h)
    if not allowed(s, g):
        note(s, HAZ_CYCLE_INVALID, 1)
    if (g == 730 or g == 830) and s.modes.peck <= 0:
        s.modes.peck = 9000000000000000LL       # refused anyway; the depth still counts for the bounds
    heights(s, q, &h)
    if h.r < h.bottom:
        note(s, HAZ_CYCLE_INVALID, 1)
    if g == 870:
        h.middle = to_mm(s, s.w.value[LETTER_I + h.c])
        h.middle = clamp(h.middle + (h.bottom if s.relative else s.shift[h.c]))
    aim_hole(s, &h)
    holes(s, q, g, &h)


cdef inline void thread(Core* s, Planner* q) noexcept nogil:
    """G76, a thread on a lathe: along Z, with X within |I| + K of where it began (more than the passes use).

    Passes: the n-th is J n^(1/R) deep (R 1: equal cuts) until K, then H more (LinuxCNC manual, G76); each comes back
    at rapid. Time is not exact: the entry and exit tapers are left out.
    """
    cdef int64_t x = s.pos[0], reach_x, target, start = s.pos[2]
    cdef int32_t frame
    cdef double first = <double> s.w.value[LETTER_J], full = <double> s.w.value[LETTER_K]
    cdef double fall = <double> s.w.value[LETTER_R] * 1e-6 if s.w.mask & BIT_R else 1.0
    cdef double pitch = <double> to_mm(s, s.w.value[LETTER_P]) * 1e-6
    cdef double passes = 1.0, seconds
    note(s, HAZ_CANNED_CYCLE, 1)
    if not (s.w.mask & BIT_Z and s.w.mask & BIT_P and s.w.mask & BIT_I and s.w.mask & BIT_J and s.w.mask & BIT_K):
        note(s, HAZ_CYCLE_WORD_MISSING, 1)
    aim(s, 2, to_mm(s, s.w.value[LETTER_Z]), False, &target, &frame)
    reach_x = clamp(to_mm(s, s.w.value[LETTER_I]))
    reach_x = (reach_x if reach_x > 0 else -reach_x) + clamp(to_mm(s, s.w.value[LETTER_K]))
    begin_here(s, 0)
    begin_here(s, 2)
    go_axis(s, q, 2, target, frame, False)
    touch(&s.frames[s.frame[0]].motion[0], clamp(x - reach_x), s.line)
    touch(&s.frames[s.frame[0]].motion[0], clamp(x + reach_x), s.line)
    touch(&s.frames[s.frame[0]].work[0], clamp(x - reach_x), s.line)
    touch(&s.frames[s.frame[0]].work[0], clamp(x + reach_x), s.line)
    if first > 0.0 and full > first:
        passes = ceil(pow(full / first, fall if fall >= 1.0 else 1.0))
    if s.w.mask & (<uint32_t> 1 << LETTER_H) and s.w.value[LETTER_H] > 0:
        passes += <double> (s.w.value[LETTER_H] // 1000000)
    if frame == s.frame[2] and pitch > 0.0 and s.s_value > 0 and passes < 1e6:
        seconds = passes * fabs(<double> (target - start)) * 60.0 / (pitch * <double> s.s_value)
        plan_wait(q, seconds, s.line)
