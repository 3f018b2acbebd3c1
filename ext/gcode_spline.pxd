"""G5 and G5.1: Bezier curves with exact bounds. G5.2 to G5.3: NURBS, bounded by their control points.

LinuxCNC: I J from the start, P Q from the end; curves lie in X-Y and are not modal (rs274). Marlin's G5 is the same
cubic with Z and E going along in proportion to the curve's parameter (planner_bezier.cpp). A NURBS with positive
weights lies inside the convex hull of its control points, so their extremes bound it on the safe side.
"""

from libc.math cimport ceil, fabs, fmax, hypot, llround, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t

from fleetctl._ext.gcode_feature cimport tag_move
from fleetctl._ext.gcode_motion cimport (
    aim, begin_here, check_motion, count_work, extrude, may_make, move_accel, move_speed, reach, straight, to_mm,
    work_here)
from fleetctl._ext.gcode_note cimport note, touch
from fleetctl._ext.gcode_path cimport goes_on, path_begin, path_point
from fleetctl._ext.gcode_types cimport *

cdef enum:
    MAX_CHORDS = 256
    FEW_CHORDS = 4

cdef struct Bezier:
    double x[4]         # control points, mm from the start
    double y[4]
    double rise         # of Z, mm
    int32_t chords
    double px[257]      # the curve as chords
    double py[257]


cdef inline double bezier(double* c, double t) noexcept nogil:
    cdef double u = 1.0 - t
    return u * u * u * c[0] + 3.0 * u * u * t * c[1] + 3.0 * u * t * t * c[2] + t * t * t * c[3]


cdef inline void touch_curve(Core* s, double* c, int a, int64_t start, bint work) noexcept nogil:
    """The extremes of one axis: where the derivative of the cubic is zero inside the curve."""
    cdef double k2 = -c[0] + 3.0 * c[1] - 3.0 * c[2] + c[3]
    cdef double k1 = 2.0 * (c[0] - 2.0 * c[1] + c[2])
    cdef double k0 = c[1] - c[0]
    cdef double roots[2]
    cdef double disc
    cdef int32_t n = 0, i
    cdef int64_t value
    if fabs(k2) < 1e-12 * (fabs(k1) + fabs(k0)):
        if k1 != 0.0:
            roots[0] = -k0 / k1
            n = 1
    elif k2 != 0.0:
        disc = k1 * k1 - 4.0 * k2 * k0
        if disc >= 0.0:
            disc = -0.5 * (k1 + (sqrt(disc) if k1 >= 0.0 else -sqrt(disc)))
            roots[0] = disc / k2
            n = 1
            if disc != 0.0:
                roots[1] = k0 / disc
                n = 2
    for i in range(n):
        if 0.0 < roots[i] < 1.0:
            value = start + llround(bezier(c, roots[i]) * 1e6)
            touch(&s.frames[s.frame[a]].motion[a], value, s.line)
            if work:
                touch(&s.frames[s.frame[a]].work[a], value, s.line)


cdef inline double flatten(Core* s, Bezier* c) noexcept nogil:
    """Cut the curve into chords that leave it by less than 0.5 um where 256 suffice; returns their length, mm."""
    cdef double bend = fmax(hypot(c.x[0] - 2.0 * c.x[1] + c.x[2], c.y[0] - 2.0 * c.y[1] + c.y[2]),
                            hypot(c.x[1] - 2.0 * c.x[2] + c.x[3], c.y[1] - 2.0 * c.y[2] + c.y[3]))
    cdef double length = 0.0, t, n = ceil(sqrt(0.75 * bend / 0.0005))
    cdef int32_t i
    c.chords = FEW_CHORDS if n < FEW_CHORDS else (MAX_CHORDS if n > MAX_CHORDS else <int32_t> n)
    if not may_make(s, c.chords):
        c.chords = FEW_CHORDS
    c.px[0] = c.py[0] = 0.0
    for i in range(1, c.chords + 1):
        t = <double> i / c.chords
        c.px[i] = bezier(c.x, t)
        c.py[i] = bezier(c.y, t)
        length += hypot(c.px[i] - c.px[i - 1], c.py[i] - c.py[i - 1])
    return length


