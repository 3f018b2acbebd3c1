"""What a line of words does: modal state, offsets, tools, spindle, and which kind of motion follows.

The order within a line is RS274NGC's (feed, spindle, tool, stop of spindle, dwell, plane, units, coordinate
system, distance mode, offsets, motion, end), not the order of the text; a printer's one-command lines come out
the same.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_arc cimport curve
from fleetctl._ext.gcode_cycle cimport cycle
from fleetctl._ext.gcode_heat cimport heat_nozzle, heater_command, limit_command
from fleetctl._ext.gcode_motion cimport aim, answer, begin_here, lose, reach, straight, take_feed, to_mm
from fleetctl._ext.gcode_note cimport clamp, note
from fleetctl._ext.gcode_plan cimport plan_wait
from fleetctl._ext.gcode_types cimport *


cdef inline void count_use(Use* use, int64_t line) noexcept nogil:
    if use.count == 0:
        use.first_line = line
    use.count += 1


cdef inline void select_tool(Core* s, int64_t number) noexcept nogil:
    """A T word: the tool in use for printers; for CNC also noted, M6 brings it in."""
    cdef int32_t i
    count_use(&s.t_use, s.line)
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
    s.tool = i


cdef inline void take_s(Core* s) noexcept nogil:
    """The S word of CNC dialects: spindle speed or laser power, modal."""
    s.s_value = s.w.value[LETTER_S]
    if s.w.mask & BITS_XYZ:
        s.s_on_motion += 1


cdef inline void spin(Core* s, int32_t m) noexcept nogil:
    """M3, M4, M5 (times ten), CNC dialects."""
    s.spindle_end_line = s.line
    if m == 50:
        s.spindle = 0
        if s.hazard[HAZ_SPINDLE_OFF_CUT].count == 0:
            s.checks |= CHECK_SPINDLE
        return
    s.spindle = 1
    answer(s, CHECK_SPINDLE)
    if s.spindle_on_line == 0:
        s.spindle_on_line = s.line
    if m == 40 and s.dynamic_power_line == 0:
        s.dynamic_power_line = s.line


cdef inline void end_marker(Core* s, int32_t marker) noexcept nogil:
    s.end_marker = marker
    s.end_marker_line = s.line


cdef inline void m_command(Core* s, Planner* q, int32_t m) noexcept nogil:
    """One M word before the motion of its line; M0 M1 M2 M30 come after it."""
    cdef bint cnc = s.reads & READ_CNC
    if m == 820:
        s.e_relative = 0
    elif m == 830:
        s.e_relative = 1
    elif m in (1040, 1090, 1400, 1900, 1410, 1910):
        heater_command(s, m)
        if m in (1090, 1900, 1910):
            plan_wait(q, 0.0, s.line)
    elif m in (2010, 2030, 2040, 2050, 5660) and not cnc:
        limit_command(s, q, m)
    elif m in (30, 40, 50) and cnc:
        spin(s, m)
        plan_wait(q, 0.0, s.line)
    elif m in (60, 70, 80, 90, 4000, 6000):
        plan_wait(q, 0.0, s.line)
    elif m in (180, 840) and not cnc:
        end_marker(s, END_MOTORS_OFF)
    elif m == 1120:
        note(s, HAZ_EMERGENCY_STOP, 1)
    elif m in (5000, 5020):
        note(s, HAZ_SETTINGS_WRITE, 1)
    elif m == 2000 and s.w.mask & (<uint32_t> 1 << LETTER_D) and s.w.value[LETTER_D] > 0:
        note(s, HAZ_VOLUMETRIC, 1)


cdef inline void stop_command(Core* s, Planner* q, int32_t m) noexcept nogil:
    """M0 M1 M2 M30 M60, after the motion of their line."""
    if m == 20 or (m == 300 and s.reads & READ_CNC):
        end_marker(s, END_M2 if m == 20 else END_M30)
        if s.ended_line == 0:
            s.ended_line = s.line
        if s.reads & READ_CNC:      # program end stops the spindle and goes back to G54 G17 G90 G94 (RS274NGC 3.6.1)
            s.spindle = 0
            s.plane = 17
            s.relative = 0
            s.inverse_time = 0
            s.motion = 10
            choose_frame(s, FRAME_G54)
    plan_wait(q, 0.0, s.line)


cdef inline void choose_frame(Core* s, int32_t frame) noexcept nogil:
    """G54..G59.3. Each axis stays where it is, in the frame it was put there in."""
    cdef int a
    s.wcs = frame
    for a in range(3):
        s.abs_frame[a] = frame


cdef inline void home(Core* s, Planner* q, int32_t g) noexcept nogil:
    """G28 and G30. A printer's G28 drives the named axes (all, if none is named) to their switches."""
    cdef uint32_t named = s.w.mask & BITS_XYZ
    cdef int32_t a, frame
    cdef int64_t target
    plan_wait(q, 0.0, s.line)
    s.in_work = 0
    if s.first_home_line == 0 and g == 280:
        s.first_home_line = s.line
    if not s.reads & READ_CNC:
        if g == 300:
            return                  # Marlin: a single probe
        if s.checks & CHECK_FIRST:
            s.first_motion_line = s.line
            answer(s, CHECK_FIRST)
        answer(s, CHECK_HOME)
        for a in range(3):
            if named == 0 or named & (<uint32_t> BIT_X << a):
                s.shift[a] = 0
                s.abs_frame[a] = s.wcs
                reach(s, a, s.home[a], FRAME_MACHINE)
        return
    for a in range(3):              # by way of the given point, then to a stored position we do not know
        if named & (<uint32_t> BIT_X << a):
            aim(s, a, to_mm(s, s.w.value[LETTER_X + a]), False, &target, &frame)
            reach(s, a, target, frame)
    for a in range(3):
        if named == 0 or named & (<uint32_t> BIT_X << a):
            lose(s, a)


