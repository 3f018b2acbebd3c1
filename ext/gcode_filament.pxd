"""Filament: what one E means (length or volume, with flow), firmware retraction, and what a tool change resets.

A filament's length is net: what G10 pulls back and G11 pushes again is counted once. The E of the program does not
move with either (Marlin FWRetract, Klipper firmware_retraction).
"""

from libc.math cimport M_PI, fabs, llround
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_frame cimport settle
from fleetctl._ext.gcode_motion cimport reach, to_mm
from fleetctl._ext.gcode_note cimport clamp, note
from fleetctl._ext.gcode_types cimport *

cdef enum:
    FILAMENT_UM = 1750      # Marlin's DEFAULT_NOMINAL_FILAMENT_DIA, for M200 S1 before any D


cdef inline void settle_flow(Core* s) noexcept nogil:
    """Work out again how much filament one E of the present tool is."""
    cdef Modes* m = &s.modes
    cdef double flow = m.flow[s.tool]
    cdef double diameter = m.diameter_mm[s.tool]
    m.flow_factor = flow if flow > 0.0 else 1.0
    if m.volumetric[s.tool]:
        if s.inch:
            note(s, HAZ_VOLUMETRIC, 1)  # cubic inches to Marlin (gcode parser, volumetric_unit_factor), not to others
        m.flow_factor /= 0.25 * M_PI * diameter * diameter
    m.scaled_e = m.flow_factor != 1.0


cdef inline int32_t tool_of(Core* s, int letter) noexcept nogil:
    """The index of the tool that a letter names, the present one if it does not stand there, -1 for a new one."""
    cdef int32_t i
    if not s.w.mask & ~s.w.flags & (<uint32_t> 1 << letter):
        return s.tool
    for i in range(s.tool_count):
        if s.tools[i].number * 1000000 == s.w.value[letter]:
            return i
    return -1


cdef inline void set_flow(Core* s) noexcept nogil:
    """M221 S: flow in per cent, of the tool T (Marlin) or D (RepRapFirmware); Klipper: of the tool in use, and 100
    without an S (gcode_move.py, cmd_M221)."""
    cdef int letter = LETTER_D if s.reads & READ_HOMING_MOVES else LETTER_T
    cdef int32_t i = tool_of(s, letter) if not s.reads & READ_EXTENDED else s.tool
    if s.w.mask & BIT_S and s.w.value[LETTER_S] > 0:
        if i < 0:
            note(s, HAZ_VOLUMETRIC, 1)
            return
        s.modes.flow[i] = <double> s.w.value[LETTER_S] * 1e-8
        settle_flow(s)
    elif s.reads & READ_EXTENDED and not s.w.mask & BIT_S:
        s.modes.flow[i] = 1.0
        settle_flow(s)


cdef inline void set_volume(Core* s) noexcept nogil:
    """M200: D is the filament's diameter and switches E to mm3 (D0: to mm); Marlin's S switches too."""
    cdef Modes* m = &s.modes
    cdef int32_t i = tool_of(s, LETTER_T)
    cdef int64_t diameter
    if i < 0:
        note(s, HAZ_VOLUMETRIC, 1)      # of a tool not seen yet: it is not followed
        return
    if m.diameter_mm[i] == 0.0:
        m.diameter_mm[i] = FILAMENT_UM * 1e-3
    if s.w.mask & (<uint32_t> 1 << LETTER_D):
        diameter = to_mm(s, s.w.value[LETTER_D])
        m.volumetric[i] = diameter > 0
        if diameter > 0:
            m.diameter_mm[i] = <double> diameter * 1e-6
    if s.w.mask & BIT_S:
        if s.w.value[LETTER_S] > 0 and not s.w.mask & (<uint32_t> 1 << LETTER_D):
            note(s, HAZ_VOLUMETRIC, 1)  # the diameter is the machine's setting
        m.volumetric[i] = s.w.value[LETTER_S] > 0
    settle_flow(s)


cdef inline void tool_changed(Core* s) noexcept nogil:
    """Another tool prints from here on: its flow, its filament, its nozzle's place."""
    cdef int a
    settle_flow(s)
    for a in range(3):
        if s.reads & READ_HOMING_MOVES:
            s.modes.extra[a] = s.modes.tool_offset[s.tool][a]
            settle(s, a)


