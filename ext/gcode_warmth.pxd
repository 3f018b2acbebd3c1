"""How long heaters take: a first-order model of each, followed along the planned time. Knows no G-code.

dT/dt = rate - (T - ambient) / loss_s at full power, which ends at ambient + rate loss_s; from there, or from the
target, the controller holds. Without power it falls to ambient with the same time constant. A target out of reach
is waited for in vain: no seconds are counted, for the firmware ends the program with an error.
"""

from libc.math cimport exp, log
from libc.stdint cimport int32_t

from fleetctl._ext.gcode_planner cimport *


cdef inline double goal(Planner* q, Warmth* w) noexcept nogil:
    """What the temperature runs against on its way to the target."""
    return q.ambient + w.rate * w.loss_s if w.target > w.degc else q.ambient


cdef inline double warm_seconds(Planner* q, Warmth* w) noexcept nogil:
    """From the present temperature to the target; 0 if it is there or never gets there."""
    cdef double end = goal(q, w)
    if w.target == w.degc or (end - w.target) * (w.target - w.degc) <= 0.0:
        return 0.0
    return w.loss_s * log((end - w.degc) / (end - w.target))


cdef inline void follow(Planner* q, Warmth* w) noexcept nogil:
    """Bring the temperature up to the time reached so far."""
    cdef double left = q.total_s - w.at_s
    cdef double end = goal(q, w)
    cdef double needed = warm_seconds(q, w)
    if needed > 0.0 and left >= needed:
        w.degc = w.target
    elif w.target != w.degc:
        w.degc = end + (w.degc - end) * exp(-left / w.loss_s)
    w.at_s = q.total_s


cdef inline void apply_target(Planner* q, int32_t heater, double degc) noexcept nogil:
    cdef Warmth* w = &q.warmth[heater]
    if w.rate > 0.0:
        follow(q, w)
        w.target = degc if degc > q.ambient else q.ambient


cdef inline double waiting_s(Planner* q, Block* b) noexcept nogil:
    """How long the wait of block `b` takes; sets the target, unless it only looks on (HEAT_LOOK)."""
    cdef Warmth* w = &q.warmth[b.heater & 63]
    cdef double seconds, end
    if w.rate <= 0.0:
        return 0.0
    if b.heater & HEAT_LOOK:
        follow(q, w)
        end = goal(q, w)
        if b.nominal <= w.degc or b.nominal > w.target or b.nominal >= end:
            return 0.0
        return w.loss_s * log((end - w.degc) / (end - b.nominal))
    apply_target(q, b.heater & 63, b.nominal)
    if w.target < w.degc and not b.heater & HEAT_COOLING:
        return 0.0
    seconds = warm_seconds(q, w)
    return seconds + w.settle_s if seconds > 0.0 else 0.0


cdef inline void apply_changes(Planner* q) noexcept nogil:
    """The changes whose block is next now take effect."""
    cdef int32_t i, taken = 0
    while taken < q.changes and q.change[taken].block <= q.settled:
        apply_target(q, q.change[taken].heater, q.change[taken].target)
        taken += 1
    q.changes -= taken
    for i in range(q.changes):
        q.change[i] = q.change[i + taken]
    q.next_change = q.change[0].block if q.changes else -1


cdef inline void change_target(Planner* q, int32_t heater, double degc) noexcept nogil:
    """A target that is set while moves are planned; more than the list holds take effect a little early."""
    if q.warmth[heater].rate <= 0.0:
        return
    if q.count == 0 or q.changes == HEAT_CHANGES:
        apply_target(q, heater, degc)
        return
    q.change[q.changes].block = q.settled + q.count
    q.change[q.changes].heater = heater
    q.change[q.changes].target = degc
    q.changes += 1
    q.next_change = q.change[0].block
