"""Straight motion: where each axis goes, in which coordinate system, and what that does to bounds and extrusion.

Every axis has its own coordinate system ("frame"): a G53 or G28 on one axis leaves the others where they are.
"""

from libc.math cimport fabs, llround, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_feature cimport tag_move
from fleetctl._ext.gcode_history cimport history
from fleetctl._ext.gcode_layer cimport layer_by_height, layer_worked
from fleetctl._ext.gcode_note cimport clamp, note, touch
from fleetctl._ext.gcode_place cimport place_range
from fleetctl._ext.gcode_rapid cimport lone_move
from fleetctl._ext.gcode_object cimport object_here
from fleetctl._ext.gcode_path cimport path_straight
from fleetctl._ext.gcode_trace cimport HISTORY_FEED
from fleetctl._ext.gcode_types cimport *


cdef inline int64_t to_mm(Core* s, int64_t value) noexcept nogil:
    """Micro units as written to micro mm; an inch is 25.4 mm, halves round away from zero."""
    if s.inch:
        value *= 254
        return (value + 5) // 10 if value >= 0 else -((5 - value) // 10)
    return value


cdef inline void reach(Core* s, int axis, int64_t value, int32_t frame) noexcept nogil:
    """Axis `axis` (0..2) now stands at `value` of `frame`; it counts for the bounds of all motion."""
    s.pos[axis] = value
    s.frame[axis] = frame
    s.commanded[axis] = 1
    if seldom(touch(&s.frames[frame].motion[axis], value, s.line)):
        place_range(s, &s.frames[frame].motion[axis], LETTER_X + axis)


cdef inline void lose(Core* s, int axis) noexcept nogil:
    """The place of an axis is not known from here on: it is counted from wherever it stands."""
    s.pos[axis] = 0
    s.frame[axis] = FRAME_START
    s.commanded[axis] = 0
    s.in_work = 0


cdef inline void begin_here(Core* s, int axis) noexcept nogil:
    """The place where an axis stands is used for the first time: it counts for the bounds."""
    if not s.commanded[axis]:
        s.in_work = 0
    s.commanded[axis] = 1
    touch(&s.frames[s.frame[axis]].motion[axis], s.pos[axis], s.line)


cdef inline void work_here(Core* s) noexcept nogil:
    """The present place of every axis counts for the bounds of work."""
    cdef int a
    for a in range(3):
        if s.commanded[a]:
            touch(&s.frames[s.frame[a]].work[a], s.pos[a], s.line)
    if seldom(s.trace.objects.at >= 0):
        object_here(s)


cdef inline void aim(Core* s, int axis, int64_t value, bint machine, int64_t* target, int32_t* frame) noexcept nogil:
    """Where an axis word leads: a coordinate and its frame."""
    if machine:
        target[0] = value
        frame[0] = FRAME_MACHINE
    elif s.relative:
        target[0] = clamp(s.pos[axis] + value)
        frame[0] = s.frame[axis]
        if frame[0] == FRAME_START:
            if s.hazard[HAZ_RELATIVE_FROM_UNKNOWN].count == 0:
                note(s, HAZ_RELATIVE_FROM_UNKNOWN, 1)
            begin_here(s, axis)
    else:
        target[0] = value + s.shift[axis]       # both are far from the end of int64
        frame[0] = s.abs_frame[axis]


cdef inline int64_t scaled(Core* s, int64_t value) noexcept nogil:
    """Filament pushed for an E of `value`, with flow (M221) and volume (M200); what rounding cuts off is carried."""
    cdef double exact = <double> value * s.modes.flow_factor + s.modes.e_rest
    cdef int64_t pushed
    if not fabs(exact) < 1e15:              # a flow beyond all reason
        exact = 0.0
    pushed = llround(exact)
    s.modes.e_rest = exact - <double> pushed
    return pushed


