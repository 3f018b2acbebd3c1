"""Lines in flight, compiled: the ledger of what is unanswered, the ring of numbered lines, and the lane over both.

The lane is the shortcut of a stream: bytes that are nothing but answers to plain moves come in, the next plain moves
go out. It decides nothing: whatever is not exactly that it leaves untouched to the engine, whose own way of doing the
same is the reference (`tests/unit/plugins/test_marlin_lane.py` compares the two). It must not know transports, time or
what a run is.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc

from fleetctl._ext.feeder cimport Feeder
from fleetctl._ext.line_parts cimport is_digit
from fleetctl.errors import OurProtocolError

cdef enum:
    NO_FREE_LINES = -1      # an answer that does not say how many lines the firmware has room for
    FIRST_PLACES = 8        # in a window; it grows


cdef class Window:
    """Lines in flight, oldest first, each with its size and a tag of the caller's choice.

    `max_lines` bounds their number, `max_bytes` the sum of their sizes, line ends included; None means no
    bound, but one of the two must be given.
    """

    def __cinit__(self):
        self._sizes = <Py_ssize_t*>malloc(FIRST_PLACES * sizeof(Py_ssize_t))
        if self._sizes == NULL:
            raise MemoryError
        self._places = FIRST_PLACES
        self._tags = [None] * FIRST_PLACES

    def __dealloc__(self):
        free(self._sizes)

    def __init__(self, *, max_lines=None, max_bytes=None):
        if max_lines is None and max_bytes is None:
            raise ValueError("a window needs a bound: max_lines or max_bytes")
        if (max_lines is not None and max_lines < 1) or (max_bytes is not None and max_bytes < 1):
            raise ValueError("a window holds at least one line and one byte")
        self.max_lines = max_lines
        self.max_bytes = max_bytes

    def __class_getitem__(cls, kind):
        """`Window[Tag]` is for type checkers."""
        return cls

    def __len__(self):
        """Lines in flight."""
        return self._count

    def fits(self, Py_ssize_t size_bytes):
        """Whether a line of this size may go out now."""
        if self.max_lines is not None and self._count >= self.max_lines:
            return False
        return self.max_bytes is None or self.used_bytes + size_bytes <= self.max_bytes

    def free_lines(self, otherwise=1):
        """How many more lines may go out by number; `otherwise` when only bytes are bounded."""
        return otherwise if self.max_lines is None else max(0, self.max_lines - self._count)

    def sent(self, Py_ssize_t size_bytes, tag):
        """Enter a line that goes out. Raises ValueError, changing nothing, when it does not fit."""
        if not self.fits(size_bytes):
            in_flight = f"{len(self)} lines, {self.used_bytes} bytes in flight"
            raise ValueError(f"{size_bytes} bytes do not fit: {in_flight}")
        self._enter(size_bytes, tag)

    def answered(self):
        """The machine answered one line: take the oldest out and give its tag.

        None when nothing was in flight; such answers are counted in `surplus_answers` and never widen the
        window.
        """
        if self._count == 0:
            self.surplus_answers += 1
            return None
        return self._leave()

    def oldest(self):
        """The tag of the line that is answered next; None when nothing is in flight."""
        return self._tags[self._first] if self._count > 0 else None

    def tags(self):
        """The tags in flight, oldest first."""
        return [self._tags[self._place(n)] for n in range(self._count)]

    def reset(self):
        """Empty the window because the machine dropped what it had (banner, flush); gives the tags lost."""
        lost = self.tags()
        self._tags = [None] * self._places
        self._first = self._count = self.used_bytes = 0
        return lost

    cdef Py_ssize_t _place(self, Py_ssize_t behind) noexcept:
        """Where the line stands that has so many before it."""
        cdef Py_ssize_t place = self._first + behind
        return place - self._places if place >= self._places else place

    cdef int _enter(self, Py_ssize_t size_bytes, tag) except -1:
        cdef Py_ssize_t place
        if self._count == self._places:
            self._widen()
        place = self._place(self._count)
        self._sizes[place] = size_bytes
        self._tags[place] = tag
        self._count += 1
        self.used_bytes += size_bytes
        return 0

    cdef object _leave(self):
        cdef object tag = self._tags[self._first]
        self._tags[self._first] = None
        self.used_bytes -= self._sizes[self._first]
        self._first = self._place(1)
        self._count -= 1
        return tag

    cdef int _widen(self) except -1:
        """Twice as many places, the oldest line in the first."""
        cdef Py_ssize_t n
        cdef Py_ssize_t* sizes = <Py_ssize_t*>malloc(2 * self._places * sizeof(Py_ssize_t))
        if sizes == NULL:
            raise MemoryError
        tags = self.tags() + [None] * (2 * self._places - self._count)
        for n in range(self._count):
            sizes[n] = self._sizes[self._place(n)]
        free(self._sizes)
        self._sizes, self._tags = sizes, tags
        self._places *= 2
        self._first = 0
        return 0


cdef class History:
    """The ring of `fleetctl.protocol.numbering.NumberedHistory`: framed lines by number."""

    def __init__(self, Py_ssize_t capacity_lines):
        self._capacity = capacity_lines
        self._lines = [None] * capacity_lines
        self.next_number = 1
        self.replay_from = None
        self.asked = None

    @property
    def oldest_number(self):
        """The smallest number that can still be repeated; `next_number` when nothing was sent."""
        return self.next_number - self._known

    def append(self, bytes framed not None):
        """Remember a framed line under `next_number` and give that number.

        Raises OurProtocolError while lines wait to be repeated: a new line would overtake them.
        """
        if self.replay_from is not None:
            raise OurProtocolError(f"line {self.next_number} would overtake the repeated {self.replay_from}")
        self._remember(framed)
        return self.next_number - 1

    def line(self, number):
        """The framed line with this number. Raises OurProtocolError when it is not in the history."""
        if not self.oldest_number <= number < self.next_number:
            raise OurProtocolError(
                f"line {number} is not in the history {self.oldest_number} to {self.next_number - 1}"
            )
        return self._lines[number % self._capacity]

    def _clear(self, next_number):
        # The lines stay until others take their places: to free a hundred of each of hundreds of machines would take
        # a quarter of the time in which a stop goes out to them.
        self._known = 0
        self.next_number = next_number
        self.replay_from = None

    cdef int _remember(self, bytes framed) except -1:
        self._lines[self.next_number % <unsigned long long>self._capacity] = framed
        self._known = min(self._known + 1, self._capacity)
        self.next_number += 1
        return 0


cdef class Lane:
    """What all lanes have (`fleetctl.protocol.lane`): it acts only between `open` and `shut`, on what is in `window`.

    `wants_step` says that the engine must step, because the next line is no plain move; `wants_data` that the feeder
    has little left. `is_watched` belongs to whoever tells how far the lane has come. `sent_line`, `acknowledged_line`
    and `acknowledged_bytes` are of the program; the engine keeps them here, for both ways change them.
    """

    def __init__(self, Window window not None):
        self.window = window
        self._begun = b""

    @property
    def is_open(self):
        """Whether it may act."""
        return self._feeder is not None

    def open(self, Feeder feeder not None):
        """From now until `shut` a program is streamed from `feeder`, and nothing else is asked, due or waited for.

        Opens only while all that is in flight is what the lane may acknowledge.
        """
        if self._knows_flight():
            self._feeder = feeder

    def shut(self):
        """Leave everything to the engine."""
        self._feeder = None

    def withheld(self):
        """The beginning of an answer that the lane has read; the engine must read it first. Forgets it."""
        begun, self._begun = self._begun, b""
        return begun

    def receive(self, bytes data not None, double now_s):
        """What must be sent when `data` holds nothing but answers to plain moves, possibly b""; else None, and nothing
        has changed.
        """
        return self.answer(<const unsigned char*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), now_s)

    cdef object answer(self, const unsigned char* data, Py_ssize_t size, double now_s):
        """`receive`, of bytes that are no Python object yet."""
        cdef bytes joined
        if self._feeder is None:
            return None
        if self._begun:
            joined = self._begun + data[:size]
            data, size = <const unsigned char*>PyBytes_AS_STRING(joined), PyBytes_GET_SIZE(joined)
        return self._answer(data, size, now_s)

    cdef bint _knows_flight(self) except -1:
        """Whether the lane may acknowledge whatever is in flight now, and nothing else stands before its opening."""
        raise NotImplementedError

    cdef object _answer(self, const unsigned char* data, Py_ssize_t size, double now_s):
        """`answer`, of all that was not dealt with yet."""
        raise NotImplementedError


cdef class NumberedLane(Lane):
    """The shortcut of a numbered stream over `window` and `history`; not while a request to repeat is unsettled.

    The engine keeps here what both ways change: `oldest_number` of the lines in flight, and the `max_lines` that they
    may be. `most_lines` bounds what a firmware may ask for, `receive_bytes` is what its receive ring holds. `takes_bare` and `takes_named` say whether `ok` and
    `ok N.. P.. B..` (ADVANCED_OK) acknowledge a line; with `checks_number` only the right number does. `heard_at_s` is
    when the lane last took an answer, `read_at_s` when it took anything. `was_answered` says that it took an answer;
    whoever heeds it clears it, for two may come in one moment.
    """

    def __init__(self, Window window not None, History history not None, Py_ssize_t most_lines,
                 Py_ssize_t receive_bytes):
        Lane.__init__(self, window)
        self.history = history
        self.oldest_number = 1
        self.max_lines = 1
        self.most_lines = most_lines
        self.receive_bytes = receive_bytes

    cdef bint _knows_flight(self) except -1:
        if self.history.asked is not None or self.history.replay_from is not None:
            return False
        for tag in self.window.tags():
            if not (isinstance(tag, tuple) and is_framed_move((<tuple>tag)[0])):
                return False
        return True

    cdef object _answer(self, const unsigned char* data, Py_ssize_t size, double now_s):
        cdef Reading reading
        if not self._read(data, size, &reading):
            return None
        self._begun = data[reading.begun:size] if reading.begun < size else b""
        self.read_at_s = now_s
        if reading.answers == 0:
            return b""
        self._take_answers(&reading)
        self.heard_at_s = now_s
        self.was_answered = True
        return self._fill()

    cdef bint _read(self, const unsigned char* begin, Py_ssize_t size, Reading* reading) except -1:
        """Reads answers up to the end; False when there is anything else, or one that must not be taken."""
        cdef const unsigned char* at = begin
        cdef const unsigned char* end = begin + size
        cdef const unsigned char* line
        cdef Py_ssize_t room = min(self.window._count, <Py_ssize_t>MOST_ANSWERS)
        reading.answers = 0
        while True:
            while at < end and (at[0] == 10 or at[0] == 13):
                at += 1
            reading.begun = at - begin
            if at == end:
                return True
            line = at
            while at < end and at[0] != 10 and at[0] != 13:
                at += 1
            if at == end:
                return begins_answer(line, at)  # kept for the next piece as long as it may become one
            if reading.answers == room or not self._read_answer(line, at, reading):
                return False
            reading.answers += 1

    cdef bint _read_answer(self, const unsigned char* at, const unsigned char* end, Reading* reading) noexcept:
        """Whether the line acknowledges the line in flight that is next, in this firmware's way."""
        cdef long long number, lines
        if end - at < 2 or at[0] != 111 or at[1] != 107:
            return False
        at += 2
        reading.free[reading.answers] = NO_FREE_LINES
        if at == end:
            return self.takes_bare
        if not self.takes_named:
            return False
        at = read_field(at, end, b"N", &number)
        at = read_field(at, end, b"P", &lines)
        at = read_field(at, end, b"B", &lines)
        reading.free[reading.answers] = lines
        return at == end and (not self.checks_number or number == self.oldest_number + reading.answers)

    cdef int _take_answers(self, Reading* reading) except -1:
        cdef tuple line
        cdef Py_ssize_t n
        for n in range(reading.answers):
            line = self.window._leave()
            self.acknowledged_line = line[1]
            self.acknowledged_bytes = line[2]
            self.oldest_number += 1
            if reading.free[n] != NO_FREE_LINES:
                self.max_lines = max(1, min(self.most_lines, self.window._count + reading.free[n]))
        self.window.max_lines = self.max_lines
        return 0

    cdef bytes _fill(self):
        """Sends plain moves as far as there is room; says so when something else stands next."""
        cdef Feeder feeder = self._feeder
        cdef bytes framed, first = b""
        cdef list more = None
        cdef Py_ssize_t size
        while self.window._count < self.max_lines:
            if not (feeder._prepare() and is_plain_move(<const unsigned char*>feeder._line, feeder._line_size)):
                self.wants_step = True
                break
            if not feeder._frame_next(self.history.next_number, &size):
                self.wants_step = True
                break
            if self.window.used_bytes > 0 and self.window.used_bytes + size > self.receive_bytes:
                break
            line = feeder._given(feeder._frame, size)
            framed = line[0]
            self.history._remember(framed)
            self.window._enter(size, line)
            self.sent_line = line[1]
            if not first:
                first = framed
            elif more is None:
                more = [first, framed]
            else:
                more.append(framed)
        self.wants_data = feeder._wants_data()
        self.wants_step |= feeder._finished and not feeder._prepare()
        return first if more is None else b"".join(more)


