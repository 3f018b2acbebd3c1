"""Arcs as firmware drives them: cut into chords. Knows no G-code.

How many: Grbl's mc_arc (chords within the arc tolerance $12), Marlin's plan_arc (G2_G3.cpp: a length between
MIN_ARC_SEGMENT_MM and MAX_ARC_SEGMENT_MM, at least MIN_CIRCLE_SEGMENTS to a circle), Klipper's planArc
(gcode_arcs.py: `resolution`).

An arc of few chords is planned chord by chord. One of many is planned in pieces of up to an eighth of a turn, for
all corners inside a piece are alike: a piece goes at the mean speed of chords that are each entered and left at the
speed of these corners, and stands for as many blocks of the firmware's buffer as it has chords. Where an arc keeps
one speed all along, what lies between two pieces is one block: that comes out the same.
"""

from libc.math cimport M_PI, ceil, fabs, floor, sqrt
from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_corner cimport greatest, least, safe_speed, sharpness, strain, surely
from fleetctl._ext.gcode_klipper cimport klipper_add, klipper_corner, klipper_limits
from fleetctl._ext.gcode_plan cimport add_block, corner, fit, joint, leave
from fleetctl._ext.gcode_planner cimport *

cdef extern from "math.h" nogil:
    double dsin "sin" (double) noexcept
    double dcos "cos" (double) noexcept

cdef struct Way:             # a direction in the plane: cosine and sine of the angle of the radius
    double x
    double y

cdef struct Curve:
    int32_t p               # axes of the plane, and the third
    int32_t q
    int32_t l
    double radius
    Way start
    double sweep            # radians
    double rise             # mm along the third axis
    double push             # mm of filament
    double chords
    double chord            # length of one, mm
    double theta            # angle of one, signed
    double turn             # in-plane share of its length, signed
    Way half                # half of theta
    double entry2           # v2 at the corners of the piece before, negative if there is none


cdef inline double chord_count(Planner* q, Curve* c) noexcept nogil:
    """How many chords the firmware makes of the arc."""
    cdef double flat = fabs(c.sweep) * c.radius
    cdef double n, square, least_n
    if q.arc_rule == ARC_BY_TOLERANCE:
        square = q.arc_tolerance * (2.0 * c.radius - q.arc_tolerance)
        n = floor(0.5 * flat / sqrt(square)) if square > 0.0 else 1.0
    elif q.arc_rule == ARC_BY_RESOLUTION:
        n = floor(sqrt(flat * flat + c.rise * c.rise) / q.arc_most)
    else:
        n = floor(flat / q.arc_most)
        least_n = ceil(q.arc_circle * fabs(c.sweep) / (2.0 * M_PI))
        if n < least_n:
            n = least_n
        if n * q.arc_most < flat:
            n = ceil(flat / q.arc_most)
        elif n * q.arc_least > flat:
            n = floor(flat / q.arc_least)
    return n if n > 1.0 else 1.0


cdef inline Way way(double angle) noexcept nogil:
    cdef Way w
    w.x = dcos(angle)
    w.y = dsin(angle)
    return w


cdef inline Way turned(Way a, Way b) noexcept nogil:
    """`a` turned on by the angle of `b`."""
    cdef Way w
    w.x = a.x * b.x - a.y * b.y
    w.y = a.x * b.y + a.y * b.x
    return w


cdef inline Way back(Way a, Way b) noexcept nogil:
    """`a` turned back by the angle of `b`."""
    cdef Way w
    w.x = a.x * b.x + a.y * b.y
    w.y = a.y * b.x - a.x * b.y
    return w


cdef inline void along(Curve* c, Way at, double shrink, double* unit) noexcept nogil:
    """Direction of a chord whose middle lies at `at`; `shrink` scales its share in the plane."""
    unit[c.p] = -c.turn * shrink * at.y
    unit[c.q] = c.turn * shrink * at.x
    unit[c.l] = c.rise / (c.chords * c.chord)
    unit[3] = c.push / (c.chords * c.chord)


