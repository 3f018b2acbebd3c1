"""A port at which a lane answers: bytes are read, answered and written in one go, with no Python call between.

Whatever the lane does not take goes up as bytes. It must not know firmware words, or how ports are opened; errors of
the system go up as their number. Works on any descriptor that a loop can wait for.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, ENODEV, errno
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from posix.unistd cimport read, write

from fleetctl._ext.flight cimport Lane

cdef enum:
    READ_BYTES = 4096       # what the kernel keeps of a terminal's input at most (n_tty.c, N_TTY_BUF_SIZE)

cdef enum:                  # what became of a piece of input
    NOT_ANSWERED            # it must go up
    BY_LANE_ALONE
    AND_OTHERS              # the lane took it, and somebody above was called

# One for all ports: the interpreter's lock is held from the reading to the last use. Giving it up would let another
# thread keep the loop waiting for its whole slice, and the calls do not wait.
cdef unsigned char received[READ_BYTES]


cdef class Unsent:
    """What stands before the next thing that is written: `unsent_bytes` that wait, and whether what left last ends
    `inside_line`. Kept by whoever has the output; compiled, because it is asked with every line.
    """


cdef class LanePort:
    """The reading end of the open, non-blocking `descriptor`; `readable` is for the loop to call.

    `above` is who opened it, with `bytes_came(data)`, `rest_waits(data, taken)` when the port took only so many bytes
    of an answer, and `port_failed(number)`, a number of `errno`. While `output` says that something stands before what
    the lane would write, the lane is not asked.
    """

    def __init__(self, int descriptor, above, Unsent output not None):
        self.descriptor = descriptor
        self._above = above
        self._output = output

    def carry(self, Lane lane, owner):
        """Let `lane` have the first look from now on; None: nobody. `owner` hears by `lane_acted(now_s)` that its
        engine must step or wants data, and by `lane_broke(error)` what it raised.
        """
        self._lane = lane
        self._owner = owner

    def shut(self):
        """The descriptor is about to be closed: never touch it again."""
        self.descriptor = -1
        self._above = self._owner = self._lane = None

    def readable(self):
        """Take what there is."""
        self.take()

    cdef bint take(self) except -1:
        """Take what there is; gives whether anybody but the lane was called, who may want the loop to do something."""
        if self.descriptor < 0:
            return False
        cdef int answered = NOT_ANSWERED
        cdef Py_ssize_t got = read(self.descriptor, received, READ_BYTES)
        if got > 0:
            if not (self._lane is None or self._output.unsent_bytes or self._output.inside_line):
                answered = self._answered(got)
            if answered == NOT_ANSWERED:
                self._above.bytes_came(PyBytes_FromStringAndSize(<char*>received, got))
            return answered != BY_LANE_ALONE
        if got == 0:
            self._above.port_failed(ENODEV)  # hung up
            return True
        if errno != EAGAIN and errno != EINTR:
            self._above.port_failed(errno)
            return True
        return False

    cdef int _answered(self, Py_ssize_t got) except -1:
        """Let the lane take what was received, if it can."""
        cdef Lane lane = self._lane
        cdef timespec now
        cdef double now_s
        cdef Py_ssize_t size
        cdef bint told = False
        clock_gettime(CLOCK_MONOTONIC, &now)
        now_s = now.tv_sec + now.tv_nsec * 1e-9
        try:
            answer = lane.answer(received, got, now_s)
        except Exception as error:  # the boundary: the loop calls us
            self._owner.lane_broke(error)
            return AND_OTHERS
        if answer is None:
            return NOT_ANSWERED
        size = PyBytes_GET_SIZE(answer)
        if size > 0:
            told = self._write(<bytes>answer, size)
        if lane.wants_step or lane.wants_data:
            if self._owner is not None:  # the port may have failed just now
                self._owner.lane_acted(now_s)
            told = True
        return AND_OTHERS if told else BY_LANE_ALONE

    cdef bint _write(self, bytes answer, Py_ssize_t size) except -1:
        """Gives whether somebody above was told, because the port did not take all."""
        cdef Py_ssize_t taken = write(self.descriptor, PyBytes_AS_STRING(answer), size)
        if taken == size:
            return False
        if taken >= 0:
            self._above.rest_waits(answer, taken)
        elif errno == EAGAIN or errno == EINTR:
            self._above.rest_waits(answer, 0)
        else:
            self._above.port_failed(errno)
        return True
