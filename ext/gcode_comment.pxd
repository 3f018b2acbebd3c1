"""Slicers' markers in comments that begin a line: layers, objects, the end of the program.

Only markers that the reading itself needs; `key = value` metadata is read elsewhere, from the head and tail.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fleetctl._ext.gcode_note cimport note_name
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


cdef inline void object_name(Core* s, const uint8_t* text, int32_t length) noexcept nogil:
    while length > 0 and text[0] == 32:
        text += 1
        length -= 1
    while length > 0 and text[length - 1] <= 32:
        length -= 1
    if not starts(text, length, "nonmesh", 7):
        note_name(&s.objects, text, length, s.line, False)


cdef inline void end_comment(Core* s) noexcept nogil:
    if s.end_marker == END_NONE:
        s.end_marker = END_COMMENT
        s.end_marker_line = s.line


cdef inline void line_comment(Core* s, const uint8_t* text, int32_t length) noexcept nogil:
    """`text` follows the semicolon. Markers: PrusaSlicer/Orca LAYER_CHANGE, Cura LAYER:, Bambu CHANGE_LAYER,
    Simplify3D/KISSlicer `layer 12`; they are counted apart, for some files hold two kinds."""
    cdef uint8_t c
    while length > 0 and text[0] == 32:
        text += 1
        length -= 1
    if length < 3:
        return
    c = text[0] | 32
    if c == 108:        # l
        if starts(text, length, "layer_change", 12):
            layer_marker(s, 0)
        elif starts(text, length, "layer:", 6):
            layer_marker(s, 1)
        elif starts(text, length, "layer ", 6) and length > 6 and 48 <= text[6] <= 57:
            layer_marker(s, 3)
    elif c == 99:       # c
        if starts(text, length, "change_layer", 12):
            layer_marker(s, 2)
    elif c == 109:      # m
        if starts(text, length, "mesh:", 5):
            object_name(s, text + 5, length - 5)
    elif c == 112:      # p
        if starts(text, length, "printing object ", 16):
            object_name(s, text + 16, length - 16)
        elif starts(text, length, "prusaslicer_config = end", 24):
            end_comment(s)
    elif c == 101:      # e
        if (starts(text, length, "end of gcode", 12) or starts(text, length, "executable_block_end", 20)
                or starts(text, length, "end gcode", 9) or starts(text, length, "end of print", 12)):
            end_comment(s)
    elif c == 102:      # f
        if starts(text, length, "filament used", 13) and s.first_work_line > 0:
            end_comment(s)
