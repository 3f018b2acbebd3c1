"""What the core has read, as plain Python values: rows, names and single numbers, each made when it is asked for.

Reads the state of a program and changes nothing of it. Packed arrays are `gcode_columns`; nothing here reads lines.
"""

from libc.stdint cimport int32_t, int64_t

from fleetctl._ext.gcode_columns cimport history_columns
from fleetctl._ext.gcode_rapid cimport lower
from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *
from fleetctl._ext.gcode_use cimport use_if_any

from fleetctl._ext.gcode_columns import FEATURE_NAMES

HAZARD_NAMES = (
    "high_byte_code", "high_byte_comment", "realtime_code", "realtime_comment", "control_code",
    "control_comment", "nul", "dollar_line", "unclosed_comment", "nested_comment", "paren_comment", "lower_case",
    "spaced_number", "number_overflow", "number_missing", "stray_character", "repeated_word", "repeated_motion",
    "bare_axes", "block_delete", "percent", "checksum", "checksum_wrong", "expression", "o_word", "placeholder",
    "oversized_line", "unknown_number", "tool_overflow", "relative_from_unknown", "arc_from_unknown",
    "motion_before_home", "extrude_before_hot", "feed_missing", "feed_zero", "units_assumed", "distance_assumed",
    "spindle_off_cut", "arc_radius", "arc_invalid", "canned_cycle", "cutter_compensation", "inverse_time",
    "probe", "spline", "transform", "offset_write", "settings_write", "volumetric", "emergency_stop",
    "repeated_group", "unused_word", "axes_missing", "axes_unused", "dwell_missing", "machine_curve",
    "negative_number", "spindle_no_speed", "several_commands", "scale_change",
    "not_provable", "evaluation_error", "flow_error", "loop_cap",
    "cycle_word_missing", "cycle_invalid", "cycle_cap", "spline_invalid", "length_unknown", "frame_overflow",
    "offset_unknown", "retract_unknown", "state_unknown",
    "stored_place", "stored_all", "not_followed", "pin_set", "filament_unknown", "meta_command", "cold_allowed",
)
REASON_NAMES = (
    "", "parameter_left_over", "kept_by_machine", "measured", "position", "mode", "setting", "other_file", "too_long",
    "too_many_names", "global_left_over", "polar", "not_modelled", "row", "close", "modes_kept",
    "number", "function", "operator", "unclosed", "bracket_missing", "atan", "exists", "depth", "not_finite",
    "division", "power", "root", "logarithm", "arc_function", "round", "integer", "parameter_number", "read_only",
    "name", "name_unset", "equals", "stray_bracket", "too_many_settings", "word_number", "abort",
    "keyword", "trailing", "condition", "arguments", "nested_sub", "twice", "no_label", "wrong_label", "not_in_sub",
    "never_closed", "call_style", "levels", "m98",
    "work", "endless",
)
"""Why something is not provable or refused, in the order of gcode_program's WHY_, ERR_, FLOW_ and CAP_."""
FRAME_NAMES = ("machine", "G54", "G55", "G56", "G57", "G58", "G59", "G59.1", "G59.2", "G59.3", "start")
END_NAMES = ("", "M2", "M30", "M84", "%", "comment")
HEATER_NAMES = ("nozzle", "bed", "chamber")
HISTORY_NAMES = ("feed", "bed", "chamber", "spindle", "fan", "flow", "nozzle")


cdef object frame_name(Core* s, int32_t frame):
    """(coordinate system, number of the tool whose length the machine adds to Z there, or None)."""
    if frame < FRAME_PAIRS:
        return FRAME_NAMES[frame], None
    return FRAME_NAMES[s.modes.pair_system[frame - FRAME_PAIRS]], s.modes.pair_number[frame - FRAME_PAIRS]


cdef object axis_state(Core* s, int a):
    """(where it stands in nm, in which frame, whether that is known, program zero in nm of the frame that absolute
    words lead to, that frame, whether that zero was set in another frame than the selected one, and the tools whose
    lengths count in both frames)."""
    name, length = frame_name(s, s.frame[a])
    absolute, absolute_length = frame_name(s, s.abs_frame[a])
    return (s.pos[a], name, bool(s.commanded[a] and s.frame[a] != FRAME_START), s.shift[a], absolute,
            bool(s.foreign[a]), length, absolute_length)


