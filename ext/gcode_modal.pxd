"""Modal state: what G and M words switch, tools and spindle. Motion itself is elsewhere."""

from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_filament cimport settle_flow, tool_changed
from fleetctl._ext.gcode_frame cimport choose_frame
from fleetctl._ext.gcode_heat cimport cold_command, heat_aside, heat_tool, heater_command, limit_command
from fleetctl._ext.gcode_history cimport history
from fleetctl._ext.gcode_motion cimport answer, feed_per_turn, lose
from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_parameter cimport object_to
from fleetctl._ext.gcode_place cimport column_of
from fleetctl._ext.gcode_plan cimport pause, plan_wait
from fleetctl._ext.gcode_printer cimport printer_command
from fleetctl._ext.gcode_program cimport WHY_MODES_KEPT
from fleetctl._ext.gcode_trace cimport HISTORY_FAN, HISTORY_FLOW, HISTORY_SPINDLE
from fleetctl._ext.gcode_types cimport *


cdef inline bint count_use(Use* use, int64_t line) noexcept nogil:
    """One more of a word; True for the first."""
    use.count += 1
    if use.count > 1:
        return False
    use.first_line = line
    return True


cdef inline void select_tool(Core* s, Planner* q, int64_t number) noexcept nogil:
    """A T word: the tool in use for printers; for CNC also noted, M6 brings it in."""
    cdef int32_t i
    if count_use(&s.t_use, s.line):
        s.t_use.first_column = column_of(s, LETTER_T, 0)
    s.modes.selected = number
    s.modes.selected_known = 1
    for i in range(s.tool_count):
        if s.tools[i].number == number:
            break
    else:
        if s.tool_count == MAX_TOOLS or number < 0:
            note(s, HAZ_TOOL_OVERFLOW, 1)
            return
        i = s.tool_count
        s.tool_count += 1
        s.tools[i].number = number
    if s.tools[i].first_line == 0:
        s.tools[i].first_line = s.line
    if i != s.tool and not s.reads & READ_CNC:
        pause(q, SPENT_TOOL_CHANGE, 0, q.tool_change_s, s.line)
    s.tool = i
    s.resume.tool_asked = number
    if not s.reads & READ_CNC:
        tool_changed(s)


cdef inline void take_s(Core* s) noexcept nogil:
    """The S word of CNC dialects: spindle speed or laser power, modal."""
    s.s_value = s.w.value[LETTER_S]
    if s.modes.feed_mode == 95 and s.feed_known:
        feed_per_turn(s)
    if s.s_value > 0:
        s.checks &= ~<uint32_t> CHECK_SPEED
    if s.w.mask & BITS_XYZ:
        s.s_on_motion += 1


cdef inline void spin(Core* s, int32_t m) noexcept nogil:
    """M3, M4, M5 (times ten), CNC dialects."""
    s.spindle_end_line = s.line
    if m == 50:
        s.spindle = 0
        answer(s, CHECK_SPEED)
        if s.hazard[HAZ_SPINDLE_OFF_CUT].count == 0:
            s.checks |= CHECK_SPINDLE
        return
    s.spindle = 1
    s.modes.spindle_forward = m == 30
    answer(s, CHECK_SPINDLE)
    if s.s_value <= 0 and s.hazard[HAZ_SPINDLE_NO_SPEED].count == 0:
        s.checks |= CHECK_SPEED
    if s.spindle_on_line == 0:
        s.spindle_on_line = s.line
    if m == 40 and s.dynamic_power_line == 0:
        s.dynamic_power_line = s.line
    if m == 30 and s.cut.constant_line == 0:
        s.cut.constant_line = s.line


cdef inline void spindle_history(Core* s) noexcept nogil:
    """S while the spindle turns, else 0."""
    if s.spindle or s.spindle_on_line:
        history(s, HISTORY_SPINDLE, <double> s.s_value / 1e6 if s.spindle else 0.0)


