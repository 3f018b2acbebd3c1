"""How fast a corner may be taken: one rule for each firmware. Directions are x y z e per mm; knows no G-code.

Junction deviation sees the corner as an arc that leaves it by `d` at most: v^2 = a d s / (1 - s), s the sine of half
the angle between the moves. Grbl takes for `a` what the axes allow in the direction of the change (planner.c,
plan_buffer_line); Marlin bounds the block's own acceleration by that, has E in the direction, and sees short moves
as parts of an arc (planner.cpp, _populate_block, JD_HANDLE_SMALL_SEGMENTS). Classic jerk lets no axis change its speed
at once by more than its jerk (the same place, HAS_CLASSIC_JERK).
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t

from fleetctl._ext.gcode_planner cimport *


# The C library's fmin and fmax are calls, for the sake of NaN; there is none here.
cdef inline double least(double a, double b) noexcept nogil:
    return a if a < b else b


cdef inline double greatest(double a, double b) noexcept nogil:
    return a if a > b else b


cdef inline void weigh_limits(Planner* q) noexcept nogil:
    """To be called when limits of axes changed: what every move would divide by is divided once."""
    cdef int32_t i
    for i in range(4):
        q.per_feed[i] = 1.0 / q.max_feed[i]
        q.per_accel[i] = 1.0 / q.max_accel[i]
        q.per_jerk[i] = 1.0 / q.jerk[i]


cdef inline double strain(double* amount, double* per) noexcept nogil:
    """The greatest of four amounts in units of its limit; an axis that is not used has none, whatever its limit."""
    # A limit of zero makes 0 * inf of an unused axis, and NaN is never the greater one.
    cdef double most = greatest(fabs(amount[0]) * per[0], 0.0)
    most = greatest(fabs(amount[1]) * per[1], most)
    most = greatest(fabs(amount[2]) * per[2], most)
    return greatest(fabs(amount[3]) * per[3], most)


cdef inline double against(double* before, double* unit, int32_t axes) noexcept nogil:
    """Minus the cosine of the angle between two directions: 1 is straight back, -1 straight on."""
    cdef double cosine = -(before[0] * unit[0] + before[1] * unit[1] + before[2] * unit[2])
    return cosine - before[3] * unit[3] if axes > 3 else cosine


cdef inline double toward(Planner* q, double* before, double* unit, double cosine, double accel,
                          int32_t axes) noexcept nogil:
    """`accel`, lowered to what every axis allows in the direction in which the corner turns."""
    cdef double change, size2 = 2.0 * (1.0 + cosine)
    cdef double accel2 = accel * accel
    cdef int32_t i
    if not size2 > 1e-12:
        return accel        # a turn so small that rounding hides where it leads
    for i in range(axes):
        change = unit[i] - before[i]
        change *= change
        if change * accel2 > q.max_accel[i] * q.max_accel[i] * size2:
            accel2 = q.max_accel[i] * q.max_accel[i] * size2 / change
    return sqrt(accel2)


cdef inline double deviate(double cosine, double bend) noexcept nogil:
    """bend s / (1 - s): v2 at the corner; bend is acceleration times deviation."""
    cdef double s = sqrt(0.5 * (1.0 - cosine))
    return bend * s / (1.0 - s)


cdef inline bint surely(double cosine, double bend, double v2) noexcept nogil:
    """Is v2 below the corner's limit by an estimate from below? s/(1-s) >= 2 s^2 (1+s^2) / (1+cosine): no root."""
    cdef double s2 = 0.5 * (1.0 - cosine)
    return bend * 2.0 * s2 * (1.0 + s2) >= v2 * (1.0 + cosine)


cdef inline double grbl_corner(Planner* q, double* before, double* unit, double v2) noexcept nogil:
    """v2 at the corner, at most `v2`; MINIMUM_JUNCTION_SPEED is 0 (Grbl's config.h)."""
    cdef double cosine = against(before, unit, 3)
    if cosine > 0.999999:
        return 0.0          # straight back
    if cosine < -0.999999 or surely(cosine, q.least_accel * q.deviation, v2):
        return v2
    return least(v2, deviate(cosine, q.deviation * toward(q, before, unit, cosine, 1e15, 3)))


cdef inline double sharpness(double cosine) noexcept nogil:
    """The angle of a turn of less than 45 degrees: acos(1 - x) = sqrt(2 x) (1 + x / 12 + 3 x^2 / 160). Marlin takes it
    from a table that is within 1 % (JD_USE_LOOKUP_TABLE)."""
    cdef double x = 1.0 + cosine
    return sqrt(2.0 * x) * (1.0 + x * (1.0 / 12.0 + x * (3.0 / 160.0)))


cdef inline double marlin_corner(Planner* q, double* before, double* unit, double length, double accel,
                                 double v2) noexcept nogil:
    """The same for directions that are normalized with E; `length` and `accel` of the move that begins here."""
    cdef double cosine = against(before, unit, 4)
    if cosine > 0.999999:
        return 0.0
    if q.corner_radius > 0.0:
        return least(v2, q.corner_radius * toward(q, before, unit, cosine, accel, 4))
    if cosine < -0.999999:
        cosine = -0.999999
    accel = toward(q, before, unit, cosine, accel, 4)
    if not surely(cosine, q.deviation * accel, v2):
        v2 = least(v2, deviate(cosine, q.deviation * accel))
    if length < 1.0 and cosine < -0.7071067812:
        v2 = least(v2, length * accel / sharpness(cosine))
    return v2


cdef inline double safe_speed(Planner* q, double* unit, double speed) noexcept nogil:
    """Classic jerk: the greatest speed along `unit` that may start from or drop to rest at once."""
    cdef double worst = strain(unit, q.per_jerk) * speed
    return speed / worst if worst > 1.0 else speed


cdef inline double jump(double out, double into) noexcept nogil:
    """How far one axis changes its speed at once: the difference, or the greater one where the sign changes."""
    cdef double low = least(out, into)
    cdef double high = greatest(out, into)
    return least(high - low, greatest(high, -low))


cdef inline double jerk_corner(Planner* q, double* unit, double speed, double safe) noexcept nogil:
    """Classic jerk: greatest speed at the corner between the last move and this one."""
    cdef double v = least(speed, q.speed)
    cdef double jumps[4]
    cdef double worst
    cdef int32_t i
    for i in range(4):
        jumps[i] = jump(q.unit[i], unit[i])
    worst = strain(jumps, q.per_jerk) * v
    if worst > 1.0:
        v /= worst
    # A corner that both moves could take from rest is no gain: then both ends are taken at the safe speed.
    if q.safe > 0.99 * v and safe > 0.99 * v:
        v = safe
    return least(v, speed)
