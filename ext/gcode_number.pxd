"""Numbers: exact, in millionths, as decimal digits only. The common short ones are read in `gcode_text`."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_types cimport *

cdef enum:
    OVERFLOW = 1000000000       # mm: nine integer digits are exact in every unit

cdef extern from *:
    """
    static const long long fleetctl_pow10[7] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    """
    const long long fleetctl_pow10[7]


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