cdef inline void fan_command(Core* s, int32_t m) noexcept nogil:
    """M106 S and M107, the part fan (P0); S is 0 to 255, in RepRapFirmware also 0 to 1 (M106 of its manual)."""
    cdef double share = 1.0
    if s.w.mask & BIT_P and s.w.value[LETTER_P] != 0:
        return
    if m == 1070:
        share = 0.0
    elif s.w.mask & BIT_S:
        share = <double> s.w.value[LETTER_S] / 1e6
        if not (s.reads & READ_SPEEDS_PER_MINUTE and share <= 1.0):
            share /= 255.0
    elif s.reads & READ_SPEEDS_PER_MINUTE:
        return
    history(s, HISTORY_FAN, share if share < 1.0 else 1.0)


cdef inline void load_tool(Core* s, int64_t number, bint known) noexcept nogil:
    """M6 and M61: the tool in the spindle, whose length a G43 without H takes."""
    s.modes.loaded = number
    s.modes.loaded_known = known


cdef inline void end_marker(Core* s, int32_t marker) noexcept nogil:
    s.end_marker = marker
    s.end_marker_line = s.line


cdef inline bint lets_go(Core* s) noexcept nogil:
    """Does M18 or M84 switch off a motor of X, Y or Z? With S it sets after how long (Marlin M18_M84.cpp), with E it
    is the extruder's; Klipper switches off all of them in any case (stepper_enable.py)."""
    if s.reads & READ_EXTENDED:
        return True
    return not s.w.mask & BIT_S and (s.w.mask & BITS_XYZ or not s.w.mask & BIT_E)


cdef inline void modes_lost(Core* s) noexcept nogil:
    """M72 brings back the modes that M70 kept, M73 those at the call when its subroutine ends (LinuxCNC, grblHAL):
    which is not followed."""
    cdef int a
    if s.program != NULL:
        object_to(s, HAZ_NOT_PROVABLE, WHY_MODES_KEPT, 1)
    else:
        note(s, HAZ_NOT_PROVABLE, 1)
    for a in range(3):
        lose(s, a)


