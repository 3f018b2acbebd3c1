"""Klipper's extended commands (`NAME KEY=value`), where they change how later lines are read, or where the head is.

Sources: klippy/extras/gcode_move.py, firmware_retraction.py, kinematics/extruder.py. What is not listed may be a
macro of the machine, which may move: after it the place of every axis is not known.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fleetctl._ext.gcode_filament cimport settle_flow
from fleetctl._ext.gcode_frame cimport settle, settle_all
from fleetctl._ext.gcode_go cimport go, go_back
from fleetctl._ext.gcode_heat cimport heat_nozzle, heat_other, may_heat
from fleetctl._ext.gcode_modal cimport select_tool
from fleetctl._ext.gcode_motion cimport lose
from fleetctl._ext.gcode_named cimport begins, end_of_value, is_name, number_of, value_of
from fleetctl._ext.gcode_note cimport clamp, note
from fleetctl._ext.gcode_printer cimport keep_state, lose_all
from fleetctl._ext.gcode_types cimport *
from fleetctl._ext.gcode_velocity cimport velocity_command


cdef inline bint given(Core* s, const char* key, int64_t* value) noexcept nogil:
    """The number of KEY= in millionths; False if it does not stand there or is no plain number."""
    return number_of(s.w.name_end, s.w.text_end, key, value)


cdef inline uint64_t name_hash(Core* s) noexcept nogil:
    """FNV-1a of the value of NAME=, `default` if there is none."""
    cdef const uint8_t* p = value_of(s.w.name_end, s.w.text_end, "NAME")
    cdef const uint8_t* end
    cdef const char* missing = "default"
    cdef uint64_t h = 14695981039346656037ULL
    cdef int32_t i
    if p == NULL:
        for i in range(7):
            h = (h ^ <uint8_t> missing[i]) * 1099511628211ULL
        return h
    end = end_of_value(p, s.w.text_end)
    while p < end:
        h = (h ^ p[0]) * 1099511628211ULL
        p += 1
    return h


cdef inline Saved* saved_state(Core* s, int64_t name, bint new) noexcept nogil:
    """The state of that name, or NULL; a new one if asked for and there is room."""
    cdef Modes* m = &s.modes
    cdef int32_t i
    for i in range(m.saved_count):
        if m.saved[i].name == name:
            return &m.saved[i]
    if not new or m.saved_count == MAX_SAVED:
        return NULL
    m.saved_count += 1
    m.saved[m.saved_count - 1].name = name
    return &m.saved[m.saved_count - 1]


cdef inline double move_speed_of(Core* s) noexcept nogil:
    """MOVE_SPEED= in mm/s; 0: the F in force."""
    cdef int64_t value = 0
    return <double> value * 1e-6 if given(s, "MOVE_SPEED", &value) else 0.0


cdef inline bint asks_move(Core* s) noexcept nogil:
    cdef int64_t value = 0
    return given(s, "MOVE", &value) and value != 0


cdef inline void save_state(Core* s) noexcept nogil:
    """SAVE_GCODE_STATE NAME=."""
    cdef Saved* saved = saved_state(s, <int64_t> name_hash(s), True)
    if saved == NULL:
        note(s, HAZ_STATE_UNKNOWN, 1)
        return
    keep_state(s, saved)


cdef inline void restore_state(Core* s, Planner* q) noexcept nogil:
    """RESTORE_GCODE_STATE NAME= [MOVE=1 [MOVE_SPEED=]]: modes, offsets, speeds; E goes on from where it is."""
    cdef Saved* saved = saved_state(s, <int64_t> name_hash(s), False)
    cdef int a
    if saved == NULL:
        note(s, HAZ_STATE_UNKNOWN, 1)       # a macro may have saved it
        lose_all(s)
        return
    s.relative = saved.relative
    s.e_relative = saved.e_relative
    s.feed = saved.feed
    s.feed_known = saved.feed_known
    s.modes.feed_factor = saved.feed_factor
    s.modes.flow[s.tool] = saved.flow
    s.e_last = saved.e_last
    settle_flow(s)
    for a in range(3):
        s.modes.g92[a] = saved.g92[a]
        s.modes.extra[a] = saved.extra[a]
        s.modes.anchor[a] = saved.anchor[a]
        s.modes.anchor_frame[a] = saved.anchor_frame[a]
        s.modes.anchor_system[a] = saved.anchor_system[a]
        s.foreign[a] = saved.foreign[a]
    settle_all(s)
    if asks_move(s):
        go_back(s, q, &saved.place, BITS_XYZ, False, move_speed_of(s))


cdef inline void set_offset(Core* s, Planner* q) noexcept nogil:
    """SET_GCODE_OFFSET X= X_ADJUST= ... MOVE=1: the same coordinates mean other places."""
    cdef const char* keys[3]
    cdef const char* adjusts[3]
    cdef int64_t target[3]
    cdef int32_t frame[3]
    cdef int64_t value, delta
    cdef uint32_t moved = 0
    cdef int a
    keys[0] = "X"
    keys[1] = "Y"
    keys[2] = "Z"
    adjusts[0] = "X_ADJUST"
    adjusts[1] = "Y_ADJUST"
    adjusts[2] = "Z_ADJUST"
    for a in range(3):
        value = 0
        if given(s, keys[a], &value):
            delta = value - s.modes.extra[a]
        elif given(s, adjusts[a], &value):
            delta = value
        else:
            continue
        s.modes.extra[a] = clamp(s.modes.extra[a] + delta)
        settle(s, a)
        moved |= <uint32_t> BIT_X << a
        target[a] = clamp(s.pos[a] + delta)
        frame[a] = s.frame[a]
    if moved and asks_move(s):
        for a in range(3):
            if not s.commanded[a]:
                moved &= ~(<uint32_t> BIT_X << a)
        if moved:
            go(s, q, moved, target, frame, False, move_speed_of(s))


cdef inline int64_t extruder_number(Core* s, const char* key) noexcept nogil:
    """The N of `key`=extruderN, 0 without digits; -1 if it names no extruder."""
    cdef const uint8_t* p = value_of(s.w.name_end, s.w.text_end, key)
    cdef int64_t number = 0
    if p == NULL or not begins(p, s.w.text_end, "EXTRUDER"):
        return -1
    p += 8
    while p < s.w.text_end and 48 <= p[0] <= 57 and number < 1000:
        number = number * 10 + (p[0] - 48)
        p += 1
    return number


cdef inline void activate_extruder(Core* s, Planner* q) noexcept nogil:
    """ACTIVATE_EXTRUDER EXTRUDER=extruder1: E begins at 0 and flow at 100 %."""
    cdef int64_t number = extruder_number(s, "EXTRUDER")
    if number < 0:
        return
    select_tool(s, q, number)
    s.t_use.count -= 1                      # no T word stands here
    if s.t_use.count == 0:
        s.t_use.first_line = 0
    s.modes.flow[s.tool] = 1.0
    settle_flow(s)
    s.e_last = 0


cdef inline void set_retraction(Core* s) noexcept nogil:
    """SET_RETRACTION; it also forgets that the filament is pulled back."""
    cdef Modes* m = &s.modes
    cdef int64_t value = 0
    if given(s, "RETRACT_LENGTH", &value):
        m.retract = value
        m.retract_known = 1
    if given(s, "UNRETRACT_EXTRA_LENGTH", &value):
        m.retract_extra = value
    if given(s, "RETRACT_SPEED", &value):
        m.retract_speed = <double> value * 1e-6
    if given(s, "UNRETRACT_SPEED", &value):
        m.recover_speed = <double> value * 1e-6
    m.retracted = 0


cdef inline int64_t column_of_key(Core* s, const char* key) noexcept nogil:
    """The column at which KEY= begins; 1 if it is not there."""
    cdef const uint8_t* p = value_of(s.w.name_end, s.w.text_end, key)
    if p == NULL:
        return 1
    while (p - 1)[0] != 32 and (p - 1)[0] != 9:     # one stands before every key
        p -= 1
    return p - s.text + 1


cdef inline void set_heater(Core* s, Planner* q, bint stays) noexcept nogil:
    """HEATER= TARGET= (0 if it is left out): the bed, a nozzle, and any other as the chamber (heaters.py).

    `stays`: PID_CALIBRATE switches off at its end. Python reads more kinds of numbers than are read here; such a
    target counts as a number that is missing.
    """
    cdef const uint8_t* p = value_of(s.w.name_end, s.w.text_end, "HEATER")
    cdef int64_t number = extruder_number(s, "HEATER")
    cdef int64_t target = 0
    cdef int64_t column = column_of_key(s, "TARGET")
    cdef int32_t which = 2
    cdef uint32_t words = s.w.mask
    if not given(s, "TARGET", &target) and value_of(s.w.name_end, s.w.text_end, "TARGET") != NULL:
        note(s, HAZ_NUMBER_MISSING, 1)
        return
    if p == NULL:
        return
    if number >= 0:
        which = 0
    elif begins(p, s.w.text_end, "HEATER_BED"):
        which = 1
    if not stays:
        may_heat(s, which, target, column)
    elif which == 0:
        s.w.mask |= BIT_T
        s.w.value[LETTER_T] = number * 1000000
        heat_nozzle(s, q, target, False, False, column)
        s.w.mask = words
    else:
        heat_other(s, q, which, target, False, False, column)


cdef inline void turn_off_heaters(Core* s, Planner* q) noexcept nogil:
    """TURN_OFF_HEATERS: each that was set goes to 0."""
    cdef int32_t i
    for i in range(s.tool_count):
        s.tools[i].nozzle = 0
    if s.heater[0].first_line:
        heat_nozzle(s, q, 0, False, False, 1)
    for i in range(1, 3):
        if s.heater[i].first_line:
            heat_other(s, q, i, 0, False, False, 1)


cdef inline bint not_followed(Core* s, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Commands that bend the path, switch pins or couple extruders in ways that the facts do not hold; True if this
    was one.

    Sources: klippy/extras/skew_correction.py, bed_mesh.py (BED_MESH_OFFSET), dual_carriage.py, stepper_enable.py,
    output_pin.py, servo.py; kinematics/extruder.py (SYNC_EXTRUDER_MOTION, SET_EXTRUDER_ROTATION_DISTANCE).
    """
    cdef int64_t column = p - s.text + 1
    cdef int64_t value = 0
    if is_name(p, end, "SET_SKEW"):
        if not (given(s, "CLEAR", &value) and value != 0):
            note(s, HAZ_NOT_FOLLOWED, column)
    elif is_name(p, end, "SKEW_PROFILE"):
        if value_of(end, s.w.text_end, "LOAD") != NULL:
            note(s, HAZ_NOT_FOLLOWED, column)
        else:
            note(s, HAZ_SETTINGS_WRITE, column)     # SAVE and REMOVE
    elif is_name(p, end, "BED_MESH_OFFSET"):
        note(s, HAZ_NOT_FOLLOWED, column)
    elif is_name(p, end, "SET_DUAL_CARRIAGE") or is_name(p, end, "SET_STEPPER_ENABLE"):
        note(s, HAZ_NOT_FOLLOWED, column)
        lose_all(s)
    elif is_name(p, end, "SET_PIN") or is_name(p, end, "SET_SERVO"):
        note(s, HAZ_PIN_SET, column)
    elif begins(p, end, "SYNC_EXTRUDER") or begins(p, end, "SET_EXTRUDER_ROTATION_DISTANCE"):
        note(s, HAZ_FILAMENT_UNKNOWN, column)
    else:
        return False
    return True


