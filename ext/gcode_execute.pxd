"""What a line of words does, in which order.

The order within a line is RS274NGC's (feed, spindle, tool, stop of spindle, plane, units, coordinate system,
distance mode, dwell and offsets, motion, end), not the order of the text; a printer's one-command lines come out
the same.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, uint32_t

from fleetctl._ext.gcode_arc cimport curve
from fleetctl._ext.gcode_block cimport judge_arc, judge_block, whole_words
from fleetctl._ext.gcode_cycle cimport cycle, is_cycle, thread
from fleetctl._ext.gcode_filament cimport retract
from fleetctl._ext.gcode_go cimport go
from fleetctl._ext.gcode_lines cimport line_slot
from fleetctl._ext.gcode_modal cimport (
    count_use, halve_x, m_command, select_tool, set_mode, spindle_history, stop_command, take_s)
from fleetctl._ext.gcode_motion cimport aim, lose, straight, take_feed, to_mm
from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_offset cimport (
    home, offset_length, printer_origin, shift_origin, store_place, tool_data, write_offset)
from fleetctl._ext.gcode_place cimport column_of
from fleetctl._ext.gcode_plan cimport plan_wait
from fleetctl._ext.gcode_resume cimport resume_g, resume_m
from fleetctl._ext.gcode_rs274 cimport judge_line
from fleetctl._ext.gcode_printer cimport from_stored, homing_move, lose_all, moves_head, stored_place
from fleetctl._ext.gcode_spline cimport bezier_curve, collect_pole, end_nurbs
from fleetctl._ext.gcode_types cimport *
from fleetctl._ext.gcode_use cimport use_of


cdef inline bint is_motion(Core* s, int32_t g) noexcept nogil:
    """Modal group 1; what is a cycle for a mill means something else on a printer (G80, G29, G33)."""
    if g == 0 or g == 10 or g == 20 or g == 30 or g == 50 or 382 <= g <= 385:
        return True
    return s.reads & READ_CNC and (51 <= g <= 53 or g == 330 or g == 331 or g == 730 or g == 740 or g == 760
                                   or 800 <= g <= 890)


cdef inline bint is_once(int32_t g) noexcept nogil:
    """Non-modal words, and the tool length offset."""
    return g in (40, 100, 110, 280, 281, 300, 301, 430, 431, 432, 490, 520, 920, 921, 922, 923)


cdef inline bint takes_axes(Core* s, int32_t g) noexcept nogil:
    """Words that use the axis words of their line; a mill's G4 or G92.1 leaves them to the motion."""
    if s.reads & READ_CNC:
        return g in (100, 280, 300, 431, 520, 920) or (g == 432 and not s.w.mask & (<uint32_t> 1 << LETTER_H))
    return is_once(g)


cdef inline void probe_lost(Core* s) noexcept nogil:
    cdef int a
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a):
            lose(s, a)


cdef inline void synchronised(Core* s, Planner* q, int32_t g) noexcept nogil:
    """G33 and G33.1: K mm to each turn of the spindle; rigid tapping comes back to where it began."""
    cdef int64_t back[3]
    cdef int64_t target[3]
    cdef int32_t back_frame[3]
    cdef int32_t frame[3]
    cdef int a
    cdef uint32_t mask = s.w.mask & BITS_XYZ
    cdef double speed = <double> to_mm(s, s.w.value[LETTER_K]) * <double> s.s_value * (1e-12 / 60.0)
    if speed < 0.0:
        speed = -speed
    if not s.w.mask & BIT_K or not s.spindle or speed == 0.0:
        note(s, HAZ_CYCLE_INVALID, 1)
    for a in range(3):
        back[a] = s.pos[a]
        back_frame[a] = s.frame[a]
        if mask & (<uint32_t> BIT_X << a):
            aim(s, a, to_mm(s, s.w.value[LETTER_X + a]), False, &target[a], &frame[a])
    go(s, q, mask, target, frame, False, speed)
    if g == 331:
        plan_wait(q, 0.0, s.line)
        go(s, q, mask, back, back_frame, False, speed)


cdef inline bint goes_on_lost(Core* s, int32_t g) noexcept nogil:
    """Does this line go on with a cycle or curve that began with values that are not known? Its axes are lost then."""
    cdef int a
    cdef bint same = s.modes.last_motion == (52 if g == 53 else g)
    if g == 50 and not s.w.mask & (BIT_I | BIT_J):
        same = True                     # it goes on in the direction of the curve before
    if not same or g == 53 or not (is_cycle(g) or 50 <= g <= 52):
        s.modes.cycle_lost = 0
    if same:
        for a in range(3):
            if is_cycle(g) or (g <= 53 and a < 2):
                lose(s, a)
    if g == 53:
        s.modes.pole_count = 0
        s.motion = -1
    return same