cdef inline void draw_curve(Core* s, Bezier* c, bint work) noexcept nogil:
    """The curve that ends at the present place, for the time by feature and for the picture."""
    cdef double d[3]
    cdef double start[3]
    cdef double point[3]
    cdef int32_t i
    d[0] = d[1] = d[2] = 1.0
    tag_move(s, work, True, False, d)
    if not seldom(s.trace.path.wanted):
        return
    start[0] = <double> s.pos[0] * 1e-6 - c.px[c.chords]
    start[1] = <double> s.pos[1] * 1e-6 - c.py[c.chords]
    start[2] = <double> s.pos[2] * 1e-6 - c.rise
    if not goes_on(s, start):
        path_begin(s, start)
    for i in range(1, c.chords + 1):
        point[0] = start[0] + c.px[i]
        point[1] = start[1] + c.py[i]
        point[2] = start[2] + c.rise * i / c.chords
        path_point(s, point)


cdef inline void plan_bezier(Core* s, Planner* q, Bezier* c, double length, int64_t pushed) noexcept nogil:
    """Every chord is a move; Z and E go along evenly from chord to chord."""
    cdef double d[4]
    cdef double step, speed = move_speed(s, q, False, length)
    cdef int32_t i, a
    for i in range(1, c.chords + 1):
        d[0] = c.px[i] - c.px[i - 1]
        d[1] = c.py[i] - c.py[i - 1]
        d[2] = c.rise / c.chords
        d[3] = <double> pushed * 1e-6 / c.chords
        step = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
        if step > 1e-9:
            for a in range(4):
                d[a] /= step
            q.move(q, d, step, speed, move_accel(q, True, pushed), s.line)


cdef inline bint control_points(Core* s, int32_t g, Bezier* c) noexcept nogil:
    """The control points from I J P Q; False if words are missing that this dialect wants."""
    cdef uint32_t mask = s.w.mask
    cdef double i = <double> to_mm(s, s.w.value[LETTER_I]) * 1e-6 if mask & BIT_I else 0.0
    cdef double j = <double> to_mm(s, s.w.value[LETTER_J]) * 1e-6 if mask & BIT_J else 0.0
    cdef double p = <double> to_mm(s, s.w.value[LETTER_P]) * 1e-6 if mask & BIT_P else 0.0
    cdef double q = <double> to_mm(s, s.w.value[LETTER_Q]) * 1e-6 if mask & BIT_Q else 0.0
    cdef bint both = mask & BIT_I and mask & BIT_J
    cdef bint good = True
    if g == 51:                          # G5.1: one control point, here raised to a cubic's two
        c.x[1] = 2.0 / 3.0 * i
        c.y[1] = 2.0 / 3.0 * j
        c.x[2] = c.x[3] + 2.0 / 3.0 * (i - c.x[3])
        c.y[2] = c.y[3] + 2.0 / 3.0 * (j - c.y[3])
        return both
    if s.reads & READ_CNC:
        good = mask & BIT_P and mask & BIT_Q and (both or not mask & (BIT_I | BIT_J))
        if not mask & (BIT_I | BIT_J):  # go on from the last curve in its direction
            good = good and s.modes.spline_commands == s.commands - 1
            i = -s.modes.last_p
            j = -s.modes.last_q
    s.modes.last_p = p
    s.modes.last_q = q
    s.modes.spline_commands = s.commands
    c.x[1] = i
    c.y[1] = j
    c.x[2] = c.x[3] + p
    c.y[2] = c.y[3] + q
    return good