cdef inline void each_chord(Planner* q, Curve* c, double speed, double accel, int64_t line) noexcept nogil:
    cdef double unit[4]
    cdef Way at = turned(c.start, c.half)
    cdef Way step = turned(c.half, c.half)
    cdef int32_t i, n = <int32_t> c.chords
    for i in range(n):
        along(c, at, 1.0, unit)
        q.corner_radius = c.radius if q.arc_hints and 0 < i < n - 1 else 0.0
        q.move(q, unit, c.chord, speed, accel, line)
        at = turned(at, step)
    q.corner_radius = 0.0


cdef inline double chord_speed(double speed, double accel, double inner2, double length) noexcept nogil:
    """Mean speed over chords of `length` that are entered and left at inner2 (squared), at most `speed`."""
    cdef double peak2 = inner2 + accel * length
    cdef double v
    if inner2 >= speed * speed:
        return speed
    v = sqrt(inner2)
    if peak2 <= speed * speed:
        return 0.5 * (v + sqrt(peak2))
    return length / (2.0 * (speed - v) / accel + (length - (speed * speed - inner2) / accel) / speed)


cdef inline double inside(Planner* q, Curve* c, Way middle, double speed, double accel) noexcept nogil:
    """v2 at the corners between the chords around `middle`; leaves the planner as if it had passed one of them."""
    cdef double unit[4]
    cdef double room[4]
    cdef double* other
    cdef double safe = 0.0, v2
    cdef int32_t i
    along(c, back(middle, c.half), 1.0, unit)
    if q.rule == RULE_KLIPPER:
        for i in range(4):
            q.unit[i] = unit[i]
        q.speed = speed
        q.last_bow = 2.0 * accel * c.chord
        q.last_bend = accel * q.deviation
        along(c, turned(middle, c.half), 1.0, unit)
        return klipper_corner(q, unit, speed, accel, q.last_bow)
    if q.rule == RULE_JERK:
        safe = safe_speed(q, unit, speed)
    other = joint(q, unit, room)
    leave(q, other, speed, safe)
    along(c, turned(middle, c.half), 1.0, unit)
    other = joint(q, unit, room)
    q.corner_radius = c.radius if q.arc_hints else 0.0
    v2 = corner(q, other, c.chord, speed, accel, safe)
    q.corner_radius = 0.0
    return v2


cdef inline double mean_share(double angle) noexcept nogil:
    """The mean of a cosine over `angle` radians, against its middle: sin(h) / h of half of them."""
    cdef double h2 = 0.25 * angle * angle
    return 1.0 - h2 * (1.0 / 6.0 - h2 * (1.0 / 120.0))


cdef inline void klipper_piece(Planner* q, Curve* c, Way from_, Way middle, double part, double speed,
                               int64_t line) noexcept nogil:
    """`part` of the arc, from `from_` by way of `middle`, as one move."""
    cdef double unit[4]
    cdef double accel = 0.0, inner2, corner2, bow
    along(c, middle, mean_share(part * c.sweep), unit)
    klipper_limits(q, unit, &speed, &accel)
    if not (speed > 1e-6 and accel > 1e-6):
        return
    bow = 2.0 * accel * c.chord
    along(c, turned(from_, c.half), 1.0, unit)
    corner2 = c.entry2
    if corner2 < 0.0:
        corner2 = 0.0 if q.stopped else klipper_corner(q, unit, speed, accel, bow)
    inner2 = inside(q, c, middle, speed, accel)
    if c.entry2 >= 0.0:
        corner2 = least(corner2, inner2)
    along(c, back(turned(middle, back(middle, from_)), c.half), 1.0, unit)
    klipper_add(q, unit, c.chord * part * c.chords, chord_speed(speed, accel, inner2, c.chord), accel, corner2, line)
    q.last_bow = bow
    c.entry2 = inner2


