"""Objects on the plate: which lines make them, where they are, what they take.

Marks, in the order in which one kind is preferred to another (a program may write two for the same object): Klipper's
EXCLUDE_OBJECT_DEFINE, _START and _END; M486 (S begins by number, A names, S-1 ends; Marlin, PrusaSlicer);
`printing object NAME id:0 copy 0` and `stop printing object` (PrusaSlicer, Orca, ideaMaker); `OBJECT_ID:` and `start
printing object, unique label id:` (Bambu Studio); Cura's `MESH:`.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc

from fleetctl._ext.gcode_layer cimport pushed_in_all
from fleetctl._ext.gcode_named cimport begins, end_of_value, is_name, read_micro, value_of
from fleetctl._ext.gcode_note cimport note_name
from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *


cdef inline bint take_kind(Core* s, int32_t kind) noexcept nogil:
    """Does this kind of mark count? A better kind begins the table anew."""
    cdef ObjectTable* t = &s.trace.objects
    if kind < t.kind:
        t.kind = kind
        t.count = 0
        t.corners = 0
        t.past = 0
        t.at = -1
    if t.row == NULL:
        t.row = <Thing*> calloc(MAX_OBJECTS, sizeof(Thing))
        t.corner = <int64_t*> calloc(2 * MAX_CORNERS, sizeof(int64_t))
        if t.row == NULL or t.corner == NULL:
            s.trace.out_of_memory = 1
    return kind == t.kind and t.row != NULL and t.corner != NULL


cdef inline int32_t find_object(Core* s, int32_t name, int64_t id_) noexcept nogil:
    """The row of an object by its name (an index of names, or -1) or else its number; a new one if there is room."""
    cdef ObjectTable* t = &s.trace.objects
    cdef int32_t i, a
    cdef Thing* row
    if name < 0 and id_ < 0:
        t.past += 1
        return -1
    for i in range(t.count):
        if (t.row[i].name == name) if name >= 0 else (t.row[i].id == id_):
            return i
    if t.count == MAX_OBJECTS:
        t.past += 1
        return -1
    row = &t.row[t.count]
    row.name = name
    row.id = id_
    row.corner = -1
    row.corners = 0
    row.has_centre = 0
    row.first_line = 0
    row.last_line = 0
    row.filament = 0
    for a in range(3):
        row.low[a] = 0x7FFFFFFFFFFFFFFFLL
        row.high[a] = -0x7FFFFFFFFFFFFFFFLL
    t.count += 1
    return t.count - 1


cdef inline void end_object(Core* s) noexcept nogil:
    """What follows belongs to no object."""
    cdef ObjectTable* t = &s.trace.objects
    cdef int64_t total
    if t.at >= 0:
        total = pushed_in_all(s)
        t.row[t.at].filament += total - t.mark
        t.row[t.at].last_line = s.line
        t.at = -1


cdef inline void begin_object(Core* s, int32_t which) noexcept nogil:
    """What follows makes object `which` (-1: one that found no room)."""
    cdef ObjectTable* t = &s.trace.objects
    end_object(s)
    t.at = which
    s.in_work = 0           # the next work's start counts for the new object's bounds
    if which >= 0:
        t.mark = pushed_in_all(s)
        if t.row[which].first_line == 0:
            t.row[which].first_line = s.line


cdef inline void object_here(Core* s) noexcept nogil:
    """The present place counts for the bounds of the object that is being made."""
    cdef int a
    for a in range(3):
        if s.frame[a] != FRAME_START:
            object_touch(s, a, s.pos[a])


cdef inline void object_touch(Core* s, int axis, int64_t value) noexcept nogil:
    cdef Thing* row = &s.trace.objects.row[s.trace.objects.at]
    if value < row.low[axis]:
        row.low[axis] = value
    if value > row.high[axis]:
        row.high[axis] = value


cdef inline int32_t text_number(const uint8_t* text, int32_t length) noexcept nogil:
    """A plain whole number as the whole of a text, or -1."""
    cdef int64_t micro = 0
    if read_micro(text, text + length, &micro) == NULL or micro < 0 or micro > 2000000000000000LL:
        return -1
    return <int32_t> (micro // 1000000)


cdef inline int64_t id_in(const uint8_t* text, int32_t length) noexcept nogil:
    """The number after ` id:`, or -1."""
    cdef int32_t i
    for i in range(length - 4):
        if text[i] == 32 and text[i + 1] == 105 and text[i + 2] == 100 and text[i + 3] == 58:
            return text_number(text + i + 4, length - i - 4)
    return -1


cdef inline void trim(const uint8_t** text, int32_t* length) noexcept nogil:
    while length[0] > 0 and text[0][0] <= 32:
        text[0] += 1
        length[0] -= 1
    while length[0] > 0 and text[0][length[0] - 1] <= 32:
        length[0] -= 1


cdef inline void object_comment(Core* s, int32_t kind, const uint8_t* text, int32_t length) noexcept nogil:
    """An object begins that a comment names (`text`); Cura's NONMESH is none."""
    trim(&text, &length)
    if not take_kind(s, kind):
        return
    if kind == OBJECT_MESH and length == 7 and text[0] | 32 == 110 and text[3] | 32 == 109:
        end_object(s)
    elif kind == OBJECT_LABEL:
        begin_object(s, find_object(s, -1, text_number(text, length)))
    else:
        begin_object(s, find_object(s, note_name(&s.objects, text, length, s.line, False), id_in(text, length)))
        if s.trace.objects.at >= 0 and s.trace.objects.row[s.trace.objects.at].id < 0:
            s.trace.objects.row[s.trace.objects.at].id = id_in(text, length)


