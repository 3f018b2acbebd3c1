"""What the core has read, as plain Python values; the words are in `gcode_answers.pyx`."""

from libc.stdint cimport int64_t

from fleetctl._ext.gcode_types cimport Core, Planner

cdef object object_rows_of(Core* s)
cdef object feature_rows(Core* s)
cdef object history_rows(Core* s)
cdef object frame_rows(Core* s)
cdef object rapid_rows(Core* s)
cdef object word_rows(Core* s)
cdef object hazard_rows(Core* s)
cdef object reason_rows(Core* s)
cdef object tool_rows(Core* s)
cdef object heater_rows(Core* s)
cdef object layer_count(Core* s)
cdef object name_rows(Core* s)
cdef object secret_rows(Core* s)
cdef object spindle_row(Core* s)
cdef object total_numbers(Core* s, Planner* q, int64_t size_bytes)
cdef object letter_rows(Core* s)
cdef object state_values(Core* s)
cdef object letter_column_rows(Core* s)
cdef int64_t core_bytes() noexcept
