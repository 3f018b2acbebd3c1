"""Parameters: what `#5`, `#<name>` and `#<_global>` hold, and which of them can be known before the run.

Known is what this program has set, or what the core follows itself (modes, position). Everything else is left over
from earlier programs, kept by the machine (offsets, tool table) or measured (probe, inputs): unknown, with the reason.
Numbers and names as LinuxCNC 2.9 has them (documentation "G-code overview", numbered and named parameters; tried with
its stand-alone interpreter). A position is known in the unit that is in force.
"""

from libc.math cimport fabs, llround
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy, strlen

from fleetctl._ext.gcode_note cimport note
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_types cimport *
from fleetctl._ext.gcode_use cimport use_if_any

# Named parameters that LinuxCNC itself provides; all are read-only.
cdef enum:
    NAMED_NONE = 0
    NAMED_LINE
    NAMED_MOTION_MODE
    NAMED_PLANE
    NAMED_CCOMP
    NAMED_METRIC
    NAMED_IMPERIAL
    NAMED_ABSOLUTE
    NAMED_INCREMENTAL
    NAMED_INVERSE_TIME
    NAMED_UNITS_PER_MINUTE
    NAMED_COORD_SYSTEM
    NAMED_RETRACT_R_PLANE
    NAMED_RETRACT_OLD_Z
    NAMED_IJK_ABSOLUTE
    NAMED_SPINDLE_ON
    NAMED_FEED
    NAMED_RPM
    NAMED_SELECTED_TOOL
    NAMED_X
    NAMED_Y
    NAMED_Z
    NAMED_ABS_X
    NAMED_ABS_Y
    NAMED_ABS_Z
    NAMED_VALUE
    NAMED_VALUE_RETURNED
    NAMED_CALL_LEVEL
    NAMED_REMAP_LEVEL
    NAMED_SETTING           # from here on: there, but only the machine knows it

cdef extern from *:
    """
    static const char* const fleetctl_named[] = {
        "", "_line", "_motion_mode", "_plane", "_ccomp", "_metric", "_imperial", "_absolute", "_incremental",
        "_inverse_time", "_units_per_minute", "_coord_system", "_retract_r_plane", "_retract_old_z",
        "_ijk_absolute_mode", "_spindle_on", "_feed", "_rpm", "_selected_tool", "_x", "_y", "_z", "_abs_x", "_abs_y",
        "_abs_z", "_value", "_value_returned", "_call_level", "_remap_level", "_vmajor", "_vminor", "_metric_machine",
        "_task", "_units_per_rev", "_tool_offset", "_spindle_rpm_mode", "_spindle_css_mode", "_lathe_diameter_mode",
        "_lathe_radius_mode", "_spindle_cw", "_mist", "_flood", "_speed_override", "_feed_override",
        "_adaptive_feed", "_feed_hold", "_current_tool", "_current_pocket", "_selected_pocket", "_a", "_b", "_c",
        "_u", "_v", "_w", "_abs_a", "_abs_b", "_abs_c", "_abs_u", "_abs_v", "_abs_w", 0};
    """
    const char* const fleetctl_named[]


cdef inline void object_to(Core* s, int hazard, int32_t reason, int64_t column) noexcept nogil:
    """One of the four hazards of evaluation (not_provable ... loop_cap), with the reason at its first place."""
    cdef Mark* mark = &s.hazard[hazard]
    if s.program.state == STATE_SWEEP:
        return
    if mark.count == 0 or s.line < mark.line:
        s.program.reason[hazard - HAZ_NOT_PROVABLE] = reason
    note(s, hazard, column)


cdef inline bint refuse(Core* s, int32_t reason, int64_t column) noexcept nogil:
    """The controller stops at this line: note why; always False."""
    object_to(s, HAZ_FLOW_ERROR if reason >= FLOW_KEYWORD else HAZ_EVALUATION_ERROR, reason, column)
    s.program.failed = 1
    return False


cdef inline int32_t intern(Program* program, const uint8_t* text, int32_t length) noexcept nogil:
    """The index of a name (folded, without blanks); -1 when there is no room for another."""
    cdef uint64_t h = 14695981039346656037ULL       # FNV-1a
    cdef int32_t i, slot, kind
    for i in range(length):
        h = (h ^ text[i]) * 1099511628211ULL
    slot = <int32_t> ((h ^ (h >> 32)) & (NAME_SLOTS - 1))
    while program.name_slot[slot]:
        i = program.name_slot[slot] - 1
        if (program.name_hash[i] == h and program.name_length[i] == length
                and memcmp(&program.arena[program.name_offset[i]], text, length) == 0):
            return i
        slot = (slot + 1) & (NAME_SLOTS - 1)
    if program.name_count == NAMES or program.name_used + length > NAME_BYTES:
        return -1
    i = program.name_count
    memcpy(&program.arena[program.name_used], text, length)
    program.name_slot[slot] = i + 1
    program.name_hash[i] = h
    program.name_offset[i] = program.name_used
    program.name_length[i] = <int16_t> length
    program.predefined[i] = NAMED_NONE
    if length > 5 and (memcmp(text, "_ini[", 5) == 0 or memcmp(text, "_hal[", 5) == 0):
        program.predefined[i] = NAMED_SETTING
    kind = 1
    while fleetctl_named[kind]:
        if <int32_t> strlen(fleetctl_named[kind]) == length and memcmp(text, fleetctl_named[kind], length) == 0:
            program.predefined[i] = <int16_t> kind
        kind += 1
    program.name_used += length
    program.name_count += 1
    return i