cdef inline void bezier_curve(Core* s, Planner* q, int32_t g) noexcept nogil:
    """G5 (g 50) or G5.1 (g 51): take the words of the line."""
    cdef Bezier c
    cdef int64_t target[3]
    cdef int32_t frame[3]
    cdef int64_t pushed = 0, start_x, start_y
    cdef double length
    cdef int a
    cdef bint work
    for a in range(3):
        target[a] = s.pos[a]
        frame[a] = s.frame[a]
        if s.w.mask & (<uint32_t> BIT_X << a):
            aim(s, a, to_mm(s, s.w.value[LETTER_X + a]), False, &target[a], &frame[a])
    c.x[0] = c.y[0] = 0.0
    c.x[3] = <double> (target[0] - s.pos[0]) * 1e-6
    c.y[3] = <double> (target[1] - s.pos[1]) * 1e-6
    if not control_points(s, g, &c) or s.plane != 17 or (s.reads & READ_CNC and s.w.mask & BIT_Z):
        note(s, HAZ_SPLINE_INVALID, 1)
    if frame[0] != s.frame[0] or frame[1] != s.frame[1]:
        note(s, HAZ_SPLINE, 1)          # from a place in another frame: where it bulges is not known
        straight(s, q, False, False)
        return
    start_x = s.pos[0]
    start_y = s.pos[1]
    c.rise = <double> (target[2] - s.pos[2]) * 1e-6 if frame[2] == s.frame[2] else 0.0
    if s.w.mask & BIT_E:
        pushed = extrude(s)
    if s.checks:
        check_motion(s, False, pushed)
    work = s.reads & READ_CNC or pushed > 0
    if not s.commanded[0] or not s.commanded[1]:
        note(s, HAZ_ARC_FROM_UNKNOWN, 1)
    begin_here(s, 0)
    begin_here(s, 1)
    if work and not s.in_work:
        work_here(s)
    touch_curve(s, c.x, 0, start_x, work)
    touch_curve(s, c.y, 1, start_y, work)
    for a in range(3):
        if s.w.mask & (<uint32_t> BIT_X << a):
            reach(s, a, target[a], frame[a])
            if work:
                touch(&s.frames[frame[a]].work[a], target[a], s.line)
    s.in_work = work
    length = flatten(s, &c)
    if s.feed > s.max_feed:
        s.max_feed = s.feed
        s.max_feed_line = s.line
    if work:
        count_work(s, hypot(length, c.rise), c.rise == 0.0)
    draw_curve(s, &c, work)
    if q.enabled:
        plan_bezier(s, q, &c, hypot(length, c.rise), pushed)


