"""Numbers: exact, in millionths, as decimal digits only."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_types cimport *

cdef enum:
    POINT = 0xFFFFFFFE          # what a point is, less the sign 0
    OVERFLOW = 1000000000       # mm: nine integer digits are exact in every unit

cdef extern from *:
    """
    static const long long fleetctl_pow10[7] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    """
    const long long fleetctl_pow10[7]


cdef inline const uint8_t* unsigned_number(const uint8_t* p, int64_t* out) noexcept nogil:
    """One to nine digits, and up to six after a point, at `p`; where they end, or NULL for any other number."""
    cdef const uint8_t* begun = p
    cdef uint64_t m = 0
    cdef int64_t decimals
    cdef uint32_t d = <uint32_t> p[0] - 48
    if d >= 10:
        return NULL
    while d < 10:
        m = m * 10 + d
        p += 1
        d = <uint32_t> p[0] - 48
    if seldom(p - begun > 9):
        return NULL
    if d != POINT:
        out[0] = <int64_t> m * 1000000
        return p
    p += 1
    begun = p
    d = <uint32_t> p[0] - 48
    while d < 10:
        m = m * 10 + d
        p += 1
        d = <uint32_t> p[0] - 48
    decimals = p - begun
    if seldom(decimals > 6):
        return NULL
    out[0] = <int64_t> m * fleetctl_pow10[6 - decimals]
    return p


cdef inline const uint8_t* plain_number(const uint8_t* p, int64_t* out) noexcept nogil:
    """The number at `p` if it is as nearly all are: digits with or without a minus; where it ends, or NULL."""
    if p[0] != 45:
        return unsigned_number(p, out)
    p = unsigned_number(p + 1, out)
    if p != NULL:
        out[0] = -out[0]
    return p


cdef inline const uint8_t* careful_number(Core* s, const uint8_t* p, const uint8_t* start, int64_t* out) noexcept nogil:
    """Any number the short path cannot take: many digits, leading zeros, spaces inside. `p` is after the sign.

    Digits beyond the sixth decimal round half away from zero. Ten or more integer digits overflow: noted, and
    held at the limit.
    """
    cdef int64_t m = 0
    cdef int32_t decimals = -1
    cdef bint over = False
    cdef bint spaced = False
    cdef bint rounded = False
    cdef const uint8_t* digits = p
    cdef const uint8_t* q
    cdef uint8_t c
    while True:
        c = p[0]
        if 48 <= c <= 57:
            if decimals < 0:
                m = m * 10 + (c - 48)
                if m >= OVERFLOW:
                    m = OVERFLOW
                    over = True
            elif decimals < 6:
                m = m * 10 + (c - 48)
                decimals += 1
            elif not rounded:
                rounded = True
                if c >= 53:
                    m += 1
            p += 1
        elif c == 46 and decimals < 0:
            decimals = 0
            p += 1
        elif (c == 32 or c == 9) and s.reads & READ_SPACED_NUMBERS:
            q = p
            while q[0] == 32 or q[0] == 9:
                q += 1
            if not (48 <= q[0] <= 57 or (q[0] == 46 and decimals < 0)):
                break
            spaced = True
            p = q
        else:
            break
    if spaced:
        note(s, HAZ_SPACED_NUMBER, p - start)
    if over:
        note(s, HAZ_NUMBER_OVERFLOW, digits - start + 1)
        out[0] = <int64_t> OVERFLOW * 1000000
    else:
        out[0] = m * fleetctl_pow10[6 - (decimals if decimals > 0 else 0)]
    return p


cdef inline bint digits_go_on(const uint8_t* p) noexcept nogil:
    """Is the blank at `p` inside a number, as RS274 allows?"""
    if p[0] != 32 and p[0] != 9:
        return False
    while p[0] == 32 or p[0] == 9:
        p += 1
    return 48 <= p[0] <= 57 or p[0] == 46


cdef inline bint all_digits(int64_t size, int64_t value) noexcept nogil:
    """Had a number of `size` bytes nothing but digits, the first no 0? With a point it would be smaller. It may say
    no where it is so."""
    return 0 < size <= 7 and value >= fleetctl_pow10[size - 1] * 1000000


cdef inline int32_t digits_from(const uint8_t* p) noexcept nogil:
    """Bytes of a letter and the digits that follow it at once, at `p`; 0 if none do."""
    cdef const uint8_t* q = p
    while 48 <= q[0] <= 57:
        q += 1
    return <int32_t> (q - p) + 1 if q > p else 0
