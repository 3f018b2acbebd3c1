"""Slicers' markers in comments that begin a line: layers, objects, features, the end of the program.

Only markers that the reading itself needs; `key = value` metadata is read elsewhere, from the head and tail.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fleetctl._ext.gcode_feature cimport feature_comment
from fleetctl._ext.gcode_layer cimport layer_comment, layer_says_height, layer_says_z
from fleetctl._ext.gcode_object cimport object_comment, object_comment_ends, read_micro
from fleetctl._ext.gcode_trace cimport OBJECT_LABEL, OBJECT_MESH, OBJECT_PRINTING
from fleetctl._ext.gcode_types cimport *


cdef inline bint starts(const uint8_t* text, int32_t length, const char* word, int32_t n) noexcept nogil:
    """Does the text begin with the word (given in lower case), letters of either case?"""
    cdef int32_t i
    cdef uint8_t c
    if length < n:
        return False
    for i in range(n):
        c = text[i]
        if 65 <= c <= 90:
            c |= 32
        if c != <uint8_t> word[i]:
            return False
    return True


cdef inline void layer_marker(Core* s, int32_t kind) noexcept nogil:
    s.layer_marks[kind] += 1
    layer_comment(s, kind)


cdef inline bint number_after(const uint8_t* text, int32_t length, const char* key, int32_t n,
                              int64_t* micro) noexcept nogil:
    """The number that follows the first `key` in the text, millionths."""
    cdef int32_t i
    for i in range(length - n):
        if starts(text + i, length - i, key, n):
            return read_micro(text + i + n, text + length, micro) != NULL
    return False


cdef inline void layer_comments(Core* s, const uint8_t* text, int32_t length) noexcept nogil:
    """Comments that begin with an l: four kinds of markers, and a height."""
    cdef int64_t micro
    if starts(text, length, "layer_change", 12):
        layer_marker(s, 0)
    elif starts(text, length, "layer_height:", 13):
        if read_micro(text + 13, text + length, &micro) != NULL:
            layer_says_height(s, micro)
    elif starts(text, length, "layer:", 6):
        layer_marker(s, 1)
    elif starts(text, length, "layer ", 6) and length > 6 and 48 <= text[6] <= 57:
        layer_marker(s, 3)
        if number_after(text, length, "z = ", 4, &micro):
            layer_says_z(s, micro)


cdef inline void kisslicer_layer(Core* s, const uint8_t* text, int32_t length) noexcept nogil:
    """`BEGIN_LAYER_OBJECT z=0.25 z_thickness=0.25`, `BEGIN_LAYER_RAFT z=...`."""
    cdef int64_t micro
    layer_marker(s, 4)
    if number_after(text, length, " z=", 3, &micro):
        layer_says_z(s, micro)
    if number_after(text, length, "z_thickness=", 12, &micro):
        layer_says_height(s, micro)


cdef inline void height_comment(Core* s, const uint8_t* text, int32_t length) noexcept nogil:
    """`Z:`, `Z_HEIGHT:` and `HEIGHT:`, which follow a layer's marker."""
    cdef int64_t micro
    if starts(text, length, "z:", 2):
        if read_micro(text + 2, text + length, &micro) != NULL:
            layer_says_z(s, micro)
    elif starts(text, length, "z_height:", 9):
        if read_micro(text + 9, text + length, &micro) != NULL:
            layer_says_z(s, micro)
    elif starts(text, length, "height:", 7) and read_micro(text + 7, text + length, &micro) != NULL:
        layer_says_height(s, micro)


cdef inline void printing_comment(Core* s, const uint8_t* text, int32_t length) noexcept nogil:
    """Where an object begins and ends, as PrusaSlicer, Orca and Bambu Studio write it."""
    if starts(text, length, "printing object ", 16):
        object_comment(s, OBJECT_PRINTING, text + 16, length - 16)
    elif starts(text, length, "object_id:", 10):
        object_comment(s, OBJECT_LABEL, text + 10, length - 10)
    elif starts(text, length, "start printing object, unique label id:", 39):
        object_comment(s, OBJECT_LABEL, text + 39, length - 39)
    elif starts(text, length, "stop printing object", 20):
        object_comment_ends(s)


cdef inline void end_comment(Core* s) noexcept nogil:
    if s.end_marker == END_NONE:
        s.end_marker = END_COMMENT
        s.end_marker_line = s.line


cdef inline void line_comment(Core* s, const uint8_t* text, int32_t length) noexcept nogil:
    """`text` follows the semicolon. Markers: PrusaSlicer/Orca LAYER_CHANGE, Cura LAYER:, Bambu CHANGE_LAYER,
    Simplify3D `layer 12`, KISSlicer BEGIN_LAYER_; they are counted apart, for some files hold two kinds."""
    cdef uint8_t c
    while length > 0 and text[0] == 32:
        text += 1
        length -= 1
    if length < 3:
        return
    c = text[0] | 32
    if c == 108:        # l
        layer_comments(s, text, length)
    elif c == 116:      # t
        if starts(text, length, "type:", 5):
            feature_comment(s, text + 5, length - 5)
    elif c == 122 or c == 104:      # z, h
        height_comment(s, text, length)
    elif c == 99:       # c
        if starts(text, length, "change_layer", 12):
            layer_marker(s, 2)
    elif c == 98:       # b
        if starts(text, length, "begin_layer_", 12):
            kisslicer_layer(s, text, length)
    elif c == 109:      # m
        if starts(text, length, "mesh:", 5):
            object_comment(s, OBJECT_MESH, text + 5, length - 5)
    elif c == 115 or c == 111:      # s, o
        printing_comment(s, text, length)
    elif c == 112:      # p
        if starts(text, length, "printing object ", 16):
            printing_comment(s, text, length)
        elif starts(text, length, "prusaslicer_config = end", 24):
            end_comment(s)
    elif c == 101:      # e
        if (starts(text, length, "end of gcode", 12) or starts(text, length, "executable_block_end", 20)
                or starts(text, length, "end gcode", 9) or starts(text, length, "end of print", 12)):
            end_comment(s)
    elif c == 102:      # f
        if starts(text, length, "feature", 7) and length > 8 and (text[7] == 58 or text[7] == 32):
            feature_comment(s, text + 8, length - 8)
        elif starts(text, length, "filament used", 13) and s.first_work_line > 0:
            end_comment(s)
