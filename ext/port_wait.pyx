"""What a loop waits with when hundreds of ports are in it: ports at which a lane answers are served inside the wait.

A loop spends some microseconds of Python on being woken, whatever for. A line that only its lane has to do with needs
none of that: we wait, let the port take what there is, and wait on. The loop hears as soon as anything else is ready,
a timer is due, or somebody above a port was called. It must not know lanes, lines or firmwares. Linux alone has what
it needs (`epoll`, man 7 epoll); elsewhere it compiles, and making one fails with ENOSYS.
"""

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EINTR, errno
from libc.math cimport ceil
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from posix.unistd cimport close

from fleetctl._ext.lane_port cimport LanePort

cdef extern from *:
    """
    #ifdef __linux__
    #include <sys/epoll.h>
    #else
    #include <errno.h>
    #include <stdint.h>
    enum { EPOLLIN = 1, EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CLOEXEC = 0 };
    typedef union { int fd; uint64_t u64; } epoll_data_t;
    struct epoll_event { uint32_t events; epoll_data_t data; };
    static int epoll_create1(int a) { errno = ENOSYS; return -1; }
    static int epoll_ctl(int a, int b, int c, struct epoll_event *d) { errno = ENOSYS; return -1; }
    static int epoll_wait(int a, struct epoll_event *b, int c, int d) { errno = ENOSYS; return -1; }
    #endif
    """
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        unsigned int events
        epoll_data_t data
    enum:
        EPOLLIN
        EPOLL_CTL_ADD
        EPOLL_CTL_DEL
        EPOLL_CLOEXEC
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event)
    int epoll_wait(int epoll, epoll_event* events, int most, int timeout_ms) nogil

cdef enum:
    MOST_AT_ONCE = 64

AT_ONCE = MOST_AT_ONCE
"""Descriptors that one look gives, so that all else in the loop has its turn within a millisecond."""


cdef class PortWait:
    """Waits for ports and for `inner`, the open descriptor of the loop's own epoll, at the same time.

    `broke(error)` is told what a port raised, which none should.
    """

    cdef int _epoll, _inner
    cdef object _broke
    cdef list _ports            # each at the number of its descriptor, None where there is no port

    def __init__(self, int inner, broke):
        """Raises OSError."""
        self._inner = inner
        self._broke = broke
        self._ports = []
        self._epoll = epoll_create1(EPOLL_CLOEXEC)
        if self._epoll < 0:
            PyErr_SetFromErrno(OSError)
        self._watch(inner)

    def close(self):
        """Be done with everything."""
        if self._epoll >= 0:
            close(self._epoll)
        self._epoll = -1
        self._ports.clear()

    def add(self, LanePort port not None):
        """Serve an open port from now on. Raises OSError."""
        self._watch(port.descriptor)
        self._ports.extend([None] * (port.descriptor + 1 - len(self._ports)))
        self._ports[port.descriptor] = port

    def remove(self, LanePort port not None):
        """Be done with a port, before it is closed; nothing happens for one that is not served."""
        cdef epoll_event ignored
        if 0 <= port.descriptor < len(self._ports) and self._ports[port.descriptor] is port:
            self._ports[port.descriptor] = None
            epoll_ctl(self._epoll, EPOLL_CTL_DEL, port.descriptor, &ignored)  # the system forgets what was closed

    def wait(self, double timeout_s):
        """Serve ports until the loop has something to do, at most so long; below 0: without end.

        Gives whether `inner` has something. Raises OSError.
        """
        cdef epoll_event ready[MOST_AT_ONCE]
        cdef double until_s = monotonic_s() + timeout_s
        cdef int timeout_ms = milliseconds(timeout_s)
        cdef int got, n
        cdef bint told = False, inner = False
        while True:
            if timeout_ms:
                with nogil:
                    got = epoll_wait(self._epoll, ready, MOST_AT_ONCE, timeout_ms)
            else:  # nothing is waited for, and giving up the interpreter's lock could take its whole slice
                got = epoll_wait(self._epoll, ready, MOST_AT_ONCE, 0)
            if got < 0:
                if errno != EINTR:
                    PyErr_SetFromErrno(OSError)
                PyErr_CheckSignals()
                return False
            for n in range(got):
                if ready[n].data.fd == self._inner:
                    inner = True
                elif self._serve(ready[n].data.fd):
                    told = True
            if inner or told or got == 0 or timeout_ms == 0:
                return inner
            PyErr_CheckSignals()  # another thread may have got the signal, and handlers run in ours alone
            if timeout_s >= 0:
                timeout_ms = milliseconds(max(0.0, until_s - monotonic_s()))

    cdef int _watch(self, int descriptor) except -1:
        cdef epoll_event wanted
        wanted.events = EPOLLIN
        wanted.data.fd = descriptor
        if epoll_ctl(self._epoll, EPOLL_CTL_ADD, descriptor, &wanted) < 0:
            PyErr_SetFromErrno(OSError)
        return 0

    cdef bint _serve(self, int descriptor) except -1:
        """Let a port take what there is; gives whether somebody above it was called."""
        port = self._ports[descriptor]
        if port is None:  # another one closed it in this very turn
            return False
        try:
            return (<LanePort>port).take()
        except Exception as error:  # the boundary: one port may not end the loop
            self._broke(error)
            return True


cdef double monotonic_s() noexcept:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


cdef int milliseconds(double seconds) noexcept:
    """For `epoll_wait`: never less than asked for, -1 without end. At most a day, which only asks the loop again."""
    if seconds < 0.0:
        return -1
    return <int>ceil(min(seconds, 86400.0) * 1000.0)
