"""M commands of printers: heaters, and the limits a program sets for its own motion."""

from libc.math cimport fmin
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_corner cimport weigh_limits
from fleetctl._ext.gcode_history cimport history
from fleetctl._ext.gcode_klipper cimport limit_velocity
from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_place cimport column_of
from fleetctl._ext.gcode_plan cimport plan_heat, plan_wait
from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *


cdef inline void heat(Core* s, int which, int64_t target, int64_t column) noexcept nogil:
    """Heater 0 nozzle, 1 bed, 2 chamber is set to `target`, micro degC, by what stands at `column`."""
    cdef Heater* h = &s.heater[which]
    if h.first_line == 0:
        h.first_line = s.line
    if h.max_line == 0 or target > h.max_value:
        h.max_value = target
        h.max_line = s.line
        s.cut.heat_column[which] = column
    h.end_value = target
    h.end_line = s.line


cdef inline void may_heat(Core* s, int which, int64_t target, int64_t column) noexcept nogil:
    """A heater may go as high as `target` without being left there."""
    cdef Heater* h = &s.heater[which]
    if target <= 0:
        return
    if h.first_line == 0:
        h.first_line = s.line
        h.end_line = s.line
    if h.max_line == 0 or target > h.max_value:
        h.max_value = target
        h.max_line = s.line
        s.cut.heat_column[which] = column


cdef inline void heat_aside(Core* s, int32_t m) noexcept nogil:
    """M303 heats to S to tune its controller (E-1 the bed); M145 sets the presets H and B that M104 I may use."""
    if m == 1450:
        may_heat(s, 0, s.w.value[LETTER_H] if s.w.mask & BIT_H else 0, column_of(s, LETTER_H, 0))
        may_heat(s, 1, s.w.value[LETTER_B] if s.w.mask & (<uint32_t> 1 << LETTER_B) else 0, column_of(s, LETTER_B, 0))
    elif s.w.mask & BIT_S:
        may_heat(s, 1 if s.w.mask & BIT_E and s.w.value[LETTER_E] < 0 else 0, s.w.value[LETTER_S],
                 column_of(s, LETTER_S, 0))


cdef inline void heat_nozzle(Core* s, Planner* q, int64_t target, bint wait, bint cooling,
                             int64_t column) noexcept nogil:
    """The T word, else the tool in use, says which nozzle; the end value is the hottest of all."""
    cdef int32_t i, which = s.tool
    cdef int64_t hottest = 0
    if s.w.mask & BIT_T:
        which = -1
        for i in range(s.tool_count):
            if s.tools[i].number * 1000000 == s.w.value[LETTER_T]:
                which = i
        if which < 0 and s.tool_count < MAX_TOOLS:
            which = s.tool_count
            s.tool_count += 1
            s.tools[which].number = s.w.value[LETTER_T] // 1000000
        elif which < 0:
            note(s, HAZ_TOOL_OVERFLOW, 1)
            which = s.tool
    s.tools[which].nozzle = target
    history(s, HISTORY_NOZZLE + which, <double> target / 1e6)
    for i in range(s.tool_count):
        if s.tools[i].nozzle > hottest:
            hottest = s.tools[i].nozzle
    heat(s, 0, target, column)
    s.heater[0].end_value = hottest
    plan_heat(q, which, <double> target * 1e-6, wait, cooling, s.line)
    if target > 0:
        s.checks &= ~<uint32_t> CHECK_HOT


cdef inline void heat_other(Core* s, Planner* q, int32_t which, int64_t target, bint wait, bint cooling,
                            int64_t column) noexcept nogil:
    """The bed (1) or the chamber (2)."""
    heat(s, which, target, column)
    history(s, HISTORY_BED if which == 1 else HISTORY_CHAMBER, <double> target / 1e6)
    plan_heat(q, HEAT_BED if which == 1 else HEAT_CHAMBER, <double> target * 1e-6, wait, cooling, s.line)


cdef inline void heat_tool(Core* s, Planner* q) noexcept nogil:
    """RepRapFirmware M568 and G10 P: S is what the nozzle of tool P is heated to, R what it idles at."""
    cdef uint32_t words = s.w.mask
    if words & BIT_P:
        s.w.mask |= BIT_T
        s.w.value[LETTER_T] = s.w.value[LETTER_P]
    if words & BIT_R:
        may_heat(s, 0, s.w.value[LETTER_R], column_of(s, LETTER_R, 0))
    if words & BIT_S:
        heat_nozzle(s, q, s.w.value[LETTER_S], False, False, column_of(s, LETTER_S, 0))
    s.w.mask = words


