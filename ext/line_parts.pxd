"""Parts of a line as bytes: where it ends, numbers, checksums, letters outside ASCII. What sends lines and what
rewrites programs share them, so that both mean the same. No state, no Python objects.
"""

from libc.string cimport memchr, memcpy

cdef enum:
    FRAME_EXTRA_BYTES = 32      # what `write_frame` may add to a line

cdef extern from *:
    """
    /* U+00C0..U+00FF and U+0100..U+017F as the letter without its marks (Unicode decomposition). */
    static const char fleetctl_latin_1[65] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";
    static const char fleetctl_latin_a[129] =
        "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlLlLl"
        "NnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
    """
    const char fleetctl_latin_1[65]
    const char fleetctl_latin_a[129]


cdef inline bint is_digit(unsigned char c) noexcept nogil:
    return 48 <= c <= 57


cdef inline bint is_letter(unsigned char c) noexcept nogil:
    return 65 <= c <= 90 or 97 <= c <= 122


cdef inline bint is_blank(unsigned char c) noexcept nogil:
    return c == 32 or c == 9


cdef inline bint is_number_start(const unsigned char* raw, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """Whether a digit follows, blanks allowed before it."""
    while at < size and is_blank(raw[at]):
        at += 1
    return at < size and is_digit(raw[at])


cdef inline bint is_checksum(const unsigned char* raw, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """Whether only digits and blanks follow up to the end of the line or a comment."""
    while at < size and (is_digit(raw[at]) or is_blank(raw[at])):
        at += 1
    return at == size or raw[at] == 59 or raw[at] == 40


cdef inline Py_ssize_t write_number(char* out, unsigned long long value) noexcept nogil:
    """Writes `value` in decimal and gives the number of digits."""
    cdef char digits[24]
    cdef Py_ssize_t count = 0, i
    while True:
        digits[count] = 48 + <char>(value % 10)
        value //= 10
        count += 1
        if value == 0:
            break
    for i in range(count):
        out[i] = digits[count - 1 - i]
    return count


cdef inline Py_ssize_t write_frame(char* out, unsigned long long number, const char* line,
                                   Py_ssize_t size) noexcept nogil:
    """Writes `N<number> <line>*<xor>` without a line end and gives its size; `out` needs size + FRAME_EXTRA_BYTES.

    The checksum is the exclusive or of all bytes before the `*` (Marlin, queue.cpp).
    """
    cdef Py_ssize_t length = 0, i
    cdef unsigned char checksum = 0
    out[0] = b"N"
    length = 1 + write_number(out + 1, number)
    out[length] = b" "
    memcpy(out + length + 1, line, size)
    length += 1 + size
    for i in range(length):
        checksum ^= <unsigned char>out[i]
    out[length] = b"*"
    return length + 1 + write_number(out + length + 1, checksum)


cdef inline int find_line_end(const char* begin, Py_ssize_t size, bint last, Py_ssize_t* stop,
                              Py_ssize_t* following) noexcept nogil:
    """The end of the line at `begin` (CR, LF or CRLF) and the start of the one behind it.

    1 when found, 0 when there is none, -1 when it ends in CR and only the next block (there is one unless `last`)
    can tell whether an LF belongs to it.
    """
    cdef const char* end = NULL
    cdef const char* carriage_return = NULL
    cdef const char* at = begin
    cdef Py_ssize_t piece = 128
    # A piece at a time: a file may hold no line feed at all, and a carriage return close by.
    while at < begin + size and end == NULL and carriage_return == NULL:
        piece = min(piece, begin + size - at)
        end = <const char*>memchr(at, 10, piece)
        carriage_return = <const char*>memchr(at, 13, piece if end == NULL else end - at)
        at += piece
        piece *= 2
    if carriage_return != NULL:
        end = carriage_return
    if end == NULL:
        return 0
    stop[0] = end - begin
    following[0] = stop[0] + 1
    if carriage_return != NULL:
        if following[0] == size:
            return 1 if last else -1
        following[0] += begin[following[0]] == 10
    return 1


cdef inline unsigned char folded(const unsigned char* raw, Py_ssize_t at, Py_ssize_t size,
                                 Py_ssize_t* following) noexcept nogil:
    """The ASCII sign for what begins at raw[at], a byte above 127; `following` is what comes behind it.

    UTF-8 of Latin letters gives the letter without its marks, dashes and quotes their plain form; a byte that is no
    UTF-8 counts as Latin-1; anything else is one `_`.
    """
    cdef unsigned char c = raw[at]
    cdef unsigned char next_ = raw[at + 1] if at + 1 < size else 0
    cdef unsigned int sign
    if not 0x80 <= next_ <= 0xBF or c < 0xC2:
        following[0] = at + 1
        return fleetctl_latin_1[c - 0xC0] if c >= 0xC0 else 95
    at += 1
    sign = c & 0x1F if c < 0xE0 else c & 0x0F
    while at < size and 0x80 <= raw[at] <= 0xBF:
        sign = sign << 6 | (raw[at] & 0x3F)
        at += 1
    following[0] = at
    if 0xC0 <= sign <= 0xFF:
        return fleetctl_latin_1[sign - 0xC0]
    if 0x100 <= sign <= 0x17F:
        return fleetctl_latin_a[sign - 0x100]
    if sign == 0xA0:
        return 32
    if 0x2010 <= sign <= 0x2015:
        return 45
    if sign == 0x2018 or sign == 0x2019:
        return 39
    return 95
