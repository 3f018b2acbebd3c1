"""Keeping the text of a program that jumps, and following it at the end, line by line, within a bound.

Lines keep the number they have in the file. What a line shows by its text alone is noted once, however often it is
carried out; what is never reached is looked at afterwards (`STATE_SWEEP`) but has no effect.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memchr, memcpy

from fleetctl._ext.gcode_execute cimport execute
from fleetctl._ext.gcode_flow cimport control_at, control_line, halt
from fleetctl._ext.gcode_parameter cimport object_to, refuse
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_text cimport read_line
from fleetctl._ext.gcode_types cimport *
from fleetctl._ext.gcode_unknown cimport execute_computed


cdef inline const uint8_t* end_of_line(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The first LF or CR, or NULL. Looks a piece at a time: one kind may be nowhere, the other close by."""
    cdef const uint8_t* lf = NULL
    cdef const uint8_t* cr = NULL
    cdef int64_t piece = 128
    while p < end and lf == NULL and cr == NULL:
        piece = piece if piece < end - p else end - p
        lf = <const uint8_t*> memchr(p, 10, piece)
        cr = <const uint8_t*> memchr(p, 13, (lf - p) if lf != NULL else piece)
        p += piece
        piece *= 2
    return cr if cr != NULL else lf


cdef inline const uint8_t* after_line(const uint8_t* end, const uint8_t* stop) noexcept nogil:
    """What follows the line end at `end`: LF, CR, or CR LF."""
    return end + 2 if end[0] == 13 and end + 1 < stop and end[1] == 10 else end + 1


cdef inline Program* new_program() noexcept nogil:
    """A program memory in which nothing is set; NULL without memory."""
    cdef Program* program = <Program*> calloc(1, sizeof(Program))
    cdef int32_t i
    if program != NULL:
        for i in range(PARAMETERS):
            program.number_why[i] = WHY_UNSET
        program.serial = 1
        program.call[0].serial = 1
    return program


cdef inline void free_program(Program* program) noexcept nogil:
    if program != NULL:
        free(program.text)
        free(program.visited)
        free(program.trail)
        free(program)


cdef inline bint keep_text(Program* program, const uint8_t* p, int64_t length) noexcept nogil:
    """Add whole lines to the kept text; False when they would be more than the cap (or memory) holds."""
    cdef int64_t capacity = program.capacity
    cdef void* grown
    if program.length + length > TEXT_CAP:
        return False
    if program.length + length >= capacity:
        capacity = 65536 if capacity == 0 else capacity
        while capacity <= program.length + length:
            capacity *= 2
        grown = realloc(program.text, capacity)
        if grown == NULL:
            return False
        program.text = <uint8_t*> grown
        program.capacity = capacity
    # Pieces are whole lines: a CR that ends one and an LF that begins the next are two line ends. A blank keeps them apart.
    if length and p[0] == 10 and program.length and program.text[program.length - 1] == 13:
        program.text[program.length] = 32
        program.length += 1
    memcpy(program.text + program.length, p, length)
    program.length += length
    return True


cdef inline bint was_visited(Program* program, int64_t offset) noexcept nogil:
    return (program.visited[offset >> 3] >> (offset & 7)) & 1


cdef inline void leave_trail(Core* s) noexcept nogil:
    """Write down where the axes stand."""
    cdef double* row = s.program.trail + 4 * s.program.trail_count
    cdef int a
    row[0] = <double> s.line
    for a in range(3):
        row[1 + a] = <double> s.pos[a] * 1e-6 if s.commanded[a] else NAN
    s.program.trail_count += 1


cdef inline void act(Core* s, Planner* q, const uint8_t* p) noexcept nogil:
    """Carry out the plain line at `p`; its text and its place among the commands count only the first time."""
    cdef Program* program = s.program
    cdef int64_t offset = p - program.text
    cdef int64_t commands = s.commands
    cdef int64_t steps = s.modes.steps
    s.quiet = was_visited(program, offset)
    program.visited[offset >> 3] |= <uint8_t> (1 << (offset & 7))
    s.text = p
    read_line(s, p)
    if s.w.skip == SKIP_EVALUATED:
        execute_computed(s, q)
    elif s.w.skip:
        s.commands += 1
    elif (s.w.mask & ~<uint32_t> BIT_N) | <uint32_t> s.w.ng | <uint32_t> s.w.nm:
        execute(s, q)
    program.work += WORK_OF_STEP * (s.modes.steps - steps)
    if s.w.mask & BITS_IJKR and s.motion in (20, 30, 330, 331):
        program.work += WORK_OF_ARC
    if s.quiet:
        s.commands = commands
    s.quiet = 0
    if program.trail_count < program.trail_most:
        leave_trail(s)
    if s.ended_line or s.end_marker == END_PERCENT:
        program.stopped = 1


cdef inline void judge_end(Core* s) noexcept nogil:
    """The text is at its end: whatever is still open was never closed, or is in another file."""
    cdef Program* program = s.program
    if program.seeking:
        halt(s, WHY_OTHER_FILE, program.skip_line, program.skip_column)
    elif program.skipping or program.level:
        if program.skipping:
            s.line = program.skip_line
        refuse(s, FLOW_NEVER_CLOSED, program.skip_column if program.skipping else 1)


cdef inline void follow(Core* s, Planner* q) noexcept nogil:
    """Follow the kept text from its first line to its end, to an error, or to the cap."""
    cdef Program* program = s.program
    cdef const uint8_t* p = program.text
    cdef const uint8_t* stop = program.text + program.length
    cdef const uint8_t* end
    cdef const uint8_t* control
    s.line = program.first_line
    s.trace.origin = program.text
    s.trace.base = program.base
    program.state = STATE_RUN
    while p < stop:
        end = end_of_line(p, stop)
        program.next_offset = after_line(end, stop) - program.text
        program.next_line = s.line + 1
        program.failed = 0
        program.work += end - p + 12
        control = control_at(p)
        if control != NULL:
            control_line(s, control, p)
        elif not program.skipping:
            act(s, q, p)
        if program.failed or program.stopped:
            return
        if program.work > WORK_CAP:
            object_to(s, HAZ_LOOP_CAP, CAP_WORK, 1)
            return
        if program.jumped:
            program.jumped = 0
            p = program.text + program.jump_offset
            s.line = program.jump_line
        else:
            p = program.text + program.next_offset
            s.line = program.next_line
    judge_end(s)


cdef inline void try_to_follow(Core* s, Planner* q) noexcept nogil:
    """`follow`, unless the program ended before its first O word or there is no memory for it."""
    cdef Program* program = s.program
    program.visited = <uint8_t*> calloc(program.length // 8 + 1, 1)
    if program.visited == NULL:
        s.line = program.first_line
        object_to(s, HAZ_NOT_PROVABLE, WHY_TOO_LONG, 1)
    elif not s.ended_line and s.end_marker != END_PERCENT and not program.stopped:
        follow(s, q)
    program.state = STATE_SWEEP
    s.quiet = 0