cdef inline bint is_plain_move(const unsigned char* line, Py_ssize_t size) noexcept nogil:
    """Whether the line is G0, G1, G2 or G3: it is answered soon, and asks nobody for anything."""
    cdef Py_ssize_t at = 1
    if size < 2 or line[0] != 71:
        return False
    while at < size and line[at] == 48 and at + 1 < size and is_digit(line[at + 1]):
        at += 1
    return 48 <= line[at] <= 51 and (at + 1 == size or not (is_digit(line[at + 1]) or line[at + 1] == 46))


cdef inline bint is_framed_move(bytes framed) except -1:
    """The same of a line `N<number> <line>*<checksum>`."""
    cdef const unsigned char* line = <const unsigned char*>PyBytes_AS_STRING(framed)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(framed), at = 0
    while at < size and line[at] != 32:
        at += 1
    return at < size and is_plain_move(line + at + 1, size - at - 1)


cdef inline bint begins_answer(const unsigned char* at, const unsigned char* end) noexcept nogil:
    """Whether `ok`, or `ok ` and the beginning of an ADVANCED_OK, may still come of it."""
    if end - at < 3:
        return at[0] == 111 and (end - at == 1 or at[1] == 107)
    return at[0] == 111 and at[1] == 107 and at[2] == 32 and end - at < 48


cdef inline const unsigned char* read_field(const unsigned char* at, const unsigned char* end, char letter,
                                            long long* value) noexcept nogil:
    """Reads ` <letter><digits>` and gives where it ends; NULL when it is not there, or `at` was NULL."""
    value[0] = 0
    if at == NULL or end - at < 3 or end - at > 40 or at[0] != 32 or at[1] != <unsigned char>letter or not is_digit(at[2]):
        return NULL
    at += 2
    while at < end and is_digit(at[0]):
        if value[0] < 1000000000:
            value[0] = 10 * value[0] + (at[0] - 48)
        at += 1
    return at
