"""Lines in flight as other compiled parts see them; what the fields mean stands in flight.pyx."""

from fleetctl._ext.feeder cimport Feeder

cdef enum:
    MOST_ANSWERS = 64       # in one piece of input; more go the engine's way


cdef struct Reading:
    # What one piece of input holds: answers, and what each says about free lines; where an unfinished one begins.
    Py_ssize_t answers
    Py_ssize_t free[MOST_ANSWERS]
    Py_ssize_t begun


cdef class Window:
    cdef public object max_lines, max_bytes
    cdef public Py_ssize_t used_bytes, surplus_answers
    cdef list _tags             # a ring of `_places`, and beside each tag its size
    cdef Py_ssize_t* _sizes
    cdef Py_ssize_t _places, _first, _count

    cdef Py_ssize_t _place(self, Py_ssize_t behind) noexcept
    cdef int _enter(self, Py_ssize_t size_bytes, tag) except -1
    cdef object _leave(self)
    cdef int _widen(self) except -1


cdef class History:
    cdef public unsigned long long next_number
    cdef public object replay_from, asked
    cdef list _lines            # each at the rest of its number by `_capacity`
    cdef Py_ssize_t _capacity, _known

    cdef int _remember(self, bytes framed) except -1


cdef class Lane:
    cdef readonly Window window
    cdef public bint wants_step, wants_data, is_watched
    cdef public long long sent_line, acknowledged_line, acknowledged_bytes
    cdef Feeder _feeder
    cdef bytes _begun

    cdef object answer(self, const unsigned char* data, Py_ssize_t size, double now_s)
    cdef bint _knows_flight(self) except -1
    cdef object _answer(self, const unsigned char* data, Py_ssize_t size, double now_s)


cdef class NumberedLane(Lane):
    cdef readonly History history
    cdef public long long oldest_number
    cdef public Py_ssize_t max_lines, most_lines, receive_bytes
    cdef public double read_at_s, heard_at_s
    cdef public bint was_answered, takes_bare, takes_named, checks_number

    cdef bint _read(self, const unsigned char* begin, Py_ssize_t size, Reading* reading) except -1
    cdef bint _read_answer(self, const unsigned char* at, const unsigned char* end, Reading* reading) noexcept
    cdef int _take_answers(self, Reading* reading) except -1
    cdef bytes _fill(self)
