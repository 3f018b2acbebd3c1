"""Klipper's look-ahead: its corners, and the plan that is smoothed by the minimum cruise ratio; knows no G-code.

Sources: klippy/toolhead.py (Move.calc_junction, LookAheadQueue.flush), kinematics/cartesian.py (limits of Z) and
kinematics/extruder.py (moves of the extruder alone, corner speed of the extruder).

All of a program up to the next stop is one plan there; here it is a window, of which only what no later move can
change is taken off (what Klipper's own lazy flush does).
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_corner cimport against, greatest, least, surely
from fleetctl._ext.gcode_pace cimport pace_settle
from fleetctl._ext.gcode_planner cimport *
from fleetctl._ext.gcode_spent cimport fresh_block, spend
from fleetctl._ext.gcode_warmth cimport apply_changes


cdef inline void limit_velocity(Planner* q, double velocity, double accel, double corner_v, double ratio) noexcept nogil:
    """SET_VELOCITY_LIMIT: a negative value leaves what is. Junction deviation and smoothing follow."""
    if velocity > 0.0:
        q.max_feed[0] = velocity
    if accel > 0.0:
        q.accel = accel
    if corner_v >= 0.0:
        q.square_corner = corner_v
    if 0.0 <= ratio < 1.0:
        q.cruise_ratio = ratio
    q.deviation = q.square_corner * q.square_corner * 0.41421356237309515 / q.accel if q.accel > 0.0 else 0.0
    q.smooth_accel = q.accel * (1.0 - q.cruise_ratio)


cdef inline double klipper_bound(Planner* q, double cosine, double accel, double reach, double v2) noexcept nogil:
    """v2 at a corner: junction deviation of both moves, and an arc that touches neither beyond its middle."""
    cdef double s, c, ratio, quarter_tan
    cdef double bend = least(q.deviation * accel, q.last_bend)
    if cosine <= -1.0 or cosine >= 1.0:
        return v2 if cosine < 0.0 else 0.0
    reach = least(reach, q.last_bow)
    # tan of half the angle >= s / c with c^2 = (1 + cosine) / 2: the same test as for the deviation, without a root.
    if surely(cosine, bend, v2) and reach * reach * (1.0 - cosine) >= 16.0 * v2 * v2 * (1.0 + cosine):
        return v2
    s = sqrt(0.5 * (1.0 - cosine))
    c = sqrt(0.5 * (1.0 + cosine))
    ratio = s / (1.0 - s) if s < 1.0 else 1e30
    quarter_tan = 0.25 * s / c
    return least(v2, least(ratio * bend, quarter_tan * reach))


cdef inline double klipper_corner(Planner* q, double* unit, double speed, double accel, double reach) noexcept nogil:
    """v2 at the corner into the move, as far as the two moves alone decide it."""
    cdef double v = least(speed, q.speed)
    cdef double v2 = v * v
    cdef double change = fabs(unit[3] - q.unit[3])
    if change > 0.0 and change * v > q.extruder_corner:
        v2 = q.extruder_corner / change
        v2 *= v2
    return klipper_bound(q, against(q.unit, unit, 3), accel, reach, v2)


cdef inline void klipper_limits(Planner* q, double* unit, double* speed, double* accel) noexcept nogil:
    """Toolhead speed and acceleration, Z's own, and those of the extruder where it moves alone or backwards."""
    cdef double share = fabs(unit[2])
    if unit[0] == 0.0 and unit[1] == 0.0 and share == 0.0:
        accel[0] = 99999999.9
    else:
        accel[0] = q.accel
        speed[0] = least(speed[0], q.max_feed[0])
    if share > 0.0:
        speed[0] = least(speed[0], q.max_feed[2] / share)
        accel[0] = least(accel[0], q.max_accel[2] / share)
    if unit[3] < 0.0 or (unit[3] > 0.0 and unit[0] == 0.0 and unit[1] == 0.0):
        share = fabs(unit[3])
        speed[0] = least(speed[0], q.max_feed[3] / share)
        accel[0] = least(accel[0], q.max_accel[3] / share)


