"""The lane of character counting: bare `ok`s for lines of a program in, the plain moves that fit the buffer out.

For firmwares that answer every line with one `ok`, in order, and hold what is unanswered in a receive buffer of known
size (Grbl 1.1, interface.md "Streaming Protocol: Character-Counting"). As with the other lane (`flight.pyx`), whatever
is not exactly that is left untouched to the engine, whose own way of doing the same is the reference
(`tests/unit/plugins/test_grbl_lane.py` compares the two). It must not know transports, time, reports or what a run is.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from fleetctl._ext.feeder cimport Feeder
from fleetctl._ext.flight cimport Lane, Window
from fleetctl._ext.line_parts cimport is_digit

cdef enum:
    NOT_OURS = -1       # what came is not only answers


cdef class CountedLane(Lane):
    """The shortcut of a counted stream over `window`.

    The engine keeps here what both ways change: `ready`, a deque of lines that it has taken from the feeder and not
    sent yet; `budget_bytes`, to which the window's `max_bytes` grows by the size of each line that is answered;
    `sent_bytes`, all that was ever sent.
    `was_answered` says that the lane took an answer; whoever heeds it clears it.
    """

    def __init__(self, Window window not None, ready not None, Py_ssize_t budget_bytes):
        Lane.__init__(self, window)
        self.ready = ready
        self.budget_bytes = budget_bytes

    cdef bint _knows_flight(self) except -1:
        for tag in self.window.tags():
            if not isinstance(tag, tuple):
                return False
        return True

    cdef object _answer(self, const unsigned char* data, Py_ssize_t size, double now_s):
        cdef Py_ssize_t answers, begun
        answers = self._count_answers(data, size, &begun)
        if answers == NOT_OURS:
            return None
        self._begun = data[begun:size]
        if answers == 0:
            return b""
        self.was_answered = True
        while answers > 0:
            self._take_answer()
            answers -= 1
        return self._fill()

    cdef Py_ssize_t _count_answers(self, const unsigned char* data, Py_ssize_t size, Py_ssize_t* begun) except -2:
        """How many lines in flight are answered by `ok`, and where an unfinished line begins that may become one more;
        NOT_OURS when there is anything else, or an answer too many."""
        cdef Py_ssize_t at = 0, answers = 0, room = self.window._count
        while True:
            while at < size and (data[at] == 10 or data[at] == 13):
                at += 1
            begun[0] = at
            if at == size:
                return answers
            if data[at] != 111 or answers == room:
                return NOT_OURS
            if at + 1 == size:
                return answers
            if data[at + 1] != 107:
                return NOT_OURS
            if at + 2 == size:
                return answers
            if data[at + 2] != 10 and data[at + 2] != 13:
                return NOT_OURS
            answers += 1
            at += 3

    cdef int _take_answer(self) except -1:
        cdef Window window = self.window
        cdef Py_ssize_t used_bytes = window.used_bytes, limit_bytes
        cdef tuple line = window._leave()
        limit_bytes = window.max_bytes
        if limit_bytes < self.budget_bytes:
            window.max_bytes = min(self.budget_bytes, limit_bytes + used_bytes - window.used_bytes)
        self.acknowledged_line = line[1]
        self.acknowledged_bytes = line[2]
        return 0

    cdef bytes _fill(self):
        """Sends plain moves as far as there is room; says so when the engine must look."""
        cdef Window window = self.window
        cdef Feeder feeder = self._feeder
        cdef Py_ssize_t size
        cdef bytes data, first = b""
        cdef list more = None
        cdef tuple line
        while True:
            line = self._next_line()
            if line is None:
                break
            data = line[0]
            size = PyBytes_GET_SIZE(data)
            window._enter(size, line)
            self.sent_bytes += size
            self.sent_line = line[1]
            if not first:
                first = data
            elif more is None:
                more = [first, data]
            else:
                more.append(data)
        self.wants_data = feeder._wants_data()
        return first if more is None else b"".join(more)

    cdef tuple _next_line(self):
        """The next line when it is a plain move that fits; else None, and the engine must look unless only room or
        the rest of the program is waited for."""
        cdef Window window = self.window
        cdef Feeder feeder = self._feeder
        cdef Py_ssize_t free_bytes = <Py_ssize_t>window.max_bytes - window.used_bytes
        cdef bytes data
        if len(self.ready) > 0:
            data = (<tuple>self.ready[0])[0]
            if PyBytes_GET_SIZE(data) > free_bytes:
                self.wants_step |= window.used_bytes == 0
                return None
            if is_plain_move(<const unsigned char*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data) - 1):
                return self.ready.popleft()
        elif not feeder._prepare():
            self.wants_step |= feeder._fault is not None or (feeder._finished and window.used_bytes == 0)
            return None
        elif feeder._line_size <= feeder._limit:
            if feeder._line_size + 1 > free_bytes:
                self.wants_step |= window.used_bytes == 0
                return None
            if is_plain_move(<const unsigned char*>feeder._line, feeder._line_size):
                feeder._line[feeder._line_size] = 10
                return feeder._given(feeder._line, feeder._line_size + 1)
        self.wants_step = True
        return None


cdef inline bint is_plain_move(const unsigned char* line, Py_ssize_t size) noexcept nogil:
    """Whether the line has nothing but axes, feed, speed and arcs, and of G words only G0 to G3: it asks nobody for
    anything, and writes nothing that stays.
    """
    cdef Py_ssize_t at = 0
    cdef unsigned char c
    while at < size:
        c = line[at]
        at += 1
        if c == 71:  # G
            while at < size and line[at] == 48 and at + 1 < size and is_digit(line[at + 1]):
                at += 1
            if at == size or not 48 <= line[at] <= 51:
                return False
            at += 1
            if at < size and (is_digit(line[at]) or line[at] == 46):
                return False
        elif not (is_digit(c) or c == 46 or c == 45 or c == 43 or is_plain_word(c)):
            return False
    return size > 0


cdef inline bint is_plain_word(unsigned char c) noexcept nogil:
    """A to C, F, I to K, R, S, U to Z."""
    return 65 <= c <= 67 or c == 70 or 73 <= c <= 75 or c == 82 or c == 83 or 85 <= c <= 90