cdef inline void shift_origin(Core* s, int32_t g) noexcept nogil:
    """G92, G92.1 to .3, G52: program coordinates move against the frame."""
    cdef int a
    cdef int64_t value
    cdef uint32_t named = s.w.mask & (BITS_XYZ | BIT_E)
    if g == 920 or g == 520:
        if g == 920 and s.w.mask & BIT_E:
            s.e_last = to_mm(s, s.w.value[LETTER_E])
        for a in range(3):
            if not s.w.mask & (<uint32_t> BIT_X << a):
                if not (g == 920 and named == 0 and not s.reads & READ_CNC):
                    continue        # Marlin: G92 alone sets every axis to zero
                value = 0
            else:
                value = to_mm(s, s.w.value[LETTER_X + a])
            if g == 520:
                s.shift[a] = clamp(value)
                continue
            s.shift[a] = clamp(s.pos[a] - value)
            s.abs_frame[a] = s.frame[a]
            begin_here(s, a)        # now it is known where it stands
        if g == 920 and named == 0 and not s.reads & READ_CNC:
            s.e_last = 0
        return
    for a in range(3):
        if g == 921 or g == 922:
            s.saved_shift[a] = s.shift[a] if g == 922 else 0
            s.shift[a] = 0
            s.abs_frame[a] = s.wcs
        elif g == 923:
            s.shift[a] = s.saved_shift[a]


cdef inline void write_offset(Core* s) noexcept nogil:
    """G10: stored offsets (L2, L20); in RepRapFirmware P S sets a tool's temperature."""
    cdef int a
    cdef int64_t l = s.w.value[LETTER_L] // 1000000 if s.w.mask & BIT_L else 0
    cdef int64_t p = s.w.value[LETTER_P] // 1000000 if s.w.mask & BIT_P else 0
    if l != 2 and l != 20:
        if s.reads & READ_SPEEDS_PER_MINUTE and s.w.mask & BIT_P and s.w.mask & BIT_S:
            s.w.mask |= BIT_T
            s.w.value[LETTER_T] = s.w.value[LETTER_P]
            heat_nozzle(s, s.w.value[LETTER_S])
        return
    note(s, HAZ_OFFSET_WRITE, 1)
    if l == 20 and (p == 0 or p == s.wcs):
        for a in range(3):          # from here on the active frame reads the given value at this place
            if s.w.mask & (<uint32_t> BIT_X << a):
                reach(s, a, clamp(to_mm(s, s.w.value[LETTER_X + a]) + s.shift[a]), s.wcs)
                s.abs_frame[a] = s.wcs
        s.in_work = 0