cdef inline double enter(Planner* q, Curve* c, Way from_, double speed, double accel) noexcept nogil:
    """v2 at the corner between the move before and the first chord of an arc that begins at `from_`."""
    cdef double unit[4]
    cdef double room[4]
    cdef double* other
    cdef double safe = 0.0
    along(c, turned(from_, c.half), 1.0, unit)
    other = joint(q, unit, room)
    if q.rule == RULE_JERK:
        safe = safe_speed(q, unit, speed)
    return corner(q, other, c.chord, speed, accel, safe)


cdef inline void come_out(Planner* q, Curve* c, Way to, double speed) noexcept nogil:
    """The last chord of an arc that ends at `to` is what the next move has a corner with."""
    cdef double unit[4]
    cdef double room[4]
    cdef double safe = 0.0
    along(c, back(to, c.half), 1.0, unit)
    if q.rule == RULE_JERK:
        safe = safe_speed(q, unit, speed)
    leave(q, joint(q, unit, room), speed, safe)


cdef inline void piece(Planner* q, Curve* c, Way from_, Way middle, double part, double speed, double accel,
                       bint last, int64_t line) noexcept nogil:
    """The same for the other rules. Only the first piece has a corner to the move before, only the last one to the next."""
    cdef double unit[4]
    cdef double inner2, corner2, seen, chords = part * c.chords
    along(c, middle, mean_share(part * c.sweep), unit)
    if not fit(q, unit, &speed, &accel):
        return
    corner2 = c.entry2 if c.entry2 >= 0.0 else enter(q, c, from_, speed, accel)
    q.stopped = 0
    inner2 = inside(q, c, middle, speed, accel)
    if c.entry2 >= 0.0:
        corner2 = least(corner2, inner2)
    c.entry2 = inner2
    if not q.arc_hints:
        seen = 2.0 * accel * c.chord * q.ahead      # the end of the buffer lies in the same arc, and is a stop
        if c.chords > q.ahead and seen < inner2:
            inner2 = seen
    add_block(q, c.chord * chords, chord_speed(speed, accel, inner2, c.chord), accel, corner2,
              1.0 if q.arc_hints else chords, line)
    if last:
        come_out(q, c, turned(middle, back(middle, from_)), speed)


cdef inline void worst_way(Curve* c, double* worst) noexcept nogil:
    """What any chord of the arc asks of an axis at most."""
    worst[c.p] = worst[c.q] = 1.0
    worst[c.l] = c.rise / (c.chords * c.chord)
    worst[3] = c.push / (c.chords * c.chord)


cdef inline bint steady(Planner* q, Curve* c, double speed, double* accel) noexcept nogil:
    """Do all chords of the arc, whichever way they lead, allow `speed`, and all corners between them too? `accel` is
    lowered to what every direction allows. Where the answer is no, it may still be so."""
    cdef double worst[4]
    cdef double hard, cosine = 1.0 - 2.0 * c.half.x * c.half.x
    cdef double v2 = speed * speed
    worst_way(c, worst)
    if not strain(worst, q.per_feed) * speed <= 1.0:
        return False
    hard = strain(worst, q.per_accel)
    if hard * accel[0] > 1.0:
        accel[0] = 1.0 / hard
    if not (speed > 1e-6 and accel[0] > 1e-6):
        return False                # it would never end, see `fit`
    if not q.arc_hints and c.chords > q.ahead and 2.0 * accel[0] * c.chord * q.ahead < v2:
        return False
    if q.rule == RULE_JERK:
        return fabs(c.theta) * speed * greatest(q.per_jerk[c.p], q.per_jerk[c.q]) <= 1.0
    if q.rule == RULE_MARLIN and q.arc_hints:
        return c.radius * accel[0] >= v2
    if q.rule == RULE_MARLIN and c.chord < 1.0 and not (
            c.chord * accel[0] >= v2 * sharpness(greatest(cosine, -0.999999))):
        return False
    return surely(greatest(cosine, -0.999999), q.deviation * (accel[0] if q.rule == RULE_MARLIN else q.least_accel), v2)


