"""Reads a program fed in blocks, of any size, and keeps its facts; the GIL is free while it reads.

The whole of a program is one `Scanner`: feed blocks, then finish, then ask. Memory does not grow with the file
(except the array of times, on request). Nothing here judges, opens files or knows dialects by name.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcpy

from fleetctl._ext.gcode_answers cimport (
    core_bytes, feature_rows, frame_rows, hazard_rows, heater_rows, history_rows, layer_count, letter_column_rows,
    letter_rows, name_rows, object_rows_of, rapid_rows, reason_rows, secret_rows, spindle_row, state_values, tool_rows,
    total_numbers, word_rows)
from fleetctl._ext.gcode_columns cimport columns_core_bytes, layer_columns, line_bytes, path_parts
from fleetctl._ext.gcode_corner cimport weigh_limits
from fleetctl._ext.gcode_execute cimport execute
from fleetctl._ext.gcode_extended cimport extended_command
from fleetctl._ext.gcode_filament cimport begin_filament
from fleetctl._ext.gcode_frame cimport begin_frames
from fleetctl._ext.gcode_feature cimport settle_feature
from fleetctl._ext.gcode_follow cimport (
    after_line, end_of_line, free_program, keep_text, new_program, try_to_follow, was_visited)
from fleetctl._ext.gcode_klipper cimport klipper_move, limit_velocity
from fleetctl._ext.gcode_lines cimport free_lines
from fleetctl._ext.gcode_note cimport note, touch
from fleetctl._ext.gcode_object cimport end_object
from fleetctl._ext.gcode_parameter cimport object_to
from fleetctl._ext.gcode_path cimport path_end
from fleetctl._ext.gcode_plan cimport plan_flush, plan_move
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_skip cimport *
from fleetctl._ext.gcode_text cimport read_line
from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *
from fleetctl._ext.gcode_unknown cimport execute_computed
from fleetctl._ext.gcode_use cimport free_uses
from fleetctl._ext.gcode_velocity cimport velocity_command

from fleetctl._ext.gcode_answers import (
    END_NAMES, FEATURE_NAMES, FRAME_NAMES, HAZARD_NAMES, HEATER_NAMES, HISTORY_NAMES, REASON_NAMES)

if core_bytes() != sizeof(Core) + sizeof(Planner) or columns_core_bytes() != sizeof(Core):
    raise ImportError("the parts of the G-code core were built from different sources: build_ext --inplace --force")

cdef extern from "string.h" nogil:
    void* memrchr(const void* text, int c, size_t n)

cdef enum:
    LINE_CAP = 262144       # a longer line is counted and noted, not read

RULES = {"grbl": RULE_GRBL, "marlin": RULE_MARLIN, "jerk": RULE_JERK, "klipper": RULE_KLIPPER}
ARC_RULES = {"grbl": ARC_BY_TOLERANCE, "marlin": ARC_BY_LENGTH, "klipper": ARC_BY_RESOLUTION}

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
    "brace_expressions": READ_BRACES, "origins": READ_ORIGINS,
    "quoted_text": READ_QUOTES,
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
    if s.reads & READ_QUOTES:
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
            free_uses(&self.s.g_use)
            free_uses(&self.s.m_use)
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
        return object_rows_of(self.s)

    def features(self):
        """{feature: (seconds, filament mm)} of what the program does at all."""
        return feature_rows(self.s)

    def histories(self):
        """[(quantity, tool, changes seen, int64 lines, float64 values, float64 seconds)]; the last three as bytes.
        Feed in mm/s, temperatures in degC, spindle S, fan and flow as shares."""
        return history_rows(self.s)

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
        return frame_rows(self.s)

    def rapids(self):
        """[(name, travel, plunge)] of coordinate systems with rapids; travel and plunge None or (low mm, line)."""
        return rapid_rows(self.s)

    def words(self):
        """{word: (first line, count, first column)} of G, M and T words."""
        return word_rows(self.s)

    def hazards(self):
        """{name: (line, column, count)} of what was seen."""
        return hazard_rows(self.s)

    def reasons(self):
        """{hazard: reason} of what the evaluation of parameters and O words noted, each at its first place."""
        return reason_rows(self.s)

    def tools(self):
        """[(number, first line, pushed mm)] of tools selected or pushed through."""
        return tool_rows(self.s)

    def heaters(self):
        """{name: (first line, max degC, line, end degC, line, column of the max)} of heaters that were set."""
        return heater_rows(self.s)

    def layers(self):
        """(layers, "comments" | "z" | ""): markers of one kind if there are any, else heights worked at."""
        return layer_count(self.s)

    def names(self):
        """({extended command: (first line, count, first column)}, [object name])."""
        return name_rows(self.s)

    def secret_keys(self):
        """{key of a comment that may name a secret: (first line, count)}; at most 256."""
        return secret_rows(self.s)

    def spindle(self):
        """None, or (on line, max S, line, still on, last line, first M4, first M3, first lit rapid, column of max S)."""
        return spindle_row(self.s)

    def totals(self):
        """The single numbers, by the names of the fields of `Analysis` where there is one."""
        return total_numbers(self.s, self.q, self.size)

    def ending(self):
        """(newline, marker, line, cut word, first code after the end)."""
        return (bool(self.ends_with_newline), END_NAMES[self.s.end_marker], self.s.end_marker_line,
                bool(self.cut_word), self.s.code_after_line)

    def letters(self):
        """{parameter letter: first line}."""
        return letter_rows(self.s)

    def state(self):
        """The modal state after the lines read so far, as `fleetctl.gcode.state` describes it. A last line without
        its end counts after `finish`. Lengths are whole nanometres (1e-6 mm), exact."""
        return state_values(self.s)

    def letter_columns(self):
        """{parameter letter: column in its first line}."""
        return letter_column_rows(self.s)

    @property
    def s_on_motion(self):
        """Lines that give S together with a move, as programs for lasers do."""
        return self.s.s_on_motion

    @property
    def file_sets_limits(self):
        """Did the file set speeds or accelerations of its own?"""
        return bool(self.s.file_sets_limits)


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


