"""Named parameters, `NAME KEY=value KEY="other value"`, as Klipper takes them apart (klippy/gcode.py).

Case of names and keys does not matter; what follows a #, * or ; is no parameter. Reads bytes only: what a command
means is for others.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t


cdef inline bint begins(const uint8_t* p, const uint8_t* end, const char* want) noexcept nogil:
    """Does the text at `p` begin with `want` (upper case), whatever its case?"""
    while want[0]:
        if p >= end or (p[0] - 32 if 97 <= p[0] <= 122 else p[0]) != <uint8_t> want[0]:
            return False
        p += 1
        want += 1
    return True


cdef inline bint is_name(const uint8_t* p, const uint8_t* end, const char* want) noexcept nogil:
    """Is [p, end) the name `want` (upper case), whatever its case?"""
    cdef int64_t n = 0
    while want[n]:
        n += 1
    return end - p == n and begins(p, end, want)


cdef inline const uint8_t* value_of(const uint8_t* p, const uint8_t* end, const char* key) noexcept nogil:
    """Behind `KEY=` or `KEY="`, which follows a blank, in the parameters [p, end); NULL if it is not there."""
    cdef bint quoted = False
    cdef int32_t n = 0
    while key[n]:
        n += 1
    while p + n + 1 < end:
        if p[0] == 34:
            quoted = not quoted
        elif quoted:
            pass
        elif p[0] == 35 or p[0] == 42 or p[0] == 59:
            return NULL
        elif (p[0] == 32 or p[0] == 9) and p[n + 1] == 61 and begins(p + 1, end, key):
            p += n + 2
            return p + 1 if p < end and p[0] == 34 else p
        p += 1
    return NULL


cdef inline const uint8_t* end_of_value(const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The end of the value that begins at `p`: its quote, if one stands before it, else a blank."""
    if (p - 1)[0] == 34:
        while p < end and p[0] != 34:
            p += 1
    else:
        while p < end and p[0] > 32:
            p += 1
    return p


cdef inline const uint8_t* read_micro(const uint8_t* p, const uint8_t* end, int64_t* value) noexcept nogil:
    """A decimal number in [p, end) as millionths, blanks before it skipped; NULL if there is none."""
    cdef bint negative = False, dot = False
    cdef int32_t digits = 0, decimals = 0
    value[0] = 0
    while p < end and (p[0] == 32 or p[0] == 9):
        p += 1
    if p < end and (p[0] == 45 or p[0] == 43):
        negative = p[0] == 45
        p += 1
    while p < end and (48 <= p[0] <= 57 or (p[0] == 46 and not dot)):
        if p[0] == 46:
            dot = True
        elif digits - decimals <= 9 and decimals < 6:
            value[0] = value[0] * 10 + (p[0] - 48)
            digits += 1
            decimals += dot
        p += 1
    if digits == 0 or digits - decimals > 9:
        return NULL
    while decimals < 6:
        value[0] *= 10
        decimals += 1
    if negative:
        value[0] = -value[0]
    return p


cdef inline bint number_of(const uint8_t* p, const uint8_t* end, const char* key, int64_t* value) noexcept nogil:
    """The number of KEY= in millionths; False if it does not stand there or is no plain number."""
    cdef const uint8_t* at = value_of(p, end, key)
    cdef const uint8_t* after
    cdef int64_t found = 0
    if at == NULL or at >= end or at[0] <= 32:
        return False
    after = read_micro(at, end, &found)
    if after == NULL or (after < end and after[0] > 32 and after[0] not in (34, 35, 42, 59)):
        return False
    value[0] = found
    return True