cdef inline bint is_global(Program* program, int32_t name) noexcept nogil:
    return program.name_length[name] > 0 and program.arena[program.name_offset[name]] == 95


cdef inline void give(Value* out, double number, bint known, int32_t why) noexcept nogil:
    out.number = number
    out.why = KNOWN if known else why


cdef inline bint used(Core* s, int32_t g) noexcept nogil:
    cdef const Use* use = use_if_any(&s.g_use, g)
    return use != NULL and use.count > 0


cdef inline bint used_m(Core* s, int32_t m) noexcept nogil:
    cdef const Use* use = use_if_any(&s.m_use, m)
    return use != NULL and use.count > 0


cdef inline void position_value(Core* s, int a, bint machine, Value* out) noexcept nogil:
    """Where axis `a` stands, in program (or machine) coordinates and the unit in force."""
    cdef bint known = s.commanded[a] and s.frame[a] != FRAME_START
    cdef double micro = <double> s.pos[a]
    if machine:
        known = known and s.frame[a] == FRAME_MACHINE
    else:
        known = known and s.frame[a] == s.abs_frame[a]
        micro = <double> (s.pos[a] - s.shift[a])
    if s.hazard[HAZ_CUTTER_COMPENSATION].count or s.hazard[HAZ_TRANSFORM].count or s.hazard[HAZ_SPLINE].count:
        known = False
    give(out, micro / (25.4e6 if s.inch else 1e6), known, WHY_POSITION)


cdef inline void frame_value(Core* s, Value* out) noexcept nogil:
    """The active coordinate system, 1 to 9, once the program has chosen one (M2 and M30 choose the first)."""
    cdef int32_t i
    cdef bint known = s.ended_line > 0
    for i in range(6):
        known |= used(s, 540 + 10 * i)
    for i in range(3):
        known |= used(s, 591 + i)
    give(out, s.wcs - FRAME_G54 + 1, known, WHY_MODE)


cdef inline void mode_value(Core* s, int32_t kind, Value* out) noexcept nogil:
    """A modal state of LinuxCNC's named parameters; known once the program has set it."""
    if kind == NAMED_MOTION_MODE:
        give(out, s.motion if s.motion >= 0 else 800,
             used(s, 0) or used(s, 10) or used(s, 20) or used(s, 30) or used(s, 800), WHY_MODE)
    elif kind == NAMED_PLANE:
        give(out, s.plane * 10, used(s, 170) or used(s, 180) or used(s, 190), WHY_MODE)
        if used(s, 171) or used(s, 181) or used(s, 191):
            out.why = WHY_MODE
    elif kind == NAMED_CCOMP:
        give(out, 400, used(s, 400) and s.hazard[HAZ_CUTTER_COMPENSATION].count == 0, WHY_MODE)
    elif kind == NAMED_METRIC or kind == NAMED_IMPERIAL:
        give(out, (s.inch != 0) == (kind == NAMED_IMPERIAL), s.units_line > 0, WHY_MODE)
    elif kind == NAMED_ABSOLUTE or kind == NAMED_INCREMENTAL:
        give(out, (s.relative != 0) == (kind == NAMED_INCREMENTAL), s.distance_line > 0, WHY_MODE)
    elif kind == NAMED_INVERSE_TIME or kind == NAMED_UNITS_PER_MINUTE:
        give(out, (s.inverse_time != 0) == (kind == NAMED_INVERSE_TIME),
             (used(s, 930) or used(s, 940)) and not used(s, 950), WHY_MODE)
    elif kind == NAMED_RETRACT_R_PLANE or kind == NAMED_RETRACT_OLD_Z:
        give(out, (s.old_z_return != 0) == (kind == NAMED_RETRACT_OLD_Z), used(s, 980) or used(s, 990), WHY_MODE)
    elif kind == NAMED_IJK_ABSOLUTE:
        give(out, s.arc_absolute != 0, used(s, 901) or used(s, 911), WHY_MODE)
    elif kind == NAMED_SPINDLE_ON:
        give(out, s.spindle != 0, used_m(s, 30) or used_m(s, 40) or used_m(s, 50), WHY_MODE)
    elif kind == NAMED_FEED:
        # Back to the decimals that the F word was written with.
        give(out, <double> llround(s.feed * 60e6 / (25.4 if s.inch else 1.0)) / 1e6,
             s.feed_known and s.letter_line[LETTER_F] > 0 and not s.inverse_time and s.feed < 1e9, WHY_MODE)
    elif kind == NAMED_RPM:
        give(out, fabs(<double> s.s_value / 1e6), s.letter_line[LETTER_S] > 0, WHY_MODE)
    else:
        give(out, <double> s.tools[s.tool].number, s.t_use.count > 0, WHY_MODE)


