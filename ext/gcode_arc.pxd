"""G2 and G3: centre from I J K or R, the quadrant points that bound the arc, and its length.

Offsets I J K are from the start unless G90.1 is on. The planes are seen as RS274NGC defines them: G17 X-Y,
G18 Z-X (from +Y), G19 Y-Z. What does not close within the tolerance is noted, and on a mill bounded by the greater
radius: Grbl over 0.5 mm, or over 0.005 mm and 0.1 % of the radius (gc_execute_line, error 33); LinuxCNC over
0.02 sqrt 2 mm and 0.1 %, or over 100 times that (found with rs274), and within it the arc is a spiral. A printer
takes the radius of the start and goes straight to the end from where that leads.
"""

from libc.math cimport M_PI, atan2, fabs, floor, fmax, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_chord cimport Curve, plan_curve
from fleetctl._ext.gcode_motion cimport (
    aim, begin_here, check_motion, count_work, extrude, may_make, move_accel, move_speed, reach, straight, to_mm,
    work_here)
from fleetctl._ext.gcode_feature cimport tag_move
from fleetctl._ext.gcode_note cimport note, touch
from fleetctl._ext.gcode_object cimport object_touch
from fleetctl._ext.gcode_path cimport path_arc
from fleetctl._ext.gcode_types cimport *

cdef enum:
    MAX_TURNS = 50000       # of one line
    PIECES_OF_TURN = 32     # that the plan makes of a long arc, at most (gcode_chord)

cdef inline double distance(double x, double y) noexcept nogil:
    """The C library's hypot guards against overflow, which lengths of machines do not come near, and takes its time."""
    return sqrt(x * x + y * y)


cdef inline int64_t to_micro(double mm) noexcept nogil:
    """Rounded half away from zero; a call of llround takes longer than all else here."""
    return <int64_t> (mm * 1e6 + (0.5 if mm >= 0.0 else -0.5))


cdef struct Arc:
    int32_t p           # first axis of the plane, 0..2
    int32_t q
    int32_t l           # the third axis: a helix if it moves
    double cp           # centre, mm from the start
    double cq
    double radius
    double end_radius   # LinuxCNC goes over to it evenly; elsewhere the same as `radius`
    double sweep        # radians, positive is counter-clockwise


cdef inline bint centre_from_radius(Core* s, Arc* arc, double x, double y, bint clockwise) noexcept nogil:
    """R form: of the two circles through both ends, R > 0 takes the arc of up to half a turn."""
    cdef double r = <double> to_mm(s, s.w.value[LETTER_R]) * 1e-6
    cdef double chord = distance(x, y)
    cdef double h2, h
    if chord == 0.0:
        return False
    h2 = r * r - 0.25 * chord * chord
    if s.reads & READ_ARC_SPIRALS:
        if 0.5 * chord - fabs(r) > 0.00127:
            return False    # LinuxCNC's tolerance (found with rs274)
    elif s.reads & READ_CNC:
        if h2 < -1e-9 * chord * chord:
            return False    # Grbl has none (gc_execute_line, error 34)
    elif fabs(r) < 0.5 * chord - 0.0005:
        note(s, HAZ_ARC_RADIUS, 1)      # Marlin makes half a circle of it (G2_G3.cpp)
    h = sqrt(h2) / chord if h2 > 0.0 else 0.0
    if clockwise == (r > 0.0):
        h = -h
    arc.cp = 0.5 * x - h * y
    arc.cq = 0.5 * y + h * x
    return True


cdef inline bint centre_from_offsets(Core* s, Arc* arc, bint machine) noexcept nogil:
    """I J K form; an offset that is not given is zero (with G90.1: the start)."""
    cdef double c[2]
    cdef int32_t axis, i
    cdef int64_t value
    cdef bint any_ = False
    for i in range(2):
        axis = arc.p if i == 0 else arc.q
        c[i] = 0.0
        if s.w.mask & (<uint32_t> BIT_I << axis):
            any_ = True
            value = to_mm(s, s.w.value[LETTER_I + axis])
            if s.arc_absolute:
                value += (0 if machine else s.shift[axis]) - s.pos[axis]
            c[i] = <double> value * 1e-6
    arc.cp = c[0]
    arc.cq = c[1]
    return any_ and (c[0] != 0.0 or c[1] != 0.0)


