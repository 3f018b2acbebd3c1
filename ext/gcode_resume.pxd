"""What a program has switched that its facts do not need, but that a restart in its middle must repeat.

Fans, coolant, cutter and length compensation, firmware retraction, the last line of work; and which lines set
something that stays in force (accelerations, pressure advance, a bed mesh): only their numbers are kept, so that
memory is bounded and the text comes from the file. Nothing here is on the path of a plain motion line.

A kept line is dropped when a later one sets the same: the same command with the same letters and the same tool
(T, D). The lines that are left, carried out in their order, give the same settings as all of them.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fleetctl._ext.gcode_named cimport begins, is_name, value_of
from fleetctl._ext.gcode_types cimport *


cdef inline void keep_line(Core* s, uint64_t key) noexcept nogil:
    """The present line sets what `key` names; an older line that did is forgotten."""
    cdef Resume* r = &s.resume
    cdef int32_t i
    for i in range(r.kept_count):
        if r.kept[i].key == key:
            r.kept[i].line = s.line
            return
    if r.kept_count == MAX_KEPT:
        r.kept_lost += 1
        return
    r.kept[r.kept_count].key = key
    r.kept[r.kept_count].line = s.line
    r.kept_count += 1


cdef inline uint64_t word_key(Core* s, int32_t code) noexcept nogil:
    """Command, letters, and the numbers that say which tool or extruder (T, D)."""
    cdef uint64_t key = 14695981039346656037ULL
    key = (key ^ <uint64_t> code) * 1099511628211ULL
    key = (key ^ (s.w.mask & ~<uint32_t> BIT_N)) * 1099511628211ULL
    if s.w.mask & BIT_T:
        key = (key ^ <uint64_t> s.w.value[LETTER_T]) * 1099511628211ULL
    if s.w.mask & (<uint32_t> 1 << LETTER_D):
        key = (key ^ <uint64_t> s.w.value[LETTER_D]) * 1099511628211ULL
    return key


cdef inline uint64_t text_key(uint64_t key, const uint8_t* p, bint settings) noexcept nogil:
    """The text up to a comment or the line end, blanks left out. With `settings`, numbers after a = do not count."""
    cdef uint8_t c, before = 0
    while p[0] != 10 and p[0] != 13 and p[0] != 59:
        c = p[0]
        p += 1
        if c == 32 or c == 9:
            continue
        if settings and before == 61 and (48 <= c <= 57 or c == 43 or c == 45 or c == 46):
            while p[0] > 32 and p[0] != 59:
                p += 1
            before = 48
            continue
        if 97 <= c <= 122:
            c -= 32
        key = (key ^ c) * 1099511628211ULL
        before = c
    return key


cdef inline bint heats_known(const uint8_t* p) noexcept nogil:
    """Is HEATER= an extruder or the bed? What another heater is, only its own line says."""
    cdef const uint8_t* end = p
    cdef const uint8_t* at
    while end[0] != 10 and end[0] != 13:
        end += 1
    at = value_of(p, end, "HEATER")
    return at != NULL and (begins(at, end, "EXTRUDER") or begins(at, end, "HEATER_BED"))


cdef inline void resume_name(Core* s, const uint8_t* p, int32_t length) noexcept nogil:
    """An extended command (Klipper): settings and objects stay in force; what a macro does is not known."""
    if is_name(p, p + length, "SET_GCODE_OFFSET"):
        pass                            # gcode_extended follows it
    elif is_name(p, p + length, "SET_HEATER_TEMPERATURE") and heats_known(p + length):
        pass                            # the restart heats these itself, and waits
    elif begins(p, p + length, "SET_"):
        keep_line(s, text_key(1, p, True))
    elif begins(p, p + length, "EXCLUDE_OBJECT_START"):
        s.resume.object_line = s.line
    elif begins(p, p + length, "EXCLUDE_OBJECT_END"):
        s.resume.object_line = 0
    elif (begins(p, p + length, "EXCLUDE_OBJECT_DEFINE") or begins(p, p + length, "ACTIVATE_EXTRUDER")
            or begins(p, p + length, "BED_MESH_PROFILE")):
        keep_line(s, text_key(2, p, False))
    elif begins(p, p + length, "BED_MESH_CALIBRATE"):
        s.resume.level_line = s.line
    else:
        s.resume.macro_line = s.line


cdef inline void resume_text(Core* s, const uint8_t* p) noexcept nogil:
    """M486 takes text: S says which object is being made, A names it, T how many there are."""
    while p[0] == 32:
        p += 1
    keep_line(s, 4860 * 256 + (p[0] & 0xDF))


cdef inline bint is_setting(int32_t m) noexcept nogil:
    """M words of printers that stay in force: accelerations, speeds and jerk, retraction, feed and flow factors,
    levelling, pressure advance, input shaping, motor currents (Marlin, RepRapFirmware, Klipper)."""
    return m in (2010, 2030, 2040, 2050, 2070, 2080, 2090, 2200, 2210, 4200, 5660, 5720, 5930, 9000, 9060, 9070,
                 9130, 9140)


cdef inline void resume_fan(Core* s, bint on) noexcept nogil:
    """M106 P fan S speed (0..255, or 0..1 in RepRapFirmware), M107 P fan."""
    cdef int64_t fan = s.w.value[LETTER_P] // 1000000 if s.w.mask & BIT_P else 0
    if fan < 0 or fan >= MAX_FANS:
        s.resume.kept_lost += 1
        return
    if not on:
        s.resume.fan[fan] = 0
    elif s.w.mask & BIT_S:
        s.resume.fan[fan] = s.w.value[LETTER_S]
    elif s.w.mask & ~<uint32_t> (BIT_P | BIT_N):
        return                  # RepRapFirmware sets how a fan works (B, H, I, ...) with the same word
    else:
        s.resume.fan[fan] = 255000000
    s.resume.fan_line[fan] = s.line


cdef inline void resume_m(Core* s, int32_t m) noexcept nogil:
    """One M word, once it has acted."""
    cdef Resume* r = &s.resume
    if s.reads & READ_CNC:
        if m == 30 or m == 40 or m == 50:
            r.spindle = m
        elif m == 70:
            r.mist = 1
        elif m == 80:
            r.flood = 1
        elif m == 90 or m == 20 or m == 300:
            r.mist = r.flood = 0
            if m != 90:
                r.spindle = 50
        elif m == 60:
            r.tool_change_line = s.line
            r.tool_in = r.tool_asked
        elif m == 480 or m == 490:
            keep_line(s, 480)
        return
    if m == 1060 or m == 1070:
        resume_fan(s, m == 1060)
    elif is_setting(m):
        if m == 2200 and s.w.mask & BIT_S:
            r.feed_percent = s.w.value[LETTER_S]
        elif m == 2210 and s.w.mask & BIT_S:
            r.flow_percent = s.w.value[LETTER_S]
        keep_line(s, word_key(s, m))


cdef inline void resume_g(Core* s, int32_t g) noexcept nogil:
    """One G word that is no plain motion."""
    cdef Resume* r = &s.resume
    if not s.reads & READ_CNC:
        if g == 280:
            r.homed |= s.w.mask & BITS_XYZ if s.w.mask & BITS_XYZ else BITS_XYZ
        elif g == 290:
            r.level_line = s.line
        return
    if g == 430 or g == 431 or g == 432 or g == 490:
        r.length_line = 0 if g == 490 or g == 431 else s.line
    elif g == 610 or g == 611 or g == 640:
        keep_line(s, 610)
    elif g == 960 or g == 970:
        r.surface_speed = g == 960
