"""The path of the tool, for viewing: polylines of float32 vertices, straightened as they come, in bounded memory.

A polyline holds motion of one layer, feature and tool that goes on where the last move ended. Vertices are left out
while every one left out lies within the tolerance of the straight line from the last kept one to the next (an open
window of at most 32 vertices). That keeps the whole path within the tolerance, both ways: the distance to a segment is
convex, so between two vertices that are near the path is near too; and the nearest point of the segment moves without
a jump from its one end to its other as the path does, so every point of the segment is near to the path.

At the greatest number of vertices the tolerance is doubled and everything kept so far straightened anew; what was left
out at each step adds up to `deviation`. Then polylines that fit into the tolerance are dropped and counted.
"""

from libc.math cimport M_PI, acos, ceil, cos, fabs, hypot, sin, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport realloc

from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *

cdef enum:
    PATH_CHORDS = 1024      # of one arc, at most; what that costs is added to the deviation


cdef inline double off_segment2(double* p, double* a, double* b) noexcept nogil:
    """Squared distance of a point from the segment a-b."""
    cdef double ux = b[0] - a[0], uy = b[1] - a[1], uz = b[2] - a[2]
    cdef double px = p[0] - a[0], py = p[1] - a[1], pz = p[2] - a[2]
    cdef double length2 = ux * ux + uy * uy + uz * uz
    cdef double t = px * ux + py * uy + pz * uz
    if length2 > 0.0 and t > 0.0:
        t = t / length2 if t < length2 else 1.0
        px -= t * ux
        py -= t * uy
        pz -= t * uz
    return px * px + py * py + pz * pz


cdef inline bint may_skip(PathState* p, double* to) noexcept nogil:
    """May every held vertex be left out if the line goes straight on to `to`?"""
    cdef int32_t i = p.held - 1
    cdef double most = p.tolerance * p.tolerance
    if p.held == PATH_HOLD:
        return False
    while i >= 0:
        if off_segment2(p.hold[i], p.anchor, to) > most:
            return False
        i -= 1
    return True


cdef inline void copy_point(double* to, const double* point) noexcept nogil:
    to[0] = point[0]
    to[1] = point[1]
    to[2] = point[2]


cdef inline int64_t put_vertex(PathState* p, int64_t n, const double* point) noexcept nogil:
    p.xyz[3 * n] = <float> point[0]
    p.xyz[3 * n + 1] = <float> point[1]
    p.xyz[3 * n + 2] = <float> point[2]
    return n + 1


cdef inline bint fits_in(PathState* p, PathRun* run, int64_t first, int64_t count) noexcept nogil:
    """Does no vertex lie farther than the tolerance from the first?"""
    cdef int64_t i
    cdef double x, y, z
    for i in range(first + 1, first + count):
        x = p.xyz[3 * i] - p.xyz[3 * first]
        y = p.xyz[3 * i + 1] - p.xyz[3 * first + 1]
        z = p.xyz[3 * i + 2] - p.xyz[3 * first + 2]
        if x * x + y * y + z * z > p.tolerance * p.tolerance:
            return False
    return True


cdef inline int64_t straighten(PathState* p, int64_t first, int64_t count, int64_t n) noexcept nogil:
    """Straightens one kept polyline with the present tolerance, written from vertex `n` on; returns where it ends."""
    cdef double point[3]
    cdef int64_t i
    cdef int32_t a
    for a in range(3):
        p.anchor[a] = p.xyz[3 * first + a]
    n = put_vertex(p, n, p.anchor)
    p.held = 0
    for i in range(first + 1, first + count):
        for a in range(3):
            point[a] = p.xyz[3 * i + a]
        if not may_skip(p, point):
            copy_point(p.anchor, p.hold[p.held - 1])
            n = put_vertex(p, n, p.anchor)
            p.held = 0
        copy_point(p.hold[p.held], point)
        p.held += 1
    if p.held:
        n = put_vertex(p, n, p.hold[p.held - 1])
    p.held = 0
    return n


cdef inline void coarsen_once(PathState* p) noexcept nogil:
    cdef int64_t i, n = 0, kept = 0, end
    cdef PathRun run
    cdef bint going_on
    p.tolerance *= 2.0
    p.chord *= 2.0
    p.deviation += p.tolerance
    for i in range(p.runs):
        run = p.run[i]
        going_on = p.open and i == p.runs - 1
        end = straighten(p, run.first, run.count, n)
        run.first = <uint32_t> n
        run.count = <uint32_t> (end - n)
        if not going_on and fits_in(p, &run, n, run.count):
            p.dropped += 1
            continue
        n = end
        p.run[kept] = run
        kept += 1
    p.runs = kept
    p.vertices = n


cdef inline void coarsen(PathState* p) noexcept nogil:
    """Doubles the tolerance until half of the room is free. The polyline that is being made stays."""
    cdef double anchor[3]
    cdef double hold[PATH_HOLD][3]
    cdef int32_t i, held = p.held
    copy_point(anchor, p.anchor)
    for i in range(held):
        copy_point(hold[i], p.hold[i])
    while p.vertices > p.most // 2:
        coarsen_once(p)
    copy_point(p.anchor, anchor)
    for i in range(held):
        copy_point(p.hold[i], hold[i])
    p.held = held


