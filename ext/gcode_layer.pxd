"""Layers: where each begins, how high it is, when it is reached, and what was pushed before it.

A slicer's comments say where layers begin; without them a layer begins with the first level work at a new greatest
height. Of several kinds of comments the first of the list in `gcode_comment` counts, so a better kind that comes
later begins the table anew. Heights come from the comments (PrusaSlicer and Orca `Z:` and `HEIGHT:`, Bambu Studio
`Z_HEIGHT:` and `LAYER_HEIGHT:`, Simplify3D `Z =`, KISSlicer `z=` and `z_thickness=`), else from the first work.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport malloc

from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *


cdef inline int64_t pushed_in_all(Core* s) noexcept nogil:
    """Filament of all tools so far, micro mm; what is pulled back and pushed again counts once."""
    cdef int64_t total = 0
    cdef int32_t i
    for i in range(s.tool_count):
        total += s.tools[i].pushed_max
    return total


cdef inline int64_t line_offset(Core* s) noexcept nogil:
    """Where the present line begins in the program, bytes."""
    return s.trace.base + (s.text - s.trace.origin)


cdef inline void put_layer(Core* s) noexcept nogil:
    """A layer begins at the present line."""
    cdef LayerTable* t = &s.trace.layers
    cdef Layer* row
    t.wants_z = 0
    t.wants_height = 0
    if t.row == NULL:
        t.row = <Layer*> malloc(MAX_LAYERS * sizeof(Layer))
        if t.row == NULL:
            s.trace.out_of_memory = 1
            return
    if t.count == MAX_LAYERS:
        return
    row = &t.row[t.count]
    t.count += 1
    row.line = s.line
    row.offset = line_offset(s)
    row.filament = pushed_in_all(s)
    row.planned = s.trace.pace.planned
    row.start_s = s.trace.pace.now_s
    if t.settled == t.count - 1 and row.planned == s.trace.pace.done:
        t.settled = t.count
    row.z = NAN
    row.height = NAN
    t.wants_z = 1
    t.wants_height = 1


cdef inline void forget_layers(Core* s, int32_t kind) noexcept nogil:
    cdef int64_t i
    s.trace.layers.kind = kind
    s.trace.layers.count = 0
    s.trace.layers.settled = 0
    for i in range(s.trace.path.runs):
        s.trace.path.run[i].layer = 0


cdef inline void layer_comment(Core* s, int32_t kind) noexcept nogil:
    """A marker of one kind, 0 to 4, stands on the present line."""
    if kind < s.trace.layers.kind:
        forget_layers(s, kind)
    if kind == s.trace.layers.kind:
        put_layer(s)


cdef inline void layer_by_height(Core* s) noexcept nogil:
    """Level work at a new greatest height was seen; it counts while there are no comments."""
    if s.trace.layers.kind == LAYER_BY_NOTHING:
        s.trace.layers.kind = LAYER_BY_HEIGHT
    if s.trace.layers.kind == LAYER_BY_HEIGHT and not s.reads & READ_CNC:
        put_layer(s)
        layer_worked(s)


cdef inline void layer_worked(Core* s) noexcept nogil:
    """The first work of a layer whose marker did not say how high it is."""
    cdef LayerTable* t = &s.trace.layers
    t.wants_z = 0
    t.wants_height = 0
    t.row[t.count - 1].z = <double> s.pos[2] / 1e6


cdef inline void layer_says_z(Core* s, int64_t micro) noexcept nogil:
    cdef LayerTable* t = &s.trace.layers
    if t.wants_z:
        t.row[t.count - 1].z = <double> micro / 1e6
        t.wants_z = 0


cdef inline void layer_says_height(Core* s, int64_t micro) noexcept nogil:
    cdef LayerTable* t = &s.trace.layers
    if t.wants_height:
        t.row[t.count - 1].height = <double> micro / 1e6
        t.wants_height = 0
