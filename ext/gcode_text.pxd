"""From the bytes of one line to words with exact numbers; knows no modal state.

The caller promises that the line ends in LF or CR, so that no loop here needs a length. An `x` or an `E` is always
the next word, never hexadecimal or an exponent.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fleetctl._ext.gcode_evaluate cimport (
    computed_setting, computed_value, evaluates, polar_word, refused_line, starts_value, word_of_flow)
from fleetctl._ext.gcode_note cimport note, note_name
from fleetctl._ext.gcode_number cimport all_digits, careful_number, digits_from, digits_go_on, plain_number
from fleetctl._ext.gcode_resume cimport resume_name, resume_text
from fleetctl._ext.gcode_object cimport object_command, object_m486
from fleetctl._ext.gcode_parameter cimport object_to
from fleetctl._ext.gcode_placeholder cimport bracketed_name, is_expression, left_in_arguments
from fleetctl._ext.gcode_program cimport WHY_NOT_MODELLED
from fleetctl._ext.gcode_skip cimport *
from fleetctl._ext.gcode_types cimport *


cdef inline const uint8_t* extended(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """A command that is a whole name (Klipper, RepRapFirmware meta commands); `p` is at its first letter."""
    cdef const uint8_t* q = p
    cdef const uint8_t* stop
    cdef int32_t name
    cdef uint8_t c
    while True:
        c = q[0]
        if not (c == 95 or 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122):
            break
        q += 1
    name = note_name(&s.extended, p, <int32_t> (q - p), s.line, True)
    if name >= 0 and s.extended.use[name].count == 1:
        s.extended.use[name].first_column = p - start + 1
    s.w.name = p
    s.w.name_end = q
    s.w.skip = 1
    if not s.reads & READ_EXTENDED:
        note(s, HAZ_STRAY_CHARACTER, p - start + 1)
        s.w.text_end = skip_text(s, q, start)
        return s.w.text_end
    s.macro_seen = 1
    resume_name(s, p, <int32_t> (q - p))
    left_in_arguments(s, q, start)
    stop = skip_text(s, q, start)
    s.w.text_end = stop
    object_command(s, p, q, stop)
    return stop


cdef inline bint letter_follows(const uint8_t* p) noexcept nogil:
    return 65 <= p[0] <= 90 or 97 <= p[0] <= 122 or p[0] == 95


cdef inline bint o_word_continues(const uint8_t* p) noexcept nogil:
    """After an O number: is there a keyword (sub, call, if, ...), or only a program number?"""
    while p[0] == 32 or p[0] == 9:
        p += 1
    return letter_follows(p) or p[0] == 91


cdef inline void keep_code(Core* s, uint8_t letter, int64_t value, int64_t column) noexcept nogil:
    """A G or M word: its number times ten."""
    cdef Words* w = &s.w
    cdef int64_t code = (value + 50000) // 100000
    if value < 0 or code >= (MAX_G if letter == LETTER_G else MAX_M):
        note(s, HAZ_UNKNOWN_NUMBER, column)
    elif letter == LETTER_G:
        if w.ng < 8:
            w.g[w.ng] = <int32_t> code
            w.ng += 1
        else:
            note(s, HAZ_REPEATED_WORD, column)
    elif w.nm < 8:
        w.m[w.nm] = <int32_t> code
        w.nm += 1
    else:
        note(s, HAZ_REPEATED_WORD, column)


cdef inline bint ends_here(Core* s, const uint8_t* p) noexcept nogil:
    """Only blanks and comments follow."""
    while True:
        while p[0] == 32 or p[0] == 9:
            p += 1
        if s.kind[p[0]] != KIND_OPEN:
            return s.kind[p[0]] in (KIND_LF, KIND_CR, KIND_SEMICOLON)
        while p[0] != 41 and s.kind[p[0]] != KIND_LF and s.kind[p[0]] != KIND_CR:
            p += 1
        p += p[0] == 41


cdef inline const uint8_t* odd_start(Core* s, const uint8_t* p, uint8_t k, const uint8_t* start) noexcept nogil:
    """Everything that is neither word, space, comment nor line end; returns where to go on."""
    cdef int64_t column = p - start + 1
    if k == KIND_STAR:
        return checksum(s, p, start)
    if not s.reads & READ_CNC and (p[0] == 91 or p[0] == 60) and bracketed_name(p):
        note(s, HAZ_PLACEHOLDER, column)
        s.w.skip = 1
        return skip_text(s, p + 1, start)
    if k == KIND_EXPRESSION:
        note(s, HAZ_EXPRESSION, column)
        if evaluates(s):
            return computed_setting(s, p, start)
        s.w.skip = 1
        return skip_text(s, p + 1, start)
    if k == KIND_QUOTE:
        p += 1
        while p[0] != 34 and s.kind[p[0]] != KIND_LF and s.kind[p[0]] != KIND_CR:
            if s.kind[p[0]] >= KIND_HIGH:
                odd_byte(s, s.kind[p[0]], p - start + 1)
            p += 1
        return p + 1 if p[0] == 34 else p
    if k == KIND_DOLLAR and (s.w.mask | s.w.ng | s.w.nm) == 0:
        note(s, HAZ_DOLLAR_LINE, column)
        s.w.skip = 1
        return skip_text(s, p + 1, start)
    if k == KIND_SLASH and (s.w.mask | s.w.ng | s.w.nm) == 0:
        note(s, HAZ_BLOCK_DELETE, column)
    elif k == KIND_PERCENT and (s.w.mask | s.w.ng | s.w.nm) == 0:
        note(s, HAZ_PERCENT, column)
        if not ends_here(s, p + 1):
            note(s, HAZ_STRAY_CHARACTER, column + 1)
        if s.hazard[HAZ_PERCENT].count > 1 and s.end_marker == END_NONE:
            s.end_marker = END_PERCENT
            s.end_marker_line = s.line
        return skip_text(s, p + 1, start)
    elif k >= KIND_HIGH and k <= KIND_NUL:
        odd_byte(s, k, column)
    elif k == KIND_BRACE:
        note(s, HAZ_EXPRESSION if s.reads & READ_BRACES and is_expression(p) else HAZ_PLACEHOLDER, column)
        s.w.skip = 1
        return skip_text(s, p + 1, start)
    elif (p[0] == 64 or p[0] == 94) and evaluates(s):
        return polar_word(s, p, start)
    else:
        note(s, HAZ_STRAY_CHARACTER, column)
    return p + 1


cdef inline bint bare(const uint8_t* letter_at, const uint8_t* p) noexcept nogil:
    """Only blanks between a letter and `p`, no sign or point."""
    while (p - 1)[0] == 32 or (p - 1)[0] == 9:
        p -= 1
    return p == letter_at + 1


cdef inline const uint8_t* bare_letter(Core* s, const uint8_t* letter_at, const uint8_t* p, uint8_t letter,
                                       const uint8_t* start) noexcept nogil:
    """A letter without a number: an extended command, an O word, a flag (G28 X), or a mistake."""
    cdef Words* w = &s.w
    if (w.mask | w.ng | w.nm) == 0 and letter_follows(letter_at + 1) and letter != LETTER_O:
        return extended(s, letter_at, start)
    if letter == LETTER_O and s.reads & READ_O_WORDS and p[0] == 60:
        if evaluates(s):
            return word_of_flow(s, letter_at, p, start)
        note(s, HAZ_O_WORD, letter_at - start + 1)
        w.skip = 1
        return skip_text(s, p, start)
    if letter == LETTER_G or letter == LETTER_M:
        note(s, HAZ_NUMBER_MISSING, letter_at - start + 1)
        return p
    w.flags |= <uint32_t> 1 << letter
    w.mask |= <uint32_t> 1 << letter
    w.value[letter] = 0
    s.cut.at[letter] = letter_at
    w.dot = <int32_t> (letter_at - start + 1)
    return p


cdef inline const uint8_t* text_argument(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """What follows M117 and the like is text; of M486 A it is the name of an object on the plate.

    Text for people may hold any sign: it goes out folded to ASCII, and only to firmware without real-time bytes.
    """
    cdef const uint8_t* end
    if s.w.m[0] in (0, 10, 230, 1170, 1180, 4860):
        end = skip_message(s, p, start)
    else:
        end = skip_text(s, p, start)
    if s.w.m[0] == 4860:
        resume_text(s, p)
        object_m486(s, p, end)
    return end


cdef inline const uint8_t* word_of_o(Core* s, const uint8_t* at, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """An O number in a dialect that follows it; alone it only names what begins there."""
    if o_word_continues(p):
        return word_of_flow(s, at, p, start)
    s.program.bare_o = 1
    return p


cdef inline const uint8_t* evaluated_word(Core* s, uint8_t letter, const uint8_t* at,
                                          const uint8_t* start) noexcept nogil:
    """A letter (at `at`) whose value must be computed; returns where to go on."""
    cdef const uint8_t* p = at + 1
    cdef int64_t value
    if letter == LETTER_O:
        return word_of_flow(s, at, p, start)
    if not computed_value(s, letter, &p, start, &value):
        return refused_line(s, p, start)
    if s.w.unknown & (<uint32_t> 1 << letter) and (letter == LETTER_G or letter == LETTER_M):
        return p
    if letter == LETTER_G or letter == LETTER_M:
        return keep_odd_word(s, letter, value, at, p, start)
    if s.w.mask & (<uint32_t> 1 << letter):
        note(s, HAZ_REPEATED_WORD, at - start + 1)
    s.w.mask |= <uint32_t> 1 << letter
    s.w.value[letter] = value
    s.cut.at[letter] = at
    return p


cdef inline const uint8_t* keep_odd_word(Core* s, uint8_t letter, int64_t value, const uint8_t* at, const uint8_t* p,
                                         const uint8_t* start) noexcept nogil:
    """A letter (at `at`) that is more than a parameter: G, M, N, O; returns where to go on, for some take text."""
    cdef Words* w = &s.w
    cdef uint32_t bit = <uint32_t> 1 << letter
    if letter == LETTER_G or letter == LETTER_M:
        if w.mask & ~<uint32_t> BIT_N and not s.reads & READ_CNC:
            note(s, HAZ_BARE_AXES, at - start + 1)
        keep_code(s, letter, value, at - start + 1)
        if letter == LETTER_M and w.nm == 1 and 0 <= value <= 1023000000 and s.text_m[value // 1000000]:
            return text_argument(s, p, start)
        if (value == 98000000 or value == 99000000) and letter == LETTER_M and evaluates(s):
            return word_of_flow(s, at, p, start)
        if 70000000 <= value <= 72200000 and letter == LETTER_G and evaluates(s):
            object_to(s, HAZ_NOT_PROVABLE, WHY_NOT_MODELLED, at - start + 1)
        return p
    if w.mask & bit:
        note(s, HAZ_REPEATED_WORD, at - start + 1)
    w.mask |= bit
    w.value[letter] = value
    s.cut.at[letter] = at
    if letter == LETTER_N:
        return p
    if evaluates(s):
        return word_of_o(s, at, p, start)
    if s.reads & READ_O_WORDS and o_word_continues(p):
        note(s, HAZ_O_WORD, at - start + 1)
        w.skip = 1
        return skip_text(s, p, start)
    return p


cdef inline const uint8_t* past_blanks(Words* w, const uint8_t* p) noexcept nogil:
    cdef const uint8_t* begun = p
    while p[0] == 32 or p[0] == 9:
        p += 1
    w.blanks += <int32_t> (p - begun)
    return p


cdef inline bint odd_number(Core* s, uint8_t letter, const uint8_t** where, const uint8_t* start,
                            int64_t* value) noexcept nogil:
    """The number of the word at `where[0]`, which is no plain one: blanks, a plus, many digits, an expression, or none
    at all. `where` moves on. True: the word is dealt with, there is no number to keep."""
    cdef const uint8_t* at = where[0]
    cdef const uint8_t* p = at + 1
    cdef const uint8_t* sign
    cdef bint spaced = s.reads & READ_SPACED_NUMBERS
    if p[0] == 32 or p[0] == 9:
        p = past_blanks(&s.w, p)
    sign = p
    p += p[0] == 45 or p[0] == 43
    if p != sign and spaced and (p[0] == 32 or p[0] == 9):
        p = past_blanks(&s.w, p)
    if 48 <= p[0] <= 57 or (p[0] == 46 and (48 <= p[1] <= 57 or (spaced and digits_go_on(p + 1)))):
        where[0] = careful_number(s, p, start, value)
        if sign[0] == 45:
            value[0] = -value[0]
        return False
    p += p[0] == 46
    if evaluates(s) and starts_value(at + 1):
        where[0] = evaluated_word(s, letter, at, start)
    elif s.kind[p[0]] == KIND_EXPRESSION:
        where[0] = p
    elif not bare(at, p):
        note(s, HAZ_NUMBER_MISSING, at - start + 1)
        where[0] = p
    else:
        where[0] = bare_letter(s, at, p, letter, start)
    return True


cdef inline const uint8_t* read_line(Core* s, const uint8_t* p) noexcept nogil:
    """Fills `s.w` from the line at `p` and returns the line's end byte (LF or CR)."""
    cdef Words* w = &s.w
    cdef const uint8_t* start = p
    cdef const uint8_t* at
    cdef const uint32_t* letter_bit = s.letter_bit
    cdef uint8_t c, k, letter
    cdef uint32_t bit
    cdef bint spaced = s.reads & READ_SPACED_NUMBERS
    cdef int64_t value
    w.mask = 0
    w.flags = 0
    w.ng = 0
    w.nm = 0
    w.skip = 0
    w.name = NULL
    w.blanks = 0
    w.numbered = 0
    while True:
        c = p[0]
        bit = letter_bit[c]
        if bit:
            at = p
            if seldom(c & 32) and s.hazard[HAZ_LOWER_CASE].count == 0:
                note(s, HAZ_LOWER_CASE, at - start + 1)
            letter = c & 31
            p = plain_number(p + 1, &value)
            if seldom(p == NULL) or (spaced and digits_go_on(p)):
                p = at
                if odd_number(s, letter, &p, start, &value):
                    continue
            if seldom(value < 0 and bit & BITS_NEVER_NEGATIVE):
                note(s, HAZ_NEGATIVE_NUMBER, at - start + 1)
            if bit & BITS_ODD:
                if letter == LETTER_G and p == at + 2 and (w.mask & ~<uint32_t> BIT_N | <uint32_t> w.ng) == 0:
                    w.g[0] = (at[1] - 48) * 10          # the commonest of all first words
                    w.ng = 1
                elif letter == LETTER_N and w.mask == 0 and w.ng == 0 and w.nm == 0:
                    w.mask = BIT_N
                    w.value[LETTER_N] = value
                    s.cut.at[LETTER_N] = at
                    if at - start == w.blanks:
                        # Taken off before the line is sent; as a whole where all of it are digits.
                        w.numbered = <int32_t> (p - at) if all_digits(p - at - 1, value) else digits_from(at + 1)
                else:
                    p = keep_odd_word(s, letter, value, at, p, start)
            else:
                if seldom(w.mask & bit):
                    note(s, HAZ_REPEATED_WORD, at - start + 1)
                w.mask |= bit
                w.value[letter] = value
                s.cut.at[letter] = at
            if p[0] == 32:          # one blank between words is what nearly every program has
                p += 1
                w.blanks += 1
            continue
        k = s.kind[c]
        if k == KIND_SPACE:
            p = past_blanks(w, p)
        elif k == KIND_LF or k == KIND_CR:
            w.code_end = p
            break
        elif k == KIND_SEMICOLON:
            w.code_end = p
            p = semicolon_comment(s, p, start)
            break
        elif k == KIND_OPEN:
            p = paren_comment(s, p, start)
        else:
            p = odd_start(s, p, k, start)
    return p
