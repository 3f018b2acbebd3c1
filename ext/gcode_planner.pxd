"""The state of the planner: plain C structs. Speeds in mm/s, accelerations in mm/s2, `2` at the end of a name: squared.

Nothing here computes; nothing here knows G-code or Python.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fleetctl._ext.gcode_trace cimport LineArray, Trace

cdef enum:
    PLAN_WINDOW = 384
    PLAN_KEEP = 64          # moves that stay in the window so that the ones before them are settled for good
    HEAT_BED = 32           # heaters 0 to 31 are the nozzles of the tools, in the order of `Core.tools`
    HEAT_CHAMBER = 33
    HEAT_SLOTS = 34
    HEAT_COOLING = 64       # beside the heater of a wait: cooling is waited for too
    HEAT_LOOK = 128         # it waits for a temperature and sets no target
    HEAT_CHANGES = 16       # changes of a target that wait for their place in the plan

# Which corner rule and which passes.
cdef enum:
    RULE_GRBL               # junction deviation, acceleration by the direction of the corner
    RULE_MARLIN             # the same with E in the direction, and short moves seen as an arc
    RULE_JERK               # classic jerk
    RULE_KLIPPER            # square corner velocity, half the move as the arc of the corner, smoothed look-ahead

# How G2 and G3 are cut.
cdef enum:
    ARC_BY_TOLERANCE        # Grbl: chords within a tolerance of the arc
    ARC_BY_LENGTH           # Marlin: length between two limits, so many to a circle at least
    ARC_BY_RESOLUTION       # Klipper: one length

# What a block is, and what its seconds are counted as.
cdef enum:
    SPENT_MOTION
    SPENT_DWELL
    SPENT_HEATING
    SPENT_HOMING
    SPENT_TOOL_CHANGE
    SPENT_COUNT

cdef struct Block:
    double reach            # 2 a l: how much v2 can change over the block
    double entry_max        # greatest v2 at its start
    double entry            # v2 at its start, as planned so far
    double nominal          # mm/s; seconds for a wait; degC for a wait on a heater
    double accel
    double length           # mm; 0 for a wait
    double pace             # s/mm at the least rate of steps, 0: no such rate
    double count            # how many of the firmware's blocks this one stands for
    double smooth_reach     # Klipper: the same two of the plan that is smoothed by the minimum cruise ratio
    double smooth_max
    double cruise           # Klipper: v2 in the middle, -1 if it follows the move before
    int64_t line
    int32_t tag             # what it is for, see gcode_trace
    int32_t spent
    int32_t heater          # of a wait on a heater, with HEAT_COOLING or HEAT_LOOK

cdef struct Warmth:
    double rate             # degC/s at full power from ambient; 0: not known, takes no time
    double loss_s           # time constant of the loss
    double settle_s         # how long the target is held before the wait ends
    double target
    double degc             # at the time `at_s`
    double at_s

cdef struct HeatChange:
    int64_t block           # takes effect before this block
    int32_t heater
    double target

cdef struct Planner

# Called through a pointer: which one is known when a program begins.
ctypedef void (*Move)(Planner* q, double* unit, double length, double speed, double accel, int64_t line) noexcept nogil

cdef struct Planner:
    Move move               # one straight move: direction x y z e per mm, mm, mm/s, mm/s2
    int32_t enabled
    int32_t rule
    int32_t fixed_rule      # the file may not change the rule (a given machine)
    int32_t stopped         # the next block starts from rest
    int32_t count
    double max_feed[4]
    double max_accel[4]
    double jerk[4]
    double per_feed[4]      # one over each of these
    double per_accel[4]
    double per_jerk[4]
    double cap_feed[4]      # what a given machine allows; a file may not exceed it
    double cap_accel[4]
    double cap_jerk[4]
    double deviation
    double cap_deviation
    double accel
    double travel_accel
    double retract_accel
    double cap_plain_accel
    double rapid
    int32_t stepped         # the steps of the machine are known: moves are whole steps
    double steps[4]         # per mm
    double least_steps_s    # ramps begin and end at this rate, steps/s
    double least_steps      # moves of fewer are joined to the next
    double carry[4]         # mm that are left for the next move
    double least_accel      # the least of max_accel x y z: bounds an axis-limited acceleration from below
    double ahead            # blocks between the one that runs and the end of the firmware's buffer
    double square_corner    # Klipper
    double cruise_ratio     # Klipper's minimum_cruise_ratio
    double smooth_accel     # Klipper: accel times one minus that
    double extruder_corner  # Klipper's instantaneous_corner_velocity
    int32_t arc_rule
    int32_t arc_circle      # Marlin: least segments of a circle
    int32_t arc_hints       # Marlin 2.1: corners inside an arc are limited by its radius alone
    double arc_tolerance
    double arc_least        # mm
    double arc_most         # mm; Klipper's resolution
    double corner_radius    # of the arc that the corner lies in; 0: none
    double unit[4]          # direction at the end of the last block
    double speed            # nominal speed of the last block
    double safe             # speed it can stop from at once (classic jerk)
    double last_reach       # Klipper: of the last move
    double last_bow         # of its last chord, if it is an arc
    double last_smooth_reach
    double last_entry_max
    double last_smooth_max
    double last_bend        # its acceleration times its junction deviation
    int32_t last_pushes     # it moved the extruder only
    double spent_s[SPENT_COUNT]
    double total_s
    double v_now            # sqrt of the entry of block 0
    int64_t settled         # blocks taken off the window so far
    int64_t next_change     # the first block with a change of a heater before it, or -1
    int32_t changes
    HeatChange change[HEAT_CHANGES]
    double ambient
    Warmth warmth[HEAT_SLOTS]
    double homing_speed[3]  # 0: not known
    double homing_slow[3]
    double homing_back[3]
    double homing_travel[3]
    double tool_change_s
    Block block[PLAN_WINDOW]
    LineArray times         # float64, as two numbers of four bytes
    Trace* trace            # whom to tell when what was done
    int32_t want_times
    int32_t out_of_memory
