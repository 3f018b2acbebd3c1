"""Planned time: trapezoids with look-ahead over a window of moves; knows no G-code.

Each move is limited by the speeds and accelerations of the axes it uses. At a corner either junction deviation
(v^2 = a d s / (1 - s), s = sin of half the angle between the moves; Grbl's and Marlin's model) or classic jerk
(no axis may change its speed at once by more than its jerk; Marlin's model) gives the greatest speed. A backward
pass lowers entries so that every later corner can be reached, a forward pass so that nothing accelerates harder
than allowed.

What is simple here: an arc is one move with v^2 <= a r, not the firmware's chain of segments; the window is
longer than a firmware's buffer, so long runs of tiny moves come out slightly too fast; heating, homing and tool
changes take no time.
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_lines cimport line_slot
from fleetctl._ext.gcode_pace cimport pace_block, pace_settle
from fleetctl._ext.gcode_trace cimport FEATURE_WAIT
from fleetctl._ext.gcode_types cimport *


# The C library's fmin and fmax are calls, for the sake of NaN; there is none here.
cdef inline double least(double a, double b) noexcept nogil:
    return a if a < b else b


cdef inline double greatest(double a, double b) noexcept nogil:
    return a if a > b else b


cdef inline void plan_mark(Planner* q, int64_t line) noexcept nogil:
    """Line `line` has ended at the time reached so far; gaps are filled when the reading is done."""
    cdef double* slot
    if not q.want_times or q.out_of_memory:
        return
    slot = <double*> line_slot(&q.times, line)
    if slot == NULL:
        q.out_of_memory = 1
        return
    slot[0] = q.total_s


cdef inline double block_seconds(Block* b, double entry, double v0, double exit2, double v1) noexcept nogil:
    """Time of one trapezoid from speed v0 to v1 (squares given too)."""
    cdef double peak2 = 0.5 * (b.reach + entry + exit2)
    cdef double vn = b.nominal
    cdef double ramp
    if peak2 <= vn * vn:
        return (2.0 * sqrt(peak2) - v0 - v1) / b.accel
    ramp = (2.0 * vn - v0 - v1) / b.accel
    return ramp + (peak2 - vn * vn) / (b.accel * vn)


cdef inline void plan_flush(Planner* q, int32_t keep) noexcept nogil:
    """Settle the speeds of the window and take all but the last `keep` moves off it."""
    cdef int32_t n = q.count
    cdef int32_t done = n - keep
    cdef int32_t i
    cdef Block* b
    cdef double after, entry, exit2, v0, v1, t
    if done <= 0:
        return
    after = q.safe * q.safe if q.use_jerk else 0.0
    for i in range(n - 1, 0, -1):
        b = &q.block[i]
        after = least(b.entry_max, after + b.reach) if b.length > 0.0 else b.entry_max
        b.entry = after
    entry = q.block[0].entry
    v0 = q.v_now
    for i in range(done):
        b = &q.block[i]
        if b.length > 0.0:
            exit2 = q.block[i + 1].entry if i + 1 < n else (q.safe * q.safe if q.use_jerk else 0.0)
            exit2 = least(exit2, entry + b.reach)
            v1 = sqrt(exit2)
            t = block_seconds(b, entry, v0, exit2, v1)
            q.motion_s += t
            entry = exit2
            v0 = v1
        else:
            t = b.nominal
            q.wait_s += t
            entry = q.block[i + 1].entry if i + 1 < n else 0.0
            v0 = sqrt(entry)
        q.total_s += t
        pace_block(q.trace, b.tag, t, q.total_s)
        if q.want_times:
            plan_mark(q, b.line)
    for i in range(keep):
        q.block[i] = q.block[done + i]
    q.count = keep
    q.block[0].entry = entry
    q.v_now = v0
    pace_settle(q.trace)


cdef inline Block* next_block(Planner* q) noexcept nogil:
    if q.count == PLAN_WINDOW:
        plan_flush(q, PLAN_KEEP)
    q.count += 1
    q.trace.pace.planned += 1
    q.block[q.count - 1].tag = q.trace.pace.tag
    return &q.block[q.count - 1]


cdef inline void begin_entry(Planner* q, Block* b, double entry_max) noexcept nogil:
    """The first block of all starts at its own greatest entry."""
    b.entry_max = entry_max
    b.entry = entry_max
    if q.count == 1:
        q.v_now = sqrt(entry_max)


cdef inline void plan_wait(Planner* q, double seconds, int64_t line) noexcept nogil:
    """The machine stops, and stays for some seconds."""
    cdef Block* b
    if q.enabled:
        b = next_block(q)
        b.tag = FEATURE_WAIT
        b.reach = 0.0
        b.length = 0.0
        b.accel = 1.0
        b.nominal = seconds
        b.line = line
        # The move before it ends as at the end of a program.
        begin_entry(q, b, q.safe * q.safe if q.use_jerk and not q.stopped else 0.0)
        q.stopped = 1
        q.safe = 0.0


cdef inline double safe_speed(Planner* q, double* unit, double speed) noexcept nogil:
    """Classic jerk: the greatest speed along `unit` that may start from or drop to rest at once."""
    cdef double factor = 1.0
    cdef double v
    cdef int32_t i
    for i in range(4):
        v = fabs(unit[i]) * speed
        if v * factor > q.jerk[i]:
            factor = q.jerk[i] / v
    return speed * factor


cdef inline double jerk_junction(Planner* q, double* unit, double speed, double safe) noexcept nogil:
    """Classic jerk: greatest speed at the corner between the last move and this one."""
    cdef double v = least(speed, q.speed)
    cdef double before = v / q.speed
    cdef double factor = 1.0
    cdef double out, into, jump
    cdef int32_t i
    for i in range(4):
        out = q.axis_speed[i] * before
        into = unit[i] * v
        jump = fabs(out - into) if out * into > 0.0 else greatest(fabs(out), fabs(into))
        if jump * factor > q.jerk[i]:
            factor = q.jerk[i] / jump
    v *= factor
    # A corner that both moves could take from rest is no gain: then both ends are taken at the safe speed.
    if q.safe > 0.99 * v and safe > 0.99 * v:
        v = safe
    return least(v, speed)


cdef inline double deviation_junction(Planner* q, double* unit, double accel, double speed) noexcept nogil:
    """Junction deviation: greatest squared speed at the corner."""
    cdef double cosine = -(q.unit[0] * unit[0] + q.unit[1] * unit[1] + q.unit[2] * unit[2])
    cdef double s, v2 = least(speed, q.speed)
    v2 *= v2
    if cosine > 0.999999:
        return 0.0          # straight back
    if cosine < -0.999999:
        return v2           # straight on
    s = sqrt(0.5 * (1.0 - cosine))
    return least(v2, accel * q.deviation * s / (1.0 - s))


cdef inline void plan_move(Planner* q, double* into, double* out, double length, double speed, double accel,
                           double radius, int64_t line) noexcept nogil:
    """One move of `length` mm that starts in direction `into` and ends in direction `out` (x, y, z, e per mm).

    `radius` > 0: an arc; every direction in between is used, so both in-plane axes are taken as fully loaded.
    """
    cdef double entry2, safe = 0.0, share
    cdef int32_t i
    cdef Block* b
    for i in range(4):
        share = greatest(fabs(into[i]), fabs(out[i]))
        if share > 0.0:
            if share * speed > q.max_feed[i]:
                speed = q.max_feed[i] / share
            if share * accel > q.max_accel[i]:
                accel = q.max_accel[i] / share
    if radius > 0.0:
        speed = least(speed, sqrt(accel * radius))
    if not (speed > 1e-6 and accel > 1e-6):
        return              # F0 or a limit of zero: it would never end; the fact is told elsewhere
    if q.use_jerk:
        safe = safe_speed(q, into, speed)
        if q.stopped:
            entry2 = safe * safe
        else:
            entry2 = jerk_junction(q, into, speed, safe)
            entry2 *= entry2
        if into != out:
            safe = safe_speed(q, out, speed)
    elif q.stopped:
        entry2 = 0.0
    else:
        entry2 = deviation_junction(q, into, accel, speed)
    b = next_block(q)
    b.length = length
    b.reach = 2.0 * accel * length
    b.accel = accel
    b.nominal = speed
    b.line = line
    begin_entry(q, b, entry2)
    for i in range(4):
        q.unit[i] = out[i]
        q.axis_speed[i] = out[i] * speed
    q.speed = speed
    q.safe = safe
    q.stopped = 0
