"""The serial hot path: program bytes in, the lines a controller shall get out.

Takes blocks split anywhere, strips comments and blanks, drops the file's own line numbers and checksums, and gives
lines ready to send, raw or framed `N<number> <line>*<checksum>`. It refuses what may never come from a file (I13)
and lines longer than the controller's buffer. It must not know windows, acknowledgements or machines, and it does
not judge whether a command makes sense.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove

from fleetctl._ext.line_parts cimport *
from fleetctl.errors import ForbiddenByte, LineTooLong

# A raw line with its comments; slicers write thumbnails and settings as comments of some kilobytes at most.
cdef enum:
    RAW_LINE_LIMIT_BYTES = 65536
    LOW_WATER_BYTES = 16384
    NOTE_LIMIT_BYTES = 240

def frame_line(unsigned long long number, bytes line not None):
    """`line` (without line end) as Marlin wants it numbered: `N<number> <line>*<checksum>` and a line end.

    The checksum is the exclusive or of all bytes before the `*` (Marlin, queue.cpp).
    """
    cdef Py_ssize_t size = PyBytes_GET_SIZE(line)
    cdef char* out = <char*>malloc(size + FRAME_EXTRA_BYTES)
    if out == NULL:
        raise MemoryError
    try:
        size = write_frame(out, number, PyBytes_AS_STRING(line), size)
        out[size] = 10
        return PyBytes_FromStringAndSize(out, size + 1)
    finally:
        free(out)


cdef class Feeder:
    """Blocks of a program in (`push`, then `finish`), cleaned lines out (`take` or `take_numbered`).

    `line_limit_bytes` is the longest line as sent, number and checksum included, line end not. `remove_spaces` drops
    blanks inside a line too (Grbl counts them against its receive buffer); else one blank is kept between words.
    `text_commands` lets M0, M1, M23, M117, M118 and M486 carry free text, as Marlin does; never set it for a
    controller with real-time bytes. Command words are sent in upper case.
    `quotes` keeps what stands in " " as it is written, as RepRapFirmware takes it.
    `keep_notes` keeps what stands beside M0, M1 and M6 for a person to read, until `note_at` asks for it.

    Lines taken come in order, exactly once. What cannot be sent raises ForbiddenByte or LineTooLong with the source
    line; lines before it are given out first, and afterwards every `take` raises the same error again.
    """

    def __cinit__(self, *, Py_ssize_t line_limit_bytes, bint remove_spaces=False, bint text_commands=False,
                  bint quotes=False, bint keep_notes=False):
        if line_limit_bytes < 1:
            raise ValueError("line_limit_bytes must be at least 1")
        self._limit = line_limit_bytes
        self._remove_spaces = remove_spaces
        self._text_commands = text_commands
        self._quotes = quotes
        self._keeps_notes = keep_notes
        self._notes = {}
        self._note_before = b""
        self._capacity = 4096
        self._buffer = <char*>malloc(self._capacity)
        self._line = <char*>malloc(RAW_LINE_LIMIT_BYTES + FRAME_EXTRA_BYTES)
        self._frame = <char*>malloc(RAW_LINE_LIMIT_BYTES + 2 * FRAME_EXTRA_BYTES)
        if self._buffer == NULL or self._line == NULL or self._frame == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._buffer)
        free(self._line)
        free(self._frame)

    def push(self, bytes block not None):
        """Adds the next bytes of the program, split anywhere. Raises ValueError after `finish`."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(block)
        cdef char* grown
        if self._finished:
            raise ValueError("push after finish")
        if self._start > 0:
            memmove(self._buffer, self._buffer + self._start, self._end - self._start)
            self._end -= self._start
            self._start = 0
        if self._end + size > self._capacity:
            grown = <char*>realloc(self._buffer, 2 * (self._end + size))
            if grown == NULL:
                raise MemoryError
            self._buffer = grown
            self._capacity = 2 * (self._end + size)
        memcpy(self._buffer + self._end, PyBytes_AS_STRING(block), size)
        self._end += size
        self._cut_short = False

    def finish(self):
        """Says that the program is complete; a last line without line end counts."""
        self._finished = True

    @property
    def needs_data(self):
        """True when the next block should be pushed so that `take` does not run dry."""
        return self._wants_data()

    cdef bint _wants_data(self) noexcept:
        # A line may be longer than what is kept in store; its end must be fetched all the same.
        cdef bint low = self._end - self._start < LOW_WATER_BYTES or self._cut_short
        return low and not self._finished and self._fault is None

    @property
    def has_line(self):
        """True when `take` would give a line now; False after a fault."""
        return self._fault is None and self._prepare()

    @property
    def exhausted(self):
        """True when every line was taken and none will come; False after a fault."""
        if self._ready or self._fault is not None:
            return False
        return not self._prepare() and self._finished and self._fault is None

    @property
    def source_line(self):
        """1-based source line of the last line looked at; 0 before the first."""
        return self._source_line

    @property
    def offset_bytes(self):
        """Bytes of the program behind us: up to the end of the last line looked at."""
        return self._offset

    def note_at(self, unsigned long long source_line):
        """The beginning of this line as it was written if it holds M0, M1 or M6; where it has no comment, that of the
        line of comment right before it. At most 240 bytes; empty for any other line. It is forgotten."""
        return self._notes.pop(source_line, b"")

    def take(self, Py_ssize_t limit):
        """Up to `limit` lines as (line with line end, source line, bytes of the program up to its end)."""
        cdef list lines = []
        while len(lines) < limit and self._prepare():
            if self._is_message:
                self._line_size = min(self._line_size, self._limit)
            if self._line_size > self._limit:
                self._refuse_length(self._line_size)
                break
            self._line[self._line_size] = 10
            lines.append(self._given(self._line, self._line_size + 1))
        return self._lines_or_fault(lines, limit)

    def take_numbered(self, Py_ssize_t limit, unsigned long long first_number):
        """Like `take`, each line framed `N<number> <line>*<checksum>`, numbered from `first_number` upwards.

        M110 is left out: it moves nothing, and would set the line number that we count.
        """
        cdef list lines = []
        cdef Py_ssize_t size
        while len(lines) < limit and self._frame_next(first_number + len(lines), &size):
            lines.append(self._given(self._frame, size))
        return self._lines_or_fault(lines, limit)

    def numbered_size(self, unsigned long long number):
        """Bytes of the next line as `take_numbered` would give it; 0 when there is none, or after a fault."""
        cdef Py_ssize_t size
        return size if self._frame_next(number, &size) else 0

    cdef bint _frame_next(self, unsigned long long number, Py_ssize_t* size) except -1:
        """Writes the next line with its number and line end to `_frame`, taking nothing; False when there is none."""
        cdef Py_ssize_t length
        while self._prepare():
            if self._sets_line_number():
                self._ready = False
                continue
            length = self._line_size
            if self._is_message:
                # "N", the number, a blank, and at most "*255" around the text.
                length = min(length, max(4, self._limit - write_number(self._frame, number) - 6))
            length = write_frame(self._frame, number, self._line, length)
            if length > self._limit:
                self._refuse_length(length)
                return False
            self._frame[length] = 10
            size[0] = length + 1
            return True
        return False

    cdef tuple _given(self, const char* line, Py_ssize_t size):
        self._ready = False
        return (PyBytes_FromStringAndSize(line, size), self._source_line, self._offset)

    cdef list _lines_or_fault(self, list lines, Py_ssize_t limit):
        if self._fault is not None and not lines and limit > 0:
            raise self._fault
        return lines

    cdef bint _prepare(self) except -1:
        """Brings the next line that is not empty into `_line`; False when there is none (yet) or after a fault."""
        cdef Py_ssize_t stop, following
        while not self._ready:
            if self._fault is not None or not self._find_line(&stop, &following):
                return False
            self._source_line += 1
            self._offset += following - self._start
            if stop - self._start > RAW_LINE_LIMIT_BYTES:
                self._refuse_raw_length()
                return False
            self._line_size = 0
            self._is_message = False
            if not self._clean(<unsigned char*>self._buffer + self._start, stop - self._start):
                return False
            self._start = following
            self._ready = self._line_size > 0
        return True

    cdef bint _find_line(self, Py_ssize_t* stop, Py_ssize_t* following) except -1:
        """Finds the end of the raw line at `_start` (CR, LF or CRLF) and the start of the one behind it."""
        cdef Py_ssize_t size = self._end - self._start
        cdef int found = find_line_end(self._buffer + self._start, size, self._finished, stop, following)
        if found < 0 or size == 0:
            self._cut_short = True
            return False
        if not found:
            if not (self._finished or size > RAW_LINE_LIMIT_BYTES):
                self._cut_short = True
                return False
            stop[0] = following[0] = size
        stop[0] += self._start
        following[0] += self._start
        return True

    cdef bint _clean(self, unsigned char* raw, Py_ssize_t size) except -1:
        """Writes what the controller shall get of one raw line to `_line`; False after a fault."""
        cdef Py_ssize_t at = 0
        cdef bint numbered = False
        if self._source_line == 1 and size >= 3 and raw[0] == 0xEF and raw[1] == 0xBB and raw[2] == 0xBF:
            at = 3  # UTF-8 byte order mark, as some Windows editors write it
        while at < size and is_blank(raw[at]):
            at += 1
        if at + 1 < size and (raw[at] | 32) == 110 and is_number_start(raw, at + 1, size):
            numbered = True
            at += 1
            while at < size and (is_digit(raw[at]) or is_blank(raw[at]) or raw[at] == 46):
                at += 1
        if self._text_commands and self._carries_text(raw + at, size - at):
            self._copy_text(raw + at, size - at, numbered)
            return True
        if not self._copy_words(raw, at, size):
            return False
        if self._keeps_notes:
            self._keep_note(raw, size)
        return True

    cdef void _keep_note(self, const unsigned char* raw, Py_ssize_t size):
        """Remembers what stands beside a line at which a person may be waited for."""
        cdef Py_ssize_t at = 0
        cdef bint waits = False
        if self._line_size == 0:
            if size > 0:
                self._note_before = (<const char*>raw)[:min(size, NOTE_LIMIT_BYTES)]
            return
        while at + 1 < self._line_size and not waits:
            if self._line[at] == 77:  # M
                at += 1
                while at + 1 < self._line_size and self._line[at] == 48 and is_digit(self._line[at + 1]):
                    at += 1
                waits = self._line[at] in (48, 49, 54) and not (
                    at + 1 < self._line_size and is_digit(self._line[at + 1])
                )
            at += 1
        if waits:
            own = (<const char*>raw)[:min(size, NOTE_LIMIT_BYTES)]
            self._notes[self._source_line] = own if b"(" in own or b";" in own else self._note_before
        self._note_before = b""

    cdef bint _copy_words(self, unsigned char* raw, Py_ssize_t at, Py_ssize_t size) except -1:
        """Copies command words without comments and blanks, in upper case; False after a fault."""
        cdef unsigned char c
        cdef bint gap = False
        cdef char* out = self._line
        cdef Py_ssize_t length = 0
        while at < size:
            c = raw[at]
            at += 1
            if c == 59:  # ;
                break
            if c == 40:  # ( up to the first ), which does not nest
                while at < size and raw[at] != 41:
                    at += 1
                at += 1
                gap = True
                continue
            if is_blank(c):
                gap = True
                continue
            if c == 42 and is_checksum(raw, at, size):
                break
            if c < 32 or c >= 127 or c == 33 or c == 63 or c == 126 or c == 42:
                self._refuse_byte(c)
                return False
            if gap and length > 0 and not self._remove_spaces:
                out[length] = 32
                length += 1
            gap = False
            out[length] = c - 32 if 97 <= c <= 122 else c
            length += 1
            if c == 34 and self._quotes:
                at = self._copy_quoted(raw, at, size, &length)
                if at < 0:
                    return False
        if length == 1 and out[0] == 37:  # a lone % marks the ends of a tape and is no command
            length = 0
        self._line_size = length
        return True

    cdef Py_ssize_t _copy_quoted(self, unsigned char* raw, Py_ssize_t at, Py_ssize_t size,
                                 Py_ssize_t* length) except -2:
        """Copies what follows a quote up to the next one, as it is; gives where to go on, -1 after a fault."""
        while at < size:
            if raw[at] < 32 or raw[at] >= 127:
                self._refuse_byte(raw[at])
                return -1
            self._line[length[0]] = raw[at]
            length[0] += 1
            at += 1
            if raw[at - 1] == 34:
                break
        return at

    cdef bint _carries_text(self, unsigned char* raw, Py_ssize_t size) noexcept:
        """Whether the line is one of Marlin's commands with free text behind it."""
        cdef Py_ssize_t at = 1
        cdef int code = 0
        if size < 2 or (raw[0] | 32) != 109 or not is_digit(raw[1]):
            return False
        while at < size and is_digit(raw[at]) and code < 10000:
            code = 10 * code + raw[at] - 48
            at += 1
        self._is_message = code == 0 or code == 1 or code == 117 or code == 118
        return self._is_message or code == 23 or code == 486

    cdef void _copy_text(self, unsigned char* raw, Py_ssize_t size, bint numbered) noexcept:
        """Copies a line with free text: case and signs kept, everything outside ASCII folded to Latin letters,
        a backslash to a slash, M110 to m110."""
        cdef Py_ssize_t at = 0, length = 0
        cdef unsigned char c
        cdef char* out = self._line
        out[0] = 77
        while at < size and raw[at] != 59:
            c = raw[at]
            at += 1
            if numbered and c == 42 and is_checksum(raw, at, size):
                break
            if at == 1:
                c = 77
            elif c >= 0x80:
                c = folded(raw, at - 1, size, &at)
            elif c < 32 or c == 127:
                c = 32 if c == 9 else 95
            elif c == 92:
                # Marlin drops a backslash before it checks the sum (queue.cpp, process_stream_char), and would ask
                # for such a line for ever.
                c = 47
            out[length] = c
            length += 1
        while length > 0 and out[length - 1] == 32:
            length -= 1
        for at in range(1, length - 3):
            # Marlin looks for these letters anywhere in a numbered line, and would count anew from an N behind them
            # or before (queue.cpp, get_serial_commands).
            if out[at] == 77 and out[at + 1] == 49 and out[at + 2] == 49 and out[at + 3] == 48:
                out[at] = 109
        self._line_size = length

    cdef bint _sets_line_number(self) noexcept:
        """Whether the line is M110. Marlin passes over blanks and zeros before a command's number (parser.cpp)."""
        cdef const char* line = self._line
        cdef Py_ssize_t at = 1, size = self._line_size
        if size < 4 or line[0] != 77:
            return False
        while at < size and (line[at] == 32 or line[at] == 48):
            at += 1
        return (
            size - at >= 3 and line[at] == 49 and line[at + 1] == 49 and line[at + 2] == 48
            and (size - at == 3 or not is_digit(line[at + 3]))
        )

    cdef void _refuse_byte(self, unsigned char c):
        shown = f"{chr(c)!r}" if 32 < c < 127 else f"0x{c:02X}"
        self._fault = ForbiddenByte(
            f"the byte {shown} stands outside a comment; a controller may take it as a real-time command.",
            line=self._source_line,
            hint="Remove it from the program, or put it into a comment.",
        )

    cdef void _refuse_length(self, Py_ssize_t size):
        self._fault = LineTooLong(
            f"the line has {size} bytes as sent; this controller takes at most {self._limit}.",
            line=self._source_line,
            hint="Write shorter lines: fewer decimals, or one command a line.",
        )

    cdef void _refuse_raw_length(self):
        self._fault = LineTooLong(
            f"the line is longer than {RAW_LINE_LIMIT_BYTES} bytes; this is hardly G-code.",
            line=self._source_line,
            hint="Check that the file is what you meant to upload.",
        )
