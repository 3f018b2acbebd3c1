"""Reads a program fed in blocks, of any size, and keeps its facts; the GIL is free while it reads.

The whole of a program is one `Scanner`: feed blocks, then finish, then ask. Memory does not grow with the file
(except the array of times, on request). Nothing here judges, opens files or knows dialects by name.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport INFINITY, isnan, llround
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memchr, memcmp, memcpy

from fleetctl._ext.gcode_corner cimport weigh_limits
from fleetctl._ext.gcode_execute cimport execute
from fleetctl._ext.gcode_extended cimport extended_command
from fleetctl._ext.gcode_filament cimport begin_filament
from fleetctl._ext.gcode_frame cimport begin_frames
from fleetctl._ext.gcode_feature cimport settle_feature
from fleetctl._ext.gcode_follow cimport (
    after_line, end_of_line, free_program, keep_text, new_program, try_to_follow, was_visited)
from fleetctl._ext.gcode_klipper cimport klipper_move, limit_velocity
from fleetctl._ext.gcode_layer cimport pushed_in_all
from fleetctl._ext.gcode_lines cimport free_lines
from fleetctl._ext.gcode_note cimport note, touch
from fleetctl._ext.gcode_object cimport end_object
from fleetctl._ext.gcode_parameter cimport object_to
from fleetctl._ext.gcode_path cimport path_end
from fleetctl._ext.gcode_plan cimport plan_flush, plan_move
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_rapid cimport lower
from fleetctl._ext.gcode_skip cimport *
from fleetctl._ext.gcode_text cimport read_line
from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *
from fleetctl._ext.gcode_unknown cimport execute_computed
from fleetctl._ext.gcode_velocity cimport velocity_command

cdef extern from "string.h" nogil:
    void* memrchr(const void* text, int c, size_t n)

cdef enum:
    LINE_CAP = 262144       # a longer line is counted and noted, not read

HAZARD_NAMES = (
    "high_byte_code", "high_byte_comment", "realtime_code", "realtime_comment", "control_code",
    "control_comment", "nul", "dollar_line", "unclosed_comment", "nested_comment", "paren_comment", "lower_case",
    "spaced_number", "number_overflow", "number_missing", "stray_character", "repeated_word", "repeated_motion",
    "bare_axes", "block_delete", "percent", "checksum", "checksum_wrong", "expression", "o_word", "placeholder",
    "oversized_line", "unknown_number", "tool_overflow", "relative_from_unknown", "arc_from_unknown",
    "motion_before_home", "extrude_before_hot", "feed_missing", "feed_zero", "units_assumed", "distance_assumed",
    "spindle_off_cut", "arc_radius", "arc_invalid", "canned_cycle", "cutter_compensation", "inverse_time",
    "probe", "spline", "transform", "offset_write", "settings_write", "volumetric", "emergency_stop",
    "repeated_group", "unused_word", "axes_missing", "axes_unused", "dwell_missing", "machine_curve",
    "negative_number", "spindle_no_speed", "several_commands", "scale_change",
    "not_provable", "evaluation_error", "flow_error", "loop_cap",
    "cycle_word_missing", "cycle_invalid", "cycle_cap", "spline_invalid", "length_unknown", "frame_overflow",
    "offset_unknown", "retract_unknown", "state_unknown",
)
REASON_NAMES = (
    "", "parameter_left_over", "kept_by_machine", "measured", "position", "mode", "setting", "other_file", "too_long",
    "too_many_names", "global_left_over", "polar", "not_modelled", "close",
    "number", "function", "operator", "unclosed", "bracket_missing", "atan", "exists", "depth", "not_finite",
    "division", "power", "root", "logarithm", "arc_function", "round", "integer", "parameter_number", "read_only",
    "name", "name_unset", "equals", "stray_bracket", "too_many_settings", "word_number", "abort",
    "keyword", "trailing", "condition", "arguments", "nested_sub", "twice", "no_label", "wrong_label", "not_in_sub",
    "never_closed", "call_style", "levels", "m98",
    "work", "endless",
)
"""Why something is not provable or refused, in the order of gcode_program's WHY_, ERR_, FLOW_ and CAP_."""
FRAME_NAMES = ("machine", "G54", "G55", "G56", "G57", "G58", "G59", "G59.1", "G59.2", "G59.3", "start")
END_NAMES = ("", "M2", "M30", "M84", "%", "comment")
RULES = {"grbl": RULE_GRBL, "marlin": RULE_MARLIN, "jerk": RULE_JERK, "klipper": RULE_KLIPPER}
ARC_RULES = {"grbl": ARC_BY_TOLERANCE, "marlin": ARC_BY_LENGTH, "klipper": ARC_BY_RESOLUTION}
HEATER_NAMES = ("nozzle", "bed", "chamber")
FEATURE_NAMES = (
    "unknown", "outer_wall", "inner_wall", "overhang", "infill", "solid_infill", "top", "bottom", "bridge", "gap_fill",
    "support", "support_interface", "skirt", "wipe_tower", "ironing", "custom", "travel", "retract", "rapid",
    "plunge", "cut", "probe", "wait",
)
HISTORY_NAMES = ("feed", "bed", "chamber", "spindle", "fan", "flow", "nozzle")

READS = {
    "paren_comments": READ_PAREN_COMMENTS, "spaced_numbers": READ_SPACED_NUMBERS, "cnc": READ_CNC,
    "e_follows_g90": READ_E_FOLLOWS_G90, "g91_makes_e_relative": READ_G91_MAKES_E_RELATIVE,
    "g4_p_ms": READ_G4_P_MS, "text_commands": READ_TEXT_COMMANDS,
    "speeds_per_minute": READ_SPEEDS_PER_MINUTE, "extended": READ_EXTENDED, "o_words": READ_O_WORDS,
    "expressions": READ_EXPRESSIONS,
    "cycles": READ_CYCLES, "boring_cycles": READ_BORING_CYCLES, "retract_to_r": READ_RETRACT_TO_R,
    "splines": READ_SPLINES, "nurbs": READ_NURBS, "arc_turns": READ_ARC_TURNS, "arc_spirals": READ_ARC_SPIRALS,
    "length_table": READ_LENGTH_TABLE, "g92_alone_zeroes": READ_G92_ALONE_ZEROES,
    "g92_alone_resets": READ_G92_ALONE_RESETS, "firmware_retract": READ_FIRMWARE_RETRACT,
    "volumetric": READ_VOLUMETRIC, "homing_moves": READ_HOMING_MOVES, "pushes_state": READ_PUSHES_STATE,
    "brace_expressions": READ_BRACES,
}
"""The bits of a dialect, by the name of the field of `fleetctl.gcode.dialects.Dialect`."""


