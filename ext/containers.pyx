"""The two codings of binary G-code that no library of Python's has: heatshrink and MeatPack, in blocks of any size.

Each decoder is fed with blocks and gives the bytes that they make; no input makes it raise, read or write outside its
buffers, or keep more than its window. What a block of bytes can grow to is bounded by the formats themselves (heatshrink
eight times, MeatPack four times with the blanks put back), so the output of one `feed` is bounded by its input. Must not
know files, blocks of `.bgcode` or G-code beyond where its words begin.

Sources: heatshrink's bit stream as its README and encoder define it (a 1 and eight bits of a literal; a 0, the distance
less one and the length less one; most significant bit first; the window is zeros at the start). MeatPack as its
specification and the firmware reader in Prusa's printers define it (two signs of four bits to a byte, low half first, 15
for "a whole byte follows"; FF FF and a command byte switch it). libbgcode packs without blanks in G lines.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef enum:
    FEED_BYTES = 65536          # input taken at a time, so that the output buffer has one size
    WINDOW_MOST = 4096          # bytes of window at 12 bits, the most that .bgcode names
    LENGTH_BITS = 4
    STEP_BITS = 17              # the longest step: a copy with a window of 12 bits
    HEATSHRINK_GROWTH = 9       # 16 bytes from 16 or 17 bits are the most, and one step may be pending
    MEATPACK_GROWTH = 4         # two signs to a byte, each with a blank before it

# What a heatshrink decoder reads next.
cdef enum:
    WANT_TAG = 0
    WANT_LITERAL = 1
    WANT_DISTANCE = 2
    WANT_LENGTH = 3

# MeatPack's command bytes, after FF FF.
cdef enum:
    PACK_NO_SPACES_OFF = 246
    PACK_NO_SPACES_ON = 247
    PACK_RESET = 249
    PACK_OFF = 250
    PACK_ON = 251
    PACK_SIGNAL = 255

# Where in a line the text stands, to put back the blanks that the packer took out of G lines.
cdef enum:
    AT_START = 0
    AT_G = 1                    # the line begins with G
    IN_WORDS = 2                # ... and a digit
    ELSEWHERE = 3
    IN_CHECKSUM = 4             # dropped: it was made for the line without blanks


cdef class Decoder:
    """What both codings share: an output buffer for the most that one block can make, and the feeding."""

    cdef uint8_t* out

    cdef int take_room(self, int64_t growth) except -1:
        """A buffer for blocks that grow so many times. Raises MemoryError."""
        self.out = <uint8_t*> malloc(FEED_BYTES * growth + 16)
        if self.out == NULL:
            raise MemoryError
        return 0

    def __dealloc__(self):
        free(self.out)

    def feed(self, const uint8_t[::1] block not None):
        """The bytes that these bytes, after all before them, stand for. At most 64 KiB at a time (ValueError)."""
        cdef int64_t n = block.shape[0], made
        if n > FEED_BYTES:
            raise ValueError("more than 64 KiB at once")
        if n == 0:
            return b""
        with nogil:
            made = self.decode(&block[0], n)
        return PyBytes_FromStringAndSize(<char*> self.out, made)

    cdef int64_t decode(self, const uint8_t* p, int64_t n) noexcept nogil:
        """Fill the buffer from n bytes; returns how much was made. Each coding has its own."""
        return 0


cdef class Heatshrink(Decoder):
    """One heatshrink stream with a window of 11 or 12 bits and lengths of 4, the two that `.bgcode` names."""

    cdef uint8_t window[WINDOW_MOST]
    cdef int32_t window_bits
    cdef int32_t want
    cdef uint32_t bits          # read, not yet used
    cdef int32_t bit_count
    cdef uint32_t distance
    cdef uint32_t head          # bytes written so far, modulo 2^32

    def __cinit__(self, int window_bits):
        if window_bits != 11 and window_bits != 12:
            raise ValueError("a heatshrink window has 11 or 12 bits here")
        self.take_room(HEATSHRINK_GROWTH)
        memset(self.window, 0, WINDOW_MOST)
        self.window_bits = window_bits

    cdef int32_t width(self) noexcept nogil:
        """Bits of what is read next."""
        if self.want == WANT_TAG:
            return 1
        if self.want == WANT_LITERAL:
            return 8
        return self.window_bits if self.want == WANT_DISTANCE else LENGTH_BITS

    cdef const uint8_t* whole_steps(self, const uint8_t* p, const uint8_t* end, uint8_t** made) noexcept nogil:
        """Steps that lie whole in the input, while three bytes of it are left; the rest is for the caller."""
        cdef uint8_t* out = made[0]
        cdef uint32_t mask = (<uint32_t> 1 << self.window_bits) - 1
        cdef uint32_t head = self.head
        cdef uint32_t bits = self.bits
        cdef uint32_t distance, i, length
        cdef int32_t count = self.bit_count
        while end - p >= 3:
            while count < STEP_BITS:
                bits = (bits << 8) | p[0]
                count += 8
                p += 1
            count -= 1
            if (bits >> count) & 1:
                count -= 8
                out[0] = self.window[head & mask] = <uint8_t> (bits >> count)
                head += 1
                out += 1
            else:
                count -= self.window_bits
                distance = ((bits >> count) & mask) + 1
                count -= LENGTH_BITS
                length = ((bits >> count) & 15) + 1
                for i in range(length):
                    out[i] = self.window[(head - distance) & mask]
                    self.window[head & mask] = out[i]
                    head += 1
                out += length
        self.head = head
        self.bits = bits
        self.bit_count = count
        made[0] = out
        return p

    cdef int64_t decode(self, const uint8_t* p, int64_t n) noexcept nogil:
        cdef const uint8_t* end = p + n
        cdef uint8_t* out = self.out
        cdef uint32_t mask = (<uint32_t> 1 << self.window_bits) - 1
        cdef uint32_t head
        cdef uint32_t value, i
        cdef int32_t width
        if self.want == WANT_TAG:
            p = self.whole_steps(p, end, &out)
        head = self.head
        width = self.width()
        while True:
            while self.bit_count < width:
                if p == end:
                    self.head = head
                    return out - self.out
                self.bits = (self.bits << 8) | p[0]
                self.bit_count += 8
                p += 1
            self.bit_count -= width
            value = (self.bits >> self.bit_count) & ((<uint32_t> 1 << width) - 1)
            if self.want == WANT_TAG:
                self.want = WANT_LITERAL if value else WANT_DISTANCE
            elif self.want == WANT_LITERAL:
                self.window[head & mask] = <uint8_t> value
                head += 1
                out[0] = <uint8_t> value
                out += 1
                self.want = WANT_TAG
            elif self.want == WANT_DISTANCE:
                self.distance = value + 1
                self.want = WANT_LENGTH
            else:
                for i in range(value + 1):
                    out[0] = self.window[(head - self.distance) & mask]
                    self.window[head & mask] = out[0]
                    head += 1
                    out += 1
                self.want = WANT_TAG
            width = self.width()


cdef class Meatpack(Decoder):
    """MeatPack text, block by block. G lines that were packed without blanks get one before each word again."""

    cdef int32_t packing
    cdef int32_t no_spaces
    cdef int32_t signals        # signal bytes just read: 0, 1 or 2
    cdef int32_t whole          # whole bytes that follow: 0, 1 or 2
    cdef int32_t held           # a sign that comes after the whole byte, or -1
    cdef int32_t place          # in the line
    cdef uint8_t last

    def __cinit__(self):
        self.take_room(MEATPACK_GROWTH)
        self.held = -1
        self.last = 10

    def begin(self):
        """A new packed block: it states its own modes; the text goes on where the block before ended."""
        self.packing = 0
        self.no_spaces = 0
        self.signals = 0
        self.whole = 0
        self.held = -1

    @property
    def whole_signs(self):
        """Whether the bytes so far end between two signs, not inside one."""
        return self.signals == 0 and self.whole == 0

    cdef int64_t decode(self, const uint8_t* p, int64_t n) noexcept nogil:
        cdef const uint8_t* end = p + n
        cdef uint8_t* out = self.out
        while p < end:
            if p[0] == PACK_SIGNAL and self.signals < 2:
                # A third FF is no command known; the two before it still announce one.
                self.signals += 1
            elif self.signals == 2:
                if p[0] != PACK_SIGNAL:
                    self.command(p[0])
                    self.signals = 0
            else:
                if self.signals == 1:
                    self.signals = 0
                    out = self.take(PACK_SIGNAL, out)
                out = self.take(p[0], out)
            p += 1
        return out - self.out

    cdef void command(self, uint8_t c) noexcept nogil:
        if c == PACK_ON:
            self.packing = 1
        elif c == PACK_OFF or c == PACK_RESET:
            self.packing = 0
        elif c == PACK_NO_SPACES_ON:
            self.no_spaces = 1
        elif c == PACK_NO_SPACES_OFF:
            self.no_spaces = 0

    cdef uint8_t sign(self, uint8_t half) noexcept nogil:
        """0 to 14 as a character."""
        if half < 10:
            return 48 + half
        if half == 10:
            return 46
        if half == 11:
            return 69 if self.no_spaces else 32
        if half == 12:
            return 10
        return 71 if half == 13 else 88

    cdef uint8_t* take(self, uint8_t c, uint8_t* out) noexcept nogil:
        """One byte that is no command."""
        cdef uint8_t low = c & 15
        cdef uint8_t high = c >> 4
        if not self.packing:
            return self.put(c, out)
        if self.whole:
            self.whole -= 1
            out = self.put(c, out)
            if self.held >= 0:
                out = self.put(<uint8_t> self.held, out)
                self.held = -1
            return out
        if low == 15:
            self.whole = 2 if high == 15 else 1
            if high != 15:
                self.held = self.sign(high)
            return out
        out = self.put(self.sign(low), out)
        if low == 12:
            return out      # a line end in the low half: the high half only fills the byte
        if high == 15:
            self.whole = 1
            return out
        return self.put(self.sign(high), out)

    cdef uint8_t* put(self, uint8_t c, uint8_t* out) noexcept nogil:
        """One character of text, with the blank before it that the packer took out."""
        if c == 10:
            self.place = AT_START
            if self.last == 10 and self.no_spaces and self.packing:
                return out      # libbgcode's packer ends each G line twice
        elif self.place == AT_START:
            self.place = AT_G if c == 71 else ELSEWHERE
        elif self.place == AT_G:
            self.place = IN_WORDS if 48 <= c <= 57 else ELSEWHERE
        elif self.place == IN_WORDS and self.no_spaces and self.packing:
            if c == 59 or c == 40:
                self.place = ELSEWHERE
            elif c == 42:
                self.place = IN_CHECKSUM
            elif 65 <= c <= 90 and self.last != 32:
                out[0] = 32
                out += 1
        if self.place != IN_CHECKSUM:
            out[0] = c
            out += 1
            self.last = c
        return out