cdef inline void m_command(Core* s, Planner* q, int32_t m) noexcept nogil:
    """One M word before the motion of its line; M0 M1 M2 M30 come after it."""
    cdef bint cnc = s.reads & READ_CNC
    if not cnc and printer_command(s, q, m):
        return
    if m == 820:
        s.e_relative = 0
    elif m == 830:
        s.e_relative = 1
    elif m in (1040, 1090, 1400, 1900, 1410, 1910):
        heater_command(s, q, m)
    elif m == 5680 and s.reads & READ_HOMING_MOVES:
        heat_tool(s, q)
    elif m == 3030 or m == 1450:
        heat_aside(s, m)
    elif m == 3020 and not cnc:
        cold_command(s)
    elif m in (2010, 2030, 2040, 2050, 5660) and not cnc:
        limit_command(s, q, m)
    elif m in (30, 40, 50) and cnc:
        spin(s, m)
        plan_wait(q, 0.0, s.line)
    elif m == 60:
        pause(q, SPENT_TOOL_CHANGE, 0, q.tool_change_s if cnc else 0.0, s.line)
        if cnc:
            load_tool(s, s.modes.selected, s.modes.selected_known)
    elif m in (70, 80, 90, 4000, 6000):
        plan_wait(q, 0.0, s.line)
    elif m == 610 and cnc:              # LinuxCNC: the tool in the spindle is number Q
        load_tool(s, s.w.value[LETTER_Q] // 1000000, s.w.mask & BIT_Q)
    elif (m == 720 or m == 730) and s.reads & READ_ARC_TURNS:
        modes_lost(s)
    elif m in (180, 840) and not cnc:
        end_marker(s, END_MOTORS_OFF)
        s.checks |= CHECK_ENDED
        if lets_go(s) and s.hazard[HAZ_MOTION_BEFORE_HOME].count == 0:
            s.checks |= CHECK_HOME
    elif (m == 1060 or m == 1070) and not cnc:
        fan_command(s, m)
    elif m == 2210 and s.w.mask & BIT_S:
        history(s, HISTORY_FLOW, <double> s.w.value[LETTER_S] / 1e8)
    elif m == 2210 and s.reads & READ_EXTENDED:
        history(s, HISTORY_FLOW, 1.0)
    elif m == 1120:
        note(s, HAZ_EMERGENCY_STOP, 1)
    elif m in (5000, 5020):
        note(s, HAZ_SETTINGS_WRITE, 1)
    elif m in (920, 2060, 4280, 6650, 6660) and not cnc and (m == 4280 or s.w.mask & BITS_XYZ):
        note(s, HAZ_SCALE_CHANGE, 1)


cdef inline void stop_command(Core* s, Planner* q, int32_t m) noexcept nogil:
    """M0 M1 M2 M30 M60, after the motion of their line."""
    if m == 20 or (m == 300 and s.reads & READ_CNC):
        end_marker(s, END_M2 if m == 20 else END_M30)
        if s.ended_line == 0:
            s.ended_line = s.line
        if s.reads & READ_CNC:      # program end stops the spindle and goes back to G54 G17 G90 G94 (RS274NGC 3.6.1)
            s.spindle = 0
            spindle_history(s)
            s.plane = 17
            s.relative = 0
            if s.checks & CHECK_INVERSE:
                answer(s, CHECK_INVERSE)
                s.checks |= CHECK_FEED
            s.inverse_time = 0
            s.modes.feed_mode = 94
            s.modes.cutter = 0
            s.motion = 10
            choose_frame(s, FRAME_G54)
    plan_wait(q, 0.0, s.line)


cdef inline void set_distance(Core* s, int32_t relative) noexcept nogil:
    s.relative = relative
    answer(s, CHECK_DISTANCE)
    if s.distance_line == 0:
        s.distance_line = s.line
    if s.reads & READ_E_FOLLOWS_G90:
        s.e_relative = relative


cdef inline void set_feed_mode(Core* s, int32_t mode) noexcept nogil:
    """G93, G94, G95: an F of another kind is no F any more (Grbl gc_execute_line step 3). LinuxCNC forgets it even
    where the mode stays as it is (rs274: "Cannot do g1 with zero feed rate")."""
    if not s.reads & READ_CNC or (mode == s.modes.feed_mode and not s.reads & READ_EXPRESSIONS):
        return
    answer(s, CHECK_INVERSE)
    if mode == 93:
        s.checks |= CHECK_INVERSE
        answer(s, CHECK_FEED)
    elif not s.w.mask & BIT_F:
        s.checks |= CHECK_FEED
    s.inverse_time = mode == 93
    s.modes.feed_mode = mode
    s.feed = 0.0
    s.feed_known = 0


cdef inline void halve_x(Core* s) noexcept nogil:
    """G7: the X of a lathe is a diameter."""
    s.w.value[LETTER_X] = (s.w.value[LETTER_X] + (s.w.value[LETTER_X] > 0)) // 2


cdef inline bint set_mode(Core* s, int32_t g) noexcept nogil:
    """The G words that only change state; True if this was one."""
    if g == 200 or g == 210:
        s.inch = g == 200
        if s.modes.volumetric[s.tool]:
            settle_flow(s)
        answer(s, CHECK_UNITS)
        if s.units_line == 0:
            s.units_line = s.line
    elif g == 900 or g == 910:
        set_distance(s, g == 910)
    elif g == 901 or g == 911:
        s.arc_absolute = g == 901
    elif g == 170 or g == 180 or g == 190:
        s.plane = g // 10
    elif 540 <= g <= 590 and g % 10 == 0:
        choose_frame(s, FRAME_G54 + (g - 540) // 10)
    elif 591 <= g <= 593:
        choose_frame(s, FRAME_G54 + 5 + g - 590)
    elif g == 980 or g == 990:
        s.old_z_return = g == 980
    elif g == 930 or g == 940 or g == 950:
        set_feed_mode(s, g // 10)
    elif g == 410 or g == 420 or g == 411 or g == 421:
        s.modes.cutter = g if s.reads & READ_CNC else 0
        note(s, HAZ_CUTTER_COMPENSATION, 1)
    elif g == 400:
        s.modes.cutter = 0
    elif g == 70 or g == 80:
        if not s.reads & READ_CNC:
            return False
        if g == 70 and not s.modes.diameter and s.w.mask & BIT_X:
            halve_x(s)                  # modes come before motion; later lines are met by `odd_words`
        s.modes.diameter = g == 70
        s.modes.odd_words = s.modes.diameter
    elif g in (160, 510, 680, 171, 181, 191):
        note(s, HAZ_TRANSFORM, 1)
    else:
        return False
    return True