cdef void fill_kinds(Core* s) noexcept nogil:
    cdef int c
    for c in range(256):
        if 65 <= c <= 90 or 97 <= c <= 122:
            s.kind[c] = KIND_LETTER
            s.letter_bit[c] = <uint32_t> 1 << (c & 31)
        elif c >= 128:
            s.kind[c] = KIND_HIGH
        elif c < 32 or c == 127:
            s.kind[c] = KIND_CONTROL
        else:
            s.kind[c] = KIND_OTHER
    s.kind[0] = KIND_NUL
    s.kind[9] = KIND_SPACE
    s.kind[10] = KIND_LF
    s.kind[13] = KIND_CR
    s.kind[32] = KIND_SPACE
    s.kind[33] = KIND_REALTIME      # !
    s.kind[34] = KIND_QUOTE
    s.kind[35] = KIND_EXPRESSION    # #
    s.kind[36] = KIND_DOLLAR
    s.kind[37] = KIND_PERCENT
    if s.reads & READ_PAREN_COMMENTS:
        s.kind[40] = KIND_OPEN
    s.kind[42] = KIND_STAR
    s.kind[47] = KIND_SLASH
    s.kind[58] = KIND_MARK          # :
    s.kind[59] = KIND_SEMICOLON
    s.kind[61] = KIND_MARK          # =
    s.kind[63] = KIND_REALTIME      # ?
    s.kind[91] = KIND_EXPRESSION    # [
    s.kind[123] = KIND_BRACE
    s.kind[126] = KIND_REALTIME     # ~


cdef void begin(Core* s) noexcept nogil:
    """The state before the first line: metric, absolute, G17, no motion mode for printers, G0 for CNC."""
    cdef int32_t i, a
    cdef bint cnc = s.reads & READ_CNC
    fill_kinds(s)
    s.plane = 17
    s.old_z_return = not s.reads & READ_RETRACT_TO_R
    s.wcs = FRAME_G54 if cnc else FRAME_MACHINE
    s.tool_count = 1
    s.g_top = 30
    s.trace.layers.kind = LAYER_BY_NOTHING
    s.trace.objects.kind = OBJECT_BY_NOTHING
    s.trace.objects.at = -1
    s.layer_z = -1000000000000000000LL
    s.checks = CHECK_FIRST | CHECK_UNITS | CHECK_DISTANCE | CHECK_FEED
    s.checks |= CHECK_SPINDLE if cnc else CHECK_HOME | CHECK_HOT
    begin_filament(s)
    begin_frames(s)
    for a in range(3):
        s.frame[a] = FRAME_START
        for i in range(FRAME_TABLE):
            s.frames[i].motion[a].low = s.frames[i].work[a].low = 0x7FFFFFFFFFFFFFFFLL
            s.frames[i].motion[a].high = s.frames[i].work[a].high = -0x7FFFFFFFFFFFFFFFLL
    for i in range(FRAME_TABLE):
        s.cut.rapid[i].travel.low = s.cut.rapid[i].plunge.low = 0x7FFFFFFFFFFFFFFFLL


cdef int64_t code_length(const uint8_t* p, const uint8_t* end, bint parens, int64_t* gaps) noexcept nogil:
    """Bytes of a line that are code: without blanks, comments, line number and checksum. `gaps`: how many runs of
    blanks and comments stand between code."""
    cdef int64_t n = 0
    cdef bint first = True
    cdef bint gap = False
    gaps[0] = 0
    while p < end and p[0] != 59 and p[0] != 42:
        if p[0] == 32 or p[0] == 9:
            gap = n > 0
            p += 1
        elif p[0] == 40 and parens:
            while p < end and p[0] != 41:
                p += 1
            p += 1
            gap = n > 0
        elif first and (p[0] == 78 or p[0] == 110) and p + 1 < end and 48 <= p[1] <= 57:
            p += 1
            while p < end and 48 <= p[0] <= 57:
                p += 1
            first = False
        else:
            gaps[0] += gap
            gap = False
            n += 1
            p += 1
            first = False
    return n


