"""O words: subroutines, loops and branches of a program whose text is kept, followed line by line.

The state machine is LinuxCNC's as it can be seen from outside (documentation "O codes"; every rule here was tried with
the stand-alone interpreter of LinuxCNC 2.9), with what is odd about it: one flag remembers over all nesting whether a
branch was taken, a `break` is remembered until the next `do ... while`, labels are known once they were passed, and
what is skipped is not read. A called sub that was not passed yet is looked for further down in this file; a file of its
name beside the program, which LinuxCNC would prefer, is not looked for.

Must not know what lines mean: `gcode_execute` does.
"""

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fleetctl._ext.gcode_expression cimport peek, read_brackets, read_name, read_value, take_text, whole_number
from fleetctl._ext.gcode_parameter cimport intern, object_to, refuse
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_text cimport read_line
from fleetctl._ext.gcode_types cimport *

cdef extern from *:
    """
    static const char* const fleetctl_o_word[] = {
        "sub", "endsub", "call", "do", "while", "repeat", "if", "elseif", "else", "endif", "break", "continue",
        "endwhile", "endrepeat", "return", 0};
    """
    const char* const fleetctl_o_word[]

cdef struct Control:
    int32_t kind            # O_...
    int32_t name            # index of the name
    uint64_t key            # of the label: names of loops and branches belong to their sub
    int64_t column
    Value value             # condition or count
    int32_t count
    Value argument[ARGUMENTS]


cdef inline const uint8_t* control_at(const uint8_t* p) noexcept nogil:
    """The O, or the M of M98 and M99, that makes this a line of control; NULL for any other line."""
    cdef const uint8_t* q
    cdef uint8_t c
    if peek(&p) == 47:
        p += 1
    if peek(&p) == 110:
        p += 1
        c = peek(&p)
        while 48 <= c <= 57 or c == 46:
            p += 1
            c = peek(&p)
    c = peek(&p)
    if c == 111:
        return p
    if c == 109:
        q = p + 1
        if take_text(&q, "98") or take_text(&q, "99"):
            c = peek(&q)
            if not (48 <= c <= 57 or c == 46):
                return p
    return NULL


cdef inline void halt(Core* s, int32_t why, int64_t line, int64_t column) noexcept nogil:
    """Where the program goes from here is not known: stop following."""
    cdef int64_t here = s.line
    s.line = line
    object_to(s, HAZ_NOT_PROVABLE, why, column)
    s.line = here
    s.program.stopped = 1


cdef inline bint known(Core* s, Value* value, int64_t column) noexcept nogil:
    """Can a condition or a count be told? If not, nothing is followed any further."""
    if value.why:
        halt(s, value.why, s.line, column)
        return False
    return True


cdef inline bint number_name(Core* s, int32_t number, int64_t column, int32_t* name) noexcept nogil:
    """The name that a number is as text: `o5` and `o<5>` are one label."""
    cdef uint8_t text[16]
    cdef int32_t n = 16
    cdef bint negative = number < 0
    cdef int64_t rest = -<int64_t> number if negative else number
    while rest or n == 16:
        n -= 1
        text[n] = <uint8_t> (48 + rest % 10)
        rest //= 10
    if negative:
        n -= 1
        text[n] = 45
    name[0] = intern(s.program, &text[n], 16 - n)
    if name[0] < 0:
        halt(s, WHY_TOO_MANY_NAMES, s.line, column)
        return False
    return True


cdef inline bint read_label(Core* s, const uint8_t** p, const uint8_t* start, int32_t* name) noexcept nogil:
    """What follows the O: <name>, a number, or an expression that gives one."""
    cdef int64_t column = p[0] - start + 1
    cdef Value value
    cdef int32_t number = 0
    if peek(p) == 60:
        return read_name(s, p, start, name)
    if not read_value(s, p, start, &value, 0):
        return False
    if not known(s, &value, column) or not whole_number(s, &value, column, &number):
        return False
    return number_name(s, number, column, name)