cdef inline void rare_move(Core* s, Planner* q, int32_t g, bint machine) noexcept nogil:
    """Motion in a mode that not every dialect has; what this one has not is taken as straight."""
    if s.modes.cycle_lost and goes_on_lost(s, g):
        return
    if is_cycle(g):
        if s.reads & READ_CYCLES and (s.reads & READ_BORING_CYCLES or g not in (740, 840, 870, 880)):
            cycle(s, q)
            return
        note(s, HAZ_CANNED_CYCLE, 1)
        if s.reads & READ_CNC:
            cycle(s, q)
            return
    elif g == 760:
        thread(s, q)
        return
    elif g == 50 or g == 51:
        if s.reads & READ_SPLINES:
            bezier_curve(s, q, g)
            if s.reads & READ_NURBS:    # LinuxCNC goes on in the mode before
                s.motion = s.modes.last_motion
            return
        note(s, HAZ_SPLINE, 1)
    elif g == 52:
        if s.reads & READ_NURBS:
            collect_pole(s, q)
            return
        note(s, HAZ_SPLINE, 1)
    elif g == 53:
        end_nurbs(s, q)
        s.motion = -1
        return
    elif g == 330 or g == 331:
        synchronised(s, q, g)
        return
    straight(s, q, False, machine)


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
    elif g >= 0:
        rare_move(s, q, g, machine)


cdef inline void dwell(Core* s, Planner* q) noexcept nogil:
    """G4: P in seconds (RS274, Grbl) or milliseconds (Marlin, Klipper, RepRapFirmware); S in seconds there."""
    cdef double seconds = 0.0
    if s.reads & READ_G4_P_MS:
        if s.w.mask & BIT_S and not s.reads & READ_EXTENDED:   # Klipper reads only P (toolhead.py, cmd_G4)
            seconds = <double> s.w.value[LETTER_S] * 1e-6
        elif s.w.mask & BIT_P:
            seconds = <double> s.w.value[LETTER_P] * 1e-9
    elif s.w.mask & BIT_P:
        seconds = <double> s.w.value[LETTER_P] * 1e-6
    plan_wait(q, seconds, s.line)


cdef inline void nonmodal(Core* s, Planner* q, int32_t g) noexcept nogil:
    if g == 280 or (g == 300 and s.reads & READ_CNC):
        home(s, q, g)
    elif g == 281 or g == 301:
        if s.reads & READ_CNC:
            store_place(s, g)
    elif 920 <= g <= 923 or g == 520:
        shift_origin(s, g)
    elif g == 100:
        if s.reads & READ_CNC:
            write_offset(s)
        elif printer_origin(s):
            pass
        elif s.reads & READ_HOMING_MOVES and s.w.mask & ~<uint32_t> BIT_N:
            tool_data(s, q)
        elif s.reads & READ_FIRMWARE_RETRACT:
            retract(s, q, False)
    elif g == 110:
        if s.reads & READ_FIRMWARE_RETRACT:
            retract(s, q, True)
    elif g in (430, 431, 432, 490):
        if s.reads & READ_CNC:
            offset_length(s, g)
    elif g == 40:
        dwell(s, q)


