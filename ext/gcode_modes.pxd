"""The state behind the plain modes: origins, tool lengths, stored places, extruder factors. Plain C structs only.

Everything is bounded in memory. Coordinates are int64 millionths of a mm, each with the coordinate system ("frame")
that it is counted in. Nothing here computes; nothing here knows words or Python objects.
"""

from libc.stdint cimport int32_t, int64_t

cdef enum:
    SYSTEMS = 10            # machine, G54 .. G59.3
    MAX_PAIRS = 32          # (coordinate system, tool length) pairs that a program may use
    MAX_LENGTHS = 32        # tool lengths that a program may write (G10 L1)
    MAX_SAVED = 12          # named states (SAVE_GCODE_STATE), stored places (G60), pushed states (M120): each
    MAX_POLES = 64          # control points of one NURBS
    MAX_EXTRUDERS = 32
    # Moves that a program may make beyond one a line: holes, pecks, chords of curves, turns of arcs. Some 2 s.
    MAX_STEPS = 4000000

cdef enum:
    NO_LENGTH = -1          # no tool length is in force (G49)
    LOST_LENGTH = -2        # one is, and nobody can say which

cdef struct Place:
    int64_t pos[3]
    int32_t frame[3]
    int32_t known[3]

cdef struct Length:
    int64_t number
    int64_t value
    int32_t known           # 0: the program changed it, to what is not known

cdef struct Saved:
    int64_t name            # of a named state: its hash; of a stored place: its number
    int32_t used
    int32_t relative
    int32_t e_relative
    int32_t inch
    int32_t feed_known
    double feed
    double feed_factor
    double flow
    int64_t e_last
    int64_t g92[3]
    int64_t extra[3]
    int64_t anchor[3]
    int32_t anchor_frame[3]
    int32_t anchor_system[3]
    int32_t foreign[3]
    Place place

cdef struct Pole:
    double x
    double y
    double weight

cdef struct Modes:
    # where zero is
    int64_t origin[SYSTEMS][3]
    int32_t origin_frame[SYSTEMS][3]
    int64_t g92[3]
    int64_t g92_kept[3]     # what G92.3 brings back
    int32_t g92_kept_foreign[3]
    int32_t g92_kept_known
    int64_t extra[3]        # tool offsets, Z hop, SET_GCODE_OFFSET
    int64_t anchor[3]       # an axis set by G92 where it stood in a foreign frame
    int32_t anchor_frame[3]
    int32_t anchor_system[3]
    int64_t anchor_length
    int64_t anchor_number
    # tool length
    int64_t length[3]
    int64_t length_number
    int64_t selected
    int64_t loaded
    int32_t selected_known
    int32_t loaded_known
    int32_t length_count
    int32_t lengths_lost    # the program wrote a length, and which or how long is not known
    Length lengths[MAX_LENGTHS]
    int32_t pair_count
    int32_t pair_system[MAX_PAIRS]
    int64_t pair_number[MAX_PAIRS]
    Place stored[2]         # G28.1, G30.1
    # cycles
    int32_t last_motion     # the motion mode before the present line
    int64_t level           # height before a row of cycles
    int32_t level_frame
    int32_t level_zero      # the frame, shift and units in which coordinates counted when the row began
    int64_t level_shift
    int32_t level_inch
    int64_t peck
    double dwell
    int32_t cycle_lost      # a cycle or curve began on a line whose values are not known
    int64_t steps           # moves made so far beyond one a line
    int32_t cutter          # G41 or G42 in force, times ten
    int32_t spindle_forward
    # feed
    int32_t feed_mode       # 93, 94 or 95
    double feed_word        # the F in force, mm per minute, per turn, or 1 per minute
    double feed_factor      # M220
    double feed_kept        # M220 B
    # reading of words
    int32_t odd_words       # some letters need a second look on every line
    int32_t diameter        # G7
    # splines
    double last_p
    double last_q
    int64_t spline_commands
    int32_t pole_count
    int32_t poles_lost
    int32_t order
    Pole poles[MAX_POLES]
    # extruder
    double flow[MAX_EXTRUDERS]          # M221, 1.0 is 100 %; 0: not set
    double diameter_mm[MAX_EXTRUDERS]   # M200 D; 0: not set
    int32_t volumetric[MAX_EXTRUDERS]   # E counts mm3
    double flow_factor      # of the tool in use: filament per E
    int32_t scaled_e        # it is not 1
    double e_rest
    int32_t retracted
    int32_t retract_known
    int64_t retract
    int64_t retract_extra
    int64_t hop
    int64_t hopped
    double retract_speed
    double recover_speed
    int64_t tool_offset[MAX_EXTRUDERS][3]
    int32_t saved_count
    Saved saved[MAX_SAVED]
    int32_t pushed_count
    Saved pushed[MAX_SAVED]
    Place spots[MAX_SAVED]
