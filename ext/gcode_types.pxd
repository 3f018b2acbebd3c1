"""The state of a program being read: plain C structs, shared by every part of the G-code core.

All lengths are int64 in units of 1e-6 mm ("micro"), exact as written; only arcs and time use doubles. Lines are
1-based int64. Nothing here computes; nothing here knows Python objects.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fleetctl._ext.gcode_modes cimport *
from fleetctl._ext.gcode_planner cimport *
from fleetctl._ext.gcode_program cimport Program
from fleetctl._ext.gcode_trace cimport Trace

cdef extern from *:
    """
    #define fleetctl_seldom(x) __builtin_expect(!!(x), 0)
    """
    # Tells the compiler that what follows is seldom so: it keeps it out of the way of plain lines.
    bint seldom "fleetctl_seldom" (bint) noexcept nogil

cdef enum:
    LETTER_A = 1
    LETTER_B = 2
    LETTER_C = 3
    LETTER_D = 4
    LETTER_E = 5
    LETTER_F = 6
    LETTER_G = 7
    LETTER_H = 8
    LETTER_I = 9
    LETTER_J = 10
    LETTER_K = 11
    LETTER_L = 12
    LETTER_M = 13
    LETTER_N = 14
    LETTER_O = 15
    LETTER_P = 16
    LETTER_Q = 17
    LETTER_R = 18
    LETTER_S = 19
    LETTER_T = 20
    LETTER_W = 23
    LETTER_X = 24
    LETTER_Y = 25
    LETTER_Z = 26
    BIT_E = 1 << 5
    BIT_F = 1 << 6
    BIT_H = 1 << 8
    BIT_I = 1 << 9
    BIT_J = 1 << 10
    BIT_K = 1 << 11
    BIT_L = 1 << 12
    BIT_N = 1 << 14
    BIT_O = 1 << 15
    BIT_P = 1 << 16
    BIT_Q = 1 << 17
    BIT_R = 1 << 18
    BIT_S = 1 << 19
    BIT_T = 1 << 20
    BIT_X = 1 << 24
    BIT_Y = 1 << 25
    BIT_Z = 1 << 26
    BITS_XYZ = (1 << 24) | (1 << 25) | (1 << 26)
    BITS_IJKR = (1 << 9) | (1 << 10) | (1 << 11) | (1 << 18)
    # What a plain motion line may hold; anything else takes the general path.
    BITS_PLAIN = BITS_XYZ | BITS_IJKR | BIT_E | BIT_F | BIT_N
    # G, M, N and O are no parameters; a negative F, N, S or T means nothing (P does in a spline).
    BITS_ODD = (1 << 7) | (1 << 13) | BIT_N | BIT_O
    BITS_NEVER_NEGATIVE = BIT_F | BIT_N | BIT_S | BIT_T

# How the dialect reads; `fleetctl.gcode.dialects` sets these bits.
cdef enum:
    READ_PAREN_COMMENTS = 1
    READ_SPACED_NUMBERS = 2
    READ_CNC = 4                # RS274 order, G28 = stored position, bare axes repeat the motion, work = G1/G2/G3
    READ_E_FOLLOWS_G90 = 8      # Marlin: G90/G91 set E too
    READ_G91_MAKES_E_RELATIVE = 16  # Klipper: E is relative while G91 or M83
    READ_G4_P_MS = 32
    READ_TEXT_COMMANDS = 64     # M117 and the like take the rest of the line as text
    READ_SPEEDS_PER_MINUTE = 128    # RepRapFirmware: M203 and M566 in mm/min
    READ_EXTENDED = 256         # Klipper: EXTENDED_NAME KEY=value, macros may home and heat
    READ_O_WORDS = 512
    READ_ORIGINS = 1024
    READ_EXPRESSIONS = 16384    # # and [ ] are evaluated, O words are followed (gcode_expression, gcode_flow)
    # What follows is read in `fleetctl.gcode.dialects`, where each has its source.
    READ_CYCLES = 1 << 22
    READ_BORING_CYCLES = 1 << 17
    READ_RETRACT_TO_R = 1 << 18
    READ_SPLINES = 1 << 19
    READ_NURBS = 1 << 20
    READ_ARC_TURNS = 1 << 21
    READ_ARC_SPIRALS = 1 << 23
    READ_LENGTH_TABLE = 1 << 25
    READ_G92_ALONE_ZEROES = 1 << 26
    READ_G92_ALONE_RESETS = 1 << 27
    READ_FIRMWARE_RETRACT = 1 << 28
    READ_VOLUMETRIC = 1 << 29
    READ_HOMING_MOVES = 1 << 30
    READ_PUSHES_STATE = 1 << 15
    READ_BRACES = 1 << 16       # RepRapFirmware: { } holds an expression
    READ_QUOTES = 1 << 13       # RepRapFirmware: what stands in quotes is text

cdef enum:
    HAZ_HIGH_BYTE_CODE
    HAZ_HIGH_BYTE_COMMENT
    HAZ_REALTIME_CODE
    HAZ_REALTIME_COMMENT
    HAZ_CONTROL_CODE
    HAZ_CONTROL_COMMENT
    HAZ_NUL
    HAZ_DOLLAR_LINE
    HAZ_UNCLOSED_COMMENT
    HAZ_NESTED_COMMENT
    HAZ_PAREN_COMMENT
    HAZ_LOWER_CASE
    HAZ_SPACED_NUMBER
    HAZ_NUMBER_OVERFLOW
    HAZ_NUMBER_MISSING
    HAZ_STRAY_CHARACTER
    HAZ_REPEATED_WORD
    HAZ_REPEATED_MOTION
    HAZ_BARE_AXES
    HAZ_BLOCK_DELETE
    HAZ_PERCENT
    HAZ_CHECKSUM
    HAZ_CHECKSUM_WRONG
    HAZ_EXPRESSION
    HAZ_O_WORD
    HAZ_PLACEHOLDER
    HAZ_OVERSIZED_LINE
    HAZ_UNKNOWN_NUMBER
    HAZ_TOOL_OVERFLOW
    HAZ_RELATIVE_FROM_UNKNOWN
    HAZ_ARC_FROM_UNKNOWN
    HAZ_MOTION_BEFORE_HOME
    HAZ_EXTRUDE_BEFORE_HOT
    HAZ_FEED_MISSING
    HAZ_FEED_ZERO
    HAZ_UNITS_ASSUMED
    HAZ_DISTANCE_ASSUMED
    HAZ_SPINDLE_OFF_CUT
    HAZ_ARC_RADIUS
    HAZ_ARC_INVALID
    HAZ_CANNED_CYCLE
    HAZ_CUTTER_COMPENSATION
    HAZ_INVERSE_TIME
    HAZ_PROBE
    HAZ_SPLINE
    HAZ_TRANSFORM
    HAZ_OFFSET_WRITE
    HAZ_SETTINGS_WRITE
    HAZ_VOLUMETRIC
    HAZ_EMERGENCY_STOP
    HAZ_REPEATED_GROUP
    HAZ_UNUSED_WORD
    HAZ_AXES_MISSING
    HAZ_AXES_UNUSED
    HAZ_DWELL_MISSING
    HAZ_MACHINE_CURVE
    HAZ_NEGATIVE_NUMBER
    HAZ_SPINDLE_NO_SPEED
    HAZ_SEVERAL_COMMANDS
    HAZ_SCALE_CHANGE
    HAZ_NOT_PROVABLE
    HAZ_EVALUATION_ERROR
    HAZ_FLOW_ERROR
    HAZ_LOOP_CAP
    HAZ_CYCLE_WORD_MISSING
    HAZ_CYCLE_INVALID
    HAZ_CYCLE_CAP
    HAZ_SPLINE_INVALID
    HAZ_LENGTH_UNKNOWN
    HAZ_FRAME_OVERFLOW
    HAZ_OFFSET_UNKNOWN
    HAZ_RETRACT_UNKNOWN
    HAZ_STATE_UNKNOWN
    HAZ_STORED_PLACE
    HAZ_STORED_ALL
    HAZ_NOT_FOLLOWED
    HAZ_PIN_SET
    HAZ_FILAMENT_UNKNOWN
    HAZ_META_COMMAND
    HAZ_COLD_ALLOWED
    HAZARD_COUNT

# Questions asked at every motion until they are answered once; all answered costs one test.
cdef enum:
    CHECK_FIRST = 1
    CHECK_UNITS = 2
    CHECK_DISTANCE = 4
    CHECK_HOME = 8
    CHECK_FEED = 16
    CHECK_FEED_ZERO = 32
    CHECK_HOT = 64
    CHECK_SPINDLE = 128
    CHECK_SPEED = 256           # the spindle was switched on and no speed was ever given
    CHECK_INVERSE = 512         # G93: every line needs its own F
    CHECK_ENDED = 1024          # motors were switched off: moving on means that this was not the end

cdef enum:
    FRAME_MACHINE = 0
    FRAME_G54 = 1
    FRAME_START = 10
    FRAME_COUNT = 11
    FRAME_PAIRS = 11    # from here on: a coordinate system with a tool length, gcode_frame.pxd
    FRAME_TABLE = 11 + MAX_PAIRS
    MAX_TOOLS = 32
    MAX_NAMES = 256
    NAME_ARENA = 16384
    MAX_G = 10000       # G0 .. G999.9, times ten
    MAX_M = 100000      # M0 .. M9999.9, times ten
    USE_PAGE = 1024     # entries of a table of words that come at a time
    MAX_FANS = 16
    MAX_KEPT = 512
    LAYER_MARKERS = 5

cdef enum:
    END_NONE = 0
    END_M2 = 1
    END_M30 = 2
    END_MOTORS_OFF = 3
    END_PERCENT = 4
    END_COMMENT = 5

cdef struct Mark:
    int64_t line
    int64_t column
    int64_t count

cdef struct Use:
    int64_t first_line
    int64_t count
    int64_t first_column

cdef struct UseTable:
    Use* page[100]          # of USE_PAGE codes each; enough for MAX_M
    int32_t top             # no greater code was used

cdef struct Range:
    int64_t low
    int64_t low_line
    int64_t high
    int64_t high_line
    int64_t low_column
    int64_t high_column

# Rapids of a mill in one coordinate system, micro mm: how low they go (gcode_rapid.pxd).
cdef struct Rapid:
    Range travel            # Z while X or Y moves; only the low end is kept
    Range plunge            # where one goes down below everything cut until then; only the low end

# What only some rules ask: rapids, who drives spindle or laser, feeds along Z (gcode_rapid.pxd, gcode_place.pxd).
cdef struct Cut:
    const uint8_t* at[32]   # where its words begin, by letter; only for letters that `Words.mask` has
    Rapid rapid[FRAME_TABLE]
    double z_feed           # greatest feed of a move along Z alone, mm/s
    int64_t z_feed_line
    int64_t constant_line   # first M3
    int64_t lit_rapid_line  # first G0 in X or Y with the spindle (or laser) on at S above 0
    int64_t s_column
    int64_t letter_column[32]
    int64_t heat_column[3]

cdef struct Frame:
    Range motion[3]
    Range work[3]

cdef enum:
    SKIP_LINE = 1           # not executed (expression, O word, extended, $)
    SKIP_EVALUATED = 2      # its words or settings were computed: gcode_unknown carries it out
    SKIP_FLOW = 3           # an O word: the program is kept from this line on

cdef struct Words:
    uint32_t mask           # one bit per letter (letter & 31) that stands on the line; G and M excepted
    uint32_t flags          # letters without a number
    int32_t ng
    int32_t nm
    int32_t g[8]            # codes times ten
    int32_t m[8]
    int64_t value[32]       # micro units, as written (not yet mm)
    int32_t skip            # SKIP_...: the line is no block to execute as it stands
    uint32_t unknown        # letters whose value is not known before the run; set where skip is SKIP_EVALUATED
    const uint8_t* name     # an extended command, while its line is at hand; NULL: none
    const uint8_t* name_end
    const uint8_t* text_end
    int32_t dot             # column of the first odd letter case
    int32_t blanks          # blanks of the line outside its numbers
    int32_t numbered        # bytes of its N word, which is taken off before a line is sent
    const uint8_t* code_end     # where its code ends: at the ; or at the line end

cdef struct Tool:
    int64_t number
    int64_t first_line
    int64_t pushed          # micro mm, net
    int64_t pushed_max
    int64_t nozzle          # target, micro degC

cdef struct Heater:
    int64_t first_line
    int64_t max_value
    int64_t max_line
    int64_t end_value
    int64_t end_line

cdef struct NameTable:
    int32_t count
    int32_t used
    uint64_t hash[MAX_NAMES]
    int32_t offset[MAX_NAMES]
    int32_t length[MAX_NAMES]
    Use use[MAX_NAMES]
    char arena[NAME_ARENA]

cdef struct Kept:
    uint64_t key            # what the line sets
    int64_t line

cdef struct Resume:         # what a restart repeats and the facts do not need: gcode_resume.pxd
    int64_t last_work_line
    int64_t fan[MAX_FANS]   # micro, as written
    int64_t fan_line[MAX_FANS]
    int64_t feed_percent    # M220 S, micro; 0: never
    int64_t flow_percent    # M221 S
    int32_t spindle         # code of the last M3 M4 M5, times ten; 0: none
    int32_t mist
    int32_t flood
    int32_t surface_speed   # G96
    uint32_t homed          # axes, as word bits
    int64_t length_line     # G43 (offset from the tool table) in force
    int64_t tool_asked      # the last T
    int64_t tool_in         # T at the last M6
    int64_t tool_change_line
    int64_t level_line      # the bed was probed
    int64_t object_line     # an object is being made
    int64_t macro_line      # the last extended command that nobody here knows
    int32_t kept_count
    int32_t kept_lost
    Kept kept[MAX_KEPT]

cdef struct Core:
    const uint8_t* text     # the line being read; only while it is read
    uint32_t reads
    uint32_t checks
    uint32_t letters_seen
    int32_t file_sets_limits
    int64_t line
    int64_t commands
    # modal state
    int32_t motion          # code times ten, or -1 after G80
    int32_t inch
    int32_t relative
    int32_t e_relative
    int32_t arc_absolute
    int32_t plane
    int32_t wcs
    int32_t spindle
    int32_t inverse_time
    int32_t old_z_return    # G98
    int64_t pos[3]
    int32_t frame[3]
    int32_t abs_frame[3]
    int32_t commanded[3]
    int64_t shift[3]        # frame coordinate minus program coordinate; `gcode_frame.settle` puts it together
    int32_t foreign[3]      # G92 was given where the axis stood in another frame than the selected one
    int64_t home[3]
    int64_t e_last
    double feed             # mm/s
    int32_t feed_known
    int64_t s_value
    int64_t cycle_r
    int64_t cycle_z
    # facts
    int32_t in_work
    int32_t macro_seen
    Frame frames[FRAME_TABLE]
    int32_t tool
    int32_t tool_count
    Tool tools[MAX_TOOLS]
    int64_t pending_tool
    Heater heater[3]        # nozzle, bed, chamber
    int64_t layer_z
    int64_t layers_z
    int64_t layer_marks[LAYER_MARKERS]
    double cutting_mm
    double max_feed
    int64_t max_feed_line
    int64_t spindle_on_line
    int64_t spindle_end_line
    int64_t dynamic_power_line
    int64_t s_on_motion
    int64_t s_max
    int64_t s_max_line
    int64_t units_line
    int64_t distance_line
    int64_t first_motion_line
    int64_t first_home_line
    int64_t first_work_line
    int64_t longest
    int64_t longest_line
    int64_t longest_code
    int64_t longest_code_line
    int64_t longest_spaced
    int64_t longest_spaced_line
    int32_t end_marker
    int64_t end_marker_line
    int64_t ended_line      # first M2/M30
    int64_t code_after_line
    int32_t last_line_cut
    int64_t letter_line[32]
    Mark hazard[HAZARD_COUNT]
    UseTable g_use
    UseTable m_use
    Use t_use
    Use nobodys_use         # for want of memory
    NameTable extended
    NameTable objects
    Trace trace
    NameTable secret_keys   # of comments, see gcode_secret.pxd
    uint32_t letter_bit[256]    # the bit of a letter, large or small, among words; 0 for what is none
    uint8_t kind[256]       # character classes of all else, see gcode_text.pxd
    uint8_t text_m[1024]    # M numbers whose arguments are text
    Resume resume
    Cut cut
    Words w
    Program* program        # NULL where the dialect does not evaluate
    int32_t quiet           # a line is carried out once more: what its text shows was noted before
    Modes modes
