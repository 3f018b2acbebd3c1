"""Where expressions stand on a line: values of words, assignments, and the words that make the program jump.

Only for dialects that evaluate. A line that the controller would refuse is noted and not executed; a word whose value
is not known is kept as 0 and marked in `Words.unknown`, for `gcode_unknown` to carry out honestly.
"""

from libc.math cimport fabs, floor, llround
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from fleetctl._ext.gcode_expression cimport is_function, peek, read_setting, read_value, whole_number
from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_number cimport OVERFLOW
from fleetctl._ext.gcode_parameter cimport object_to, refuse
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_skip cimport skip_text
from fleetctl._ext.gcode_types cimport *


cdef inline bint evaluates(Core* s) noexcept nogil:
    return s.program != NULL and (s.program.state == STATE_PLAIN or s.program.state == STATE_RUN)


cdef inline bint starts_value(const uint8_t* p) noexcept nogil:
    """Does a value stand after the letter, where no plain number does?"""
    cdef uint8_t c = peek(&p)
    return c == 35 or c == 91 or c == 43 or c == 45 or (97 <= c <= 122 and is_function(p))


cdef inline void begin_computing(Core* s) noexcept nogil:
    """The first expression of its line."""
    if s.w.skip == 0:
        s.w.skip = SKIP_EVALUATED
        s.w.unknown = 0
        s.program.failed = 0
        s.program.pending_count = 0


cdef inline const uint8_t* refused_line(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    s.w.skip = SKIP_LINE
    return skip_text(s, p, start)


cdef inline const uint8_t* computed_setting(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """`#...=` where a word could begin; returns where to go on."""
    begin_computing(s)
    if p[0] == 91:
        refuse(s, ERR_STRAY_BRACKET, p - start + 1)
        return refused_line(s, p + 1, start)
    if not read_setting(s, &p, start):
        return refused_line(s, p, start)
    return p


cdef inline const uint8_t* polar_word(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """`@` distance and `^` angle, LinuxCNC's polar coordinates: both axes of the plane go to a place not known here."""
    cdef Value value
    begin_computing(s)
    object_to(s, HAZ_NOT_PROVABLE, WHY_POLAR, p - start + 1)
    p += 1
    if not read_value(s, &p, start, &value, 0):
        return refused_line(s, p, start)
    s.w.unknown |= BIT_X | BIT_Y
    s.w.mask |= BIT_X | BIT_Y
    s.cut.at[LETTER_X] = s.cut.at[LETTER_Y] = start
    s.w.value[LETTER_X] = s.w.value[LETTER_Y] = 0
    return p


cdef inline bint code_value(Core* s, double number, int64_t column, int64_t* out) noexcept nogil:
    """A computed G number: tenths, to within 1e-4."""
    cdef double tenths = number * 10.0
    cdef double low = floor(tenths)
    if tenths - low > 0.999:
        low += 1.0
    elif tenths - low > 0.001:
        return refuse(s, ERR_WORD_NUMBER, column)
    if not 0.0 <= low < 1000.0:
        return refuse(s, ERR_WORD_NUMBER, column)
    if 700.0 <= low <= 722.0:
        object_to(s, HAZ_NOT_PROVABLE, WHY_NOT_MODELLED, column)
    out[0] = <int64_t> low * 100000
    return True


cdef inline bint computed_value(Core* s, uint8_t letter, const uint8_t** p, const uint8_t* start,
                                int64_t* out) noexcept nogil:
    """The value that follows a letter, in millionths; 0 and a bit in `unknown` where it cannot be known."""
    cdef Value value
    cdef int64_t column = p[0] - start + 1
    cdef int32_t whole = 0
    begin_computing(s)
    note(s, HAZ_EXPRESSION, column)
    out[0] = 0
    if letter == LETTER_N:
        return refuse(s, ERR_WORD_NUMBER, column)
    if not read_value(s, p, start, &value, 0):
        return False
    if value.why:
        object_to(s, HAZ_NOT_PROVABLE, value.why, column)
        s.w.unknown |= <uint32_t> 1 << letter
        return True
    if letter == LETTER_G:
        return code_value(s, value.number, column, out)
    if letter in (LETTER_M, LETTER_T, LETTER_L, 8):
        if not whole_number(s, &value, column, &whole):
            return False
        if letter == LETTER_M and not 0 <= whole <= 199:
            return refuse(s, ERR_WORD_NUMBER, column)
        value.number = whole
    if fabs(value.number) >= OVERFLOW:
        note(s, HAZ_NUMBER_OVERFLOW, column)
        value.number = <double> OVERFLOW if value.number > 0.0 else -<double> OVERFLOW
    out[0] = llround(value.number * 1e6)
    if out[0] < 0 and letter in (LETTER_F, LETTER_P, LETTER_S, LETTER_T):
        note(s, HAZ_NEGATIVE_NUMBER, column - 1)
    return True


cdef inline const uint8_t* word_of_flow(Core* s, const uint8_t* at, const uint8_t* p,
                                        const uint8_t* start) noexcept nogil:
    """An O word, M98 or M99, read up to `p`: the first of them in a program makes it be kept from this line on."""
    cdef Words* w = &s.w
    cdef bint fanuc = at[0] & 31 == LETTER_M
    cdef bint first = ((w.mask & ~<uint32_t> (BIT_N | BIT_O)) | <uint32_t> w.ng) == 0 and w.nm <= fanuc
    if fanuc and w.m[w.nm - 1] == 990:
        object_to(s, HAZ_LOOP_CAP, CAP_ENDLESS, at - start + 1)
        s.program.stopped = 1
        return p
    if not first or (s.program.state == STATE_RUN and not fanuc):
        refuse(s, FLOW_M98 if fanuc else FLOW_KEYWORD, at - start + 1)
        return refused_line(s, p, start)
    if s.program.state == STATE_PLAIN:
        w.skip = SKIP_FLOW          # the whole line is read again when the program is followed
        while p[0] != 10 and p[0] != 13:
            p += 1
    return p
