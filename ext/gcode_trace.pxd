"""What happens where in a program: the structs that layers, objects, features, histories and the path keep.

Everything here is bounded: tables by their greatest number of rows, arrays of lines by the lines of the program and
only on request. Only data; the functions are in `gcode_layer`, `gcode_object`, `gcode_feature`, `gcode_history`,
`gcode_lines` and `gcode_path`. Time is known later than a line is read, for the planner looks ahead: what wants to
know it keeps how many moves were planned before it, and gets the time when those are settled.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

cdef enum:
    MAX_LAYERS = 20000
    MAX_OBJECTS = 256
    MAX_CORNERS = 4096      # of the outlines of all objects together
    HISTORY_CAP = 4096
    HISTORY_GROUP = 4       # of so many neighbours the least and the greatest survive when a history is full
    HISTORY_TOOLS = 32
    HISTORIES = 6 + HISTORY_TOOLS
    PACE_RING = 512         # more than the planner's window
    LINE_CHUNK = 65536
    PATH_HOLD = 32
    FEATURE_COUNT = 24

# What a move is for, in one vocabulary for every slicer. The names are `FEATURE_NAMES` of `gcode_core`.
cdef enum:
    FEATURE_UNKNOWN
    FEATURE_OUTER_WALL
    FEATURE_INNER_WALL
    FEATURE_OVERHANG
    FEATURE_INFILL
    FEATURE_SOLID_INFILL
    FEATURE_TOP
    FEATURE_BOTTOM
    FEATURE_BRIDGE
    FEATURE_GAP_FILL
    FEATURE_SUPPORT
    FEATURE_SUPPORT_INTERFACE
    FEATURE_SKIRT
    FEATURE_WIPE_TOWER
    FEATURE_IRONING
    FEATURE_CUSTOM
    FEATURE_TRAVEL
    FEATURE_RETRACT
    FEATURE_RAPID
    FEATURE_PLUNGE
    FEATURE_CUT
    FEATURE_PROBE
    FEATURE_WAIT

# From which marks the layers, or the objects, are taken: the first of these that a program has.
cdef enum:
    LAYER_BY_HEIGHT = 5     # after the kinds of comments, 0 to 4
    LAYER_BY_NOTHING = 6
    OBJECT_EXCLUDE = 0
    OBJECT_M486 = 1
    OBJECT_PRINTING = 2
    OBJECT_LABEL = 3
    OBJECT_MESH = 4
    OBJECT_BY_NOTHING = 5

cdef enum:
    HISTORY_FEED = 0
    HISTORY_BED = 1
    HISTORY_CHAMBER = 2
    HISTORY_SPINDLE = 3
    HISTORY_FAN = 4
    HISTORY_FLOW = 5
    HISTORY_NOZZLE = 6      # and one for each further tool

cdef struct Pace:
    int64_t planned         # moves and waits that were handed to the planner
    int64_t done            # of these, settled
    double now_s            # when the last settled one ends
    double end_s[PACE_RING]     # when move n ends, at n % PACE_RING
    double feature_s[FEATURE_COUNT]
    int32_t tag             # the feature of the move that is about to be planned

cdef struct Layer:
    int64_t line
    int64_t offset          # bytes from the start of the program to the start of the line
    int64_t filament        # micro mm, all tools, before the layer
    int64_t planned
    double z                # mm, NaN if not known
    double height
    double start_s

cdef struct LayerTable:
    int32_t kind            # LAYER_BY_... or a kind of comment
    int32_t settled
    int32_t count           # rows kept
    int32_t wants_z         # the first work since the marker says how high it is
    int32_t wants_height
    Layer* row

cdef struct Thing:
    int32_t name            # index into the names of objects, -1: none
    int32_t corner          # first of its corners, -1: none
    int32_t corners
    int32_t has_centre
    int64_t id              # -1: none
    int64_t first_line
    int64_t last_line
    int64_t low[3]
    int64_t high[3]
    int64_t filament
    int64_t centre[2]

cdef struct ObjectTable:
    int32_t kind
    int32_t count
    int32_t at              # the object that is being made, -1: none
    int32_t corners
    int64_t past            # marks of objects that found no room
    int64_t mark            # filament when the present object was begun
    Thing* row
    int64_t* corner         # x, y, x, y, ... micro mm

cdef struct Change:
    int64_t line
    int64_t planned
    double value
    double at_s

cdef struct History:
    int64_t seen            # changes, those that fell out included
    int32_t count
    int32_t settled
    Change* row

cdef struct LineArray:
    int32_t wanted
    int32_t width           # numbers of 4 bytes for each line
    int64_t chunks
    int64_t room            # of the list of chunks
    float** chunk

cdef struct PathRun:
    uint32_t first          # index of its first vertex
    uint32_t count
    uint32_t layer          # 0: before the first layer
    uint32_t line           # its first line; lines beyond 2^32 - 1 are written as that
    uint32_t feature
    uint32_t tool

cdef struct PathState:
    int32_t wanted
    int32_t open
    int32_t held
    int64_t most            # vertices
    double tolerance        # mm, of the straightening
    double chord            # mm, of arcs
    double deviation        # mm, greatest so far, of the whole
    int64_t vertices
    int64_t room
    int64_t runs
    int64_t run_room
    int64_t dropped
    float* xyz
    PathRun* run
    double anchor[3]
    double hold[PATH_HOLD][3]

cdef struct Trace:
    int32_t out_of_memory
    int32_t feature         # of work, as the last comment said
    int32_t histories       # wanted
    int64_t base            # offset in the program of what `origin` points at
    const unsigned char* origin
    int64_t feature_mark    # filament when the present feature began
    int64_t feature_pushed[FEATURE_COUNT]
    Pace pace
    LayerTable layers
    ObjectTable objects
    History history[HISTORIES]
    LineArray positions
    PathState path