cdef inline void close_radii(Core* s, Arc* arc, double end_radius) noexcept nogil:
    """Compare the radii of both ends."""
    cdef double error = fabs(end_radius - arc.radius)
    cdef bint over
    arc.end_radius = arc.radius
    if s.reads & READ_ARC_SPIRALS:
        over = error > 2.8284272 or (error > 0.028284272 and error > 0.001 * fmax(arc.radius, end_radius))
        arc.end_radius = end_radius
    else:
        over = error > 0.5 or (error > 0.005 and error > 0.001 * arc.radius)
    if over:
        note(s, HAZ_ARC_RADIUS, 1)
        if s.reads & READ_CNC:
            arc.radius = arc.end_radius = fmax(arc.radius, end_radius)


cdef inline bint shape(Core* s, Arc* arc, double x, double y, bint clockwise, bint machine) noexcept nogil:
    """Fill the arc that ends x, y mm from its start; False if there is none."""
    cdef double end_radius, turns
    if s.reads & READ_EXTENDED and (s.relative or s.w.mask & BIT_R):
        return False        # Klipper refuses both (gcode_arcs.py)
    if s.w.mask & BIT_R:
        if not centre_from_radius(s, arc, x, y, clockwise):
            return False
    elif not centre_from_offsets(s, arc, machine):
        return False
    arc.radius = distance(arc.cp, arc.cq)
    end_radius = distance(x - arc.cp, y - arc.cq)
    if end_radius < 5e-7:
        return False        # it ends at its own centre: there is no angle
    if s.reads & READ_ARC_SPIRALS and (arc.radius < 0.00127 or end_radius < 0.00127):
        return False        # LinuxCNC: zero radius (found with rs274)
    close_radii(s, arc, end_radius)
    if x == 0.0 and y == 0.0:
        arc.sweep = -2.0 * M_PI if clockwise else 2.0 * M_PI
    else:
        # The angle between the radii, from their cross and dot product: no jump at 180 degrees.
        arc.sweep = atan2(arc.cq * (x - arc.cp) - arc.cp * (y - arc.cq),
                          -arc.cp * (x - arc.cp) - arc.cq * (y - arc.cq))
        # 5e-7 rad is Grbl's ARC_ANGULAR_TRAVEL_EPSILON: less than that is a full turn.
        if clockwise and arc.sweep >= -5e-7:
            arc.sweep -= 2.0 * M_PI
        elif not clockwise and arc.sweep <= 5e-7:
            arc.sweep += 2.0 * M_PI
    if s.reads & READ_ARC_TURNS and s.w.mask & BIT_P and s.w.value[LETTER_P] > 1000000:
        turns = floor(<double> s.w.value[LETTER_P] * 1e-6 + 0.5) - 1.0
        if not may_make(s, MAX_STEPS + 1 if turns > MAX_TURNS else <int64_t> (PIECES_OF_TURN * turns)):
            turns = 1.0     # a whole turn is enough for the bounds
        arc.sweep += -2.0 * M_PI * turns if clockwise else 2.0 * M_PI * turns
    return True


cdef inline double arc_length(Arc* arc, double rise) noexcept nogil:
    """How far it goes, mm. A spiral is as long as the arc of its mean radius, to second order in the difference."""
    cdef double flat = 0.5 * arc.sweep * (arc.radius + arc.end_radius)
    return fabs(flat) if rise == 0.0 else distance(flat, rise)


cdef inline double start_angle(Arc* arc) noexcept nogil:
    """Where the arc begins, seen from its centre; radians."""
    return atan2(-arc.cq, -arc.cp)


