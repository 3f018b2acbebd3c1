"""The feeder as other compiled parts see it; what the fields mean stands in feeder.pyx."""

cdef class Feeder:
    cdef char* _buffer
    cdef char* _line
    cdef char* _frame
    cdef Py_ssize_t _start, _end, _capacity, _line_size
    cdef Py_ssize_t _limit
    cdef bint _remove_spaces, _text_commands, _quotes, _finished, _ready, _is_message, _cut_short
    cdef unsigned long long _source_line, _offset
    cdef object _fault
    cdef bint _keeps_notes
    cdef dict _notes
    cdef bytes _note_before

    cdef bint _wants_data(self) noexcept
    cdef bint _prepare(self) except -1
    cdef bint _find_line(self, Py_ssize_t* stop, Py_ssize_t* following) except -1
    cdef bint _clean(self, unsigned char* raw, Py_ssize_t size) except -1
    cdef bint _copy_words(self, unsigned char* raw, Py_ssize_t at, Py_ssize_t size) except -1
    cdef Py_ssize_t _copy_quoted(self, unsigned char* raw, Py_ssize_t at, Py_ssize_t size,
                                 Py_ssize_t* length) except -2
    cdef bint _carries_text(self, unsigned char* raw, Py_ssize_t size) noexcept
    cdef void _copy_text(self, unsigned char* raw, Py_ssize_t size, bint numbered) noexcept
    cdef bint _sets_line_number(self) noexcept
    cdef void _keep_note(self, const unsigned char* raw, Py_ssize_t size)
    cdef bint _frame_next(self, unsigned long long number, Py_ssize_t* size) except -1
    cdef tuple _given(self, const char* line, Py_ssize_t size)
    cdef list _lines_or_fault(self, list lines, Py_ssize_t limit)
    cdef void _refuse_byte(self, unsigned char c)
    cdef void _refuse_length(self, Py_ssize_t size)
    cdef void _refuse_raw_length(self)
