"""Planned time: trapezoids with look-ahead over a window of moves; knows no G-code.

Each move is limited by the speeds and accelerations of the axes it uses, each corner by the rule of the firmware
(`gcode_corner`). A backward pass lowers entries so that every later corner can be reached, a forward pass so that
nothing accelerates harder than allowed. Marlin and Grbl see no further than their buffer, whose end must be a stop:
no entry may be above what the `ahead` next blocks can brake. Klipper has corners and passes of its own
(`gcode_klipper`).

The firmware's buffer is taken as always full: the program comes faster than it is executed.
"""

from libc.math cimport fabs, floor, sqrt
from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_corner cimport *
from fleetctl._ext.gcode_klipper cimport klipper_flush
from fleetctl._ext.gcode_planner cimport *
from fleetctl._ext.gcode_pace cimport pace_settle
from fleetctl._ext.gcode_spent cimport fresh_block, spend
from fleetctl._ext.gcode_trace cimport FEATURE_WAIT
from fleetctl._ext.gcode_warmth cimport apply_changes, change_target, waiting_s


cdef inline double block_seconds(Block* b, double entry, double v0, double exit2, double v1) noexcept nogil:
    """Time of one trapezoid from speed v0 to v1 (squares given too)."""
    cdef double peak2 = 0.5 * (b.reach + entry + exit2)
    cdef double vn = b.nominal
    if peak2 <= vn * vn:
        return (2.0 * sqrt(peak2) - v0 - v1) / b.accel
    # Ramps (2 vn - v0 - v1) / a, and between them (peak2 - vn2) / (a vn): one division for both.
    return (vn * (vn - v0 - v1) + peak2) / (b.accel * vn)


cdef inline double paced_seconds(Block* b, double v0, double v1) noexcept nogil:
    """Marlin never steps below a least rate (MINIMAL_STEP_RATE): ramps begin and end there (or at nominal speed)."""
    cdef double floor = least(1.0 / b.pace, b.nominal)
    v0 = greatest(v0, floor)
    v1 = greatest(v1, floor)
    if fabs(v1 * v1 - v0 * v0) >= b.reach:
        return 2.0 * b.length / (v0 + v1)       # all of it is one ramp
    return block_seconds(b, v0 * v0, v0, v1 * v1, v1)


cdef inline void brake(Planner* q) noexcept nogil:
    """The backward pass. `sight` is how much v2 the next `ahead` blocks can lose: none may enter faster."""
    cdef int32_t n = q.count
    cdef int32_t i, last = n - 1
    cdef Block* b
    cdef double after = 0.0, sight = 0.0, seen = 0.0
    for i in range(n - 1, 0, -1):
        b = &q.block[i]
        sight += b.reach
        seen += b.count
        after = least(b.entry_max, after + b.reach) if b.length > 0.0 else b.entry_max
        if seen > q.ahead:
            while seen - q.block[last].count >= q.ahead:
                seen -= q.block[last].count
                sight -= q.block[last].reach
                last -= 1
            if sight - q.block[last].reach < after:     # a part of the last block counts, too
                after = least(after, greatest(0.0, sight - (seen - q.ahead) / q.block[last].count * q.block[last].reach))
        b.entry = after


cdef inline double wait_seconds(Planner* q, Block* b) noexcept nogil:
    return waiting_s(q, b) if b.spent == SPENT_HEATING else b.nominal


