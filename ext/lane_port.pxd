"""A port at which a lane answers, as other compiled parts see it; what it does stands in lane_port.pyx."""

from fleetctl._ext.flight cimport Lane


cdef class Unsent:
    cdef public Py_ssize_t unsent_bytes
    cdef public bint inside_line


cdef class LanePort:
    cdef readonly int descriptor
    cdef object _above, _owner
    cdef Unsent _output
    cdef Lane _lane

    cdef bint take(self) except -1
    cdef int _answered(self, Py_ssize_t got) except -1
    cdef bint _write(self, bytes answer, Py_ssize_t size) except -1