cdef inline void spindle_words(Core* s, Planner* q) noexcept nogil:
    cdef uint32_t mask = s.w.mask
    if mask & BIT_S and not mask & s.w.flags & BIT_S:
        take_s(s)
    if mask & BIT_T and not s.w.flags & BIT_T:
        select_tool(s, q, s.w.value[LETTER_T] // 1000000)


cdef inline bint printer_place(Core* s, Planner* q, int32_t g) noexcept nogil:
    """G words of printers that go to a place, stored or not known; True if this was one."""
    if g == 600 or g == 610:
        stored_place(s, q, g)
        s.w.mask &= ~<uint32_t> BITS_XYZ
        return True
    if moves_head(g):
        plan_wait(q, 0.0, s.line)
        lose_all(s)
        s.w.mask &= ~<uint32_t> BITS_XYZ
    return False


cdef inline void g_words(Core* s, Planner* q, bint* machine, bint* consumed, bint* printer_only) noexcept nogil:
    """All G words but motion itself, in two passes: modes first, then what uses the axis words."""
    cdef Words* w = &s.w
    cdef int32_t i, g, motions = 0
    cdef bint ended = False
    cdef Use* use
    s.modes.last_motion = s.motion
    for i in range(w.ng):
        g = w.g[i]
        use = use_of(s, &s.g_use, g)
        if seldom(count_use(use, s.line)):
            use.first_column = column_of(s, LETTER_G, i)
        if g == 800 and s.reads & READ_EXPRESSIONS:
            ended = True                # LinuxCNC passes over it beside another motion
        elif is_motion(s, g):
            motions += 1
            s.motion = -1 if g == 800 else g
        elif g == 530:
            machine[0] = True
        elif (s.reads & READ_CNC or not printer_place(s, q, g)) and not set_mode(s, g) and not is_once(g):
            printer_only[0] = True
        resume_g(s, g)
    if motions > 1:
        note(s, HAZ_REPEATED_MOTION, 1)
    elif motions == 0 and ended:
        s.motion = -1
    if w.mask & BIT_F:
        take_feed(s)
    for i in range(w.ng):
        g = w.g[i]
        if is_once(g):
            nonmodal(s, q, g)
            consumed[0] = consumed[0] or takes_axes(s, g)


cdef inline void general(Core* s, Planner* q) noexcept nogil:
    """Any line; `execute` keeps plain motion away from here."""
    cdef Words* w = &s.w
    cdef int32_t i
    cdef Use* use
    cdef bint machine = False, consumed = False, printer_only = False, motion_word = False
    cdef bint cnc = s.reads & READ_CNC
    cdef bint moves
    if s.program != NULL and w.mask & (BIT_H | BIT_L | BIT_T) and not whole_words(s):
        return
    for i in range(w.nm):
        use = use_of(s, &s.m_use, w.m[i])
        if count_use(use, s.line):
            use.first_column = column_of(s, LETTER_M, i)
    if cnc:
        spindle_words(s, q)
    elif w.mask & BIT_T and w.ng == 0 and w.nm == 0 and not w.flags & BIT_T:
        select_tool(s, q, w.value[LETTER_T] // 1000000)
    for i in range(w.nm):
        m_command(s, q, w.m[i])
        resume_m(s, w.m[i])
    if cnc and s.spindle and s.s_value > s.s_max:
        s.s_max = s.s_value
        s.s_max_line = s.line
        s.cut.s_column = column_of(s, LETTER_S, 0)
    if cnc and s.trace.histories:
        spindle_history(s)
    if not cnc and w.ng + w.nm > 1:
        note(s, HAZ_SEVERAL_COMMANDS, 1)
    elif not cnc and w.ng + w.nm == 0 and w.mask & ~<uint32_t> (BIT_T | BIT_N):
        note(s, HAZ_BARE_AXES, 1)
    g_words(s, q, &machine, &consumed, &printer_only)
    if w.mask & BIT_P and w.value[LETTER_P] < 0 and not (w.ng and w.g[0] == 50):
        note(s, HAZ_NEGATIVE_NUMBER, 1)
    if s.reads & READ_EXPRESSIONS:
        judge_line(s, machine)
    elif cnc:
        judge_block(s, machine)
    if machine and s.relative and s.reads & READ_LENGTH_TABLE:
        note(s, HAZ_MACHINE_CURVE, 1)       # LinuxCNC: no G53 under G91; Grbl takes it as absolute
    for i in range(w.ng):
        motion_word |= is_motion(s, w.g[i])
    moves = w.mask & (BITS_XYZ | BIT_E if not cnc else BITS_XYZ) or (s.motion >= 20 and w.mask & BITS_IJKR)
    if 52 <= s.motion <= 53 and motion_word:
        moves = True        # G5.2 may hold nothing but a weight
    elif motion_word and s.motion <= 10 and s.reads & READ_HOMING_MOVES and homing_move(s):
        moves = w.mask & BIT_E
    if moves and not consumed and (motion_word or (cnc or not (printer_only or w.nm))):
        move(s, q, machine)
    for i in range(w.nm):
        if w.m[i] in (0, 10, 20, 300, 600):
            stop_command(s, q, w.m[i])


cdef inline void flags_without_number(Core* s) noexcept nogil:
    """`G28 X` and `M84 E` are right for printers; elsewhere a letter needs its number."""
    cdef Words* w = &s.w
    if s.reads & READ_CNC or (w.nm == 0 and not (w.ng == 1 and w.g[0] != 0 and w.g[0] != 10)):
        note(s, HAZ_NUMBER_MISSING, w.dot)


cdef inline void odd_words(Core* s) noexcept nogil:
    """Words that need a second look before they act."""
    cdef int32_t i
    if s.w.flags:
        flags_without_number(s)
    for i in range(s.w.ng):
        if s.w.g[i] == 80:              # the line itself ends G7
            return
    if s.modes.diameter and s.w.mask & BIT_X:
        halve_x(s)


cdef inline void spare_letters(Core* s, Planner* q, bint rapid) noexcept nogil:
    """I J K R on a G0 or G1: unused on a mill; R names a stored place in RepRapFirmware."""
    if s.reads & READ_CNC:
        note(s, HAZ_UNUSED_WORD, 1)
    elif s.reads & READ_HOMING_MOVES and s.w.mask & BIT_R:
        from_stored(s, q, rapid)


cdef inline void obey(Core* s, Planner* q) noexcept nogil:
    """The words of one line that has any; plain G0/G1 lines of printers and mills go straight through."""
    cdef Words* w = &s.w
    cdef int32_t g, letter
    cdef Use* use
    cdef uint32_t fresh = w.mask & ~s.letters_seen
    if fresh:
        s.letters_seen |= fresh
        if fresh & BIT_E and s.reads & READ_EXPRESSIONS and w.nm == 0 and not w.mask & ~<uint32_t> BITS_PLAIN:
            if w.ng == 0 or (w.ng == 1 and w.g[0] <= 30):
                note(s, HAZ_UNUSED_WORD, column_of(s, LETTER_E, 0))     # LinuxCNC has no extruder
        for letter in range(1, 27):
            if fresh & (<uint32_t> 1 << letter):
                s.letter_line[letter] = s.line
                s.cut.letter_column[letter] = column_of(s, letter, 0)
    s.commands += 1
    if w.flags | <uint32_t> s.modes.odd_words:
        odd_words(s)
    if s.ended_line and s.code_after_line == 0 and s.line > s.ended_line:
        s.code_after_line = s.line
    if w.nm == 0 and w.ng <= 1 and not w.mask & ~<uint32_t> BITS_PLAIN:
        if w.ng:
            g = w.g[0]
            if g == 0 or g == 10:
                use = use_of(s, &s.g_use, g)
                if seldom(count_use(use, s.line)):
                    use.first_column = column_of(s, LETTER_G, 0)
                s.motion = g
                if w.mask & BIT_F:
                    take_feed(s)
                if w.mask & BITS_IJKR:
                    spare_letters(s, q, g == 0)
                if w.mask & (BITS_XYZ | BIT_E):
                    straight(s, q, g == 0, False)
                return
            if g == 20 or g == 30:
                use = use_of(s, &s.g_use, g)
                if seldom(count_use(use, s.line)):
                    use.first_column = column_of(s, LETTER_G, 0)
                s.motion = g
                if w.mask & BIT_F:
                    take_feed(s)
                if s.reads & READ_CNC:
                    judge_arc(s)
                elif not w.mask & (BITS_XYZ | BITS_IJKR | BIT_E):
                    note(s, HAZ_ARC_INVALID, 1)
                if w.mask & (BITS_XYZ | BITS_IJKR) or (w.mask & BIT_E and not s.reads & READ_CNC):
                    curve(s, q, g == 20, False)
                return
        elif s.reads & READ_CNC and 0 <= s.motion <= 30:
            if w.mask & BIT_F:
                take_feed(s)
            if s.motion >= 20:
                if w.mask & (BITS_XYZ | BITS_IJKR):
                    judge_arc(s)
                    curve(s, q, s.motion == 20, False)
                return
            if w.mask & BITS_IJKR:
                note(s, HAZ_UNUSED_WORD, 1)
            if w.mask & BITS_XYZ:
                straight(s, q, s.motion == 0, False)
            return
    general(s, q)


cdef inline void keep_position(Core* s) noexcept nogil:
    """Where the line that was executed leaves each axis, mm; NaN where that is not known."""
    cdef float* slot = line_slot(&s.trace.positions, s.line)
    cdef int a
    if slot == NULL:
        s.trace.out_of_memory = 1
        s.trace.positions.wanted = 0
        return
    for a in range(3):
        slot[a] = <float> (<double> s.pos[a] / 1e6) if s.frame[a] != FRAME_START else NAN


cdef inline void execute(Core* s, Planner* q) noexcept nogil:
    """The words of one line that has any, and what is kept of every line."""
    obey(s, q)
    if seldom(s.trace.positions.wanted):
        keep_position(s)