cdef inline void plan_flush(Planner* q, int32_t keep) noexcept nogil:
    """Settle the speeds of the window and take all but the last `keep` moves off it."""
    cdef int32_t n = q.count
    cdef int32_t done = n - keep
    cdef int32_t i
    cdef Block* b
    cdef double entry, exit2, v0, v1
    if q.rule == RULE_KLIPPER:
        klipper_flush(q, keep > 0)
        return
    if done <= 0:
        return
    brake(q)
    entry = q.block[0].entry
    v0 = q.v_now
    for i in range(done):
        b = &q.block[i]
        if q.settled == q.next_change:
            apply_changes(q)
        q.settled += 1
        if b.length > 0.0:
            exit2 = least(q.block[i + 1].entry if i + 1 < n else 0.0, entry + b.reach)
            v1 = sqrt(exit2)
            if b.pace > 0.0 and b.pace * least(v0, v1) < 1.0:
                spend(q, b, paced_seconds(b, v0, v1))
            else:
                spend(q, b, block_seconds(b, entry, v0, exit2, v1))
            entry = exit2
            v0 = v1
        else:
            spend(q, b, wait_seconds(q, b))
            entry = q.block[i + 1].entry if i + 1 < n else 0.0
            v0 = sqrt(entry)
    for i in range(keep):
        q.block[i] = q.block[done + i]
    q.count = keep
    q.block[0].entry = entry
    q.v_now = v0
    pace_settle(q.trace)


cdef inline Block* next_block(Planner* q) noexcept nogil:
    if q.count == PLAN_WINDOW:
        plan_flush(q, PLAN_KEEP)
    return fresh_block(q)


cdef inline void begin_entry(Planner* q, Block* b, double entry_max) noexcept nogil:
    """The first block of all starts at its own greatest entry."""
    b.entry_max = entry_max
    b.entry = entry_max
    if q.count == 1:
        q.v_now = sqrt(entry_max)


cdef inline void pause(Planner* q, int32_t spent, int32_t heater, double amount, int64_t line) noexcept nogil:
    """The machine stops, and stays for `amount` seconds, or until a heater has reached `amount` degC."""
    cdef Block* b
    if not q.enabled:
        return
    if q.rule == RULE_KLIPPER:
        klipper_flush(q, False)
    b = next_block(q)
    b.tag = FEATURE_WAIT
    b.reach = 0.0
    b.count = 0.0
    b.length = 0.0
    b.accel = 1.0
    b.nominal = amount
    b.spent = spent
    b.heater = heater
    b.line = line
    q.stopped = 1
    q.safe = 0.0
    if q.rule == RULE_KLIPPER:
        q.count = 0
        q.settled += 1
        spend(q, b, wait_seconds(q, b))
        pace_settle(q.trace)
    else:
        begin_entry(q, b, 0.0)


cdef inline void plan_wait(Planner* q, double seconds, int64_t line) noexcept nogil:
    """The machine stops, and stays for some seconds (G4); a negative time is none."""
    pause(q, SPENT_DWELL, 0, seconds if seconds > 0.0 else 0.0, line)


cdef inline void plan_heat(Planner* q, int32_t heater, double degc, bint wait, bint cooling, int64_t line) noexcept nogil:
    """A heater is set to `degc`; with `wait` the machine stands until it is reached (with `cooling` also from above)."""
    if not q.enabled:
        return
    if wait:
        pause(q, SPENT_HEATING, heater | (HEAT_COOLING if cooling else 0), degc, line)
    else:
        change_target(q, heater, degc)


cdef inline bint fit(Planner* q, double* unit, double* speed, double* accel) noexcept nogil:
    """Lower speed and acceleration along `unit` to what every axis allows; False if nothing is left."""
    cdef double fast = strain(unit, q.per_feed)
    cdef double hard = strain(unit, q.per_accel)
    if fast * speed[0] > 1.0:
        speed[0] = 1.0 / fast
    if hard * accel[0] > 1.0:
        accel[0] = 1.0 / hard
    return speed[0] > 1e-6 and accel[0] > 1e-6


cdef inline double* joint(Planner* q, double* unit, double* other) noexcept nogil:
    """The direction as the corner rule sees it: Marlin's junction deviation normalizes it with E, in `other`."""
    cdef double inverse
    cdef int32_t i
    if q.rule == RULE_MARLIN and unit[3] != 0.0:
        inverse = 1.0 / sqrt(unit[0] * unit[0] + unit[1] * unit[1] + unit[2] * unit[2] + unit[3] * unit[3])
        for i in range(4):
            other[i] = unit[i] * inverse
        return other
    return unit