cdef inline void object_comment_ends(Core* s) noexcept nogil:
    """`stop printing object`."""
    if s.trace.objects.kind == OBJECT_PRINTING or s.trace.objects.kind == OBJECT_LABEL:
        end_object(s)


cdef inline void name_m486(Core* s, int32_t name) noexcept nogil:
    """A names the object that S began; without one it begins the object by its name alone."""
    if s.trace.objects.at >= 0:
        s.trace.objects.row[s.trace.objects.at].name = name
    elif name >= 0:
        begin_object(s, find_object(s, name, -1))


cdef inline int32_t quoted_name(Core* s, const uint8_t** p, const uint8_t* end) noexcept nogil:
    """The index of the name in quotes that begins at `p` (RepRapFirmware); `p` is then behind it."""
    cdef const uint8_t* text = p[0] + 1
    p[0] = text
    while p[0] < end and p[0][0] != 34:
        p[0] += 1
    return note_name(&s.objects, text, <int32_t> (p[0] - text), s.line, False)


cdef inline void object_m486(Core* s, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The words of M486 in [p, end): S number (negative: none), A name in quotes or to the end of the line. They may
    stand in any order."""
    cdef int64_t micro = 0
    cdef const uint8_t* after
    cdef int32_t length, name = -2
    if not take_kind(s, OBJECT_M486):
        return
    while p < end:
        if p[0] & 0xDF == 83:
            after = read_micro(p + 1, end, &micro)
            if after == NULL:
                break
            p = after
            if micro < 0:
                end_object(s)
            else:
                begin_object(s, find_object(s, -1, micro // 1000000))
        elif p[0] & 0xDF == 65:
            p += 1
            length = <int32_t> (end - p)
            trim(&p, &length)
            if length > 1 and p[0] == 34:
                name = quoted_name(s, &p, end)
            elif length > 0:
                name = note_name(&s.objects, p, length, s.line, False)
                break
        else:
            p += 1
    if name > -2:
        name_m486(s, name)


cdef inline int32_t parameter_name(Core* s, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """The NAME parameter as an index of names; -1 if there is none, or no room for it."""
    cdef const uint8_t* text = value_of(p, end, "NAME")
    if text == NULL:
        return -1
    return note_name(&s.objects, text, <int32_t> (end_of_value(text, end) - text), s.line, False)


cdef inline void object_shape(Core* s, Thing* row, const uint8_t* p, const uint8_t* end) noexcept nogil:
    """CENTER=x,y and POLYGON=[[x,y],...] of a definition, mm; an outline that finds no room is left out whole."""
    cdef ObjectTable* t = &s.trace.objects
    cdef const uint8_t* q = value_of(p, end, "CENTER")
    cdef int64_t x = 0, y = 0
    cdef int32_t first = t.corners
    if q != NULL:
        q = read_micro(q, end, &x)
        if q != NULL and q < end and q[0] == 44 and read_micro(q + 1, end, &y) != NULL:
            row.centre[0] = x
            row.centre[1] = y
            row.has_centre = 1
    q = value_of(p, end, "POLYGON")
    while q != NULL and q < end and q[0] > 32:
        if q[0] != 91 and q[0] != 44 and q[0] != 93:
            q = read_micro(q, end, &x)
            if q == NULL or q == end or q[0] != 44:
                break
            q = read_micro(q + 1, end, &y)
            if q == NULL:
                break
            if t.corners == MAX_CORNERS:
                t.corners = first
                return
            t.corner[2 * t.corners] = x
            t.corner[2 * t.corners + 1] = y
            t.corners += 1
        else:
            q += 1
    if t.corners > first:
        row.corner = first
        row.corners = t.corners - first


cdef inline void object_command(Core* s, const uint8_t* p, const uint8_t* end, const uint8_t* stop) noexcept nogil:
    """EXCLUDE_OBJECT_DEFINE, _START or _END: [p, end) is the command's name, [end, stop) its parameters."""
    cdef int32_t which
    if not begins(p, end, "EXCLUDE_OBJECT_"):
        return
    if is_name(p, end, "EXCLUDE_OBJECT_DEFINE"):
        if value_of(end, stop, "NAME") != NULL and take_kind(s, OBJECT_EXCLUDE):
            which = find_object(s, parameter_name(s, end, stop), -1)
            if which >= 0:
                object_shape(s, &s.trace.objects.row[which], end, stop)
    elif is_name(p, end, "EXCLUDE_OBJECT_START"):
        if value_of(end, stop, "NAME") != NULL and take_kind(s, OBJECT_EXCLUDE):
            begin_object(s, find_object(s, parameter_name(s, end, stop), -1))
    elif is_name(p, end, "EXCLUDE_OBJECT_END") and take_kind(s, OBJECT_EXCLUDE):
        end_object(s)