cdef inline int64_t extrude(Core* s) noexcept nogil:
    """Take the E word: how far the filament is pushed, micro mm; negative pulls back."""
    cdef int64_t value = to_mm(s, s.w.value[LETTER_E])
    cdef int64_t pushed
    cdef Tool* tool = &s.tools[s.tool]
    if s.e_relative or (s.relative and s.reads & READ_G91_MAKES_E_RELATIVE):
        pushed = value
        s.e_last = clamp(s.e_last + value)
    else:
        pushed = value - s.e_last
        s.e_last = value
    if s.modes.scaled_e:
        pushed = scaled(s, pushed)
    tool.pushed = clamp(tool.pushed + pushed)
    if tool.pushed > tool.pushed_max:
        tool.pushed_max = tool.pushed
    return pushed


cdef inline void feed_per_turn(Core* s) noexcept nogil:
    """G95: the speed that F and S make."""
    s.feed = s.modes.feed_word * <double> s.s_value * (1e-6 / 60.0)
    if s.s_value <= 0:
        note(s, HAZ_INVERSE_TIME, 1)


cdef inline void take_odd_feed(Core* s, int64_t value) noexcept nogil:
    """F under G93 (moves per minute, whatever the units) or G95 (mm per turn of the spindle)."""
    if s.modes.feed_mode == 93:
        s.modes.feed_word = <double> s.w.value[LETTER_F] * 1e-6
        s.feed = 0.0
        s.feed_known = 2
    else:
        s.modes.feed_word = <double> value * 1e-6
        s.feed_known = 1
        feed_per_turn(s)


cdef inline void take_feed(Core* s) noexcept nogil:
    """Take the F word, mm (or inch) per minute."""
    cdef int64_t value = to_mm(s, s.w.value[LETTER_F])
    if s.modes.feed_mode != 94:
        take_odd_feed(s, value)
    else:
        s.feed = <double> value * (1e-6 / 60.0) * s.modes.feed_factor
        s.feed_known = 1
    history(s, HISTORY_FEED, s.feed)
    s.checks &= ~<uint32_t> CHECK_FEED
    if value == 0:
        s.checks |= CHECK_FEED_ZERO
    else:
        s.checks &= ~<uint32_t> CHECK_FEED_ZERO


cdef inline void answer(Core* s, uint32_t check) noexcept nogil:
    s.checks &= ~check


cdef inline void check_motion(Core* s, bint rapid, int64_t pushed) noexcept nogil:
    """The slow path of a motion while questions are open: each is asked until answered, and noted once."""
    cdef uint32_t open_ = s.checks
    if open_ & CHECK_FIRST:
        s.first_motion_line = s.line
        answer(s, CHECK_FIRST)
    if open_ & CHECK_UNITS:
        note(s, HAZ_UNITS_ASSUMED, 1)
        answer(s, CHECK_UNITS)
    if open_ & CHECK_DISTANCE:
        note(s, HAZ_DISTANCE_ASSUMED, 1)
        answer(s, CHECK_DISTANCE)
    if open_ & CHECK_HOME and s.w.mask & BITS_XYZ:
        if not s.macro_seen:
            note(s, HAZ_MOTION_BEFORE_HOME, 1)
        answer(s, CHECK_HOME)
    if open_ & CHECK_HOT and pushed > 0:
        if not s.macro_seen:
            note(s, HAZ_EXTRUDE_BEFORE_HOT, 1)
        answer(s, CHECK_HOT)
    if open_ & CHECK_ENDED:
        s.end_marker = END_NONE
        s.end_marker_line = 0
        answer(s, CHECK_ENDED)
    if rapid:
        return
    if open_ & CHECK_INVERSE and not s.w.mask & BIT_F:
        note(s, HAZ_FEED_MISSING, 1)
    if open_ & CHECK_SPEED:
        note(s, HAZ_SPINDLE_NO_SPEED, 1)
        answer(s, CHECK_SPEED)
    if open_ & CHECK_FEED:
        note(s, HAZ_FEED_MISSING, 1)
        answer(s, CHECK_FEED)
    if open_ & CHECK_FEED_ZERO:
        note(s, HAZ_FEED_ZERO, 1)
        answer(s, CHECK_FEED_ZERO)
    if open_ & CHECK_SPINDLE:
        note(s, HAZ_SPINDLE_OFF_CUT, 1)
        answer(s, CHECK_SPINDLE)