cdef inline void collect_pole(Core* s, Planner* q) noexcept nogil:
    """One line between G5.2 and G5.3: a control point, or the weight of the first."""
    cdef Modes* m = &s.modes
    cdef int64_t target
    cdef int32_t frame, a
    cdef double weight = <double> s.w.value[LETTER_P] * 1e-6 if s.w.mask & BIT_P else 1.0
    cdef bint first = m.last_motion != 52 or m.pole_count == 0
    cdef Pole* pole
    if first:
        m.pole_count = 1
        m.poles_lost = 0
        m.order = 3
        m.poles[0].x = m.poles[0].y = 0.0
        m.poles[0].weight = 1.0
        if s.w.mask & (1 << LETTER_L) and s.w.value[LETTER_L] > 3000000:
            m.order = <int32_t> (s.w.value[LETTER_L] // 1000000) if s.w.value[LETTER_L] < 100000000 else 100
        if not s.w.mask & (BIT_X | BIT_Y):
            m.poles[0].weight = weight
            return
    if not s.w.mask & BIT_X or not s.w.mask & BIT_Y or weight <= 0.0 or (not first and not s.w.mask & BIT_P):
        note(s, HAZ_SPLINE_INVALID, 1)
        return
    if m.pole_count == MAX_POLES:
        note(s, HAZ_SPLINE, 1)
        m.poles_lost = 1
        m.pole_count -= 1
    pole = &m.poles[m.pole_count]
    m.pole_count += 1
    pole.weight = weight
    for a in range(2):
        aim(s, a, to_mm(s, s.w.value[LETTER_X + a]), False, &target, &frame)
        if frame != s.frame[a]:
            note(s, HAZ_SPLINE, 1)
            m.poles_lost = 2
        touch(&s.frames[frame].motion[a], target, s.line)
        touch(&s.frames[frame].work[a], target, s.line)
        if a == 0:
            pole.x = <double> (target - s.pos[a]) * 1e-6
        else:
            pole.y = <double> (target - s.pos[a]) * 1e-6


cdef inline void nurbs_point(Modes* m, double t, double* x, double* y) noexcept nogil:
    """The point at t in 0..1, by de Boor's algorithm on a clamped uniform knot vector."""
    cdef int32_t degree = m.order - 1, spans = m.pole_count - degree, k, i, r
    cdef double u = t * spans, a, lo, hi
    cdef double w[MAX_POLES]
    cdef double wx[MAX_POLES]
    cdef double wy[MAX_POLES]
    k = <int32_t> u
    if k >= spans:
        k = spans - 1
    for i in range(degree + 1):
        w[i] = m.poles[k + i].weight
        wx[i] = w[i] * m.poles[k + i].x
        wy[i] = w[i] * m.poles[k + i].y
    for r in range(1, degree + 1):
        for i in range(degree, r - 1, -1):
            lo = knot(k + i, degree, spans)
            hi = knot(k + i + 1 + degree - r, degree, spans)
            a = (u - lo) / (hi - lo) if hi > lo else 0.0
            w[i] = (1.0 - a) * w[i - 1] + a * w[i]
            wx[i] = (1.0 - a) * wx[i - 1] + a * wx[i]
            wy[i] = (1.0 - a) * wy[i - 1] + a * wy[i]
    x[0] = wx[degree] / w[degree]
    y[0] = wy[degree] / w[degree]


cdef inline double knot(int32_t i, int32_t degree, int32_t spans) noexcept nogil:
    """Knot i of 0 0 .. 0 1 2 .. n n .. n."""
    if i <= degree:
        return 0.0
    return <double> (i - degree) if i - degree < spans else <double> spans


cdef inline void end_nurbs(Core* s, Planner* q) noexcept nogil:
    """G5.3: the curve through what was collected is made."""
    cdef Modes* m = &s.modes
    cdef Bezier c
    cdef double length = 0.0
    cdef int32_t i, n = m.pole_count
    if m.last_motion != 52 or n < m.order or n < 2:
        note(s, HAZ_SPLINE_INVALID, 1)
        m.pole_count = 0
        return
    note(s, HAZ_SPLINE, 1)
    if s.checks:
        check_motion(s, False, 0)
    begin_here(s, 0)
    begin_here(s, 1)
    work_here(s)
    c.rise = 0.0
    c.chords = 16 * n if 16 * n < MAX_CHORDS else MAX_CHORDS
    if not may_make(s, c.chords + (c.chords * m.order * m.order) // 16):    # a point takes order^2 / 2 sums
        c.chords = FEW_CHORDS
    c.px[0] = c.py[0] = 0.0
    for i in range(1, c.chords + 1):
        nurbs_point(m, <double> i / c.chords, &c.px[i], &c.py[i])
        length += hypot(c.px[i] - c.px[i - 1], c.py[i] - c.py[i - 1])
    if m.poles_lost == 2:               # the last point stands in another frame than the first
        for i in range(2):
            s.pos[i] = 0
            s.frame[i] = FRAME_START
            s.commanded[i] = 0
    else:
        reach(s, 0, s.pos[0] + llround(m.poles[n - 1].x * 1e6), s.frame[0])
        reach(s, 1, s.pos[1] + llround(m.poles[n - 1].y * 1e6), s.frame[1])
        work_here(s)
    m.pole_count = 0
    s.in_work = m.poles_lost != 2
    count_work(s, length, True)
    if m.poles_lost != 2:
        draw_curve(s, &c, True)
    if q.enabled and m.poles_lost != 2:
        plan_bezier(s, q, &c, length, 0)
