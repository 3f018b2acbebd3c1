"""Klipper's commands that change the plan: SET_VELOCITY_LIMIT, and heaters by name. Only what planned time needs.

`gcode_extended` calls; sources: klippy/toolhead.py (cmd_SET_VELOCITY_LIMIT), klippy/extras/heaters.py.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fleetctl._ext.gcode_klipper cimport limit_velocity
from fleetctl._ext.gcode_named cimport begins, is_name, number_of, value_of
from fleetctl._ext.gcode_plan cimport pause
from fleetctl._ext.gcode_types cimport *


cdef inline double given(Core* s, const char* key) noexcept nogil:
    """The value of `key`, or -1 if it is not given or no plain number."""
    cdef int64_t value = 0
    return <double> value * 1e-6 if number_of(s.w.name_end, s.w.text_end, key, &value) else -1.0


cdef inline void velocity_limit(Core* s, Planner* q) noexcept nogil:
    """ACCEL_TO_DECEL is the older way to say the minimum cruise ratio: 1 - ACCEL_TO_DECEL / max_accel."""
    cdef double accel = given(s, "ACCEL")
    cdef double ratio = given(s, "MINIMUM_CRUISE_RATIO")
    cdef double decel = given(s, "ACCEL_TO_DECEL")
    cdef double whole = accel if accel > 0.0 else q.accel
    if ratio < 0.0 and decel > 0.0 and whole > 0.0:
        ratio = 1.0 - decel / whole if decel < whole else 0.0
    s.file_sets_limits = 1
    limit_velocity(q, given(s, "VELOCITY"), accel, given(s, "SQUARE_CORNER_VELOCITY"), ratio)


cdef inline int32_t heater_of(Core* s, const char* key) noexcept nogil:
    """The heater that `key` names: the bed, else the nozzle of the present tool; -1 for anything else."""
    cdef const uint8_t* p = value_of(s.w.name_end, s.w.text_end, key)
    if p == NULL:
        return -1
    if begins(p, s.w.text_end, "HEATER_BED"):
        return HEAT_BED
    return s.tool if begins(p, s.w.text_end, "EXTRUDER") else -1


cdef inline void velocity_command(Core* s, Planner* q) noexcept nogil:
    """The extended command of the line at hand, if it is one of these."""
    cdef const uint8_t* p = s.w.name
    cdef const uint8_t* end = s.w.name_end
    cdef double degc
    cdef int32_t heater
    if is_name(p, end, "SET_VELOCITY_LIMIT"):
        velocity_limit(s, q)
    elif is_name(p, end, "TEMPERATURE_WAIT"):
        heater = heater_of(s, "SENSOR")
        degc = given(s, "MINIMUM")
        if heater >= 0 and degc >= 0.0:
            pause(q, SPENT_HEATING, heater | HEAT_LOOK, degc, s.line)