cdef inline void count_work(Core* s, double length, bint level) noexcept nogil:
    """The move just made was work, `length` mm long; `level`: it kept its height."""
    s.cutting_mm += length
    s.resume.last_work_line = s.line
    if seldom(s.trace.objects.at >= 0):
        object_here(s)
    if s.first_work_line == 0:
        s.first_work_line = s.line
    if level and s.pos[2] > s.layer_z:
        s.layers_z += 1
        s.layer_z = s.pos[2]
        layer_by_height(s)
    if seldom(s.trace.layers.wants_z):
        layer_worked(s)


cdef inline bint may_make(Core* s, int64_t steps) noexcept nogil:
    """May the present line make so many moves more? Past what a program may, its time is not exact."""
    if s.modes.steps + steps > MAX_STEPS:
        note(s, HAZ_CYCLE_CAP, 1)
        return False
    s.modes.steps += steps
    return True


cdef inline double odd_speed(Core* s, double length) noexcept nogil:
    """The speed where F is no speed: before any F, and under G93, where a move of `length` mm takes 1/F minutes."""
    cdef double speed
    if s.feed_known == 2:
        speed = length * s.modes.feed_word / 60.0
        if speed > s.max_feed:
            s.max_feed = speed
            s.max_feed_line = s.line
        return speed
    if s.reads & READ_CNC:
        return s.feed
    return 25.0 * s.modes.feed_factor   # Marlin starts with 1500 mm/min


cdef inline double move_speed(Core* s, Planner* q, bint rapid, double length) noexcept nogil:
    if rapid and s.reads & READ_CNC:
        return q.rapid
    if s.feed_known != 1:
        return odd_speed(s, length)
    return s.feed


cdef inline double move_accel(Planner* q, bint xyz, int64_t pushed) noexcept nogil:
    """Marlin: printing, travel and retract moves have their own acceleration (M204 P T R)."""
    if not xyz:
        return q.retract_accel
    return q.accel if pushed != 0 else q.travel_accel


cdef inline void straight(Core* s, Planner* q, bint rapid, bint machine) noexcept nogil:
    """G0 or G1 (or a bare axis line): take the words of `s.w`."""
    cdef uint32_t mask = s.w.mask
    cdef int64_t target, pushed = 0
    cdef int32_t frame, a
    cdef bint moved = False
    cdef bint work
    cdef double d[4]
    cdef double length, inverse
    cdef int64_t aimed[3]
    cdef int32_t frames[3]
    if mask & BIT_E:
        pushed = extrude(s)
    if s.checks:
        check_motion(s, rapid, pushed)
    for a in range(3):
        d[a] = 0.0
        if mask & (<uint32_t> BIT_X << a):
            aim(s, a, to_mm(s, s.w.value[LETTER_X + a]), machine, &target, &frame)
            aimed[a] = target
            frames[a] = frame
            if frame == s.frame[a]:
                d[a] = <double> (target - s.pos[a]) * 1e-6
                moved |= target != s.pos[a]
            else:
                moved = True
    work = moved and (not rapid if s.reads & READ_CNC else pushed > 0)
    if work and not s.in_work:
        work_here(s)
    if seldom(rapid or not mask & (BIT_X | BIT_Y)) and moved:
        lone_move(s, rapid, aimed, frames)
    for a in range(3):
        if mask & (<uint32_t> BIT_X << a):
            reach(s, a, aimed[a], frames[a])
            if work:
                touch(&s.frames[frames[a]].work[a], aimed[a], s.line)
    s.in_work = work or (s.in_work and not moved)
    if s.feed > s.max_feed and not (rapid and s.reads & READ_CNC) and (moved or pushed != 0):
        s.max_feed = s.feed
        s.max_feed_line = s.line
    d[3] = <double> pushed * 1e-6
    length = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    if work:
        count_work(s, length, d[2] == 0.0)
    if seldom(s.trace.path.wanted):
        tag_move(s, work, moved, rapid, d)
        path_straight(s, d)
    if q.enabled:
        tag_move(s, work, moved, rapid, d)
        if length == 0.0:
            length = fabs(d[3])
            if length == 0.0:
                return
            moved = False
        inverse = 1.0 / length
        for a in range(4):
            d[a] *= inverse
        q.move(q, d, length, move_speed(s, q, rapid, length), move_accel(q, moved, pushed), s.line)