cdef inline void meta_command(Core* s, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """RepRapFirmware's `if`, `while` and their kin (its manual, "GCode meta commands"): which lines are carried out,
    and how often, is known only at the machine. `echo` only prints; a variable by itself moves nothing."""
    cdef const char* names[7]
    cdef int32_t i
    names[0] = "IF"
    names[1] = "ELIF"
    names[2] = "ELSE"
    names[3] = "WHILE"
    names[4] = "BREAK"
    names[5] = "CONTINUE"
    names[6] = "ABORT"
    for i in range(7):
        if is_name(p, end, names[i]):
            note(s, HAZ_META_COMMAND, p - s.text + 1)
            return


cdef inline bint stands_still(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Commands of Klipper and its usual companions that leave the head where it is, or bring it back there."""
    cdef const char* names[16]
    cdef int32_t i
    names[0] = "SET_"
    names[1] = "EXCLUDE_OBJECT"
    names[2] = "TIMELAPSE_"
    names[3] = "RESPOND"
    names[4] = "BED_MESH_PROFILE"
    names[5] = "BED_MESH_CLEAR"
    names[6] = "TURN_OFF_HEATERS"
    names[7] = "TEMPERATURE_WAIT"
    names[8] = "UPDATE_DELAYED_GCODE"
    names[9] = "SYNC_EXTRUDER"
    names[10] = "SKEW_PROFILE"
    names[11] = "GET_"
    names[12] = "QUERY_"
    names[13] = "STATUS"
    names[14] = "PRINT_STATS"
    names[15] = "SAVE_VARIABLE"
    for i in range(16):
        if begins(p, end, names[i]):
            return True
    return False


cdef inline void extended_command(Core* s, Planner* q) noexcept nogil:
    """The extended command of the line at hand."""
    cdef const uint8_t* p = s.w.name
    cdef const uint8_t* end = s.w.name_end
    if not s.reads & READ_EXTENDED:
        if s.reads & READ_BRACES:
            meta_command(s, p, end)
        return
    if is_name(p, end, "SET_GCODE_OFFSET"):
        set_offset(s, q)
    elif is_name(p, end, "SAVE_GCODE_STATE"):
        save_state(s)
    elif is_name(p, end, "RESTORE_GCODE_STATE"):
        restore_state(s, q)
    elif is_name(p, end, "SET_RETRACTION"):
        set_retraction(s)
    elif is_name(p, end, "ACTIVATE_EXTRUDER"):
        activate_extruder(s, q)
    elif is_name(p, end, "SET_HEATER_TEMPERATURE") or is_name(p, end, "PID_CALIBRATE"):
        set_heater(s, q, is_name(p, end, "SET_HEATER_TEMPERATURE"))
    elif is_name(p, end, "TURN_OFF_HEATERS"):
        turn_off_heaters(s, q)
    elif not_followed(s, p, end):
        pass
    elif not stands_still(p, end):
        lose_all(s)
    elif q.rule == RULE_KLIPPER:
        velocity_command(s, q)