cdef void measure(Core* s, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The longest code of a line, of a line that may hold it."""
    cdef int64_t n, gaps = 0
    if s.reads & READ_TEXT_COMMANDS and s.w.nm and s.w.m[0] in (0, 10, 1170, 1180):
        return      # a message for a display, which is cut to fit
    n = code_length(p, end, s.kind[40] == KIND_OPEN, &gaps)
    if n > s.longest_code:
        s.longest_code = n
        s.longest_code_line = s.line
    if n + gaps > s.longest_spaced:
        s.longest_spaced = n + gaps
        s.longest_spaced_line = s.line


cdef void run(Core* s, Planner* q, const uint8_t* p, const uint8_t* stop) noexcept nogil:
    """Every line in [p, stop); stop follows a line end (an LF, or a CR that no LF follows)."""
    cdef const uint8_t* end
    cdef int64_t code
    if s.program != NULL and s.program.state == STATE_KEEP:
        keep(s, q, p, stop)
        return
    while p < stop:
        s.line += 1
        s.text = p
        end = read_line(s, p)
        if s.w.skip == SKIP_FLOW:
            begin_keeping(s, q, p, stop)
            return
        if end - p > s.longest:
            s.longest = end - p
            s.longest_line = s.line
        code = s.w.code_end - p - s.w.numbered
        if code > s.longest_spaced or code - s.w.blanks > s.longest_code:
            measure(s, p, end)
        if s.w.skip == SKIP_EVALUATED:
            execute_computed(s, q)
        elif s.w.skip:
            s.commands += 1
            if s.w.name != NULL:
                extended_command(s, q)
        elif (s.w.mask & ~<unsigned int> BIT_N) | <unsigned int> s.w.ng | <unsigned int> s.w.nm:
            execute(s, q)
        p = end + 1
        if end[0] == 13 and p < stop and p[0] == 10:
            p += 1


cdef void begin_keeping(Core* s, Planner* q, const uint8_t* p, const uint8_t* stop) noexcept nogil:
    """The first word of control stands on the line at `p`: from here on the text is kept."""
    s.program.state = STATE_KEEP
    s.program.first_line = s.line
    s.program.base = s.trace.base + (p - s.trace.origin)
    s.line -= 1
    keep(s, q, p, stop)


cdef void keep(Core* s, Planner* q, const uint8_t* p, const uint8_t* stop) noexcept nogil:
    """Keep whole lines to be followed at the end; what is too long is read straight on instead, and not provable."""
    cdef Program* program = s.program
    if keep_text(program, p, stop - p):
        return
    program.state = STATE_OFF
    s.line = program.first_line
    object_to(s, HAZ_NOT_PROVABLE, WHY_TOO_LONG, 1)
    s.line -= 1
    run(s, q, program.text, program.text + program.length)
    free(program.text)
    program.text = NULL
    program.length = program.capacity = 0
    run(s, q, p, stop)


cdef void follow_kept(Core* s, Planner* q) noexcept nogil:
    """The program has ended: follow what was kept, then look at the lines that were never reached."""
    cdef Program* program = s.program
    cdef const uint8_t* p = program.text
    cdef const uint8_t* stop = program.text + program.length
    cdef const uint8_t* end
    try_to_follow(s, q)
    s.line = program.first_line - 1
    while p < stop:
        s.line += 1
        end = end_of_line(p, stop)
        if program.visited == NULL or not was_visited(program, p - program.text):
            s.text = p
            read_line(s, p)
            if s.w.skip or (s.w.mask & ~<unsigned int> BIT_N) | <unsigned int> s.w.ng | <unsigned int> s.w.nm:
                s.commands += 1
        if end - p > s.longest:
            s.longest = end - p
            s.longest_line = s.line
        if end - p > s.longest_code:
            measure(s, p, end)
        p = after_line(end, stop)


cdef void oversized(Core* s, Planner* q, int64_t length) noexcept nogil:
    cdef Program* program = s.program
    cdef int64_t here = s.line
    if program != NULL and program.state == STATE_KEEP:
        s.line = program.first_line - 1 + count_lines(program.text, program.text + program.length)
        measure_oversized(s, length)
        s.line = here
        keep(s, q, <const uint8_t*> "\n", <const uint8_t*> "\n" + 1)
    else:
        measure_oversized(s, length)


cdef int64_t count_lines(const uint8_t* p, const uint8_t* stop) noexcept nogil:
    cdef int64_t n = 0
    while p < stop:
        p = after_line(end_of_line(p, stop), stop)
        n += 1
    return n


cdef void measure_oversized(Core* s, int64_t length) noexcept nogil:
    s.line += 1
    note(s, HAZ_OVERSIZED_LINE, LINE_CAP + 1)
    if length > s.longest:
        s.longest = length
        s.longest_line = s.line
    if length > s.longest_code:
        s.longest_code = length
        s.longest_code_line = s.line


cdef bint may_be_oversized(const uint8_t* p, const uint8_t* stop) noexcept nogil:
    """A line over the cap must fill at least one half-cap stride without a line end."""
    cdef const uint8_t* next_
    while p < stop:
        next_ = p + LINE_CAP // 2 if stop - p > LINE_CAP // 2 else stop
        if memchr(p, 10, next_ - p) == NULL and memchr(p, 13, next_ - p) == NULL:
            return True
        p = next_
    return False


cdef void run_lines(Core* s, Planner* q, const uint8_t* p, const uint8_t* stop) noexcept nogil:
    """Like `run`, for text where a line may be over the cap."""
    cdef const uint8_t* end
    cdef const uint8_t* after
    if stop - p <= LINE_CAP or not may_be_oversized(p, stop):
        run(s, q, p, stop)
        return
    while p < stop:
        end = end_of_line(p, stop)
        after = end + 1
        if end[0] == 13 and after < stop and after[0] == 10:
            after += 1
        if end - p > LINE_CAP:
            oversized(s, q, end - p)
        else:
            run(s, q, p, after)
        p = after


cdef class Scanner:
    """One program being read. Not for use by two threads at once."""

    cdef Core* s
    cdef Planner* q
    cdef uint8_t* carry         # the line that the last block cut
    cdef int64_t carried        # its length so far; more than the cap is counted, not kept
    cdef int64_t size
    cdef int64_t carry_at       # where it begins in the program, bytes
    cdef object kept_times
    cdef object kept_positions
    cdef object kept_path
    cdef bint pending_cr        # the carried line has ended in CR; an LF may still belong to it
    cdef bint finished
    cdef bint ends_with_newline
    cdef bint cut_word

    def __cinit__(self, int reads, bint plan=True, bint want_times=False, bint want_positions=False,
                  bint want_histories=False, double path_mm=0.0, int64_t most_vertices=0):
        self.s = <Core*> calloc(1, sizeof(Core))
        self.q = <Planner*> calloc(1, sizeof(Planner))
        self.carry = <uint8_t*> malloc(LINE_CAP + 16)
        if self.s == NULL or self.q == NULL or self.carry == NULL:
            raise MemoryError
        self.s.g_use = <Use*> calloc(MAX_G, sizeof(Use))
        self.s.m_use = <Use*> calloc(MAX_M, sizeof(Use))
        if self.s.g_use == NULL or self.s.m_use == NULL:
            raise MemoryError
        self.s.reads = reads
        begin(self.s)
        self.q.enabled = plan
        self.q.move = plan_move
        self.q.stopped = 1
        self.q.want_times = want_times
        if reads & READ_EXPRESSIONS:
            self.s.program = new_program()
            if self.s.program == NULL:
                raise MemoryError
        self.q.times.width = 2
        self.q.trace = &self.s.trace
        self.s.trace.positions.wanted = want_positions
        self.s.trace.positions.width = 3
        self.s.trace.histories = want_histories
        self.s.trace.path.wanted = path_mm > 0.0
        # Three quarters of what is allowed for leaving out vertices, one for chords of arcs.
        self.s.trace.path.tolerance = 0.75 * path_mm
        self.s.trace.path.chord = 0.25 * path_mm
        self.s.trace.path.deviation = path_mm
        self.s.trace.path.most = most_vertices if 1000 <= most_vertices < 1 << 24 else 1 << 24
        if reads & READ_TEXT_COMMANDS:
            for m in (0, 1, 16, 23, 28, 30, 32, 33, 36, 115, 117, 118, 486, 550, 551, 552, 587, 862, 928):
                self.s.text_m[m] = 1

    def __dealloc__(self):
        if self.s != NULL:
            free(self.s.g_use)
            free(self.s.m_use)
            free_program(self.s.program)
            free(self.s.trace.layers.row)
            free(self.s.trace.objects.row)
            free(self.s.trace.objects.corner)
            free(self.s.trace.path.xyz)
            free(self.s.trace.path.run)
            free_lines(&self.s.trace.positions)
            for i in range(HISTORIES):
                free(self.s.trace.history[i].row)
        if self.q != NULL:
            free_lines(&self.q.times)
        free(self.s)
        free(self.q)
        free(self.carry)

    def set_limits(self, feed, accel, jerk, deviation, plain_accel, rapid, bint fixed):
        """Speeds (mm/s), accelerations (mm/s2) and jerks (mm/s) of x y z e; `plain_accel` is print, travel,
        retract. With `fixed` the file may lower these, not raise them. Infinity means no limit."""
        cdef int i
        cdef Planner* q = self.q
        for i in range(4):
            q.max_feed[i] = feed[i]
            q.max_accel[i] = accel[i]
            q.jerk[i] = jerk[i] if jerk is not None else INFINITY
            q.cap_feed[i] = feed[i] if fixed else INFINITY
            q.cap_accel[i] = accel[i] if fixed else INFINITY
            q.cap_jerk[i] = q.jerk[i] if fixed else INFINITY
        q.deviation = deviation
        q.cap_deviation = deviation if fixed and jerk is None else INFINITY
        q.accel, q.travel_accel, q.retract_accel = plain_accel
        q.cap_plain_accel = max(plain_accel) if fixed else INFINITY
        q.rapid = rapid
        q.fixed_rule = fixed
        q.least_accel = min(accel[:3])
        weigh_limits(q)

    def set_planner(self, str rule, double ahead, klipper, arcs, double most):
        """After `set_limits`: the corner rule (a key of RULES), the blocks known ahead, Klipper's square corner
        velocity, minimum cruise ratio and extruder corner velocity, and how arcs are cut: whose way (a key of
        ARC_RULES), tolerance, least length, chords of a circle, radius limits speed; `most` is the chord's length."""
        cdef Planner* q = self.q
        q.rule = RULES[rule]
        q.ahead = ahead
        arc_rule, q.arc_tolerance, q.arc_least, q.arc_circle, q.arc_hints = arcs
        q.arc_rule = ARC_RULES[arc_rule]
        q.arc_most = most
        q.move = plan_move
        if q.rule == RULE_KLIPPER:
            q.move = klipper_move
            q.extruder_corner = klipper[2]
            limit_velocity(q, -1.0, -1.0, klipper[0], klipper[1])

    def set_heat(self, double ambient, nozzle, bed, chamber):
        """Room and start temperature, degC; of each heater degC/s at full power, loss time constant s, settling s."""
        cdef int i
        self.q.ambient = ambient
        for i in range(HEAT_SLOTS):
            found = bed if i == HEAT_BED else (chamber if i == HEAT_CHAMBER else nozzle)
            self.q.warmth[i].rate, self.q.warmth[i].loss_s, self.q.warmth[i].settle_s = found
            self.q.warmth[i].degc = ambient
            self.q.warmth[i].target = ambient

    def set_homing(self, fast, slow, back, travel):
        """Of x, y, z: speeds mm/s, the way back from the switch mm, the way there from an unknown place mm."""
        cdef int a
        for a in range(3):
            self.q.homing_speed[a] = fast[a]
            self.q.homing_slow[a] = slow[a]
            self.q.homing_back[a] = back[a]
            self.q.homing_travel[a] = travel[a]

    def set_steps(self, steps_per_mm, double least_hz, double least_steps):
        """Steps per mm of x, y, z, e, the least rate at which the firmware makes steps, 1/s, and the least steps of
        a move; one of fewer is joined to the next."""
        cdef int i
        self.q.stepped = 1
        self.q.least_steps_s = least_hz
        self.q.least_steps = least_steps
        for i in range(4):
            self.q.steps[i] = steps_per_mm[i]

    def set_tool_change(self, double seconds):
        """What one change of tool takes."""
        self.q.tool_change_s = seconds

    def set_places(self, home, start):
        """Where G28 leads (mm), and where the machine stands at the start, in machine coordinates, or None."""
        cdef int a
        for a in range(3):
            self.s.home[a] = round(home[a] * 1e6)
            if start is not None:
                self.s.pos[a] = round(start[a] * 1e6)
                self.s.frame[a] = FRAME_MACHINE
                self.s.commanded[a] = 1
                touch(&self.s.frames[FRAME_MACHINE].motion[a], self.s.pos[a], 0)

    def keep_trail(self, int64_t most):
        """Keep where the axes stand after each of the first `most` lines that are followed (32 bytes each).

        Raises ValueError where the dialect does not evaluate, or when asked twice, MemoryError."""
        cdef Program* program = self.s.program
        if program == NULL or program.trail != NULL or not 0 < most < 1 << 40:
            raise ValueError("there is nothing to follow")
        program.trail = <double*> malloc(most * 4 * sizeof(double))
        if program.trail == NULL:
            raise MemoryError
        program.trail_most = most

    def trail(self):
        """[(line, x, y, z)] in mm after each line carried out from the first O word on, in the order of the run."""
        cdef Program* program = self.s.program
        cdef int64_t i
        if program == NULL:
            return []
        return [
            (int(program.trail[4 * i]), program.trail[4 * i + 1], program.trail[4 * i + 2], program.trail[4 * i + 3])
            for i in range(program.trail_count)
        ]

    def feed(self, const uint8_t[::1] block not None):
        """Read the next bytes of the program. Raises ValueError after `finish`."""
        if self.finished:
            raise ValueError("the program was already finished")
        cdef int64_t n = block.shape[0]
        if n == 0:
            return
        cdef const uint8_t* p = &block[0]
        self.size += n
        with nogil:
            self.take(p, p + n)

    cdef void take(self, const uint8_t* p, const uint8_t* end) noexcept nogil:
        cdef const uint8_t* last
        cdef const uint8_t* cr
        cdef const uint8_t* block_end = end
        p = self.complete(p, end)
        if p == end:
            return
        last = <const uint8_t*> memrchr(p, 10, end - p)
        last = last + 1 if last != NULL else p
        if end - last > 1:
            cr = <const uint8_t*> memrchr(last, 13, end - last - 1)
            if cr != NULL:
                last = cr + 1
        self.s.trace.origin = p
        self.s.trace.base = self.size - (block_end - p)
        run_lines(self.s, self.q, p, last)
        self.carry_at = self.size - (block_end - last)
        if last < end and (end - 1)[0] == 13:
            self.pending_cr = True
            end -= 1
        self.keep(last, end)

    cdef const uint8_t* complete(self, const uint8_t* p, const uint8_t* end) noexcept nogil:
        """Finish the carried line from a new block; returns what is left of the block."""
        cdef const uint8_t* at
        if self.pending_cr:
            self.pending_cr = False
            self.end_carried()
            return p + 1 if p[0] == 10 else p
        if self.carried == 0:
            return p
        at = end_of_line(p, end)
        if at == NULL:
            self.keep(p, end)
            return end
        self.keep(p, at)
        if at[0] == 13 and at + 1 == end:
            self.pending_cr = True
            return end
        self.end_carried()
        return at + 2 if at[0] == 13 and at[1] == 10 else at + 1

    cdef void keep(self, const uint8_t* p, const uint8_t* end) noexcept nogil:
        """Add part of a line to what is carried; beyond the cap it is only counted."""
        cdef int64_t room = LINE_CAP - self.carried
        cdef int64_t n = end - p
        if room > 0 and n > 0:
            memcpy(self.carry + self.carried, p, n if n < room else room)
        self.carried += n

    cdef void end_carried(self) noexcept nogil:
        """The carried line is whole: read it."""
        if self.carried > LINE_CAP:
            oversized(self.s, self.q, self.carried)
        else:
            self.carry[self.carried] = 10
            self.s.trace.origin = self.carry
            self.s.trace.base = self.carry_at
            run(self.s, self.q, self.carry, self.carry + self.carried + 1)
        self.carried = 0

    def finish(self):
        """The program has ended: read its last line and settle the plan. Idempotent."""
        cdef int64_t missing
        if self.finished:
            return
        self.finished = True
        with nogil:
            self.ends_with_newline = self.carried == 0 or self.pending_cr
            if self.carried or self.pending_cr:
                missing = self.s.hazard[HAZ_NUMBER_MISSING].count
                self.end_carried()
                self.cut_word = not self.ends_with_newline and self.s.hazard[HAZ_NUMBER_MISSING].count > missing
            if self.s.program != NULL and self.s.program.state == STATE_KEEP:
                follow_kept(self.s, self.q)
            settle_feature(self.s)
            end_object(self.s)
            path_end(&self.s.trace)
            plan_flush(self.q, 0)
        if self.q.out_of_memory or self.s.trace.out_of_memory:
            raise MemoryError("no memory for what was asked for of every line")

    def times(self):
        """Native float64 seconds, one per line, as bytes; None unless asked for at the start."""
        if self.kept_times is None and self.q.want_times:
            self.kept_times = line_bytes(&self.q.times, self.s.line, 0)
        return self.kept_times

    def positions(self):
        """Native float32 x, y, z in mm where each line ends, as bytes; None unless asked for at the start."""
        if self.kept_positions is None and self.s.trace.positions.wanted:
            self.kept_positions = line_bytes(&self.s.trace.positions, self.s.line, 0x7FC00000)
        return self.kept_positions

    def layer_rows(self):
        """(int64 lines, int64 byte offsets, float64 z mm, height mm, start s, filament mm), each as bytes: one
        number for each layer of the table. Heights that are not known are NaN."""
        return layer_columns(self.s)

    def object_rows(self):
        """([(name, id or -1, first line, last line, low, high, filament mm, centre, outline)], marks without room).

        `low` and `high` are x, y, z in mm of what was extruded, None on an axis where nothing was; centre and corners
        are x, y in mm."""
        cdef ObjectTable* t = &self.s.trace.objects
        return [object_row(self.s, t, &t.row[i]) for i in range(t.count)], t.past

    def features(self):
        """{feature: (seconds, filament mm)} of what the program does at all."""
        cdef Trace* t = &self.s.trace
        return {
            FEATURE_NAMES[i]: (t.pace.feature_s[i], t.feature_pushed[i] / 1e6)
            for i in range(FEATURE_WAIT + 1) if t.pace.feature_s[i] > 0.0 or t.feature_pushed[i] > 0
        }

    def histories(self):
        """[(quantity, tool, changes seen, int64 lines, float64 values, float64 seconds)]; the last three as bytes.
        Feed in mm/s, temperatures in degC, spindle S, fan and flow as shares."""
        return [
            (HISTORY_NAMES[min(i, HISTORY_NOZZLE)],
             self.s.tools[i - HISTORY_NOZZLE].number if i >= HISTORY_NOZZLE else -1,
             self.s.trace.history[i].seen, *history_columns(&self.s.trace.history[i]))
            for i in range(HISTORIES) if self.s.trace.history[i].count
        ]

    def path(self):
        """(float32 vertices, uint32 first vertex of each polyline and of the end, uint32 line of each polyline,
        [(layer, feature, tool, first polyline, polylines)], deviation mm, polylines dropped, bounds mm), the first
        three as bytes; None unless asked for. Sorted by layer, feature and tool."""
        if self.kept_path is None and self.s.trace.path.tolerance > 0.0:
            self.kept_path = path_parts(&self.s.trace.path)
        return self.kept_path

    def frames(self):
        """[(name, motion, work, length)]; motion and work are three of None or (low mm, line, high mm, line,
        columns);
        `length` is the number of the tool whose length the machine must add to Z, or None."""
        found = []
        for i in range(FRAME_TABLE):
            motion = tuple(as_range(&self.s.frames[i].motion[a]) for a in range(3))
            work = tuple(as_range(&self.s.frames[i].work[a]) for a in range(3))
            if motion != (None, None, None):
                name, length = frame_name(self.s, i)
                found.append((name, motion, work, length))
        return found

    def rapids(self):
        """[(name, travel, plunge)] of coordinate systems with rapids; travel and plunge None or (low mm, line)."""
        found = []
        for i in range(self.s.modes.pair_count):     # Z is the tool's tip, with a length from the table or without
            lower(&self.s.cut.rapid[self.s.modes.pair_system[i]].travel,
                  self.s.cut.rapid[FRAME_PAIRS + i].travel.low, self.s.cut.rapid[FRAME_PAIRS + i].travel.low_line)
            lower(&self.s.cut.rapid[self.s.modes.pair_system[i]].plunge,
                  self.s.cut.rapid[FRAME_PAIRS + i].plunge.low, self.s.cut.rapid[FRAME_PAIRS + i].plunge.low_line)
        for i in range(FRAME_COUNT):
            travel = as_low(&self.s.cut.rapid[i].travel)
            plunge = as_low(&self.s.cut.rapid[i].plunge)
            if travel is not None or plunge is not None:
                found.append((FRAME_NAMES[i], travel, plunge))
        return found

    def words(self):
        """{word: (first line, count, first column)} of G, M and T words."""
        found = {}
        for i in range(self.s.g_top + 1):
            if self.s.g_use[i].count:
                found[word_name("G", i)] = as_use(&self.s.g_use[i])
        for i in range(self.s.m_top + 1):
            if self.s.m_use[i].count:
                found[word_name("M", i)] = as_use(&self.s.m_use[i])
        if self.s.t_use.count:
            found["T"] = as_use(&self.s.t_use)
        return found

    def hazards(self):
        """{name: (line, column, count)} of what was seen."""
        return {
            HAZARD_NAMES[i]: (self.s.hazard[i].line, self.s.hazard[i].column, self.s.hazard[i].count)
            for i in range(HAZARD_COUNT) if self.s.hazard[i].count
        }

    def reasons(self):
        """{hazard: reason} of what the evaluation of parameters and O words noted, each at its first place."""
        if self.s.program == NULL:
            return {}
        return {
            HAZARD_NAMES[i]: REASON_NAMES[self.s.program.reason[i - HAZ_NOT_PROVABLE]]
            for i in range(HAZ_NOT_PROVABLE, HAZ_NOT_PROVABLE + 4) if self.s.hazard[i].count
        }

    def tools(self):
        """[(number, first line, pushed mm)] of tools selected or pushed through."""
        return [
            (self.s.tools[i].number, self.s.tools[i].first_line, self.s.tools[i].pushed_max / 1e6)
            for i in range(self.s.tool_count)
            if self.s.tools[i].first_line or self.s.tools[i].pushed_max > 0
        ]

    def heaters(self):
        """{name: (first line, max degC, line, end degC, line, column of the max)} of heaters that were set."""
        return {
            HEATER_NAMES[i]: (
                self.s.heater[i].first_line, self.s.heater[i].max_value / 1e6, self.s.heater[i].max_line,
                self.s.heater[i].end_value / 1e6, self.s.heater[i].end_line, self.s.cut.heat_column[i])
            for i in range(3) if self.s.heater[i].first_line
        }

    def layers(self):
        """(layers, "comments" | "z" | ""): markers of one kind if there are any, else heights worked at."""
        for i in range(LAYER_MARKERS):
            if self.s.layer_marks[i]:
                return self.s.layer_marks[i], "comments"
        return self.s.layers_z, "z" if self.s.layers_z else ""

    def names(self):
        """({extended command: (first line, count, first column)}, [object name])."""
        extended = {
            arena_text(&self.s.extended, i): as_use(&self.s.extended.use[i])
            for i in range(self.s.extended.count)
        }
        objects = []
        for row in self.object_rows()[0]:
            objects.append(row[0] or str(row[1]))
        return extended, objects

    def secret_keys(self):
        """{key of a comment that may name a secret: (first line, count)}; at most 256."""
        return {
            arena_text(&self.s.secret_keys, i): (self.s.secret_keys.use[i].first_line, self.s.secret_keys.use[i].count)
            for i in range(self.s.secret_keys.count)
        }

    def spindle(self):
        """None, or (on line, max S, line, still on, last line, first M4, first M3, first lit rapid, column of max S)."""
        cdef Core* s = self.s
        if s.spindle_on_line == 0:
            return None
        return (s.spindle_on_line, s.s_max / 1e6, s.s_max_line, bool(s.spindle), s.spindle_end_line,
                s.dynamic_power_line, s.cut.constant_line, s.cut.lit_rapid_line, s.cut.s_column)

    def totals(self):
        """The single numbers, by the names of the fields of `Analysis` where there is one."""
        cdef Core* s = self.s
        return {
            "size_bytes": self.size, "lines": s.line, "commands": s.commands,
            "motion_s": self.q.spent_s[SPENT_MOTION], "dwell_s": self.q.spent_s[SPENT_DWELL],
            "heating_s": self.q.spent_s[SPENT_HEATING], "homing_s": self.q.spent_s[SPENT_HOMING],
            "tool_change_s": self.q.spent_s[SPENT_TOOL_CHANGE], "cutting_mm": s.cutting_mm,
            "max_feed_mm_s": s.max_feed, "max_feed_line": s.max_feed_line,
            "max_z_feed_mm_s": s.cut.z_feed, "max_z_feed_line": s.cut.z_feed_line,
            "longest_line_bytes": s.longest, "longest_line": s.longest_line,
            "longest_code_bytes": s.longest_code, "longest_code_line": s.longest_code_line,
            "longest_spaced_bytes": s.longest_spaced, "longest_spaced_line": s.longest_spaced_line,
            "units_line": s.units_line, "distance_line": s.distance_line,
            "first_motion_line": s.first_motion_line, "first_home_line": s.first_home_line,
            "first_work_line": s.first_work_line,
        }

    def ending(self):
        """(newline, marker, line, cut word, first code after the end)."""
        return (bool(self.ends_with_newline), END_NAMES[self.s.end_marker], self.s.end_marker_line,
                bool(self.cut_word), self.s.code_after_line)

    def letters(self):
        """{parameter letter: first line}."""
        return {chr(64 + i): self.s.letter_line[i] for i in range(1, 27) if self.s.letter_line[i]}

    def state(self):
        """The modal state after the lines read so far, as `fleetctl.gcode.state` describes it. A last line without
        its end counts after `finish`. Lengths are whole nanometres (1e-6 mm), exact."""
        cdef Core* s = self.s
        cdef Resume* r = &s.resume
        return {
            "line": s.line, "axes": tuple(axis_state(s, a) for a in range(3)),
            "inch": bool(s.inch), "relative": bool(s.relative), "e_relative": bool(s.e_relative),
            "arc_absolute": bool(s.arc_absolute), "plane": s.plane, "wcs": FRAME_NAMES[s.wcs], "motion": s.motion,
            "cycle_returns_to_r": not s.old_z_return, "feed_mode": s.modes.feed_mode,
            "feed_nm_min": feed_in_force(s),
            "e_nm": s.e_last, "pulled_back_nm": pulled_back(s),
            "tool": s.tools[s.tool].number, "tool_said": s.t_use.count > 0, "tool_in": r.tool_in,
            "tool_change_line": r.tool_change_line, "tool_length_nm": s.modes.length[2], "tool_length_line": r.length_line,
            "nozzles_degc": {s.tools[i].number: s.tools[i].nozzle / 1e6
                             for i in range(s.tool_count) if s.tools[i].nozzle > 0},
            "bed_degc": s.heater[1].end_value / 1e6, "chamber_degc": s.heater[2].end_value / 1e6,
            "fans": {i: r.fan[i] / 1e6 for i in range(MAX_FANS) if r.fan_line[i]},
            "feed_percent": r.feed_percent / 1e6 if r.feed_percent else 100.0,
            "flow_percent": r.flow_percent / 1e6 if r.flow_percent else 100.0,
            "spindle": r.spindle // 10, "s": s.s_value / 1e6, "mist": bool(r.mist), "flood": bool(r.flood),
            "cutter": s.modes.cutter / 10, "surface_speed": bool(r.surface_speed),
            "retracted": bool(s.modes.retracted), "offset_nm": tuple(s.modes.extra[a] for a in range(3)),
            "homed": tuple(bool(r.homed & (<unsigned int> BIT_X << a)) for a in range(3)),
            "level_line": r.level_line, "object_line": r.object_line, "macro_line": r.macro_line,
            "last_work_line": r.last_work_line,
            "kept_lines": tuple(sorted([r.kept[i].line for i in range(r.kept_count)])), "kept_lost": r.kept_lost,
            "work_top_nm": work_top(s),
        }

    def letter_columns(self):
        """{parameter letter: column in its first line}."""
        return {chr(64 + i): self.s.cut.letter_column[i] for i in range(1, 27) if self.s.letter_line[i]}

    @property
    def s_on_motion(self):
        """Lines that give S together with a move, as programs for lasers do."""
        return self.s.s_on_motion

    @property
    def file_sets_limits(self):
        """Did the file set speeds or accelerations of its own?"""
        return bool(self.s.file_sets_limits)


cdef object frame_name(Core* s, int32_t frame):
    """(coordinate system, number of the tool whose length the machine adds to Z there, or None)."""
    if frame < FRAME_PAIRS:
        return FRAME_NAMES[frame], None
    return FRAME_NAMES[s.modes.pair_system[frame - FRAME_PAIRS]], s.modes.pair_number[frame - FRAME_PAIRS]


cdef object axis_state(Core* s, int a):
    """(where it stands in nm, in which frame, whether that is known, program zero in nm of the frame that absolute
    words lead to, that frame, whether that zero was set in another frame than the selected one, and the tools whose
    lengths count in both frames)."""
    name, length = frame_name(s, s.frame[a])
    absolute, absolute_length = frame_name(s, s.abs_frame[a])
    return (s.pos[a], name, bool(s.commanded[a] and s.frame[a] != FRAME_START), s.shift[a], absolute,
            bool(s.foreign[a]), length, absolute_length)


cdef object pulled_back(Core* s):
    """How far the filament of the tool in use is pulled back, in nm as E counts it now (M200, M221)."""
    return round((s.tools[s.tool].pushed_max - s.tools[s.tool].pushed) / s.modes.flow_factor)


cdef object feed_in_force(Core* s):
    """The F as the program gave it, in nm per minute (G93: as written, G95: nm per turn); None before any."""
    if not s.feed_known:
        return None
    if s.modes.feed_mode != 94:
        return round(s.modes.feed_word * 1e6)
    return round(s.feed / s.modes.feed_factor * 60e6)


cdef object work_top(Core* s):
    """The greatest Z of work so far in the frame that Z stands in, nm; None before any."""
    cdef Range* r = &s.frames[s.frame[2]].work[2]
    return None if r.low > r.high else r.high


def count_words(const uint8_t[::1] text not None, int reads):
    """(lines, words) of the whole lines of a text: what reading alone costs, before anything is understood."""
    cdef Scanner scan = Scanner(reads, False, False)
    cdef Core* s = scan.s
    cdef const uint8_t* p
    cdef const uint8_t* stop
    cdef int64_t words = 0
    cdef uint32_t mask
    if text.shape[0] == 0:
        return 0, 0
    p = &text[0]
    with nogil:
        stop = <const uint8_t*> memrchr(p, 10, text.shape[0])
        while stop != NULL and p <= stop:
            s.line += 1
            p = read_line(s, p) + 1
            if (p - 1)[0] == 13 and p <= stop and p[0] == 10:
                p += 1
            words += s.w.ng + s.w.nm
            mask = s.w.mask
            while mask:
                mask &= mask - 1
                words += 1
    return s.line, words


cdef object as_range(Range* r):
    if r.low > r.high:
        return None
    return (r.low / 1e6, r.low_line, r.high / 1e6, r.high_line, r.low_column, r.high_column)


cdef object as_low(Range* r):
    if r.low_line == 0:
        return None
    return (r.low / 1e6, r.low_line)


cdef object as_use(Use* use):
    return (use.first_line, use.count, use.first_column)


cdef str word_name(str letter, int code):
    return f"{letter}{code // 10}" if code % 10 == 0 else f"{letter}{code // 10}.{code % 10}"


cdef str arena_text(NameTable* t, int i):
    text = t.arena[t.offset[i]:t.offset[i] + t.length[i]].decode("utf-8", "replace")
    return text


cdef bytes doubles(const double* first, int64_t count, int64_t stride):
    """Every `stride`-th number of 8 bytes from `first` on."""
    cdef bytes out = PyBytes_FromStringAndSize(NULL, 8 * count)
    cdef double* to = <double*> PyBytes_AS_STRING(out)
    cdef int64_t i
    for i in range(count):
        memcpy(&to[i], first + i * stride, 8)
    return out


cdef bytes line_bytes(LineArray* a, int64_t lines, uint32_t nothing):
    """The array of lines in one piece, gaps filled with the line before; the chunks are given back on the way."""
    cdef int64_t size = 4 * a.width
    cdef bytes out = PyBytes_FromStringAndSize(NULL, lines * size)
    cdef char* to = PyBytes_AS_STRING(out)
    cdef char* last = NULL
    cdef uint32_t before[4]
    cdef uint32_t unwritten[4]
    cdef int64_t i, k, n
    for i in range(4):
        before[i] = nothing
        unwritten[i] = 0xFFFFFFFF
    with nogil:
        for k in range((lines + LINE_CHUNK - 1) // LINE_CHUNK):
            n = lines - k * LINE_CHUNK if lines - k * LINE_CHUNK < LINE_CHUNK else LINE_CHUNK
            for i in range(n):
                if (k < a.room and a.chunk[k] != NULL
                        and memcmp(a.chunk[k] + i * a.width, unwritten, size) != 0):
                    memcpy(before, a.chunk[k] + i * a.width, size)
                memcpy(to, before, size)
                to += size
            if k < a.room:
                free(a.chunk[k])
                a.chunk[k] = NULL
    return out


cdef tuple layer_columns(Core* s):
    """The rows of the layer table as columns; what a layer took is the filament between its start and the next."""
    cdef LayerTable* t = &s.trace.layers
    cdef int64_t n = 0 if s.reads & READ_CNC else t.count
    cdef int64_t i, after
    cdef bytes filament = PyBytes_FromStringAndSize(NULL, 8 * n)
    cdef double* took = <double*> PyBytes_AS_STRING(filament)
    cdef int64_t stride = sizeof(Layer) // 8
    if n == 0:
        return (b"",) * 6
    for i in range(n):
        # Past the end of the table the last layer of it takes the rest.
        after = t.row[i + 1].filament if i + 1 < n else pushed_in_all(s)
        took[i] = <double> (after - t.row[i].filament) / 1e6
        if isnan(t.row[i].height) and i > 0 and t.row[i].z > t.row[i - 1].z:
            t.row[i].height = <double> llround((t.row[i].z - t.row[i - 1].z) * 1e6) / 1e6
    return (
        doubles(<double*> &t.row[0].line, n, stride), doubles(<double*> &t.row[0].offset, n, stride),
        doubles(&t.row[0].z, n, stride), doubles(&t.row[0].height, n, stride),
        doubles(&t.row[0].start_s, n, stride), filament,
    )


cdef tuple object_row(Core* s, ObjectTable* t, Thing* row):
    cdef int i
    return (
        arena_text(&s.objects, row.name) if row.name >= 0 else "", row.id, row.first_line, row.last_line,
        tuple(row.low[i] / 1e6 if row.low[i] <= row.high[i] else None for i in range(3)),
        tuple(row.high[i] / 1e6 if row.low[i] <= row.high[i] else None for i in range(3)),
        row.filament / 1e6,
        (row.centre[0] / 1e6, row.centre[1] / 1e6) if row.has_centre else None,
        tuple((t.corner[2 * i] / 1e6, t.corner[2 * i + 1] / 1e6) for i in range(row.corner, row.corner + row.corners)),
    )


cdef tuple history_columns(History* h):
    cdef int64_t stride = sizeof(Change) // 8
    return (doubles(<double*> &h.row[0].line, h.count, stride), doubles(&h.row[0].value, h.count, stride),
            doubles(&h.row[0].at_s, h.count, stride))


cdef int by_key(const void* a, const void* b) noexcept nogil:
    cdef const PathRun* x = <const PathRun*> a
    cdef const PathRun* y = <const PathRun*> b
    if x.layer != y.layer:
        return 1 if x.layer > y.layer else -1
    if x.feature != y.feature:
        return 1 if x.feature > y.feature else -1
    if x.tool != y.tool:
        return 1 if x.tool > y.tool else -1
    return 1 if x.first > y.first else -1


cdef tuple path_parts(PathState* p):
    """The polylines sorted by layer, feature and tool, and the list of those ranges."""
    cdef bytes xyz = PyBytes_FromStringAndSize(NULL, 12 * p.vertices)
    cdef bytes starts = PyBytes_FromStringAndSize(NULL, 4 * (p.runs + 1))
    cdef bytes lines = PyBytes_FromStringAndSize(NULL, 4 * p.runs)
    cdef float* vertex = <float*> PyBytes_AS_STRING(xyz)
    cdef uint32_t* start = <uint32_t*> PyBytes_AS_STRING(starts)
    cdef uint32_t* line = <uint32_t*> PyBytes_AS_STRING(lines)
    cdef int64_t i, at = 0, first = 0
    cdef PathRun* run
    cdef float low[3]
    cdef float high[3]
    cdef float value
    ranges = []
    with nogil:
        if p.runs:
            qsort(p.run, p.runs, sizeof(PathRun), by_key)
        for i in range(p.runs):
            run = &p.run[i]
            memcpy(vertex + 3 * at, p.xyz + 3 * <int64_t> run.first, 12 * <int64_t> run.count)
            start[i] = <uint32_t> at
            line[i] = run.line
            at += run.count
        start[p.runs] = <uint32_t> at
        for i in range(3 * at):
            value = vertex[i]
            if i < 3 or value < low[i % 3]:
                low[i % 3] = value
            if i < 3 or value > high[i % 3]:
                high[i % 3] = value
    for i in range(1, p.runs + 1):
        run = &p.run[first]
        if i == p.runs or (run.layer, run.feature, run.tool) != (p.run[i].layer, p.run[i].feature, p.run[i].tool):
            ranges.append((run.layer, FEATURE_NAMES[run.feature], run.tool, first, i - first))
            first = i
    bounds = ((low[0], low[1], low[2]), (high[0], high[1], high[2])) if at else None
    return xyz, starts, lines, ranges, p.deviation, p.dropped, bounds
