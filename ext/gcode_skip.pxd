"""The parts of a line that are no words: comments, checksums, text; their bytes are still looked at.

The caller promises that the line ends in LF or CR, so that no loop here needs a length.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fleetctl._ext.gcode_comment cimport line_comment
from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_secret cimport look_at_key
from fleetctl._ext.gcode_types cimport *

cdef enum:
    # character classes
    KIND_OTHER = 0
    KIND_LETTER = 1
    KIND_SPACE = 2
    KIND_LF = 3
    KIND_CR = 4
    KIND_SEMICOLON = 5
    KIND_OPEN = 6
    KIND_STAR = 7
    KIND_HIGH = 8
    KIND_REALTIME = 9
    KIND_CONTROL = 10
    KIND_NUL = 11
    KIND_EXPRESSION = 12
    KIND_BRACE = 13
    KIND_QUOTE = 14
    KIND_DOLLAR = 15
    KIND_SLASH = 16
    KIND_PERCENT = 17
    KIND_MARK = 18      # = and : after a key in a comment; elsewhere like any other sign


cdef inline void odd_byte(Core* s, uint8_t kind, int64_t column) noexcept nogil:
    """A byte of the code part that some controllers act upon, wherever it stands."""
    if kind == KIND_HIGH:
        note(s, HAZ_HIGH_BYTE_CODE, column)
    elif kind == KIND_REALTIME:
        note(s, HAZ_REALTIME_CODE, column)
    elif kind == KIND_CONTROL:
        note(s, HAZ_CONTROL_CODE, column)
    elif kind == KIND_NUL:
        note(s, HAZ_NUL, column)
    elif kind == KIND_BRACE:
        note(s, HAZ_EXPRESSION if s.reads & READ_BRACES else HAZ_PLACEHOLDER, column)


cdef inline void odd_comment_byte(Core* s, uint8_t kind, int64_t column) noexcept nogil:
    if kind == KIND_HIGH:
        note(s, HAZ_HIGH_BYTE_COMMENT, column)
    elif kind == KIND_REALTIME:
        note(s, HAZ_REALTIME_COMMENT, column)
    elif kind == KIND_NUL:
        note(s, HAZ_NUL, column)
    else:
        note(s, HAZ_CONTROL_COMMENT, column)


cdef inline const uint8_t* skip_text(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """To the end of the code part of the line, only looking at the bytes."""
    cdef uint8_t c, k
    while True:
        c = p[0]
        k = s.kind[c]
        if k == KIND_LF or k == KIND_CR or k == KIND_SEMICOLON:
            return p
        if k >= KIND_HIGH:
            odd_byte(s, k, p - start + 1)
        p += 1


cdef inline const uint8_t* skip_message(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """Like `skip_text`, through text that is for people: its bytes are as harmless as those of a comment."""
    cdef uint8_t k
    while True:
        k = s.kind[p[0]]
        if k == KIND_LF or k == KIND_CR or k == KIND_SEMICOLON:
            return p
        if k >= KIND_HIGH and k <= KIND_NUL:
            odd_comment_byte(s, k, p - start + 1)
        p += 1


cdef inline const uint8_t* paren_comment(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """`p` is at the (; returns what follows the ), or the line end if there is none."""
    cdef uint8_t c, k
    note(s, HAZ_PAREN_COMMENT, p - start + 1)
    cdef int64_t opened = p - start + 1
    p += 1
    while True:
        c = p[0]
        if c == 41:
            return p + 1
        k = s.kind[c]
        if k == KIND_LF or k == KIND_CR:
            note(s, HAZ_UNCLOSED_COMMENT, opened)
            return p
        if k == KIND_OPEN:
            note(s, HAZ_NESTED_COMMENT, p - start + 1)
        elif k >= KIND_HIGH and k <= KIND_NUL:
            odd_comment_byte(s, k, p - start + 1)
        p += 1


cdef inline const uint8_t* semicolon_comment(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """`p` is at the ;; returns the line end. A comment that begins its line may be a slicer's marker."""
    cdef const uint8_t* text = p + 1
    cdef uint8_t k
    p += 1
    while True:
        k = s.kind[p[0]]
        if k >= KIND_LF:
            if k <= KIND_CR:
                break
            if k >= KIND_HIGH and k <= KIND_NUL:
                odd_comment_byte(s, k, p - start + 1)
            elif k == KIND_MARK:
                look_at_key(s, text, p)
        p += 1
    if text == start + 1:
        line_comment(s, text, <int32_t> (p - text))
    return p


cdef inline const uint8_t* checksum(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """`p` is at the *: XOR of every byte before it (RepRap family), a decimal number."""
    cdef uint8_t x = 0
    cdef int64_t given = 0
    cdef const uint8_t* q = start
    note(s, HAZ_CHECKSUM, p - start + 1)
    while q < p:
        x ^= q[0]
        q += 1
    q = p + 1
    while 48 <= q[0] <= 57 and given < 1000:
        given = given * 10 + (q[0] - 48)
        q += 1
    if q == p + 1 or given != x:
        note(s, HAZ_CHECKSUM_WRONG, p - start + 1)
    return skip_text(s, q, start)