cdef inline void heater_command(Core* s, Planner* q, int32_t m) noexcept nogil:
    """M104 M109 nozzle, M140 M190 bed, M141 M191 chamber; S, or R for those that wait for cooling too."""
    cdef int64_t target, column
    cdef int32_t which = 0 if m == 1040 or m == 1090 else 1 if m == 1400 or m == 1900 else 2
    cdef bint wait = m in (1090, 1900, 1910)
    # Klipper's wait ends when the temperature is near the target, from either side (heaters.py, check_busy).
    cdef bint cooling = not s.w.mask & BIT_S or s.reads & READ_EXTENDED
    if (m == 1040 or m == 1090) and s.w.mask & (<uint32_t> 1 << LETTER_B):
        may_heat(s, 0, s.w.value[LETTER_B], column_of(s, LETTER_B, 0))  # Marlin's AUTOTEMP goes up to B by itself
    if s.w.mask & BIT_R:
        may_heat(s, which, s.w.value[LETTER_R], column_of(s, LETTER_R, 0))  # RepRapFirmware: what it idles at
    if s.w.mask & BIT_S:
        target = s.w.value[LETTER_S]
        column = column_of(s, LETTER_S, 0)
    elif s.w.mask & BIT_R:
        target = s.w.value[LETTER_R]
        column = column_of(s, LETTER_R, 0)
    else:
        if wait:
            plan_wait(q, 0.0, s.line)
        return
    if which == 0:
        heat_nozzle(s, q, target, wait, cooling, column)
        return
    heat_other(s, q, which, target, wait, cooling, column)


cdef inline void cold_command(Core* s) noexcept nogil:
    """M302: P1 lets the extruder push cold filament; S is the least temperature at which it may (Marlin M302.cpp,
    RepRapFirmware, Smoothieware). Below 100 degC no filament melts."""
    cdef int64_t least = 100000000
    if s.w.mask & ~s.w.flags & BIT_P and s.w.value[LETTER_P] > 0:
        note(s, HAZ_COLD_ALLOWED, column_of(s, LETTER_P, 0))
    elif s.w.mask & ~s.w.flags & BIT_S and s.w.value[LETTER_S] < least:
        note(s, HAZ_COLD_ALLOWED, column_of(s, LETTER_S, 0))


cdef inline void set_axes(Core* s, double* values, double* caps, double scale) noexcept nogil:
    """The X Y Z E words into `values`; the machine's own cap stays."""
    cdef int32_t i
    cdef int letter
    for i in range(4):
        letter = LETTER_X + i if i < 3 else LETTER_E
        if s.w.mask & (<uint32_t> 1 << letter) and s.w.value[letter] >= 0:
            values[i] = fmin(<double> s.w.value[letter] * 1e-6 * scale, caps[i])


cdef inline void klipper_accel(Core* s, Planner* q) noexcept nogil:
    """Klipper's M204: S, or the lesser of P and T; one of them alone is refused (toolhead.py, cmd_M204)."""
    cdef int64_t accel = 0
    if s.w.mask & BIT_S:
        accel = s.w.value[LETTER_S]
    elif s.w.mask & BIT_P and s.w.mask & BIT_T:
        accel = s.w.value[LETTER_P] if s.w.value[LETTER_P] < s.w.value[LETTER_T] else s.w.value[LETTER_T]
    if accel > 0:
        s.file_sets_limits = 1
        limit_velocity(q, -1.0, <double> accel * 1e-6, -1.0, -1.0)


cdef inline void limit_command(Core* s, Planner* q, int32_t m) noexcept nogil:
    """M201 acceleration, M203 speed, M204 acceleration by kind of move, M205/M566 jerk or junction deviation."""
    cdef double per = 1.0 / 60.0 if s.reads & READ_SPEEDS_PER_MINUTE else 1.0
    cdef uint32_t mask = s.w.mask
    if q.rule == RULE_KLIPPER:
        if m == 2040:
            klipper_accel(s, q)
        return                  # the others are no commands of Klipper's
    s.file_sets_limits = 1
    if m == 2010:
        set_axes(s, q.max_accel, q.cap_accel, 1.0)
        q.least_accel = fmin(fmin(q.max_accel[0], q.max_accel[1]), q.max_accel[2])
    elif m == 2030:
        set_axes(s, q.max_feed, q.cap_feed, per)
    elif m == 2040:
        if mask & BIT_S:
            q.accel = fmin(<double> s.w.value[LETTER_S] * 1e-6, q.cap_plain_accel)
            q.travel_accel = q.accel
        if mask & BIT_P:
            q.accel = fmin(<double> s.w.value[LETTER_P] * 1e-6, q.cap_plain_accel)
        if mask & BIT_R:
            q.retract_accel = fmin(<double> s.w.value[LETTER_R] * 1e-6, q.cap_plain_accel)
        if mask & BIT_T:
            q.travel_accel = fmin(<double> s.w.value[LETTER_T] * 1e-6, q.cap_plain_accel)
    elif m == 2050 or m == 5660:
        if mask & (<uint32_t> 1 << LETTER_J) and s.w.value[LETTER_J] > 0:
            q.deviation = fmin(<double> s.w.value[LETTER_J] * 1e-6, q.cap_deviation)
            if not q.fixed_rule and q.rule == RULE_JERK:
                q.rule = RULE_MARLIN
                q.arc_hints = 1
        elif mask & (BITS_XYZ | BIT_E):
            set_axes(s, q.jerk, q.cap_jerk, per if m == 5660 else 1.0)
            if not q.fixed_rule and q.rule == RULE_MARLIN:
                q.rule = RULE_JERK
                q.arc_hints = 0
    weigh_limits(q)
