"""What a slicer left unfilled in its own code: `[name]`, `<NAME>`, `{name}` where the firmware reads no such thing.

Only for printers: on a mill, brackets are expressions. In comments none of this matters.
"""

from libc.stdint cimport uint8_t

from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_types cimport *


cdef inline const uint8_t* name_end(const uint8_t* p) noexcept nogil:
    """After a name of letters, digits, underscores and plus signs that begins with a letter; `p` itself if none."""
    cdef const uint8_t* q = p
    cdef uint8_t c = q[0]
    if not (65 <= c <= 90 or 97 <= c <= 122):
        return p
    while 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95 or c == 43:
        q += 1
        c = q[0]
    return q


cdef inline bint bracketed_name(const uint8_t* p) noexcept nogil:
    """`[name]` (Slic3r, Simplify3D; `[name[0]]` too) or `<NAME>` (KISSlicer); `p` is at the bracket."""
    cdef const uint8_t* q = name_end(p + 1)
    if q == p + 1:
        return False
    return q[0] == (93 if p[0] == 91 else 62) or (p[0] == 91 and q[0] == 91)


cdef inline bint is_expression(const uint8_t* p) noexcept nogil:
    """`{...}` of RepRapFirmware: an object of its model, a sum, a call or a number, unlike a slicer's lone name."""
    cdef const uint8_t* q = name_end(p + 1)
    return q[0] != 125


cdef inline void left_in_arguments(Core* s, const uint8_t* p, const uint8_t* start) noexcept nogil:
    """The arguments of an extended command, to the end of the line, outside quotes."""
    cdef bint quoted = False
    while p[0] != 10 and p[0] != 13:
        if p[0] == 34:
            quoted = not quoted
        elif p[0] == 59 and not quoted:
            return
        elif not quoted and (p[0] == 91 or p[0] == 60) and bracketed_name(p):
            note(s, HAZ_PLACEHOLDER, p - start + 1)
            return
        p += 1
