"""Straight moves that no word of the line spells out: the steps of a cycle, ways to stored places, threads.

Each is a move to a place that is already worked out; nothing here reads words.
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_feature cimport tag_move
from fleetctl._ext.gcode_motion cimport check_motion, count_work, move_accel, move_speed, reach, work_here
from fleetctl._ext.gcode_note cimport touch
from fleetctl._ext.gcode_path cimport path_straight
from fleetctl._ext.gcode_rapid cimport lone_move
from fleetctl._ext.gcode_types cimport *


cdef inline void go(Core* s, Planner* q, uint32_t mask, int64_t* target, int32_t* frame, bint rapid,
                    double speed) noexcept nogil:
    """Move the axes in `mask` (BIT_X and so on) to `target` (micro mm of `frame`); `speed` in mm/s, 0: the F."""
    cdef double d[4]
    cdef double length
    cdef bint moved = False, work
    cdef uint32_t words = s.w.mask
    cdef int a
    if s.checks:
        check_motion(s, rapid, 0)
    d[3] = 0.0
    for a in range(3):
        d[a] = 0.0
        if mask & (<uint32_t> BIT_X << a):
            if frame[a] == s.frame[a]:
                d[a] = <double> (target[a] - s.pos[a]) * 1e-6
                moved |= target[a] != s.pos[a]
            else:
                moved = True
    work = moved and not rapid and s.reads & READ_CNC
    if work and not s.in_work:
        work_here(s)
    if moved:
        s.w.mask = (words & ~<uint32_t> BITS_XYZ) | mask
        lone_move(s, rapid, target, frame)
        s.w.mask = words
    for a in range(3):
        if mask & (<uint32_t> BIT_X << a):
            reach(s, a, target[a], frame[a])
            if work:
                touch(&s.frames[frame[a]].work[a], target[a], s.line)
    s.in_work = work or (s.in_work and not moved)
    length = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    if speed <= 0.0:
        speed = move_speed(s, q, rapid, length)
    if not rapid and speed > s.max_feed and moved:
        s.max_feed = speed
        s.max_feed_line = s.line
    if work:
        count_work(s, length, d[2] == 0.0)
    tag_move(s, work, moved, rapid, d)
    if seldom(s.trace.path.wanted):
        path_straight(s, d)
    if q.enabled and length > 0.0:
        for a in range(3):
            d[a] /= length
        q.move(q, d, length, speed, move_accel(q, True, 0), s.line)


cdef inline void go_axis(Core* s, Planner* q, int a, int64_t target, int32_t frame, bint rapid) noexcept nogil:
    """Move one axis."""
    cdef int64_t targets[3]
    cdef int32_t frames[3]
    targets[a] = target
    frames[a] = frame
    go(s, q, <uint32_t> BIT_X << a, targets, frames, rapid, 0.0)


cdef inline void keep_place(Core* s, Place* place) noexcept nogil:
    """Remember where every axis stands."""
    cdef int a
    for a in range(3):
        place.pos[a] = s.pos[a]
        place.frame[a] = s.frame[a]
        place.known[a] = s.commanded[a] and s.frame[a] != FRAME_START


cdef inline void go_back(Core* s, Planner* q, Place* place, uint32_t mask, bint rapid, double speed) noexcept nogil:
    """Move the axes in `mask` to a remembered place; an axis whose place is not known is lost."""
    cdef uint32_t known = 0
    cdef int a
    for a in range(3):
        if mask & (<uint32_t> BIT_X << a) and place.known[a]:
            known |= <uint32_t> BIT_X << a
    if known:
        go(s, q, known, place.pos, place.frame, rapid, speed)
    for a in range(3):
        if mask & ~known & (<uint32_t> BIT_X << a):
            s.pos[a] = 0
            s.frame[a] = FRAME_START
            s.commanded[a] = 0
            s.in_work = 0