cdef object pulled_back(Core* s):
    """How far the filament of the tool in use is pulled back, in nm as E counts it now (M200, M221)."""
    return round((s.tools[s.tool].pushed_max - s.tools[s.tool].pushed) / s.modes.flow_factor)


cdef object feed_in_force(Core* s):
    """The F as the program gave it, in nm per minute (G93: as written, G95: nm per turn); None before any."""
    if not s.feed_known:
        return None
    if s.modes.feed_mode != 94:
        return round(s.modes.feed_word * 1e6)
    return round(s.feed / s.modes.feed_factor * 60e6)


cdef object work_top(Core* s):
    """The greatest Z of work so far in the frame that Z stands in, nm; None before any."""
    cdef Range* r = &s.frames[s.frame[2]].work[2]
    return None if r.low > r.high else r.high


cdef object as_range(Range* r):
    if r.low > r.high:
        return None
    return (r.low / 1e6, r.low_line, r.high / 1e6, r.high_line, r.low_column, r.high_column)


cdef object as_low(Range* r):
    if r.low_line == 0:
        return None
    return (r.low / 1e6, r.low_line)


cdef object as_use(const Use* use):
    return (use.first_line, use.count, use.first_column)


cdef str word_name(str letter, int code):
    return f"{letter}{code // 10}" if code % 10 == 0 else f"{letter}{code // 10}.{code % 10}"


cdef str arena_text(NameTable* t, int i):
    text = t.arena[t.offset[i]:t.offset[i] + t.length[i]].decode("utf-8", "replace")
    return text


cdef tuple object_row(Core* s, ObjectTable* t, Thing* row):
    cdef int i
    return (
        arena_text(&s.objects, row.name) if row.name >= 0 else "", row.id, row.first_line, row.last_line,
        tuple(row.low[i] / 1e6 if row.low[i] <= row.high[i] else None for i in range(3)),
        tuple(row.high[i] / 1e6 if row.low[i] <= row.high[i] else None for i in range(3)),
        row.filament / 1e6,
        (row.centre[0] / 1e6, row.centre[1] / 1e6) if row.has_centre else None,
        tuple((t.corner[2 * i] / 1e6, t.corner[2 * i + 1] / 1e6) for i in range(row.corner, row.corner + row.corners)),
    )


cdef object object_rows_of(Core* s):
    """Rows of the objects, and marks without room."""
    cdef ObjectTable* t = &s.trace.objects
    return [object_row(s, t, &t.row[i]) for i in range(t.count)], t.past


cdef object feature_rows(Core* s):
    """What `Scanner.features` answers."""
    cdef Trace* t = &s.trace
    return {
        FEATURE_NAMES[i]: (t.pace.feature_s[i], t.feature_pushed[i] / 1e6)
        for i in range(FEATURE_WAIT + 1) if t.pace.feature_s[i] > 0.0 or t.feature_pushed[i] > 0
    }


cdef object history_rows(Core* s):
    """What `Scanner.histories` answers."""
    return [
        (HISTORY_NAMES[min(i, HISTORY_NOZZLE)],
         s.tools[i - HISTORY_NOZZLE].number if i >= HISTORY_NOZZLE else -1,
         s.trace.history[i].seen, *history_columns(&s.trace.history[i]))
        for i in range(HISTORIES) if s.trace.history[i].count
    ]


cdef object frame_rows(Core* s):
    """What `Scanner.frames` answers."""
    found = []
    for i in range(FRAME_TABLE):
        motion = tuple(as_range(&s.frames[i].motion[a]) for a in range(3))
        work = tuple(as_range(&s.frames[i].work[a]) for a in range(3))
        if motion != (None, None, None):
            name, length = frame_name(s, i)
            found.append((name, motion, work, length))
    return found