cdef inline bint path_room(Trace* t) noexcept nogil:
    """Room for one more vertex and one more polyline; False without memory."""
    cdef PathState* p = &t.path
    cdef int64_t room
    cdef float* xyz
    cdef PathRun* run
    if p.vertices >= p.most:
        coarsen(p)
    if p.vertices == p.room:
        room = p.room * 2 if p.room else 4096
        room = room if room < p.most else p.most
        xyz = <float*> realloc(p.xyz, room * 3 * sizeof(float))
        if xyz == NULL:
            t.out_of_memory = 1
            return False
        p.xyz = xyz
        p.room = room
    if p.runs == p.run_room:
        room = p.run_room * 2 if p.run_room else 1024
        run = <PathRun*> realloc(p.run, room * sizeof(PathRun))
        if run == NULL:
            t.out_of_memory = 1
            return False
        p.run = run
        p.run_room = room
    return True


cdef inline void path_vertex(Trace* t, const double* point) noexcept nogil:
    if path_room(t):
        t.path.vertices = put_vertex(&t.path, t.path.vertices, point)
        t.path.run[t.path.runs - 1].count += 1


cdef inline void path_end(Trace* t) noexcept nogil:
    """The present polyline ends: its last vertex is kept."""
    cdef PathState* p = &t.path
    if p.open:
        if p.held:
            path_vertex(t, p.hold[p.held - 1])
        p.held = 0
        p.open = 0
    if t.out_of_memory:
        p.wanted = 0


cdef inline void path_begin(Core* s, const double* start) noexcept nogil:
    """A polyline begins where the move of the present line does."""
    cdef Trace* t = &s.trace
    cdef PathState* p = &t.path
    cdef PathRun* run
    path_end(t)
    if not path_room(t):
        p.wanted = 0
        return
    run = &p.run[p.runs]
    p.runs += 1
    run.first = <uint32_t> p.vertices
    run.count = 0
    run.layer = 0 if s.reads & READ_CNC else <uint32_t> t.layers.count
    run.line = <uint32_t> (s.line if s.line < 0xFFFFFFFFLL else 0xFFFFFFFFLL)
    run.feature = <uint32_t> t.pace.tag
    run.tool = <uint32_t> (s.tools[s.tool].number if 0 <= s.tools[s.tool].number <= 65535 else 65535)
    p.open = 1
    p.held = 0
    copy_point(p.anchor, start)
    path_vertex(t, start)


cdef inline bint goes_on(Core* s, const double* start) noexcept nogil:
    """Does the move of the present line belong to the open polyline?"""
    cdef PathState* p = &s.trace.path
    cdef PathRun* run
    cdef const double* last
    if not p.open:
        return False
    run = &p.run[p.runs - 1]
    last = &p.anchor[0]
    if p.held:
        last = &p.hold[p.held - 1][0]
    return (run.feature == <uint32_t> s.trace.pace.tag
            and run.layer == (0 if s.reads & READ_CNC else <uint32_t> s.trace.layers.count)
            and run.tool == <uint32_t> (s.tools[s.tool].number if 0 <= s.tools[s.tool].number <= 65535 else 65535)
            and fabs(last[0] - start[0]) < 1e-6 and fabs(last[1] - start[1]) < 1e-6
            and fabs(last[2] - start[2]) < 1e-6)


cdef inline void path_point(Core* s, double* to) noexcept nogil:
    """The open polyline goes on to a point."""
    cdef PathState* p = &s.trace.path
    if not p.wanted:
        return
    if not may_skip(p, to):
        path_vertex(&s.trace, p.hold[p.held - 1])
        copy_point(p.anchor, p.hold[p.held - 1])
        p.held = 0
    copy_point(p.hold[p.held], to)
    p.held += 1


cdef inline void path_straight(Core* s, const double* d) noexcept nogil:
    """A straight move was made that ends at the present place and went `d` (x, y, z in mm) to it."""
    cdef double start[3]
    cdef double end[3]
    cdef int a
    if d[0] == 0.0 and d[1] == 0.0 and d[2] == 0.0:
        return
    for a in range(3):
        end[a] = <double> s.pos[a] * 1e-6
        start[a] = end[a] - d[a]
    if not goes_on(s, start):
        path_begin(s, start)
    path_point(s, end)


cdef inline void path_arc(Core* s, int32_t p, int32_t q, int32_t l, const double* start, double cp, double cq,
                          double angle, double sweep) noexcept nogil:
    """An arc in the plane of the axes p and q was made; its centre is cp, cq from its start, `l` the third axis.

    Radius and height run evenly from those of the start to those of the end, so that it ends at the present place.
    A chord of radius r and angle w is at most r (1 - cos(w / 2)) from its arc.
    """
    cdef double end[3]
    cdef double point[3]
    cdef double r0, r1, r, w, share, chord = s.trace.path.chord
    cdef int64_t i, n
    for i in range(3):
        end[i] = <double> s.pos[i] * 1e-6
    r0 = hypot(cp, cq)
    r1 = hypot(end[p] - start[p] - cp, end[q] - start[q] - cq)
    r = r0 if r0 > r1 else r1
    w = 2.0 * acos(1.0 - chord / r) if chord < r else M_PI
    share = ceil(fabs(sweep) / w)
    if share > PATH_CHORDS:
        share = PATH_CHORDS
        r *= 1.0 - cos(0.5 * fabs(sweep) / share)
        if r - chord > s.trace.path.deviation - s.trace.path.tolerance - chord:
            s.trace.path.deviation = s.trace.path.tolerance + r
    n = <int64_t> share
    if not goes_on(s, start):
        path_begin(s, start)
    for i in range(1, n):
        share = <double> i / <double> n
        r = r0 + (r1 - r0) * share
        point[p] = start[p] + cp + r * cos(angle + sweep * share)
        point[q] = start[q] + cq + r * sin(angle + sweep * share)
        point[l] = start[l] + (end[l] - start[l]) * share
        path_point(s, point)
    path_point(s, end)