cdef inline double corner(Planner* q, double* unit, double length, double speed, double accel,
                          double safe) noexcept nogil:
    """v2 at the corner into a move; `unit` as `joint` gives it."""
    cdef double v
    if q.rule == RULE_JERK:
        v = safe if q.stopped else jerk_corner(q, unit, speed, safe)
        return v * v
    if q.stopped:
        return 0.0
    v = least(speed, q.speed)
    if q.rule == RULE_MARLIN:
        return marlin_corner(q, q.unit, unit, length, accel, v * v)
    return grbl_corner(q, q.unit, unit, v * v)


cdef inline void add_block(Planner* q, double length, double speed, double accel, double entry2, double count,
                           int64_t line) noexcept nogil:
    cdef Block* b = next_block(q)
    b.length = length
    b.reach = 2.0 * accel * length
    b.accel = accel
    b.nominal = speed
    b.count = count
    b.pace = 0.0
    b.spent = SPENT_MOTION
    b.line = line
    begin_entry(q, b, entry2)


cdef inline bint round_to_steps(Planner* q, double* given, double* unit, double* length) noexcept nogil:
    """The move as Marlin makes it: whole steps of every axis, what is left over belongs to the next move; False if it
    has fewer than MIN_STEPS_PER_SEGMENT, which are left for the next, too. With fewer of x, y and z its length is E's."""
    cdef double whole[4]
    cdef double made[4]
    cdef double size, most = 0.0, pushed = 0.0
    cdef int32_t i
    for i in range(4):
        whole[i] = given[i] * length[0] + q.carry[i]
        made[i] = floor(whole[i] * q.steps[i] + 0.5)
        if i < 3:
            most = greatest(most, fabs(made[i]))
        else:
            pushed = fabs(made[i])
        made[i] /= q.steps[i]
        q.carry[i] = whole[i]
    if most < q.least_steps and pushed < q.least_steps:
        return False
    if most >= q.least_steps:
        size = sqrt(made[0] * made[0] + made[1] * made[1] + made[2] * made[2])
    else:
        size = fabs(made[3])
    for i in range(4):
        q.carry[i] -= made[i]
        unit[i] = made[i] / size
    length[0] = size
    return True


cdef inline double pace_of(Planner* q, double* unit) noexcept nogil:
    """s/mm at the least rate of steps, of the axis with the most steps."""
    cdef double pace = 0.0
    cdef int32_t i
    for i in range(4):
        pace = greatest(pace, fabs(unit[i]) * q.steps[i])
    return pace / q.least_steps_s


cdef inline void leave(Planner* q, double* unit, double speed, double safe) noexcept nogil:
    """What the next corner needs of the move that now ends in direction `unit`."""
    cdef int32_t i
    for i in range(4):
        q.unit[i] = unit[i]
    q.speed = speed
    q.safe = safe
    q.stopped = 0


cdef inline void plan_move(Planner* q, double* unit, double length, double speed, double accel,
                           int64_t line) noexcept nogil:
    """One straight move of `length` mm in direction `unit` (x, y, z, e per mm)."""
    cdef double own[4]
    cdef double room[4]
    cdef double* other
    cdef double safe = 0.0
    if q.stepped:
        if not round_to_steps(q, unit, own, &length):
            return
        unit = own
    if not fit(q, unit, &speed, &accel):
        return              # F0 or a limit of zero: it would never end; the fact is told elsewhere
    other = joint(q, unit, room)
    if q.rule == RULE_JERK:
        safe = safe_speed(q, unit, speed)
    add_block(q, length, speed, accel, corner(q, other, length, speed, accel, safe), 1.0, line)
    if q.stepped:
        q.block[q.count - 1].pace = pace_of(q, unit)
    leave(q, other, speed, safe)