cdef object rapid_rows(Core* s):
    """What `Scanner.rapids` answers."""
    found = []
    for i in range(s.modes.pair_count):     # Z is the tool's tip, with a length from the table or without
        lower(&s.cut.rapid[s.modes.pair_system[i]].travel,
              s.cut.rapid[FRAME_PAIRS + i].travel.low, s.cut.rapid[FRAME_PAIRS + i].travel.low_line)
        lower(&s.cut.rapid[s.modes.pair_system[i]].plunge,
              s.cut.rapid[FRAME_PAIRS + i].plunge.low, s.cut.rapid[FRAME_PAIRS + i].plunge.low_line)
    for i in range(FRAME_COUNT):
        travel = as_low(&s.cut.rapid[i].travel)
        plunge = as_low(&s.cut.rapid[i].plunge)
        if travel is not None or plunge is not None:
            found.append((FRAME_NAMES[i], travel, plunge))
    return found


cdef int add_words(dict found, str letter, const UseTable* table) except -1:
    cdef const Use* use
    for code in range(table.top + 1):
        use = use_if_any(table, code)
        if use != NULL and use.count:
            found[word_name(letter, code)] = as_use(use)
    return 0


cdef object word_rows(Core* s):
    """What `Scanner.words` answers."""
    found = {}
    add_words(found, "G", &s.g_use)
    add_words(found, "M", &s.m_use)
    if s.t_use.count:
        found["T"] = as_use(&s.t_use)
    return found


cdef object hazard_rows(Core* s):
    """What `Scanner.hazards` answers."""
    return {
        HAZARD_NAMES[i]: (s.hazard[i].line, s.hazard[i].column, s.hazard[i].count)
        for i in range(HAZARD_COUNT) if s.hazard[i].count
    }


cdef object reason_rows(Core* s):
    """What `Scanner.reasons` answers."""
    if s.program == NULL:
        return {}
    return {
        HAZARD_NAMES[i]: REASON_NAMES[s.program.reason[i - HAZ_NOT_PROVABLE]]
        for i in range(HAZ_NOT_PROVABLE, HAZ_NOT_PROVABLE + 4) if s.hazard[i].count
    }


cdef object tool_rows(Core* s):
    """What `Scanner.tools` answers."""
    return [
        (s.tools[i].number, s.tools[i].first_line, s.tools[i].pushed_max / 1e6)
        for i in range(s.tool_count)
        if s.tools[i].first_line or s.tools[i].pushed_max > 0
    ]


cdef object heater_rows(Core* s):
    """What `Scanner.heaters` answers."""
    return {
        HEATER_NAMES[i]: (
            s.heater[i].first_line, s.heater[i].max_value / 1e6, s.heater[i].max_line,
            s.heater[i].end_value / 1e6, s.heater[i].end_line, s.cut.heat_column[i])
        for i in range(3) if s.heater[i].first_line
    }


cdef object layer_count(Core* s):
    """What `Scanner.layers` answers."""
    for i in range(LAYER_MARKERS):
        if s.layer_marks[i]:
            return s.layer_marks[i], "comments"
    return s.layers_z, "z" if s.layers_z else ""


cdef object name_rows(Core* s):
    """What `Scanner.names` answers."""
    extended = {
        arena_text(&s.extended, i): as_use(&s.extended.use[i])
        for i in range(s.extended.count)
    }
    objects = []
    for row in object_rows_of(s)[0]:
        objects.append(row[0] or str(row[1]))
    return extended, objects


cdef object secret_rows(Core* s):
    """What `Scanner.secret_keys` answers."""
    return {
        arena_text(&s.secret_keys, i): (s.secret_keys.use[i].first_line, s.secret_keys.use[i].count)
        for i in range(s.secret_keys.count)
    }


cdef object spindle_row(Core* s):
    """What `Scanner.spindle` answers."""
    if s.spindle_on_line == 0:
        return None
    return (s.spindle_on_line, s.s_max / 1e6, s.s_max_line, bool(s.spindle), s.spindle_end_line,
            s.dynamic_power_line, s.cut.constant_line, s.cut.lit_rapid_line, s.cut.s_column)