cdef inline void dwell(Core* s, Planner* q) noexcept nogil:
    """G4: P in seconds (RS274, Grbl) or milliseconds (Marlin, Klipper, RepRapFirmware); S in seconds there."""
    cdef double seconds = 0.0
    if s.reads & READ_G4_P_MS:
        if s.w.mask & BIT_S:
            seconds = <double> s.w.value[LETTER_S] * 1e-6
        elif s.w.mask & BIT_P:
            seconds = <double> s.w.value[LETTER_P] * 1e-9
    elif s.w.mask & BIT_P:
        seconds = <double> s.w.value[LETTER_P] * 1e-6
    plan_wait(q, seconds if seconds > 0.0 else 0.0, s.line)


cdef inline void set_distance(Core* s, int32_t relative) noexcept nogil:
    s.relative = relative
    answer(s, CHECK_DISTANCE)
    if s.distance_line == 0:
        s.distance_line = s.line
    if s.reads & READ_E_FOLLOWS_G90:
        s.e_relative = relative


cdef inline bint set_mode(Core* s, int32_t g) noexcept nogil:
    """The G words that only change state; True if this was one."""
    if g == 200 or g == 210:
        s.inch = g == 200
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
    elif g == 930 or g == 950:
        s.inverse_time = 1
        note(s, HAZ_INVERSE_TIME, 1)
    elif g == 940:
        s.inverse_time = 0
    elif g == 410 or g == 420 or g == 411 or g == 421:
        note(s, HAZ_CUTTER_COMPENSATION, 1)
    elif g in (70, 160, 510, 680, 171, 181, 191):
        note(s, HAZ_TRANSFORM, 1)
    else:
        return False
    return True


cdef inline bint is_motion(Core* s, int32_t g) noexcept nogil:
    """Modal group 1; what is a cycle for a mill means something else on a printer (G80, G29, G33)."""
    if g == 0 or g == 10 or g == 20 or g == 30 or g == 50 or 382 <= g <= 385:
        return True
    return s.reads & READ_CNC and (g == 51 or g == 52 or g == 330 or g == 331 or g == 730 or g == 760
                                   or 800 <= g <= 890)


cdef inline bint takes_axes(int32_t g) noexcept nogil:
    """Non-modal words that use the axis words of their line."""
    return g in (40, 100, 280, 281, 300, 301, 520, 920)


cdef inline void move(Core* s, Planner* q, bint machine) noexcept nogil:
    """Motion in the present mode with the words of the line."""
    cdef int32_t g = s.motion
    if g == 10:
        straight(s, q, False, machine)
    elif g == 0:
        straight(s, q, True, machine)
    elif g == 20 or g == 30:
        curve(s, q, g == 20, machine)
    elif 382 <= g <= 385:
        note(s, HAZ_PROBE, 1)
        straight(s, q, False, machine)
        probe_lost(s)
    elif g == 730 or 810 <= g <= 890 or g == 760:
        note(s, HAZ_CANNED_CYCLE, 1)
        cycle(s, q)
    elif g >= 0:
        if g == 50 or g == 51 or g == 52:
            note(s, HAZ_SPLINE, 1)
        straight(s, q, False, machine)


cdef inline void probe_lost(Core* s) noexcept nogil:
    cdef int a
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a):
            lose(s, a)


cdef inline void nonmodal(Core* s, Planner* q, int32_t g) noexcept nogil:
    if g == 280 or g == 300:
        home(s, q, g)
    elif g == 281 or g == 301:
        if s.reads & READ_CNC:
            note(s, HAZ_OFFSET_WRITE, 1)
    elif 920 <= g <= 923 or g == 520:
        shift_origin(s, g)
    elif g == 100:
        write_offset(s)
    elif g == 40:
        dwell(s, q)