cdef inline void named_value(Core* s, int32_t kind, Value* out) noexcept nogil:
    """A parameter that LinuxCNC provides."""
    cdef Program* program = s.program
    if kind == NAMED_LINE:
        give(out, <double> s.line, True, KNOWN)
    elif kind == NAMED_COORD_SYSTEM:
        frame_value(s, out)
        out.number = 530 + 10 * out.number if out.number < 7 else 584 + out.number
    elif NAMED_X <= kind <= NAMED_Z:
        position_value(s, kind - NAMED_X, False, out)
    elif NAMED_ABS_X <= kind <= NAMED_ABS_Z:
        position_value(s, kind - NAMED_ABS_X, True, out)
    elif kind == NAMED_VALUE:
        out[0] = program.returned
    elif kind == NAMED_VALUE_RETURNED:
        give(out, program.value_returned, True, KNOWN)
    elif kind == NAMED_CALL_LEVEL:
        give(out, program.level, True, KNOWN)
    elif kind == NAMED_REMAP_LEVEL:
        give(out, 0.0, True, KNOWN)
    elif kind >= NAMED_SETTING:
        give(out, 0.0, False, WHY_SETTING)
    else:
        mode_value(s, kind, out)


cdef inline void numbered_value(Core* s, int32_t number, Value* out) noexcept nogil:
    """`#number`, 1 .. 5601."""
    cdef Program* program = s.program
    if 5420 <= number <= 5422:
        position_value(s, number - 5420, False, out)
    elif 5021 <= number <= 5023:
        position_value(s, number - 5021, True, out)
    elif number == 5220 and program.number_why[number] == WHY_UNSET:
        frame_value(s, out)
    elif number > 5000:
        give(out, 0.0, False, WHY_INPUT if number <= 5070 or number == 5399 or number >= 5600 else WHY_MACHINE)
    else:
        give(out, program.number[number], program.number_why[number] == KNOWN, program.number_why[number])


cdef inline bint is_read_only(int32_t number) noexcept nogil:
    """LinuxCNC 2.9 refuses to set these: machine and program position, and the tool in use."""
    return 5021 <= number <= 5029 or 5400 <= number <= 5413 or 5420 <= number <= 5428


cdef inline bint name_is_set(Core* s, int32_t name, Value* exists) noexcept nogil:
    """Does the name have a value here? `exists` tells what EXISTS says of it."""
    cdef Program* program = s.program
    cdef bint there
    if program.predefined[name]:
        give(exists, 1.0, True, KNOWN)
        if program.name_length[name] > 5 and program.arena[program.name_offset[name] + 4] == 91:
            exists.why = WHY_SETTING        # _ini[ ] and _hal[ ]: only if there is such an entry
        return True
    if is_global(program, name):
        there = program.global_set[name]
        give(exists, 1.0, there, WHY_GLOBAL)
        return there
    there = program.local[program.level][name].serial == program.call[program.level].serial
    give(exists, 1.0 if there else 0.0, there or program.level > 0, WHY_UNSET)
    return there


cdef inline bint name_value(Core* s, int32_t name, int64_t column, Value* out) noexcept nogil:
    """`#<name>`; a name that was never set is an error, but not while a sub is only being read."""
    cdef Program* program = s.program
    cdef Local* local
    if program.predefined[name]:
        named_value(s, program.predefined[name], out)
        return True
    if not name_is_set(s, name, out):
        if program.defining:
            give(out, 0.0, False, WHY_UNSET)
            return True
        return refuse(s, ERR_NAME_UNSET, column)
    if is_global(program, name):
        out.number = program.global_value[name]
        out.why = program.global_why[name]
    else:
        local = &program.local[program.level][name]
        out.number = local.value
        out.why = local.why
    return True


cdef inline void set_name(Core* s, int32_t name, double value, int32_t why) noexcept nogil:
    cdef Program* program = s.program
    cdef Local* local
    if is_global(program, name):
        program.global_set[name] = 1
        program.global_value[name] = value
        program.global_why[name] = why
        return
    local = &program.local[program.level][name]
    local.serial = program.call[program.level].serial
    local.value = value
    local.why = why


cdef inline void create_name(Core* s, int32_t name) noexcept nogil:
    """Left of an equals sign a new name begins as 0, so that it may stand on the right side too.

    Outside of calls it may have been left over by an earlier program.
    """
    cdef Value exists
    if not name_is_set(s, name, &exists):
        set_name(s, name, 0.0, WHY_GLOBAL if is_global(s.program, name) else exists.why)


cdef inline void settle(Core* s) noexcept nogil:
    """The assignments of a line take effect, once all of it is read."""
    cdef Program* program = s.program
    cdef Setting* setting
    cdef int32_t i
    for i in range(program.pending_count):
        setting = &program.pending[i]
        if setting.name >= 0:
            set_name(s, setting.name, setting.value, setting.why)
            continue
        program.number[setting.number] = setting.value
        program.number_why[setting.number] = <uint8_t> setting.why
        if 5161 <= setting.number <= 5390:
            note(s, HAZ_OFFSET_WRITE, 1)
    program.pending_count = 0