cdef object total_numbers(Core* s, Planner* q, int64_t size_bytes):
    """The single numbers."""
    return {
        "size_bytes": size_bytes, "lines": s.line, "commands": s.commands,
        "motion_s": q.spent_s[SPENT_MOTION], "dwell_s": q.spent_s[SPENT_DWELL],
        "heating_s": q.spent_s[SPENT_HEATING], "homing_s": q.spent_s[SPENT_HOMING],
        "tool_change_s": q.spent_s[SPENT_TOOL_CHANGE], "cutting_mm": s.cutting_mm,
        "max_feed_mm_s": s.max_feed, "max_feed_line": s.max_feed_line,
        "max_z_feed_mm_s": s.cut.z_feed, "max_z_feed_line": s.cut.z_feed_line,
        "longest_line_bytes": s.longest, "longest_line": s.longest_line,
        "longest_code_bytes": s.longest_code, "longest_code_line": s.longest_code_line,
        "longest_spaced_bytes": s.longest_spaced, "longest_spaced_line": s.longest_spaced_line,
        "units_line": s.units_line, "distance_line": s.distance_line,
        "first_motion_line": s.first_motion_line, "first_home_line": s.first_home_line,
        "first_work_line": s.first_work_line,
    }


cdef object letter_rows(Core* s):
    """What `Scanner.letters` answers."""
    return {chr(64 + i): s.letter_line[i] for i in range(1, 27) if s.letter_line[i]}


cdef object state_values(Core* s):
    """What `Scanner.state` answers."""
    cdef Resume* r = &s.resume
    return {
        "line": s.line, "axes": tuple(axis_state(s, a) for a in range(3)),
        "inch": bool(s.inch), "relative": bool(s.relative), "e_relative": bool(s.e_relative),
        "arc_absolute": bool(s.arc_absolute), "plane": s.plane, "wcs": FRAME_NAMES[s.wcs], "motion": s.motion,
        "cycle_returns_to_r": not s.old_z_return, "feed_mode": s.modes.feed_mode,
        "feed_nm_min": feed_in_force(s),
        "e_nm": s.e_last, "pulled_back_nm": pulled_back(s),
        "tool": s.tools[s.tool].number, "tool_said": s.t_use.count > 0, "tool_in": r.tool_in,
        "tool_change_line": r.tool_change_line, "tool_length_nm": s.modes.length[2], "tool_length_line": r.length_line,
        "nozzles_degc": {s.tools[i].number: s.tools[i].nozzle / 1e6
                         for i in range(s.tool_count) if s.tools[i].nozzle > 0},
        "bed_degc": s.heater[1].end_value / 1e6, "chamber_degc": s.heater[2].end_value / 1e6,
        "fans": {i: r.fan[i] / 1e6 for i in range(MAX_FANS) if r.fan_line[i]},
        "feed_percent": r.feed_percent / 1e6 if r.feed_percent else 100.0,
        "flow_percent": r.flow_percent / 1e6 if r.flow_percent else 100.0,
        "spindle": r.spindle // 10, "s": s.s_value / 1e6, "mist": bool(r.mist), "flood": bool(r.flood),
        "cutter": s.modes.cutter / 10, "surface_speed": bool(r.surface_speed),
        "retracted": bool(s.modes.retracted), "offset_nm": tuple(s.modes.extra[a] for a in range(3)),
        "homed": tuple(bool(r.homed & (<unsigned int> BIT_X << a)) for a in range(3)),
        "level_line": r.level_line, "object_line": r.object_line, "macro_line": r.macro_line,
        "last_work_line": r.last_work_line,
        "kept_lines": tuple(sorted([r.kept[i].line for i in range(r.kept_count)])), "kept_lost": r.kept_lost,
        "work_top_nm": work_top(s),
    }


cdef object letter_column_rows(Core* s):
    """What `Scanner.letter_columns` answers."""
    return {chr(64 + i): s.cut.letter_column[i] for i in range(1, 27) if s.letter_line[i]}


cdef int64_t core_bytes() noexcept:
    """The size of a core with its planner as this module was built; `gcode_core` compares it with its own."""
    return sizeof(Core) + sizeof(Planner)
