"""What the core has kept for every line, layer, change or vertex, as packed arrays of bytes.

Nothing here reads lines, nor knows what the numbers mean to anybody.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport isnan, llround
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free, qsort
from libc.string cimport memcmp, memcpy

from fleetctl._ext.gcode_layer cimport pushed_in_all
from fleetctl._ext.gcode_trace cimport *
from fleetctl._ext.gcode_types cimport *

FEATURE_NAMES = (
    "unknown", "outer_wall", "inner_wall", "overhang", "infill", "solid_infill", "top", "bottom", "bridge", "gap_fill",
    "support", "support_interface", "skirt", "wipe_tower", "ironing", "custom", "travel", "retract", "rapid",
    "plunge", "cut", "probe", "wait",
)


cdef bytes doubles(const double* first, int64_t count, int64_t stride):
    """Every `stride`-th number of 8 bytes from `first` on."""
    cdef bytes out = PyBytes_FromStringAndSize(NULL, 8 * count)
    cdef double* to = <double*> PyBytes_AS_STRING(out)
    cdef int64_t i
    for i in range(count):
        memcpy(&to[i], first + i * stride, 8)
    return out


cdef bytes line_bytes(LineArray* a, int64_t lines, uint32_t nothing):
    """The array of lines in one piece, gaps filled with the line before; the chunks are given back on the way."""
    cdef int64_t size = 4 * a.width
    cdef bytes out = PyBytes_FromStringAndSize(NULL, lines * size)
    cdef char* to = PyBytes_AS_STRING(out)
    cdef char* last = NULL
    cdef uint32_t before[4]
    cdef uint32_t unwritten[4]
    cdef int64_t i, k, n
    for i in range(4):
        before[i] = nothing
        unwritten[i] = 0xFFFFFFFF
    with nogil:
        for k in range((lines + LINE_CHUNK - 1) // LINE_CHUNK):
            n = lines - k * LINE_CHUNK if lines - k * LINE_CHUNK < LINE_CHUNK else LINE_CHUNK
            for i in range(n):
                if (k < a.room and a.chunk[k] != NULL
                        and memcmp(a.chunk[k] + i * a.width, unwritten, size) != 0):
                    memcpy(before, a.chunk[k] + i * a.width, size)
                memcpy(to, before, size)
                to += size
            if k < a.room:
                free(a.chunk[k])
                a.chunk[k] = NULL
    return out


cdef tuple layer_columns(Core* s):
    """The rows of the layer table as columns; what a layer took is the filament between its start and the next."""
    cdef LayerTable* t = &s.trace.layers
    cdef int64_t n = 0 if s.reads & READ_CNC else t.count
    cdef int64_t i, after
    cdef bytes filament = PyBytes_FromStringAndSize(NULL, 8 * n)
    cdef double* took = <double*> PyBytes_AS_STRING(filament)
    cdef int64_t stride = sizeof(Layer) // 8
    if n == 0:
        return (b"",) * 6
    for i in range(n):
        # Past the end of the table the last layer of it takes the rest.
        after = t.row[i + 1].filament if i + 1 < n else pushed_in_all(s)
        took[i] = <double> (after - t.row[i].filament) / 1e6
        if isnan(t.row[i].height) and i > 0 and t.row[i].z > t.row[i - 1].z:
            t.row[i].height = <double> llround((t.row[i].z - t.row[i - 1].z) * 1e6) / 1e6
    return (
        doubles(<double*> &t.row[0].line, n, stride), doubles(<double*> &t.row[0].offset, n, stride),
        doubles(&t.row[0].z, n, stride), doubles(&t.row[0].height, n, stride),
        doubles(&t.row[0].start_s, n, stride), filament,
    )


cdef tuple history_columns(History* h):
    cdef int64_t stride = sizeof(Change) // 8
    return (doubles(<double*> &h.row[0].line, h.count, stride), doubles(&h.row[0].value, h.count, stride),
            doubles(&h.row[0].at_s, h.count, stride))


cdef int by_key(const void* a, const void* b) noexcept nogil:
    cdef const PathRun* x = <const PathRun*> a
    cdef const PathRun* y = <const PathRun*> b
    if x.layer != y.layer:
        return 1 if x.layer > y.layer else -1
    if x.feature != y.feature:
        return 1 if x.feature > y.feature else -1
    if x.tool != y.tool:
        return 1 if x.tool > y.tool else -1
    return 1 if x.first > y.first else -1


cdef tuple path_parts(PathState* p):
    """The polylines sorted by layer, feature and tool, and the list of those ranges."""
    cdef bytes xyz = PyBytes_FromStringAndSize(NULL, 12 * p.vertices)
    cdef bytes starts = PyBytes_FromStringAndSize(NULL, 4 * (p.runs + 1))
    cdef bytes lines = PyBytes_FromStringAndSize(NULL, 4 * p.runs)
    cdef float* vertex = <float*> PyBytes_AS_STRING(xyz)
    cdef uint32_t* start = <uint32_t*> PyBytes_AS_STRING(starts)
    cdef uint32_t* line = <uint32_t*> PyBytes_AS_STRING(lines)
    cdef int64_t i, at = 0, first = 0
    cdef PathRun* run
    cdef float low[3]
    cdef float high[3]
    cdef float value
    ranges = []
    with nogil:
        if p.runs:
            qsort(p.run, p.runs, sizeof(PathRun), by_key)
        for i in range(p.runs):
            run = &p.run[i]
            memcpy(vertex + 3 * at, p.xyz + 3 * <int64_t> run.first, 12 * <int64_t> run.count)
            start[i] = <uint32_t> at
            line[i] = run.line
            at += run.count
        start[p.runs] = <uint32_t> at
        for i in range(3 * at):
            value = vertex[i]
            if i < 3 or value < low[i % 3]:
                low[i % 3] = value
            if i < 3 or value > high[i % 3]:
                high[i % 3] = value
    for i in range(1, p.runs + 1):
        run = &p.run[first]
        if i == p.runs or (run.layer, run.feature, run.tool) != (p.run[i].layer, p.run[i].feature, p.run[i].tool):
            ranges.append((run.layer, FEATURE_NAMES[run.feature], run.tool, first, i - first))
            first = i
    bounds = ((low[0], low[1], low[2]), (high[0], high[1], high[2])) if at else None
    return xyz, starts, lines, ranges, p.deviation, p.dropped, bounds


cdef int64_t columns_core_bytes() noexcept:
    """The size of a core as this module was built."""
    return sizeof(Core)