cdef inline void spindle_words(Core* s) noexcept nogil:
    cdef uint32_t mask = s.w.mask
    if mask & BIT_S and not mask & s.w.flags & BIT_S:
        take_s(s)
    if mask & BIT_T and not s.w.flags & BIT_T:
        select_tool(s, s.w.value[LETTER_T] // 1000000)


cdef inline void g_words(Core* s, Planner* q, bint* machine, bint* consumed, bint* printer_only) noexcept nogil:
    """All G words but motion itself, in two passes: modes first, then what uses the axis words."""
    cdef Words* w = &s.w
    cdef int32_t i, g, motions = 0
    for i in range(w.ng):
        g = w.g[i]
        count_use(&s.g_use[g], s.line)
        if is_motion(s, g):
            motions += 1
            s.motion = -1 if g == 800 else g
        elif g == 530:
            machine[0] = True
        elif not set_mode(s, g) and not takes_axes(g) and not 921 <= g <= 923:
            printer_only[0] = True
    if motions > 1:
        note(s, HAZ_REPEATED_MOTION, 1)
    if w.mask & BIT_F:
        take_feed(s)
    for i in range(w.ng):
        g = w.g[i]
        if takes_axes(g) or 921 <= g <= 923:
            nonmodal(s, q, g)
            consumed[0] = True


cdef inline void general(Core* s, Planner* q) noexcept nogil:
    """Any line; `execute` keeps plain motion away from here."""
    cdef Words* w = &s.w
    cdef int32_t i
    cdef bint machine = False, consumed = False, printer_only = False, motion_word = False
    cdef bint cnc = s.reads & READ_CNC
    cdef bint moves
    for i in range(w.nm):
        count_use(&s.m_use[w.m[i]], s.line)
    if cnc:
        spindle_words(s)
    elif w.mask & BIT_T and w.ng == 0 and w.nm == 0 and not w.flags & BIT_T:
        select_tool(s, w.value[LETTER_T] // 1000000)
    for i in range(w.nm):
        m_command(s, q, w.m[i])
    if cnc and s.spindle and s.s_value > s.s_max:
        s.s_max = s.s_value
        s.s_max_line = s.line
    g_words(s, q, &machine, &consumed, &printer_only)
    for i in range(w.ng):
        motion_word |= is_motion(s, w.g[i])
    moves = w.mask & (BITS_XYZ | BIT_E if not cnc else BITS_XYZ) or (s.motion >= 20 and w.mask & BITS_IJKR)
    if moves and not consumed and (motion_word or (cnc or not (printer_only or w.nm))):
        if not motion_word and not cnc:
            note(s, HAZ_BARE_AXES, 1)
        move(s, q, machine)
    for i in range(w.nm):
        if w.m[i] in (0, 10, 20, 300, 600):
            stop_command(s, q, w.m[i])


cdef inline void flags_without_number(Core* s) noexcept nogil:
    """`G28 X` and `M84 E` are right for printers; elsewhere a letter needs its number."""
    cdef Words* w = &s.w
    if s.reads & READ_CNC or (w.nm == 0 and not (w.ng == 1 and w.g[0] != 0 and w.g[0] != 10)):
        note(s, HAZ_NUMBER_MISSING, w.dot)


cdef inline void execute(Core* s, Planner* q) noexcept nogil:
    """The words of one line that has any; plain G0/G1 lines of printers and mills go straight through."""
    cdef Words* w = &s.w
    cdef int32_t g, letter
    cdef uint32_t fresh = w.mask & ~s.letters_seen
    if fresh:
        s.letters_seen |= fresh
        for letter in range(1, 27):
            if fresh & (<uint32_t> 1 << letter):
                s.letter_line[letter] = s.line
    s.commands += 1
    if w.flags:
        flags_without_number(s)
    if s.ended_line and s.code_after_line == 0 and s.line > s.ended_line:
        s.code_after_line = s.line
    if w.nm == 0 and w.ng <= 1 and not w.mask & ~<uint32_t> BITS_PLAIN:
        if w.ng:
            g = w.g[0]
            if g == 0 or g == 10:
                count_use(&s.g_use[g], s.line)
                s.motion = g
                if w.mask & BIT_F:
                    take_feed(s)
                if w.mask & (BITS_XYZ | BIT_E):
                    straight(s, q, g == 0, False)
                return
            if g == 20 or g == 30:
                count_use(&s.g_use[g], s.line)
                s.motion = g
                if w.mask & BIT_F:
                    take_feed(s)
                if w.mask & (BITS_XYZ | BITS_IJKR) or (w.mask & BIT_E and not s.reads & READ_CNC):
                    curve(s, q, g == 20, False)
                return
        elif s.reads & READ_CNC and 0 <= s.motion <= 30:
            if w.mask & BIT_F:
                take_feed(s)
            if s.motion >= 20:
                if w.mask & (BITS_XYZ | BITS_IJKR):
                    curve(s, q, s.motion == 20, False)
            elif w.mask & BITS_XYZ:
                straight(s, q, s.motion == 0, False)
            return
    general(s, q)