cdef inline uint32_t sides_passed(Arc* arc, double x, double y) noexcept nogil:
    """The sides of the circle that the arc passes, as bits: +p, +q, -p, -q. It ends x, y mm from its start.

    A side lies inside an arc of up to half a turn if it lies left of the first radius and right of the last, inside a
    longer one if either. Rounding may not cost a side that lies at an end of the arc.
    """
    cdef bint clockwise = arc.sweep < 0.0
    cdef double u = x - arc.cp if clockwise else -arc.cp
    cdef double v = y - arc.cq if clockwise else -arc.cq
    cdef double first = -1e-9 * (arc.end_radius if clockwise else arc.radius)
    cdef double w = -arc.cp if clockwise else x - arc.cp
    cdef double z = -arc.cq if clockwise else y - arc.cq
    cdef double last = -1e-9 * (arc.radius if clockwise else arc.end_radius)
    cdef uint32_t left = (-v >= first) | (u >= first) << 1 | (v >= first) << 2 | (-u >= first) << 3
    cdef uint32_t right = (z >= last) | (-w >= last) << 1 | (-z >= last) << 2 | (w >= last) << 3
    if fabs(arc.sweep) >= 2.0 * M_PI:
        return 15
    return left & right if fabs(arc.sweep) <= M_PI else left | right


cdef inline double radius_at(Arc* arc, int32_t side) noexcept nogil:
    """The radius where a spiral passes a side; of one of several turns, which passes it more than once, the greatest."""
    cdef double turned
    if fabs(arc.sweep) > 2.0 * M_PI or fabs(arc.end_radius - arc.radius) < 1e-6:
        return fmax(arc.radius, arc.end_radius)
    turned = side * (0.5 * M_PI) - start_angle(arc)
    turned -= 2.0 * M_PI * floor(turned / (2.0 * M_PI) + 1e-9)      # counter-clockwise from the start, 0 to a turn
    if arc.sweep < 0.0 and turned > 0.0:
        turned -= 2.0 * M_PI
    turned /= arc.sweep
    if not 0.0 < turned < 1.0:
        turned = <double> (turned > 0.5)
    return arc.radius + (arc.end_radius - arc.radius) * turned


cdef inline bint inside(Core* s, int32_t axis, int64_t low, int64_t high, bint work) noexcept nogil:
    """Would going from `low` to `high`, micro mm, tell the bounds of this axis nothing new?"""
    cdef Range* motion = &s.frames[s.frame[axis]].motion[axis]
    cdef Range* working = &s.frames[s.frame[axis]].work[axis] if work else motion
    return motion.low <= low and high <= motion.high and working.low <= low and high <= working.high


cdef inline void bulge(Core* s, Arc* arc, int64_t p0, int64_t q0, double x, double y, bint work) noexcept nogil:
    """The sides that the arc passes count for the bounds; p0, q0 is the start in micro mm, x, y mm lead to the end.

    Nearly every arc is a small one amid others: where its whole circle tells nothing new, no side is looked for.
    """
    cdef double radius = arc.radius if arc.radius > arc.end_radius else arc.end_radius     # fmax would be a call
    cdef uint32_t sides
    cdef int32_t side, axis
    cdef int64_t value
    if (inside(s, arc.p, p0 + to_micro(arc.cp - radius), p0 + to_micro(arc.cp + radius), work)
            and inside(s, arc.q, q0 + to_micro(arc.cq - radius), q0 + to_micro(arc.cq + radius), work)
            and not (work and s.trace.objects.at >= 0)):
        return
    sides = sides_passed(arc, x, y)
    for side in range(4):
        if not sides >> side & 1:
            continue
        radius = arc.radius if arc.end_radius == arc.radius else radius_at(arc, side)
        axis = arc.q if side & 1 else arc.p
        value = (q0 if side & 1 else p0) + to_micro((arc.cq if side & 1 else arc.cp) + (radius if side < 2 else -radius))
        touch(&s.frames[s.frame[axis]].motion[axis], value, s.line)
        if work:
            touch(&s.frames[s.frame[axis]].work[axis], value, s.line)
            if seldom(s.trace.objects.at >= 0) and s.frame[axis] != FRAME_START:
                object_touch(s, axis, value)


