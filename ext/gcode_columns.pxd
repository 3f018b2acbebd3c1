"""Packed arrays of what the core has kept; the words are in `gcode_columns.pyx`."""

from libc.stdint cimport int64_t, uint32_t

from fleetctl._ext.gcode_trace cimport History, LineArray, PathState
from fleetctl._ext.gcode_types cimport Core

cdef bytes line_bytes(LineArray* a, int64_t lines, uint32_t nothing)
cdef tuple layer_columns(Core* s)
cdef tuple history_columns(History* h)
cdef tuple path_parts(PathState* p)
cdef int64_t columns_core_bytes() noexcept