cdef inline bint in_one(Planner* q, Curve* c, int32_t sixteenths, double speed, double accel, int64_t line) noexcept nogil:
    """An arc that keeps one speed, as one block; between two pieces where the acceleration depends on the direction, in
    which there must be room to reach that speed. False, and nothing done, if it is no such arc."""
    cdef double allowed = accel
    cdef double part = 1.0 / sixteenths
    cdef Way to, small
    if not steady(q, c, speed, &allowed):
        return False
    to = turned(c.start, way(c.sweep))
    if allowed == accel:
        add_block(q, c.chord * c.chords, speed, accel, enter(q, c, c.start, speed, accel),
                  1.0 if q.arc_hints else c.chords, line)
        come_out(q, c, to, speed)
        return True
    if sixteenths < 4 or 2.0 * allowed * c.chord * c.chords * part < speed * speed:
        return False
    small = way(0.5 * c.sweep * part)
    c.entry2 = -1.0
    piece(q, c, c.start, turned(c.start, small), part, speed, accel, False, line)
    add_block(q, c.chord * c.chords * (1.0 - 2.0 * part), speed, allowed, c.entry2,
              1.0 if q.arc_hints else c.chords * (1.0 - 2.0 * part), line)
    piece(q, c, back(to, turned(small, small)), back(to, small), part, speed, accel, True, line)
    return True


cdef inline void in_pieces(Planner* q, Curve* c, int32_t sixteenths, double speed, double accel,
                           int64_t line) noexcept nogil:
    """Eighths of a turn, halved at both ends, where speed and with it the acceleration matters most."""
    cdef Way at = c.start
    cdef Way small = way(0.5 * c.sweep / sixteenths)
    cdef Way great = turned(small, small)
    cdef Way middle
    cdef int32_t i = 0, size
    if q.rule != RULE_KLIPPER and in_one(q, c, sixteenths, speed, accel, line):
        return
    c.entry2 = -1.0
    while i < sixteenths:
        size = 2 if i >= 2 and i + 4 <= sixteenths else 1
        middle = turned(at, great if size == 2 else small)
        if q.rule == RULE_KLIPPER:
            klipper_piece(q, c, at, middle, <double> size / sixteenths, speed, line)
        else:
            piece(q, c, at, middle, <double> size / sixteenths, speed, accel, i + size >= sixteenths, line)
        at = turned(middle, great if size == 2 else small)
        i += size


cdef inline void plan_curve(Planner* q, Curve* c, double speed, double accel, int64_t line) noexcept nogil:
    """One arc; the caller fills the geometry, the rest is filled here."""
    cdef double flat, high
    cdef double worst[4]
    cdef int32_t sixteenths = <int32_t> least(ceil(fabs(c.sweep) * (8.0 / M_PI)), 1e6)
    c.chords = chord_count(q, c)
    c.theta = c.sweep / c.chords
    c.half = way(0.5 * c.theta)
    flat = 2.0 * c.radius * fabs(c.half.y)
    high = c.rise / c.chords
    c.chord = sqrt(flat * flat + high * high)
    if not c.chord > 1e-9:
        return              # a full turn in one chord leads nowhere
    c.turn = (flat if c.sweep > 0.0 else -flat) / c.chord
    worst_way(c, worst)
    if strain(worst, q.per_feed) * speed > 1.0:
        sixteenths *= 2     # the axes limit the speed: it differs from one direction to the next
    if c.chords <= 2.0 * sixteenths + 1.0:     # a chord turns so far that those of one piece are not alike
        each_chord(q, c, speed, accel, line)
    else:
        in_pieces(q, c, sixteenths, speed, accel, line)
