"""SET_VELOCITY_LIMIT and the other commands of Klipper that change the plan: NAME KEY=value.

Only what planned time needs. Case does not matter (klippy/gcode.py upper-cases names and keys).
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fleetctl._ext.gcode_klipper cimport limit_velocity
from fleetctl._ext.gcode_plan cimport pause, plan_heat
from fleetctl._ext.gcode_types cimport *


cdef inline uint8_t upper(uint8_t c) noexcept nogil:
    return c - 32 if 97 <= c <= 122 else c


cdef inline const uint8_t* past(const uint8_t* p, const uint8_t* end, const char* word) noexcept nogil:
    """Behind `word` if the text at `p` begins with it, else NULL."""
    while word[0] != 0:
        if p >= end or upper(p[0]) != <uint8_t> word[0]:
            return NULL
        p += 1
        word += 1
    return p


cdef inline const uint8_t* value_of(const uint8_t* p, const uint8_t* end, const char* key) noexcept nogil:
    """Behind `key=`, which stands behind a blank, or NULL."""
    cdef const uint8_t* found
    while p < end and p[0] != 59 and p[0] != 35:
        if p[0] <= 32:
            found = past(p + 1, end, key)
            if found != NULL and found < end and found[0] == 61:
                return found + 1
        p += 1
    return NULL


cdef inline double number_of(const uint8_t* p, const uint8_t* end, const char* key) noexcept nogil:
    """The value of `key`, or -1 if it is not given or no plain number of up to 15 digits."""
    cdef double value = 0.0, unit = 1.0
    cdef int32_t digits = 0
    cdef bint point = False
    p = value_of(p, end, key)
    if p == NULL:
        return -1.0
    while p < end and digits < 16 and (48 <= p[0] <= 57 or (p[0] == 46 and not point)):
        if p[0] == 46:
            point = True
        else:
            value = value * 10.0 + (p[0] - 48)
            digits += 1
            if point:
                unit *= 10.0
        p += 1
    if digits == 0 or (p < end and p[0] > 32 and p[0] != 59 and p[0] != 35):
        return -1.0
    return value / unit


cdef inline void velocity_limit(Core* s, Planner* q, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """ACCEL_TO_DECEL is the older way to say the minimum cruise ratio: 1 - ACCEL_TO_DECEL / max_accel."""
    cdef double accel = number_of(p, end, "ACCEL")
    cdef double ratio = number_of(p, end, "MINIMUM_CRUISE_RATIO")
    cdef double decel = number_of(p, end, "ACCEL_TO_DECEL")
    cdef double whole = accel if accel > 0.0 else q.accel
    if ratio < 0.0 and decel > 0.0 and whole > 0.0:
        ratio = 1.0 - decel / whole if decel < whole else 0.0
    s.file_sets_limits = 1
    limit_velocity(q, number_of(p, end, "VELOCITY"), accel, number_of(p, end, "SQUARE_CORNER_VELOCITY"), ratio)


cdef inline int32_t heater_of(Core* s, const uint8_t* p, const uint8_t* end, const char* key) noexcept nogil:
    """The heater that `key` names: the bed, else the nozzle of the present tool; -1 for anything else."""
    p = value_of(p, end, key)
    if p == NULL:
        return -1
    if past(p, end, "HEATER_BED") != NULL:
        return HEAT_BED
    return s.tool if past(p, end, "EXTRUDER") != NULL else -1


cdef inline void velocity_command(void* core, Planner* q, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """A line that is no block of words; `core` is the Core."""
    cdef Core* s = <Core*> core
    cdef const uint8_t* rest
    cdef double degc
    cdef int32_t heater
    while p < end and p[0] <= 32:
        p += 1
    rest = past(p, end, "SET_VELOCITY_LIMIT")
    if rest != NULL:
        velocity_limit(s, q, rest, end)
        return
    rest = past(p, end, "TEMPERATURE_WAIT")
    if rest != NULL:
        heater = heater_of(s, rest, end, "SENSOR")
        degc = number_of(rest, end, "MINIMUM")
        if heater >= 0 and degc >= 0.0:
            pause(q, SPENT_HEATING, heater | HEAT_LOOK, degc, s.line)
        return
    rest = past(p, end, "SET_HEATER_TEMPERATURE")
    if rest != NULL:
        heater = heater_of(s, rest, end, "HEATER")
        degc = number_of(rest, end, "TARGET")
        if heater >= 0:
            plan_heat(q, heater, degc if degc > 0.0 else 0.0, False, False, s.line)
