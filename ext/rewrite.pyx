"""Rewrites a program line by line: strips, folds, numbers or unnumbers it; and finds where a line begins.

Blocks split anywhere go in, the bytes of the new program come out; memory holds one block and one line. What a line
means is not known here: only which of its bytes are comment, text, number or checksum, by the same rules as the core
(`gcode_text.pxd`, `gcode_skip.pxd`). The GIL is free while lines are rewritten.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove

from fleetctl._ext.line_parts cimport *
from fleetctl.errors import ForbiddenByte, LineTooLong, UsageError

cdef enum:
    LINE_CAP = 262144           # the core reads no longer line
    STRIP = 0
    FOLD = 1
    NUMBER = 2
    UNNUMBER = 3
    FAULT_NONE = 0
    FAULT_BYTE = 1
    FAULT_LENGTH = 2
    FAULT_NO_COMMAND = 3
    FAULT_LINE_NUMBER = 4
    FAULT_TORN_NUMBER = 5

WORKS = {"strip": STRIP, "fold": FOLD, "number": NUMBER, "unnumber": UNNUMBER}

# Comments that begin a line and tell hosts, viewers and the core something (PrusaSlicer, OrcaSlicer, Cura, Bambu,
# Simplify3D); in lower case. Beside them `; key = value` is kept.
MARKERS = (
    b"layer_change", b"layer:", b"layer ", b"change_layer", b"z:", b"height:", b"width:", b"type:", b"mesh:",
    b"printing object", b"stop printing object", b"before_layer_change", b"after_layer_change", b"flavor:", b"time:",
    b"generated", b"bambustudio", b"end of gcode", b"end gcode", b"end of print", b"executable_block", b"filament used",
    b"feature:", b"layer_count:", b"layer_height:", b"wipe_start", b"wipe_end", b"objects_info",
)


cdef bint starts(const unsigned char* text, Py_ssize_t size, const char* word, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef unsigned char c
    if size < n:
        return False
    for i in range(n):
        c = text[i]
        if 65 <= c <= 90:
            c += 32
        if c != <unsigned char>word[i]:
            return False
    return True


cdef bint is_active(const unsigned char* text, Py_ssize_t size) noexcept nogil:
    """Whether `(` begins a comment that acts (LinuxCNC, RS274NGC 3.3.5: MSG, DEBUG, PRINT, LOG, PROBEOPEN)."""
    while size and is_blank(text[0]):
        text += 1
        size -= 1
    return (starts(text, size, "msg,", 4) or starts(text, size, "debug,", 6) or starts(text, size, "print,", 6)
            or starts(text, size, "log", 3) or starts(text, size, "probe", 5))


cdef class Rewriter:
    """One program being rewritten: `push` blocks, then `finish`; both give the next bytes of the new program.

    `work` is a name of WORKS. `parens`: ( ) is a comment. `cnc`: blanks mean nothing and `*` is no checksum.
    `texts`: M117 and the like take text. `quotes`: what stands in " " is text. `markers`: strip keeps slicers'
    markers. `first` is the first line number.
    """

    cdef int _work, _fault
    cdef bint _parens, _cnc, _texts, _quotes, _markers, _finished
    cdef unsigned long long _line, _number
    cdef Py_ssize_t _column, _size, _capacity, _made, _room
    cdef char* _buffer          # what is not rewritten yet
    cdef char* _out
    cdef const char* _marker[64]
    cdef Py_ssize_t _marker_size[64]
    cdef int _marker_count

    def __cinit__(self, str work, *, bint parens, bint cnc, bint texts, bint quotes, bint markers=True,
                  unsigned long long first=1):
        cdef int i
        self._work = WORKS[work]
        self._parens, self._cnc, self._texts, self._quotes = parens, cnc, texts, quotes
        self._markers = markers
        self._number = first
        self._capacity = 65536
        self._buffer = <char*>malloc(self._capacity)
        self._room = 131072
        self._out = <char*>malloc(self._room)
        if self._buffer == NULL or self._out == NULL:
            raise MemoryError
        self._marker_count = len(MARKERS)
        for i in range(self._marker_count):
            self._marker[i] = MARKERS[i]
            self._marker_size[i] = len(MARKERS[i])

    def __dealloc__(self):
        free(self._buffer)
        free(self._out)

    def push(self, const unsigned char[::1] block not None):
        """The new bytes for the lines that are whole by now. Raises ForbiddenByte, LineTooLong, UsageError."""
        cdef Py_ssize_t size = block.shape[0]
        if self._finished:
            raise ValueError("push after finish")
        if size == 0:
            return b""
        self._reserve(size)
        memcpy(self._buffer + self._size, &block[0], size)
        self._size += size
        return self._rewritten()

    def finish(self):
        """The new bytes for the last line."""
        self._finished = True
        return self._rewritten()

    cdef int _reserve(self, Py_ssize_t size) except -1:
        cdef char* grown
        if self._size + size + 1 > self._capacity:
            self._capacity = 2 * (self._size + size + 1)
            grown = <char*>realloc(self._buffer, self._capacity)
            if grown == NULL:
                raise MemoryError
            self._buffer = grown
        # A line may begin every byte, and grow by a frame.
        if self._work == NUMBER and (self._size + size) * (FRAME_EXTRA_BYTES + 1) > self._room:
            self._room = (self._size + size) * (FRAME_EXTRA_BYTES + 1)
        elif 2 * (self._size + size) + 64 > self._room:
            self._room = 2 * (self._size + size) + 64
        else:
            return 0
        grown = <char*>realloc(self._out, self._room)
        if grown == NULL:
            raise MemoryError
        self._out = grown
        return 0

    cdef bytes _rewritten(self):
        cdef Py_ssize_t used
        self._made = 0
        with nogil:
            used = self._lines()
        if self._fault != FAULT_NONE:
            raise self._refusal()
        memmove(self._buffer, self._buffer + used, self._size - used)
        self._size -= used
        return PyBytes_FromStringAndSize(self._out, self._made)

    cdef Py_ssize_t _lines(self) noexcept nogil:
        """Rewrites every whole line of the buffer; returns how many bytes those are."""
        cdef Py_ssize_t at = 0, stop = 0, following = 0
        cdef int found
        while at < self._size:
            found = find_line_end(self._buffer + at, self._size - at, self._finished, &stop, &following)
            if found <= 0 and not self._finished:
                if self._size - at > LINE_CAP:
                    self._line += 1
                    self._fault = FAULT_LENGTH
                return at
            if found == 0:
                stop = following = self._size - at
            self._line += 1
            if stop > LINE_CAP:
                self._fault = FAULT_LENGTH
                return at
            self._one(<const unsigned char*>self._buffer + at, stop, following - stop)
            if self._fault != FAULT_NONE:
                return at
            at += following
        return at

    cdef void _one(self, const unsigned char* line, Py_ssize_t size, Py_ssize_t end_size) noexcept nogil:
        """One line without its end, which stands behind it."""
        cdef Py_ssize_t before = self._made
        if self._line == 1 and size >= 3 and line[0] == 0xEF and line[1] == 0xBB and line[2] == 0xBF:
            line += 3           # the byte order mark that some Windows editors write
            size -= 3
        if self._work == STRIP:
            self._strip(line, size)
            if self._made == before:
                return
        elif self._work == FOLD:
            self._fold(line, size)
        elif self._work == UNNUMBER:
            self._unnumber(line, size)
        else:
            self._frame(line, size)
        memcpy(self._out + self._made, line + size, end_size)
        self._made += end_size

    cdef inline void _put(self, const unsigned char* text, Py_ssize_t size) noexcept nogil:
        memcpy(self._out + self._made, text, size)
        self._made += size

    cdef inline void _trim(self, Py_ssize_t start) noexcept nogil:
        while self._made > start and is_blank(<unsigned char>self._out[self._made - 1]):
            self._made -= 1

    cdef Py_ssize_t _number_size(self, const unsigned char* line, Py_ssize_t size) noexcept nogil:
        """How long the line number at the start of `line` is, with the blanks behind it; 0 if there is none."""
        cdef Py_ssize_t at = 1
        if size < 2 or (line[0] | 32) != 110 or not is_number_start(line, 1, size):
            return 0
        while at < size and (is_digit(line[at]) or is_blank(line[at]) or line[at] == 46):
            at += 1
        return at

    cdef bint _takes_text(self, const unsigned char* line, Py_ssize_t size) noexcept nogil:
        """Whether the rest of the line is text: the core's own list (Scanner, text_m)."""
        cdef Py_ssize_t at = 1
        cdef int code = 0
        if not self._texts or size < 2 or (line[0] | 32) != 109:
            return False
        while at < size and is_blank(line[at]):
            at += 1
        if at == size or not is_digit(line[at]):
            return False
        while at < size and is_digit(line[at]) and code < 10000:
            code = 10 * code + line[at] - 48
            at += 1
        return code in (0, 1, 16, 23, 28, 30, 32, 33, 36, 115, 117, 118, 486, 550, 551, 552, 587, 862, 928)

    cdef bint _is_name(self, const unsigned char* line, Py_ssize_t size) noexcept nogil:
        """Whether the line is a command by name (`SET_FAN_SPEED ...`), not words."""
        return size > 1 and is_letter(line[0]) and (is_letter(line[1]) or line[1] == 95)

    cdef Py_ssize_t _code_size(self, const unsigned char* line, Py_ssize_t size) noexcept nogil:
        """How much of a line stands before its `;` comment: one in quotes or between ( ) begins none."""
        cdef Py_ssize_t at = 0
        cdef unsigned char c
        cdef bint words = not (self._takes_text(line, size) or self._is_name(line, size) or
                               (size > 0 and line[0] == 36))
        while at < size:
            c = line[at]
            if c == 59:
                return at
            at += 1
            if words and ((c == 34 and self._quotes) or (c == 40 and self._parens)):
                while at < size and line[at] != (34 if c == 34 else 41):
                    at += 1
                at += 1
            elif words and (c == 35 or c == 91 or c == 123):
                words = False       # from an expression on, the core looks only for the comment
        return size

    # strip ---------------------------------------------------------------------------------------------------------

    cdef void _strip(self, const unsigned char* line, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t start = self._made, number, code
        if size and line[0] == 59:
            if self._markers and self._is_marker(line + 1, size - 1):
                self._put(line, size)
            return
        while size and is_blank(line[0]):
            line += 1
            size -= 1
        number = self._number_size(line, size)
        code = number + self._code_size(line + number, size - number)
        if self._verbatim(line, number, code):
            self._put(line, code)
            self._trim(start)
        else:
            self._words(line, code)

    cdef bint _verbatim(self, const unsigned char* line, Py_ssize_t number, Py_ssize_t code) noexcept nogil:
        """Whether blanks in the code of the line may mean something: text, names, expressions, checksums."""
        cdef Py_ssize_t at
        if (self._takes_text(line + number, code - number) or self._is_name(line + number, code - number)
                or (code > number and (line[number] == 36 or line[number] | 32 == 111))):
            return True
        for at in range(code):
            if line[at] in (34, 35, 42, 91, 123):       # " # * [ {
                return True
        return False

    cdef void _words(self, const unsigned char* line, Py_ssize_t code) noexcept nogil:
        """Plain words: without ( ) comments; blanks away for mills, at most one for printers."""
        cdef Py_ssize_t at = 0, start = self._made, opened
        cdef bint gap = False, comment = False
        cdef unsigned char c
        while at < code:
            c = line[at]
            if is_blank(c):
                gap = True
                at += 1
                continue
            if c == 40 and self._parens:
                opened = at
                while at < code and line[at] != 41:
                    at += 1
                if at < code:
                    at += 1
                    if not (self._cnc and is_active(line + opened + 1, at - opened - 1)):
                        gap = comment = True
                        continue
                    self._put(line + opened, at - opened)
                    continue
                at = opened             # never closed: the controller will say so
                self._put(line + at, code - at)
                return
            if gap and self._made > start:
                if comment and (is_digit(c) or c == 46) and is_digit(<unsigned char>self._out[self._made - 1]):
                    self._fault = FAULT_TORN_NUMBER
                    self._column = at + 1
                    return
                if not self._cnc:
                    self._out[self._made] = 32
                    self._made += 1
            gap = comment = False
            self._out[self._made] = c
            self._made += 1
            at += 1

    cdef bint _is_marker(self, const unsigned char* text, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t at
        cdef int i
        while size and is_blank(text[0]):
            text += 1
            size -= 1
        for i in range(self._marker_count):
            if starts(text, size, self._marker[i], self._marker_size[i]):
                return True
        for at in range(1, size - 2):
            if text[at] == 61:
                return is_blank(text[at - 1]) and is_blank(text[at + 1])
            if not (is_letter(text[at]) or is_digit(text[at]) or text[at] in (32, 95, 91, 93, 40, 41, 37, 47, 45)):
                return False
        return False

    # fold ----------------------------------------------------------------------------------------------------------

    cdef void _fold(self, const unsigned char* line, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t at = 0, number, code
        cdef bint odd = False, text
        cdef unsigned char c
        for at in range(size):
            odd |= line[at] >= 127 or (line[at] < 32 and line[at] != 9)
        if not odd:
            self._put(line, size)
            return
        at = 0
        while at < size and is_blank(line[at]):
            at += 1
        number = at + self._number_size(line + at, size - at)
        code = number + self._code_size(line + number, size - number)
        text = self._takes_text(line + number, size - number)
        at = 0
        while at < size:
            c = line[at]
            if c == 40 and self._parens and at < code and not text:
                at = self._fold_comment(line, at, code)
                continue
            if c < 127 and (c >= 32 or c == 9):
                self._out[self._made] = c
                self._made += 1
                at += 1
            elif at >= code or text:
                at = self._fold_sign(line, at, size)
            else:
                self._fault = FAULT_BYTE
                self._column = at + 1
                return

    cdef Py_ssize_t _fold_sign(self, const unsigned char* line, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
        cdef unsigned char c = line[at]
        if c >= 0x80:
            c = folded(line, at, size, &at)
        else:
            at += 1
            if c == 127 or (c < 32 and c != 9):
                c = 32
        self._out[self._made] = c
        self._made += 1
        return at

    cdef Py_ssize_t _fold_comment(self, const unsigned char* line, Py_ssize_t at, Py_ssize_t code) noexcept nogil:
        """A ( ) comment: returns what is behind it."""
        while at < code:
            if line[at] == 41:
                self._put(line + at, 1)
                return at + 1
            at = self._fold_sign(line, at, code)
        return at

    # number and unnumber -------------------------------------------------------------------------------------------

    cdef void _unnumber(self, const unsigned char* line, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t at = 0, number, code, start = self._made
        while at < size and is_blank(line[at]):
            at += 1
        number = self._number_size(line + at, size - at)
        code = self._code_size(line + at + number, size - at - number)
        if number == 0 and (self._cnc or code == 0):
            self._put(line, size)
            return
        line += at + number
        size -= at + number
        at = code
        if not self._cnc:
            at = self._before_checksum(line, code, number > 0)
        self._put(line, at)
        if at < code:
            self._trim(start)
            if size > code:
                self._out[self._made] = 32
                self._made += 1
        self._put(line + code, size - code)

    cdef Py_ssize_t _before_checksum(self, const unsigned char* line, Py_ssize_t code, bint numbered) noexcept nogil:
        """How much of the code stands before its checksum; a * in a text without line number is text."""
        cdef Py_ssize_t at = code
        if self._takes_text(line, code) and not numbered:
            return code
        while at > 0 and line[at - 1] != 42:
            at -= 1
        return at - 1 if at > 0 and is_checksum(line, at, code) else code

    cdef void _frame(self, const unsigned char* line, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t start = self._made, code, made
        cdef const unsigned char* out
        self._unnumber(line, size)
        out = <const unsigned char*>self._out + start
        size = self._made - start
        while size and is_blank(out[0]):
            out += 1
            size -= 1
        code = self._code_size(out, size)
        made = code
        while made > 0 and is_blank(out[made - 1]):
            made -= 1
        if made == 0 or out[0] == 37 or out[0] == 40:
            return
        if self._is_name(out, made) or out[0] == 36:
            self._fault = FAULT_NO_COMMAND
            return
        if starts(out, made, "m110", 4) and (made == 4 or not is_digit(out[4])):
            self._fault = FAULT_LINE_NUMBER
            return
        # The line is in the way of its own frame: it is moved behind it first.
        line = out
        out = <const unsigned char*>self._out + start + FRAME_EXTRA_BYTES + size
        memmove(<char*>out, line, size)
        self._made = start + write_frame(self._out + start, self._number, <const char*>out, made)
        self._number += 1
        if code < size:
            self._out[self._made] = 32
            self._made += 1
            memmove(self._out + self._made, out + code, size - code)
            self._made += size - code

    def _refusal(self):
        """What could not be rewritten, as the error to raise."""
        line = self._line
        if self._fault == FAULT_BYTE:
            return ForbiddenByte(
                f"there is a byte outside ASCII, or a control character, in the code (column {self._column}).",
                line=line, hint="Only comments and texts can be folded; mend the line.")
        if self._fault == FAULT_LENGTH:
            return LineTooLong(
                f"the line is longer than {LINE_CAP} bytes; this is hardly G-code.", line=line,
                hint="Check that the file is what you meant.")
        if self._fault == FAULT_NO_COMMAND:
            return UsageError("a command by name cannot be numbered.", line=line,
                              hint="Number programs for Marlin, which has G, M and T commands only.")
        if self._fault == FAULT_LINE_NUMBER:
            return UsageError("the program sets the line number itself (M110).", line=line,
                              hint="Take the line out first.")
        return UsageError(f"a comment stands inside a number (column {self._column}).", line=line,
                          hint="Mend the line; without the comment it would be another number.")


cdef class LineFinder:
    """Finds where lines begin in a program that comes in blocks split anywhere."""

    cdef long long _line
    cdef bint _after_cr

    def __cinit__(self):
        self._line = 1

    @property
    def line(self):
        """The 1-based line that the next byte belongs to."""
        return self._line

    def find(self, const unsigned char[::1] block not None, long long wanted, Py_ssize_t start=0):
        """The offset in `block` at which line `wanted` begins, or -1 when it begins in a later block.

        Call it with each block in turn. In a block where a line was found, go on with `start` at that offset."""
        cdef Py_ssize_t at = start, size = block.shape[0], stop = 0, following = 0
        cdef const char* p
        cdef int found
        if size == 0 or not 0 <= start <= size:
            return -1
        p = <const char*>&block[0]
        if self._after_cr:
            self._after_cr = False
            at = p[0] == 10
            self._line += 1
        while self._line < wanted and at < size:
            found = find_line_end(p + at, size - at, False, &stop, &following)
            if found <= 0:
                self._after_cr = found < 0
                return -1
            at += following
            self._line += 1
        return at if self._line >= wanted and at < size else -1
