"""The lane of character counting as other compiled parts see it; what the fields mean stands in counted_lane.pyx."""

from fleetctl._ext.flight cimport Lane


cdef class CountedLane(Lane):
    cdef readonly object ready
    cdef public Py_ssize_t budget_bytes
    cdef public long long sent_bytes
    cdef public bint was_answered

    cdef Py_ssize_t _count_answers(self, const unsigned char* data, Py_ssize_t size, Py_ssize_t* begun) except -2
    cdef int _take_answer(self) except -1
    cdef bytes _fill(self)
    cdef tuple _next_line(self)