cdef inline int32_t read_keyword(const uint8_t** p) noexcept nogil:
    cdef int32_t i = 0
    cdef uint8_t c
    while fleetctl_o_word[i]:
        if take_text(p, fleetctl_o_word[i]):
            return O_SUB + i
        i += 1
    c = peek(p)
    return O_NONE if c == 0 or c == 40 else O_UNKNOWN


cdef inline uint64_t label_key(Program* program, int32_t kind, int32_t name) noexcept nogil:
    """Subs are known everywhere; other labels belong to the sub that is called, or being read."""
    cdef uint64_t owner = 0
    if kind <= O_CALL or kind == O_RETURN or kind >= O_M98:
        return <uint64_t> name << 1
    if program.level > 0:
        owner = <uint64_t> program.call[program.level].sub + 1
    elif program.defining:
        owner = <uint64_t> program.defined_sub + 1
    return (owner << 32) | (<uint64_t> name << 1) | 1


cdef inline int32_t label_slot(Program* program, uint64_t key) noexcept nogil:
    cdef uint64_t h = key * 11400714819323198485ULL
    cdef int32_t slot = <int32_t> (h >> 40) & (LABEL_SLOTS - 1)
    while program.label_slot[slot] and program.label[program.label_slot[slot] - 1].key != key:
        slot = (slot + 1) & (LABEL_SLOTS - 1)
    return slot


cdef inline Label* find_label(Program* program, uint64_t key) noexcept nogil:
    cdef int32_t i = program.label_slot[label_slot(program, key)]
    return &program.label[i - 1] if i else NULL


cdef inline bint save_label(Core* s, Control* c, int64_t offset) noexcept nogil:
    """A label is passed for the first time."""
    cdef Program* program = s.program
    cdef Label* label
    cdef int32_t slot = label_slot(program, c.key)
    if program.label_slot[slot]:
        return refuse(s, FLOW_TWICE, c.column)
    if program.label_count == LABELS:
        halt(s, WHY_TOO_MANY_NAMES, s.line, c.column)
        return False
    label = &program.label[program.label_count]
    program.label_count += 1
    program.label_slot[slot] = program.label_count
    label.key = c.key
    label.kind = c.kind
    label.repeats = -1
    label.offset = offset
    label.line = s.line
    return True


cdef inline Label* opened_label(Core* s, Control* c, int32_t kind, int32_t other) noexcept nogil:
    """The label that an `else`, `endif`, `break` ... refers to; NULL (noted) if there is none of its kind."""
    cdef Label* label = find_label(s.program, c.key)
    if label == NULL:
        refuse(s, FLOW_NO_LABEL, c.column)
        return NULL
    if label.kind != kind and label.kind != other:
        refuse(s, FLOW_WRONG_LABEL, c.column)
        return NULL
    return label


cdef inline void jump(Program* program, int64_t offset, int64_t line) noexcept nogil:
    program.jumped = 1
    program.jump_offset = offset
    program.jump_line = line


cdef inline void skip_to(Core* s, Control* c) noexcept nogil:
    s.program.skipping = 1
    s.program.skip_key = c.key
    s.program.skip_line = s.line
    s.program.skip_column = c.column