cdef inline void klipper_add(Planner* q, double* unit, double length, double speed, double accel, double corner2,
                             int64_t line) noexcept nogil:
    """Queue a move whose corner with the last one allows `corner2` (squared)."""
    cdef Block* b
    cdef int32_t i
    cdef bint pushes = unit[0] == 0.0 and unit[1] == 0.0 and unit[2] == 0.0
    if q.count == PLAN_WINDOW:
        klipper_flush(q, True)
    b = fresh_block(q)
    b.spent = SPENT_MOTION
    b.length = length
    b.accel = accel
    b.nominal = speed
    b.line = line
    b.reach = 2.0 * accel * length
    b.smooth_reach = least(b.reach, 2.0 * q.smooth_accel * length)
    b.entry_max = 0.0
    b.smooth_max = 0.0
    if not (q.stopped or pushes or q.last_pushes):
        b.entry_max = least(corner2, q.last_entry_max + q.last_reach)
        b.smooth_max = least(b.entry_max, q.last_smooth_max + q.last_smooth_reach)
    for i in range(4):
        q.unit[i] = unit[i]
    q.speed = speed
    q.last_reach = b.reach
    q.last_bow = b.reach
    q.last_smooth_reach = b.smooth_reach
    q.last_entry_max = b.entry_max
    q.last_smooth_max = b.smooth_max
    q.last_bend = accel * q.deviation
    q.last_pushes = pushes
    q.stopped = 0


cdef inline void klipper_move(Planner* q, double* unit, double length, double speed, double accel,
                              int64_t line) noexcept nogil:
    """One straight move of `length` mm in direction `unit` (x, y, z, e per mm); there is one acceleration for all."""
    cdef double corner2 = 0.0
    klipper_limits(q, unit, &speed, &accel)
    if not (speed > 1e-6 and accel > 1e-6):
        return
    if not q.stopped:
        corner2 = klipper_corner(q, unit, speed, accel, 2.0 * accel * length)
    klipper_add(q, unit, length, speed, accel, corner2, line)


cdef inline int32_t klipper_back(Planner* q, bint lazy) noexcept nogil:
    """The backward pass; returns how many moves are settled. `cruise` is -1 where it follows the move before."""
    cdef int32_t n = q.count
    cdef int32_t i, waiting = 0, settled = n
    cdef bint search = lazy
    cdef Block* b
    cdef double next_ = 0.0, smooth_next = 0.0, peak = 0.0, reached, start, smooth, smooth_reached
    for i in range(n - 1, -1, -1):
        b = &q.block[i]
        reached = next_ + b.reach
        start = least(b.entry_max, reached)
        b.cruise = -1.0
        waiting += 1
        smooth_reached = smooth_next + b.smooth_reach
        smooth = least(b.smooth_max, smooth_reached)
        if smooth < smooth_reached:
            if smooth + b.smooth_reach > smooth_next or waiting > 1:
                if search and peak > 0.0:
                    settled = i + waiting
                    search = False
                peak = 0.5 * (smooth + smooth_reached)
            b.cruise = least(least(0.5 * (start + reached), b.nominal * b.nominal), peak)
            waiting = 0
        b.entry = start
        next_ = start
        smooth_next = smooth
    return settled if not search else 0


cdef inline void klipper_flush(Planner* q, bint lazy) noexcept nogil:
    """Settle the window; with `lazy` only what later moves cannot change, but at least half of it."""
    cdef int32_t i, n = q.count
    cdef int32_t settled = klipper_back(q, lazy)
    cdef Block* b
    cdef double cruise = 0.0, start, end = 0.0, v0, v1, v, seconds
    cdef bint forced = lazy and settled < n // 2
    if forced:
        settled = n // 2
    for i in range(settled):
        b = &q.block[i]
        if q.settled == q.next_change:
            apply_changes(q)
        q.settled += 1
        cruise = b.cruise if b.cruise >= 0.0 else least(cruise, b.entry)
        start = least(b.entry, cruise)
        end = least(q.block[i + 1].entry, cruise) if i + 1 < n else 0.0
        v = sqrt(cruise)
        v0 = v if start == cruise else sqrt(start)
        v1 = v if end == cruise else sqrt(end)
        seconds = 0.0
        if v > 0.0:
            seconds = (2.0 * v - v0 - v1) / b.accel + (b.length - (2.0 * cruise - start - end) * 0.5 / b.accel) / v
        spend(q, b, seconds)
    for i in range(n - settled):
        q.block[i] = q.block[settled + i]
    q.count = n - settled
    if forced:
        q.block[0].entry_max = least(q.block[0].entry_max, end)
    pace_settle(q.trace)
