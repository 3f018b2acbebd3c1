"""Arcs as firmware drives them: cut into chords. Knows no G-code.

How many: Grbl's mc_arc (chords within the arc tolerance $12), Marlin's plan_arc (G2_G3.cpp: a length between
MIN_ARC_SEGMENT_MM and MAX_ARC_SEGMENT_MM, at least MIN_CIRCLE_SEGMENTS to a circle), Klipper's planArc
(gcode_arcs.py: `resolution`).

An arc of few chords is planned chord by chord. One of many is planned in pieces of up to an eighth of a turn, for
all corners inside a piece are alike: a piece goes at the mean speed of chords that are each entered and left at the
speed of these corners, and stands for as many blocks of the firmware's buffer as it has chords.
"""

from libc.math cimport M_PI, ceil, fabs, floor, sqrt
from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_corner cimport least, safe_speed
from fleetctl._ext.gcode_klipper cimport klipper_add, klipper_corner, klipper_limits
from fleetctl._ext.gcode_plan cimport add_block, corner, fit, joint, leave
from fleetctl._ext.gcode_planner cimport *

cdef extern from "math.h" nogil:
    double dsin "sin" (double) noexcept
    double dcos "cos" (double) noexcept

cdef struct Curve:
    int32_t p               # axes of the plane, and the third
    int32_t q
    int32_t l
    double radius
    double start            # angle, radians
    double sweep
    double rise             # mm along the third axis
    double push             # mm of filament
    double chords
    double chord            # length of one, mm
    double theta            # angle of one, signed
    double turn             # in-plane share of its length, signed


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


cdef inline void along(Curve* c, double angle, double shrink, double* unit) noexcept nogil:
    """Direction of a chord whose middle lies at `angle`; `shrink` scales its share in the plane."""
    unit[c.p] = -c.turn * shrink * dsin(angle)
    unit[c.q] = c.turn * shrink * dcos(angle)
    unit[c.l] = c.rise / (c.chords * c.chord)
    unit[3] = c.push / (c.chords * c.chord)


cdef inline void each_chord(Planner* q, Curve* c, double speed, double accel, int64_t line) noexcept nogil:
    cdef double unit[4]
    cdef double swap
    cdef double s = dsin(c.theta)
    cdef double k = dcos(c.theta)
    cdef int32_t i, n = <int32_t> c.chords
    along(c, c.start + 0.5 * c.theta, 1.0, unit)
    for i in range(n):
        q.corner_radius = c.radius if q.arc_hints and 0 < i < n - 1 else 0.0
        q.move(q, unit, c.chord, speed, accel, line)
        swap = unit[c.p] * k - unit[c.q] * s
        unit[c.q] = unit[c.p] * s + unit[c.q] * k
        unit[c.p] = swap
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


cdef inline double inside(Planner* q, Curve* c, double angle, double speed, double accel) noexcept nogil:
    """v2 at the corners between the chords around `angle`; leaves the planner as if it had passed one of them."""
    cdef double unit[4]
    cdef double other[4]
    cdef double safe = 0.0, v2
    cdef int32_t i
    along(c, angle - 0.5 * c.theta, 1.0, unit)
    if q.rule == RULE_KLIPPER:
        for i in range(4):
            q.unit[i] = unit[i]
        q.speed = speed
        q.last_bow = 2.0 * accel * c.chord
        q.last_bend = accel * q.deviation
        along(c, angle + 0.5 * c.theta, 1.0, unit)
        return klipper_corner(q, unit, speed, accel, q.last_bow)
    if q.rule == RULE_JERK:
        safe = safe_speed(q, unit, speed)
    joint(q, unit, other)
    leave(q, other, speed, safe)
    along(c, angle + 0.5 * c.theta, 1.0, unit)
    joint(q, unit, other)
    q.corner_radius = c.radius if q.arc_hints else 0.0
    v2 = corner(q, other, c.chord, speed, accel, safe)
    q.corner_radius = 0.0
    return v2


