"""What a move is for: the words of slicers, put into one vocabulary; and what each feature took.

Words are those that the slicers write after `TYPE:` (PrusaSlicer, SuperSlicer, Orca, Cura, ideaMaker), `FEATURE:`
(Bambu Studio) and `feature` (Simplify3D). A printer's move is of the feature in force if it pushes, else travel; a
mill's is a rapid, a plunge (straight down), a cut or a probe by its own words.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fleetctl._ext.gcode_layer cimport pushed_in_all
from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *


cdef inline bint is_word(const uint8_t* text, const char* word) noexcept nogil:
    """Folded text, NUL at its end, against a word of the list."""
    cdef int32_t i = 0
    while text[i] == <uint8_t> word[i]:
        if text[i] == 0:
            return True
        i += 1
    return False


cdef inline bint begins(const uint8_t* text, const char* word) noexcept nogil:
    cdef int32_t i = 0
    while word[i] != 0:
        if text[i] != <uint8_t> word[i]:
            return False
        i += 1
    return True


cdef inline int32_t wall_of(const uint8_t* text) noexcept nogil:
    if (is_word(text, "outer wall") or is_word(text, "external perimeter") or is_word(text, "wall outer")
            or is_word(text, "outer perimeter")):
        return FEATURE_OUTER_WALL
    if (is_word(text, "inner wall") or is_word(text, "perimeter") or is_word(text, "internal perimeter")
            or is_word(text, "wall inner") or is_word(text, "inner perimeter")):
        return FEATURE_INNER_WALL
    if is_word(text, "overhang wall") or is_word(text, "overhang perimeter"):
        return FEATURE_OVERHANG
    return FEATURE_UNKNOWN


cdef inline int32_t fill_of(const uint8_t* text) noexcept nogil:
    if (is_word(text, "sparse infill") or is_word(text, "internal infill") or is_word(text, "fill")
            or is_word(text, "infill")):
        return FEATURE_INFILL
    if (is_word(text, "internal solid infill") or is_word(text, "solid infill") or is_word(text, "skin")
            or is_word(text, "solid layer") or is_word(text, "solid fill")):
        return FEATURE_SOLID_INFILL
    if is_word(text, "top surface") or is_word(text, "top solid infill"):
        return FEATURE_TOP
    if is_word(text, "bottom surface"):
        return FEATURE_BOTTOM
    if begins(text, "bridge") or is_word(text, "internal bridge") or is_word(text, "internal bridge infill"):
        return FEATURE_BRIDGE
    if begins(text, "gap fill") or is_word(text, "gap infill"):
        return FEATURE_GAP_FILL
    return FEATURE_UNKNOWN


cdef inline int32_t feature_of(const uint8_t* text) noexcept nogil:
    """The feature that a slicer's word (lower case, blanks for - and _, NUL at its end) means."""
    cdef int32_t found = wall_of(text)
    if found == FEATURE_UNKNOWN:
        found = fill_of(text)
    if found != FEATURE_UNKNOWN:
        return found
    if (is_word(text, "support interface") or is_word(text, "support material interface")
            or is_word(text, "dense support")):
        return FEATURE_SUPPORT_INTERFACE
    if begins(text, "support") or is_word(text, "raft"):
        return FEATURE_SUPPORT
    if begins(text, "skirt") or is_word(text, "brim"):
        return FEATURE_SKIRT
    if begins(text, "prime") or is_word(text, "wipe tower"):
        return FEATURE_WIPE_TOWER
    if is_word(text, "ironing"):
        return FEATURE_IRONING
    if is_word(text, "custom"):
        return FEATURE_CUSTOM
    return FEATURE_UNKNOWN


cdef inline void settle_feature(Core* s) noexcept nogil:
    """What was pushed since the last change of feature belongs to the feature that ends here."""
    cdef int64_t total = pushed_in_all(s)
    s.trace.feature_pushed[s.trace.feature] += total - s.trace.feature_mark
    s.trace.feature_mark = total


cdef inline void feature_comment(Core* s, const uint8_t* text, int32_t length) noexcept nogil:
    """A slicer says what the work from here on is for."""
    cdef uint8_t folded[40]
    cdef uint8_t c
    cdef int32_t i, n = 0
    while length > 0 and text[0] == 32:
        text += 1
        length -= 1
    while length > 0 and text[length - 1] <= 32:
        length -= 1
    for i in range(length if length < 39 else 39):
        c = text[i]
        if 65 <= c <= 90:
            c |= 32
        elif c == 45 or c == 95:
            c = 32
        folded[n] = c
        n += 1
    folded[n] = 0
    settle_feature(s)
    s.trace.feature = feature_of(folded)


cdef inline void tag_move(Core* s, bint work, bint moved, bint rapid, double* d) noexcept nogil:
    """What the move about to be planned is for; `d` is how far x, y, z go."""
    cdef int32_t tag = FEATURE_CUT
    if not s.reads & READ_CNC:
        tag = s.trace.feature if work else (FEATURE_TRAVEL if moved else FEATURE_RETRACT)
    elif rapid:
        tag = FEATURE_RAPID
    elif 382 <= s.motion <= 385:
        tag = FEATURE_PROBE
    elif d[2] < 0.0 and d[0] == 0.0 and d[1] == 0.0:
        tag = FEATURE_PLUNGE
    s.trace.pace.tag = tag