cdef inline void push(Core* s, Planner* q, int64_t length, double speed) noexcept nogil:
    """Filament alone moves by `length` micro mm at `speed` mm/s."""
    cdef Tool* tool = &s.tools[s.tool]
    cdef double unit[4]
    tool.pushed = clamp(tool.pushed + length)
    if tool.pushed > tool.pushed_max:
        tool.pushed_max = tool.pushed
    if q.enabled and length != 0:
        unit[0] = unit[1] = unit[2] = 0.0
        unit[3] = 1.0 if length > 0 else -1.0
        q.move(q, unit, fabs(<double> length) * 1e-6, speed, q.retract_accel, s.line)


cdef inline void hop(Core* s, int64_t height) noexcept nogil:
    """The nozzle is lifted by `height`, and the program does not know."""
    s.modes.hopped = clamp(s.modes.hopped + height)
    s.modes.extra[2] = clamp(s.modes.extra[2] + height)
    settle(s, 2)
    if s.commanded[2]:
        reach(s, 2, clamp(s.pos[2] + height), s.frame[2])
    else:
        s.pos[2] = clamp(s.pos[2] + height)


cdef inline void retract(Core* s, Planner* q, bint back) noexcept nogil:
    """G10 pulls the filament back, G11 (`back`) pushes it again; a second one of a kind does nothing."""
    cdef Modes* m = &s.modes
    cdef int64_t length = m.retract
    if m.retracted != back:
        return
    m.retracted = not back
    if not m.retract_known:
        note(s, HAZ_RETRACT_UNKNOWN, 1)
    if back:
        length += m.retract_extra
        if m.hopped:
            hop(s, -m.hopped)
    if s.reads & READ_EXTENDED:         # Klipper makes it a G1 E, which the flow scales
        length = llround(<double> length * m.flow_factor)
    push(s, q, length if back else -length, m.recover_speed if back else m.retract_speed)
    if not back and m.hop:
        hop(s, m.hop)


cdef inline void set_retraction(Core* s, int32_t m) noexcept nogil:
    """M207 (S length, F mm/min, Z hop; RepRapFirmware: R extra, T recover speed) and M208 (S extra, F)."""
    cdef Modes* d = &s.modes
    if m == 2080:
        if s.w.mask & BIT_S:
            d.retract_extra = to_mm(s, s.w.value[LETTER_S])
        if s.w.mask & BIT_F:
            d.recover_speed = <double> to_mm(s, s.w.value[LETTER_F]) * (1e-6 / 60.0)
        return
    if s.w.mask & BIT_S:
        d.retract = to_mm(s, s.w.value[LETTER_S])
        d.retract_known = 1
    if s.w.mask & BIT_F:
        d.retract_speed = <double> to_mm(s, s.w.value[LETTER_F]) * (1e-6 / 60.0)
        if s.reads & READ_HOMING_MOVES:
            d.recover_speed = d.retract_speed
    if s.w.mask & BIT_Z:
        d.hop = to_mm(s, s.w.value[LETTER_Z])
    if s.reads & READ_HOMING_MOVES:
        if s.w.mask & BIT_R:
            d.retract_extra = to_mm(s, s.w.value[LETTER_R])
        if s.w.mask & BIT_T:
            d.recover_speed = <double> to_mm(s, s.w.value[LETTER_T]) * (1e-6 / 60.0)


cdef inline void begin_filament(Core* s) noexcept nogil:
    """Marlin's own speeds (Configuration_adv.h: RETRACT_FEEDRATE 45, RETRACT_RECOVER_FEEDRATE 8 mm/s)."""
    s.modes.flow_factor = 1.0
    s.modes.feed_factor = 1.0
    s.modes.feed_kept = 1.0
    s.modes.feed_mode = 94
    s.modes.retract_speed = 45.0
    s.modes.recover_speed = 8.0
    if s.reads & READ_EXTENDED:         # Klipper's defaults: 20 and 10 mm/s
        s.modes.retract_speed = 20.0
        s.modes.recover_speed = 10.0