cdef inline bint only_comments(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """Nothing but comments may follow a word of control."""
    cdef uint8_t c = peek(&p)
    while c:
        if c != 40:
            return refuse(s, FLOW_TRAILING, p - start + 1)
        while p[0] != 41 and p[0] != 10 and p[0] != 13:
            p += 1
        p += p[0] == 41
        c = peek(&p)
    return True


cdef inline bint read_arguments(Core* s, const uint8_t** p, const uint8_t* start, Control* c) noexcept nogil:
    """[a] [b] ... of a call."""
    cdef uint8_t at = peek(p)
    while at == 91 or at == 40:
        if at == 40:
            while p[0][0] != 41 and p[0][0] != 10 and p[0][0] != 13:
                p[0] += 1
            p[0] += p[0][0] == 41
        elif c.count == ARGUMENTS:
            return refuse(s, FLOW_ARGUMENTS, p[0] - start + 1)
        elif not read_brackets(s, p, start, &c.argument[c.count], 0):
            return False
        else:
            c.count += 1
        at = peek(p)
    return True


cdef inline bint read_return(Core* s, const uint8_t** p, const uint8_t* start, Control* c) noexcept nogil:
    """The value that `endsub` and `return` may give back."""
    s.program.returned.number = 0.0
    s.program.returned.why = KNOWN
    s.program.value_returned = 0
    if peek(p) != 91:
        return True
    if not read_brackets(s, p, start, &s.program.returned, 0):
        return False
    s.program.value_returned = 1
    return True


cdef inline bint read_control(Core* s, const uint8_t* p, const uint8_t* start, Control* c) noexcept nogil:
    """Read a line of control; False when it has no effect (or was refused): what is skipped is not computed."""
    cdef Program* program = s.program
    cdef bint elsewhere
    c.column = p - start + 1
    c.count = 0
    p += 1
    if not read_label(s, &p, start, &c.name):
        return False
    c.kind = read_keyword(&p)
    c.key = label_key(program, c.kind, c.name)
    elsewhere = program.skipping and program.skip_key != c.key
    if c.kind == O_SUB or c.kind == O_NONE:
        if program.defining:
            return refuse(s, FLOW_NESTED_SUB, c.column)
    elif c.kind == O_ENDSUB or c.kind == O_RETURN:
        if elsewhere or not read_return(s, &p, start, c):
            return False
    elif program.defining:
        return False
    elif c.kind == O_CALL:
        if program.skipping or not read_arguments(s, &p, start, c):
            return False
    elif c.kind in (O_WHILE, O_REPEAT, O_IF, O_ELSEIF):
        if elsewhere:
            return False
        if peek(&p) != 91:
            return refuse(s, FLOW_CONDITION, p - start + 1)
        if not read_brackets(s, &p, start, &c.value, 0):
            return False
    elif c.kind == O_UNKNOWN:
        return refuse(s, FLOW_KEYWORD, c.column)
    if not program.skipping and not only_comments(s, p, start):
        return False
    return not elsewhere and (not program.seeking or c.kind == O_SUB or c.kind == O_NONE)


cdef inline void enter_call(Core* s, Control* c, bint fanuc, int32_t repeats) noexcept nogil:
    """Open a call and go to its sub, or look for it further down."""
    cdef Program* program = s.program
    cdef Label* label = find_label(program, c.key)
    cdef Call* call
    cdef int32_t i
    if program.level + 1 >= CALL_LEVELS:
        refuse(s, FLOW_LEVELS, c.column)
        return
    program.level += 1
    program.serial += 1
    call = &program.call[program.level]
    call.sub = c.name
    call.fanuc = fanuc
    call.repeats = repeats
    call.serial = program.serial
    call.offset = program.next_offset
    call.line = program.next_line
    if not fanuc:
        for i in range(ARGUMENTS):
            call.saved[i] = program.number[i + 1]
            call.saved_why[i] = program.number_why[i + 1]
            program.number[i + 1] = c.argument[i].number if i < c.count else 0.0
            program.number_why[i + 1] = <uint8_t> c.argument[i].why if i < c.count else KNOWN
    if label != NULL:
        jump(program, label.offset, label.line)
    else:
        skip_to(s, c)
        program.seeking = 1


cdef inline void leave_call(Core* s) noexcept nogil:
    """Back to the line after the call; an M98 with L begins again until it is through."""
    cdef Program* program = s.program
    cdef Call* call = &program.call[program.level]
    cdef Label* label
    cdef int32_t i
    if call.fanuc and call.repeats > 1:
        label = find_label(program, <uint64_t> call.sub << 1)
        if label != NULL:
            call.repeats -= 1
            program.serial += 1
            call.serial = program.serial
            jump(program, label.offset, label.line)
            return
    if not call.fanuc:
        for i in range(ARGUMENTS):
            program.number[i + 1] = call.saved[i]
            program.number_why[i + 1] = call.saved_why[i]
    program.level -= 1
    jump(program, call.offset, call.line)


cdef inline void sub_line(Core* s, Control* c, int64_t offset) noexcept nogil:
    """`sub`, or a number alone: the entry of a call, or a definition to be passed over."""
    cdef Program* program = s.program
    cdef Call* call = &program.call[program.level]
    if program.level > 0 and call.fanuc != (c.kind == O_NONE):
        refuse(s, FLOW_CALL_STYLE, c.column)
        return
    if program.skipping:
        if not save_label(s, c, offset):
            return
        program.skipping = 0
    program.seeking = 0
    if c.kind == O_NONE:
        return
    if program.level > 0:
        if call.sub != c.name:
            refuse(s, FLOW_NESTED_SUB, c.column)
        return
    if save_label(s, c, offset):
        skip_to(s, c)
        program.defining = 1
        program.defined_sub = c.name


cdef inline void return_line(Core* s, Control* c) noexcept nogil:
    """`endsub`, `return` or M99."""
    cdef Program* program = s.program
    if program.level == 0 and not program.defining:
        refuse(s, FLOW_NOT_IN_SUB, c.column)
        return
    if program.level > 0:
        if program.call[program.level].fanuc != (c.kind == O_M99):
            refuse(s, FLOW_CALL_STYLE, c.column)
            return
        if c.kind == O_ENDSUB:
            program.skipping = 0
        leave_call(s)
    elif c.kind == O_ENDSUB:
        program.skipping = 0
        program.defining = 0


cdef inline Label* begin_label(Core* s, Control* c, int64_t offset) noexcept nogil:
    """The label of a loop or an `if`, which must not stand on another line already; NULL when it does (noted)."""
    cdef Label* label = find_label(s.program, c.key)
    if label != NULL and label.line != s.line and not (c.kind == O_WHILE and label.kind == O_DO):
        refuse(s, FLOW_TWICE, c.column)
        return NULL
    if label == NULL:
        if not save_label(s, c, offset):
            return NULL
        label = find_label(s.program, c.key)
    return label


cdef inline void repeat_line(Core* s, Control* c, int64_t offset) noexcept nogil:
    cdef Program* program = s.program
    cdef Label* label = begin_label(s, c, offset)
    cdef double count
    if label == NULL:
        return
    program.skipping = 0
    if label.repeats == -1:
        if not known(s, &c.value, c.column):
            return
        count = c.value.number
        if fabs(count) > 2e9:
            object_to(s, HAZ_LOOP_CAP, CAP_WORK, c.column)
            program.stopped = 1
            return
        label.repeats = <int32_t> (count - 0.5 if count < 0.0 else count + 0.5)
    if label.repeats > 0:
        label.repeats -= 1
    else:
        label.repeats = -1
        skip_to(s, c)


cdef inline void while_line(Core* s, Control* c, int64_t offset) noexcept nogil:
    """The head of while ... endwhile, or the end of do ... while."""
    cdef Program* program = s.program
    cdef Label* label = begin_label(s, c, offset)
    if label == NULL:
        return
    program.skipping = 0
    if label.kind == O_WHILE:
        if known(s, &c.value, c.column) and c.value.number == 0.0:
            skip_to(s, c)
    elif program.doing_break:
        program.doing_break = 0
    elif known(s, &c.value, c.column) and c.value.number != 0.0:
        jump(program, label.offset, label.line)


cdef inline void if_line(Core* s, Control* c, int64_t offset) noexcept nogil:
    cdef Program* program = s.program
    if begin_label(s, c, offset) == NULL or not known(s, &c.value, c.column):
        return
    program.executed_if = c.value.number != 0.0
    program.skipping = 0
    if not program.executed_if:
        skip_to(s, c)


cdef inline void branch_line(Core* s, Control* c) noexcept nogil:
    """elseif, else, endif."""
    cdef Program* program = s.program
    if opened_label(s, c, O_IF, O_IF) == NULL:
        return
    if c.kind == O_ENDIF:
        program.skipping = 0
        program.executed_if = 1     # whatever is around this one was taken, or this line would not have been
    elif program.executed_if:
        skip_to(s, c)
    elif c.kind == O_ELSE:
        if program.skipping:
            program.executed_if = 1
            program.skipping = 0
    elif known(s, &c.value, c.column) and c.value.number != 0.0:
        program.executed_if = 1
        program.skipping = 0


cdef inline void leave_loop(Core* s, Control* c) noexcept nogil:
    """break and continue, of while and do loops."""
    if opened_label(s, c, O_WHILE, O_DO) == NULL:
        return
    if c.kind == O_BREAK:
        s.program.doing_break = 1
    elif s.program.skipping:
        return
    else:
        s.program.doing_continue = 1
    skip_to(s, c)


cdef inline void end_loop(Core* s, Control* c) noexcept nogil:
    """endwhile and endrepeat."""
    cdef Program* program = s.program
    cdef int32_t kind = O_REPEAT if c.kind == O_ENDREPEAT else O_WHILE
    cdef Label* label = opened_label(s, c, kind, kind)
    if label == NULL:
        return
    if program.skipping:
        program.skipping = 0
        if not program.doing_continue:
            return
        program.doing_continue = 0
    jump(program, label.offset, label.line)


cdef inline void m98_line(Core* s, const uint8_t* at, const uint8_t* start) noexcept nogil:
    """M98 P L calls, M99 returns; other words on such a line mean nothing."""
    cdef Program* program = s.program
    cdef Words* w = &s.w
    cdef Control c
    cdef int64_t number, repeats = 1
    cdef const uint8_t* q = at + 1
    c.column = at - start + 1
    c.count = 0
    c.kind = O_M98 if take_text(&q, "98") else O_M99
    if program.skipping:
        return
    if c.kind == O_M99:
        if program.level == 0:
            object_to(s, HAZ_LOOP_CAP, CAP_ENDLESS, c.column)
            program.stopped = 1
        else:
            return_line(s, &c)
        return
    s.text = start
    read_line(s, start)
    if w.skip == SKIP_LINE:
        return
    if w.skip == SKIP_EVALUATED and w.unknown:
        program.stopped = 1         # noted where it was read
        return
    number = w.value[LETTER_P] // 1000000
    if not w.mask & BIT_P or number < 0 or w.value[LETTER_P] % 1000000 or number > 1000000000:
        refuse(s, FLOW_M98, c.column)
        return
    if w.mask & BIT_L and w.value[LETTER_L] % 1000000:
        refuse(s, ERR_INTEGER, c.column)
        return
    if w.mask & BIT_L:
        repeats = w.value[LETTER_L] // 1000000
    if not number_name(s, <int32_t> number, c.column, &c.name) or repeats < 1:
        return
    c.key = label_key(program, O_M98, c.name)
    enter_call(s, &c, True, <int32_t> (repeats if repeats < 2000000000 else 2000000000))


cdef inline void control_line(Core* s, const uint8_t* at, const uint8_t* start) noexcept nogil:
    """One line of control, at `start` of the kept text; `at` is its O or M. May set a jump, or stop the following."""
    cdef Control c
    cdef int64_t offset = start - s.program.text
    if at[0] & 31 == LETTER_M:
        m98_line(s, at, start)
        return
    if not read_control(s, at, start, &c):
        return
    if c.kind == O_SUB or c.kind == O_NONE:
        sub_line(s, &c, offset)
    elif c.kind == O_ENDSUB or c.kind == O_RETURN:
        return_line(s, &c)
    elif c.kind == O_CALL:
        enter_call(s, &c, False, 1)
    elif c.kind == O_DO:
        s.program.skipping = 0
        if find_label(s.program, c.key) == NULL:
            save_label(s, &c, offset)
    elif c.kind == O_WHILE:
        while_line(s, &c, offset)
    elif c.kind == O_REPEAT:
        repeat_line(s, &c, offset)
    elif c.kind == O_IF:
        if_line(s, &c, offset)
    elif c.kind == O_BREAK or c.kind == O_CONTINUE:
        leave_loop(s, &c)
    elif c.kind == O_ENDWHILE or c.kind == O_ENDREPEAT:
        end_loop(s, &c)
    else:
        branch_line(s, &c)