cdef inline void plan_arc(Core* s, Planner* q, Arc* arc, double rise, int64_t pushed) noexcept nogil:
    """Hand the arc to the plan, which cuts it as the firmware does; a spiral goes as the arc of its mean radius."""
    cdef Curve c
    cdef double mean = 0.5 * (arc.radius + arc.end_radius)
    c.p = arc.p
    c.q = arc.q
    c.l = arc.l
    c.radius = mean
    c.start.x = -arc.cp / distance(arc.cp, arc.cq)
    c.start.y = -arc.cq / distance(arc.cp, arc.cq)
    c.sweep = arc.sweep
    c.rise = rise
    c.push = <double> pushed * 1e-6
    plan_curve(q, &c, move_speed(s, q, False, arc_length(arc, rise)), move_accel(q, True, pushed), s.line)


cdef inline void curve(Core* s, Planner* q, bint clockwise, bint machine) noexcept nogil:
    """G2 or G3: take the words of `s.w`."""
    cdef Arc arc
    cdef int64_t target[3]
    cdef int32_t frame[3]
    cdef int64_t start_p, start_q, pushed = 0
    cdef int32_t a
    cdef bint work
    cdef bint level
    cdef double x, y, rise
    cdef double along[3]
    arc.p = 2 if s.plane == 18 else (1 if s.plane == 19 else 0)
    arc.q = (arc.p + 1) % 3
    arc.l = (arc.p + 2) % 3
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a):
            aim(s, a, to_mm(s, s.w.value[LETTER_X + a]), machine, &target[a], &frame[a])
        else:
            target[a] = s.pos[a]
            frame[a] = s.frame[a]
    start_p = s.pos[arc.p]
    start_q = s.pos[arc.q]
    x = <double> (target[arc.p] - start_p) * 1e-6
    y = <double> (target[arc.q] - start_q) * 1e-6
    if frame[arc.p] != s.frame[arc.p] or frame[arc.q] != s.frame[arc.q]:
        note(s, HAZ_ARC_FROM_UNKNOWN, 1)
        straight(s, q, False, machine)
        return
    if not shape(s, &arc, x, y, clockwise, machine):
        note(s, HAZ_ARC_INVALID, 1)
        straight(s, q, False, machine)
        return
    rise = <double> (target[arc.l] - s.pos[arc.l]) * 1e-6 if frame[arc.l] == s.frame[arc.l] else 0.0
    if s.w.mask & BIT_E:
        pushed = extrude(s)
    if s.checks:
        check_motion(s, False, pushed)
    work = s.reads & READ_CNC or pushed > 0
    if not s.commanded[arc.p] or not s.commanded[arc.q]:
        note(s, HAZ_ARC_FROM_UNKNOWN, 1)
    # The start of an arc is part of what bounds it, even where no word ever named its axis.
    begin_here(s, arc.p)
    begin_here(s, arc.q)
    if work and not s.in_work:
        work_here(s)
    bulge(s, &arc, start_p, start_q, x, y, work)
    level = target[2] == s.pos[2] or frame[2] != s.frame[2]
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a):
            reach(s, a, target[a], frame[a])
            if work:
                touch(&s.frames[frame[a]].work[a], target[a], s.line)
    s.in_work = work
    if s.feed > s.max_feed:
        s.max_feed = s.feed
        s.max_feed_line = s.line
    if work:
        count_work(s, arc_length(&arc, rise), level)
    along[0] = along[1] = along[2] = 1.0
    tag_move(s, work, True, False, along)
    if seldom(s.trace.path.wanted):
        along[arc.p] = <double> start_p * 1e-6
        along[arc.q] = <double> start_q * 1e-6
        along[arc.l] = <double> s.pos[arc.l] * 1e-6 - rise
        path_arc(s, arc.p, arc.q, arc.l, along, arc.cp, arc.cq, start_angle(&arc), arc.sweep)
    if q.enabled:
        plan_arc(s, q, &arc, rise, pushed)
