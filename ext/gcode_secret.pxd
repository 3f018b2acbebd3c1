"""Keys in comments that may name a secret, wherever in the file they stand; whether one does is decided elsewhere.

Looks at `key = value`, `key: value` and `"key": "value"` and keeps the names of keys that hold a suspicious word and
have a value; never the value. Bounded in memory by the table of names. The caller promises that the line ends in LF or
CR.
"""

from libc.stdint cimport int32_t, uint8_t

from fleetctl._ext.gcode_note cimport note_name
from fleetctl._ext.gcode_types cimport *

cdef enum:
    KEY_MOST = 48       # characters of a key that are looked at, back from its mark
    KEY_LEAST = 3


cdef inline bint word_at(const uint8_t* p, const uint8_t* end, const char* word, int32_t n) noexcept nogil:
    """Does the word (lower case letters) stand at `p`, in letters of either case?"""
    cdef int32_t i
    if end - p < n:
        return False
    for i in range(n):
        if p[i] | 32 != <uint8_t> word[i]:
            return False
    return True


cdef inline bint suspicious(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """Does a key hold a word that names of secrets hold?"""
    cdef uint8_t c
    while p < end:
        c = p[0] | 32
        if c == 112:
            if word_at(p, end, "pass", 4) or word_at(p, end, "pwd", 3):
                return True
        elif c == 107:
            if word_at(p, end, "key", 3):
                return True
        elif c == 116:
            if word_at(p, end, "token", 5):
                return True
        elif c == 115:
            if word_at(p, end, "secret", 6):
                return True
        elif c == 97:
            if word_at(p, end, "auth", 4) or word_at(p, end, "access", 6):
                return True
        elif c == 117:
            if word_at(p, end, "user", 4):
                return True
        elif c == 99:
            if word_at(p, end, "credential", 10):
                return True
        p += 1
    return False


cdef inline bint between(uint8_t c) noexcept nogil:
    """What may stand between a key or value and its mark: blanks, quotes, and what escapes them."""
    return c == 32 or c == 9 or c == 34 or c == 39 or c == 92


cdef inline void look_at_key(Core* s, const uint8_t* text, const uint8_t* mark) noexcept nogil:
    """The key before the = or : at `mark` in the comment that begins at `text`, if a value follows on its line."""
    cdef const uint8_t* value = mark + 1
    cdef const uint8_t* last = mark
    cdef const uint8_t* first
    cdef uint8_t c
    while between(value[0]):
        value += 1
    if value[0] == 10 or value[0] == 13 or value[0] == 44 or value[0] == 125:
        return
    while last > text and between((last - 1)[0]):
        last -= 1
    first = last
    while first > text and last - first < KEY_MOST:
        c = (first - 1)[0]
        if not (48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95 or c == 45 or c == 32):
            break
        first -= 1
    while first < last and first[0] == 32:
        first += 1
    if last - first >= KEY_LEAST and suspicious(first, last):
        note_name(&s.secret_keys, first, <int32_t> (last - first), s.line, True)