cdef inline void klipper_piece(Planner* q, Curve* c, double from_, double angle, double* entry2, double speed,
                               int64_t line) noexcept nogil:
    """`angle` radians of the arc as one move; `entry2` is the corner inside the piece before, or negative."""
    cdef double unit[4]
    cdef double accel = 0.0, inner2, corner2, bow
    along(c, from_ + 0.5 * angle, dsin(0.5 * angle) / (0.5 * angle), unit)
    klipper_limits(q, unit, &speed, &accel)
    if not (speed > 1e-6 and accel > 1e-6):
        return
    bow = 2.0 * accel * c.chord
    along(c, from_ + 0.5 * c.theta, 1.0, unit)
    corner2 = entry2[0]
    if corner2 < 0.0:
        corner2 = 0.0 if q.stopped else klipper_corner(q, unit, speed, accel, bow)
    inner2 = inside(q, c, from_ + 0.5 * angle, speed, accel)
    if entry2[0] >= 0.0:
        corner2 = least(corner2, inner2)
    along(c, from_ + angle - 0.5 * c.theta, 1.0, unit)
    klipper_add(q, unit, c.chord * angle / c.theta, chord_speed(speed, accel, inner2, c.chord), accel, corner2, line)
    q.last_bow = bow
    entry2[0] = inner2


cdef inline void piece(Planner* q, Curve* c, double from_, double angle, double* entry2, double speed, double accel,
                       int64_t line) noexcept nogil:
    """The same for the other rules."""
    cdef double unit[4]
    cdef double other[4]
    cdef double safe = 0.0, inner2, corner2, seen, chords = angle / c.theta
    along(c, from_ + 0.5 * angle, dsin(0.5 * angle) / (0.5 * angle), unit)
    if not fit(q, unit, &speed, &accel):
        return
    along(c, from_ + 0.5 * c.theta, 1.0, unit)
    joint(q, unit, other)
    if q.rule == RULE_JERK:
        safe = safe_speed(q, unit, speed)
    corner2 = entry2[0]
    if corner2 < 0.0:
        corner2 = corner(q, other, c.chord, speed, accel, safe)
    q.stopped = 0
    inner2 = inside(q, c, from_ + 0.5 * angle, speed, accel)
    if entry2[0] >= 0.0:
        corner2 = least(corner2, inner2)
    entry2[0] = inner2
    if not q.arc_hints:
        seen = 2.0 * accel * c.chord * q.ahead      # the end of the buffer lies in the same arc, and is a stop
        if c.chords > q.ahead and seen < inner2:
            inner2 = seen
    add_block(q, c.chord * chords, chord_speed(speed, accel, inner2, c.chord), accel, corner2,
              1.0 if q.arc_hints else chords, line)
    along(c, from_ + angle - 0.5 * c.theta, 1.0, unit)
    joint(q, unit, other)
    leave(q, other, speed, safe)


cdef inline void plan_curve(Planner* q, Curve* c, double speed, double accel, int64_t line) noexcept nogil:
    """One arc; the caller fills the geometry, the rest is filled here."""
    cdef double flat, high, angle, entry2 = -1.0
    cdef int32_t i, pieces = <int32_t> least(ceil(fabs(c.sweep) * (4.0 / M_PI)), 1e6)
    c.chords = chord_count(q, c)
    c.theta = c.sweep / c.chords
    flat = 2.0 * c.radius * fabs(dsin(0.5 * c.theta))
    high = c.rise / c.chords
    c.chord = sqrt(flat * flat + high * high)
    if not c.chord > 0.0:
        return
    c.turn = (flat if c.sweep > 0.0 else -flat) / c.chord
    if c.chords <= 2.0 * pieces + 1.0:
        each_chord(q, c, speed, accel, line)
        return
    angle = c.sweep / pieces
    for i in range(pieces):
        if q.rule == RULE_KLIPPER:
            klipper_piece(q, c, c.start + i * angle, angle, &entry2, speed, line)
        else:
            piece(q, c, c.start + i * angle, angle, &entry2, speed, accel, line)
