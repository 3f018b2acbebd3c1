"""Expressions: `[#1 + 2 * SIN[30]]` and all that may stand where a number stands, as LinuxCNC reads it.

Grammar, precedence, rounding and errors are those of LinuxCNC 2.9 (documentation "G-code overview": expressions,
binary operators, functions; tried with its stand-alone interpreter): powers bind closest, then * / MOD, + -,
comparisons, and last AND OR XOR with one rank; equal ranks go from left to right; a sign belongs to its number, so
-2**2 is 4; two numbers are EQ when they differ by less than 1e-6; angles are degrees; blanks mean nothing.

A value that is not known before the run makes everything unknown that is computed from it. No strtod, and nothing
that is not finite leaves here. The caller promises that the line ends in LF or CR.
"""

from libc.math cimport (
    acos, asin, atan2, ceil, exp, fabs, floor, fmod, isfinite, log, pow, sqrt, tan)
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fleetctl._ext.gcode_parameter cimport (
    create_name, intern, is_read_only, name_is_set, name_value, numbered_value, object_to, refuse)
from fleetctl._ext.gcode_program cimport *
from fleetctl._ext.gcode_skip cimport KIND_HIGH, KIND_NUL, odd_byte
from fleetctl._ext.gcode_types cimport *

cdef extern from *:
    """
    /* Degrees and radians by way of long double, as LinuxCNC: FIX[2*SIN[30]] must be 1 there and here. */
    #define fleetctl_radians(x) ((double) ((x) * 3.141592653589793238462643383279502884L / 180.0))
    #define fleetctl_degrees(x) ((double) ((x) * 180.0 / 3.141592653589793238462643383279502884L))
    """
    double fleetctl_radians(double x) nogil
    double fleetctl_degrees(double x) nogil

cdef extern from "math.h" nogil:
    double sine "sin" (double) noexcept
    double cosine "cos" (double) noexcept

cdef enum:
    OP_END = 0              # ]
    OP_AND
    OP_OR
    OP_XOR
    OP_EQ
    OP_NE
    OP_GT
    OP_GE
    OP_LT
    OP_LE
    OP_PLUS
    OP_MINUS
    OP_TIMES
    OP_DIVIDE
    OP_MOD
    OP_POWER
    OPERATORS
    FN_ABS = 0
    FN_ACOS
    FN_ASIN
    FN_ATAN
    FN_COS
    FN_EXISTS
    FN_EXP
    FN_FIX
    FN_FUP
    FN_LN
    FN_ROUND
    FN_SIN
    FN_SQRT
    FN_TAN
    FUNCTIONS

cdef extern from *:
    """
    static const char* const fleetctl_operator[] = {
        "]", "and", "or", "xor", "eq", "ne", "gt", "ge", "lt", "le", "+", "-", "*", "/", "mod", "**"};
    static const int fleetctl_rank[] = {1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 5, 6};
    static const char* const fleetctl_function[] = {
        "abs", "acos", "asin", "atan", "cos", "exists", "exp", "fix", "fup", "ln", "round", "sin", "sqrt", "tan"};
    """
    const char* const fleetctl_operator[]
    const int fleetctl_rank[]
    const char* const fleetctl_function[]


cdef inline uint8_t peek(const uint8_t** p) noexcept nogil:
    """Steps over blanks; the character there, letters in lower case, 0 for the end of the line's code."""
    cdef uint8_t c
    while p[0][0] == 32 or p[0][0] == 9:
        p[0] += 1
    c = p[0][0]
    if 65 <= c <= 90:
        return c + 32
    return 0 if c == 10 or c == 13 or c == 59 else c


cdef inline bint take_text(const uint8_t** p, const char* text) noexcept nogil:
    """Step over `text` (lower case), whatever the case and the blanks in between; False and no step if it is not."""
    cdef const uint8_t* q = p[0]
    while text[0]:
        if peek(&q) != <uint8_t> text[0]:
            return False
        q += 1
        text += 1
    p[0] = q
    return True


cdef inline bint is_function(const uint8_t* p) noexcept nogil:
    cdef int32_t i
    for i in range(FUNCTIONS):
        if take_text(&p, fleetctl_function[i]):
            return True
    return False


cdef inline bint read_decimal(Core* s, const uint8_t** p, const uint8_t* start, Value* out) noexcept nogil:
    """A number as digits, with one sign and one point at most. Up to 19 digits are exact to the last bit but one."""
    cdef uint64_t m = 0
    cdef int32_t digits = 0, scale = 0, i
    cdef bint negative = False, point = False, any_ = False
    cdef double value, power
    cdef uint8_t c = peek(p)
    cdef int64_t column = p[0] - start + 1
    if c == 45 or c == 43:
        negative = c == 45
        p[0] += 1
        c = peek(p)
    while 48 <= c <= 57 or c == 46:
        if c == 46:
            if point:
                return refuse(s, ERR_NUMBER, p[0] - start + 1)
            point = True
        else:
            any_ = True
            if digits < 18:
                m = m * 10 + (c - 48)
                digits += m > 0
                scale -= point
            elif not point:
                scale += 1
        p[0] += 1
        c = peek(p)
    if not any_:
        return refuse(s, ERR_NUMBER, column)
    value = <double> m
    power = 1.0
    for i in range(scale if scale > 0 else -scale):
        power *= 10.0
        if power > 1e300:
            break
    value = value * power if scale > 0 else value / power
    if not isfinite(value):
        return refuse(s, ERR_NOT_FINITE, column)
    out.number = -value if negative else value
    out.why = KNOWN
    return True


cdef inline bint read_name(Core* s, const uint8_t** p, const uint8_t* start, int32_t* name) noexcept nogil:
    """`<name>`; `p` is at the <. Blanks and case mean nothing."""
    cdef uint8_t text[NAME_LENGTH]
    cdef int32_t n = 0
    cdef int64_t column = p[0] - start + 1
    cdef uint8_t c
    p[0] += 1
    while True:
        c = peek(p)
        if c == 0 or n == NAME_LENGTH or c == 40:
            return refuse(s, ERR_NAME, column)
        if start == s.text and KIND_HIGH <= s.kind[p[0][0]] <= KIND_NUL:
            odd_byte(s, s.kind[p[0][0]], p[0] - start + 1)      # lines of control are looked at in the end
        p[0] += 1
        if c == 62:
            break
        text[n] = c
        n += 1
    name[0] = intern(s.program, text, n)
    if name[0] < 0:
        object_to(s, HAZ_NOT_PROVABLE, WHY_TOO_MANY_NAMES, column)
        s.program.failed = 1
        s.program.stopped = 1
        return False
    return True


cdef inline bint whole_number(Core* s, Value* value, int64_t column, int32_t* out) noexcept nogil:
    """A value that must be a whole number: up to 1e-4 over one, or 1e-4 under the next."""
    cdef double low = floor(value.number)
    if value.why:
        out[0] = 0
        return True
    if fabs(value.number) > 1e9:
        return refuse(s, ERR_INTEGER, column)
    out[0] = <int32_t> low
    if value.number - low > 0.9999:
        out[0] += 1
    elif value.number - low > 0.0001:
        return refuse(s, ERR_INTEGER, column)
    return True


cdef inline bint parameter_number(Core* s, const uint8_t** p, const uint8_t* start, int32_t* number, int32_t* why,
                                  int32_t depth) noexcept nogil:
    """What follows the # of a numbered parameter."""
    cdef int64_t column = p[0] - start + 1
    cdef Value value
    if not read_value(s, p, start, &value, depth) or not whole_number(s, &value, column, number):
        return False
    why[0] = value.why
    if not why[0] and not 1 <= number[0] < PARAMETERS:
        return refuse(s, ERR_PARAMETER_NUMBER, column)
    return True


cdef inline bint read_parameter(Core* s, const uint8_t** p, const uint8_t* start, bint exists, Value* out,
                                int32_t depth) noexcept nogil:
    """`#5`, `#[...]`, `##5`, `#<name>`; or only whether there is such a parameter."""
    cdef int64_t column = p[0] - start + 1
    cdef int32_t name = 0, number = 0, why = KNOWN
    p[0] += 1
    if peek(p) == 60:
        if not read_name(s, p, start, &name):
            return False
        if exists:
            name_is_set(s, name, out)
            return True
        return name_value(s, name, column, out)
    if not parameter_number(s, p, start, &number, &why, depth):
        return False
    out.number = 1.0
    out.why = why
    if not exists and not why:
        numbered_value(s, number, out)
    return True


cdef inline bint compute_function(Core* s, int32_t function, Value* x, int64_t column) noexcept nogil:
    """A function of one known value; degrees where there are angles. FIX goes down, FUP up, ROUND halves away from 0."""
    cdef double v = x.number
    if function == FN_ABS:
        v = fabs(v)
    elif function == FN_ACOS or function == FN_ASIN:
        if not -1.0 <= v <= 1.0:
            return refuse(s, ERR_ARC_FUNCTION, column)
        v = fleetctl_degrees(acos(v) if function == FN_ACOS else asin(v))
    elif function == FN_COS:
        v = cosine(fleetctl_radians(v))
    elif function == FN_EXP:
        v = exp(v)
    elif function == FN_FIX:
        v = floor(v)
    elif function == FN_FUP:
        v = ceil(v)
    elif function == FN_LN:
        if v <= 0.0:
            return refuse(s, ERR_LOGARITHM, column)
        v = log(v)
    elif function == FN_ROUND:
        v += -0.5 if v < 0.0 else 0.5
        if fabs(v) >= 2147483648.0:
            return refuse(s, ERR_ROUND, column)     # beyond its integer LinuxCNC answers nonsense
        v = <double> (<int64_t> v)
    elif function == FN_SIN:
        v = sine(fleetctl_radians(v))
    elif function == FN_SQRT:
        if v < 0.0:
            return refuse(s, ERR_ROOT, column)
        v = sqrt(v)
    elif function == FN_TAN:
        v = tan(fleetctl_radians(v))
    x.number = v
    return True


cdef inline bint read_function(Core* s, const uint8_t** p, const uint8_t* start, Value* out,
                               int32_t depth) noexcept nogil:
    """NAME[...], ATAN[y]/[x], EXISTS[#...]; `p` is at the first letter."""
    cdef int64_t column = p[0] - start + 1
    cdef int32_t function = 0
    cdef Value x
    while function < FUNCTIONS and not take_text(p, fleetctl_function[function]):
        function += 1
    if function == FUNCTIONS:
        return refuse(s, ERR_FUNCTION, column)
    s.program.work += 16
    if peek(p) != 91:
        return refuse(s, ERR_BRACKET_MISSING, p[0] - start + 1)
    if function == FN_EXISTS:
        p[0] += 1
        if peek(p) != 35:
            return refuse(s, ERR_EXISTS, p[0] - start + 1)
        if not read_parameter(s, p, start, True, out, depth):
            return False
        if peek(p) != 93:
            return refuse(s, ERR_EXISTS, p[0] - start + 1)
        p[0] += 1
        return True
    if not read_brackets(s, p, start, out, depth):
        return False
    if function != FN_ATAN:
        return out.why or compute_function(s, function, out, column)
    if peek(p) != 47:
        return refuse(s, ERR_ATAN, p[0] - start + 1)
    p[0] += 1
    if peek(p) != 91:
        return refuse(s, ERR_ATAN, p[0] - start + 1)
    if not read_brackets(s, p, start, &x, depth):
        return False
    if not out.why:
        out.why = x.why
    out.number = fleetctl_degrees(atan2(out.number, x.number))
    return True


cdef inline bint read_value(Core* s, const uint8_t** p, const uint8_t* start, Value* out,
                            int32_t depth) noexcept nogil:
    """Anything that may stand where a number stands. False when LinuxCNC would refuse it (noted); `p` moves on."""
    cdef uint8_t c = peek(p), after
    cdef int64_t column = p[0] - start + 1
    cdef const uint8_t* q
    cdef bint done
    if depth >= DEPTH:
        return refuse(s, ERR_DEPTH, column)
    if c == 91:
        done = read_brackets(s, p, start, out, depth + 1)
    elif c == 35:
        done = read_parameter(s, p, start, False, out, depth + 1)
    elif c == 43 or c == 45:
        q = p[0] + 1
        after = peek(&q)
        if after == 0 or after == 46 or 48 <= after <= 57:
            return read_decimal(s, p, start, out)
        p[0] = q
        done = read_value(s, p, start, out, depth + 1)
        if c == 45:
            out.number = -out.number
    elif 97 <= c <= 122:
        done = read_function(s, p, start, out, depth + 1)
    else:
        return read_decimal(s, p, start, out)
    if done and not out.why and not isfinite(out.number):
        return refuse(s, ERR_NOT_FINITE, column)
    return done


cdef inline bint read_operator(Core* s, const uint8_t** p, const uint8_t* start, int32_t* op) noexcept nogil:
    cdef uint8_t c = peek(p)
    cdef int32_t i = OPERATORS - 1      # ** before *
    while i >= 0:
        if take_text(p, fleetctl_operator[i]):
            op[0] = i
            return True
        i -= 1
    return refuse(s, ERR_OPERATOR if c else ERR_UNCLOSED, p[0] - start + 1)


cdef inline double compare(int32_t op, double a, double b) noexcept nogil:
    """1 or 0. EQ and NE are within 1e-6."""
    cdef bint equal = fabs(a - b) < 1e-6
    if op == OP_EQ:
        return equal
    if op == OP_NE:
        return fabs(a - b) >= 1e-6
    if op == OP_GT:
        return a > b
    if op == OP_GE:
        return a >= b
    if op == OP_LT:
        return a < b
    return a <= b


cdef inline bint compute(Core* s, Value* left, int32_t op, Value* right, int64_t column) noexcept nogil:
    """left op right, into left. What one known side decides alone (0 AND, 1 OR, / 0) is known."""
    cdef double a = left.number, b = right.number
    if op == OP_DIVIDE and not right.why and b == 0.0:
        return refuse(s, ERR_DIVISION, column)
    if op == OP_AND or op == OP_OR:
        if (not left.why and (a != 0.0) == (op == OP_OR)) or (not right.why and (b != 0.0) == (op == OP_OR)):
            left.number = op == OP_OR
            left.why = KNOWN
            return True
    if left.why or right.why:
        left.why = left.why if left.why else right.why
        return True
    if (op == OP_GE or op == OP_LE) and fabs(a - b) < 1e-6 and compare(op, a, b) == 0.0:
        left.why = WHY_CLOSE    # LinuxCNC 2.9.0~pre1 compares exactly, its master of 2026 within 1e-6
        return True
    if OP_EQ <= op <= OP_LE:
        a = compare(op, a, b)
    elif op == OP_AND:
        a = 1.0                 # two that are both known and not decided above
    elif op == OP_OR:
        a = 0.0
    elif op == OP_XOR:
        a = (a != 0.0) != (b != 0.0)
    elif op == OP_PLUS:
        a += b
    elif op == OP_MINUS:
        a -= b
    elif op == OP_TIMES:
        a *= b
    elif op == OP_DIVIDE:
        a /= b
    elif op == OP_MOD:
        s.program.work += 2048 if fabs(a) > 1e18 * fabs(b) else 32      # fmod of far apart numbers is slow
        a = fmod(a, b)
        if a < 0.0:
            a += fabs(b)
    else:
        s.program.work += 16
        if a < 0.0 and floor(b) != b:
            return refuse(s, ERR_POWER, column)
        a = pow(a, b)
    left.number = a
    return True


cdef inline bint read_brackets(Core* s, const uint8_t** p, const uint8_t* start, Value* out,
                               int32_t depth) noexcept nogil:
    """[ value operator value ... ]; `p` is at the [. What binds closer waits on a stack of at most one per rank."""
    cdef Value values[8]
    cdef int32_t ops[8]
    cdef int64_t columns[8]
    cdef int32_t n = 0, op = OP_END
    cdef int64_t column, opened = p[0] - start + 1
    s.program.work += 6
    p[0] += 1
    if not read_value(s, p, start, &values[0], depth):
        return False
    while True:
        peek(p)
        column = p[0] - start + 1
        if not read_operator(s, p, start, &op):
            return False
        while n > 0 and fleetctl_rank[op] <= fleetctl_rank[ops[n - 1]]:
            if not compute(s, &values[n - 1], ops[n - 1], &values[n], columns[n - 1]):
                return False
            n -= 1
        if op == OP_END:
            break
        ops[n] = op
        columns[n] = column
        n += 1
        if not read_value(s, p, start, &values[n], depth):
            return False
    out[0] = values[0]
    if not out.why and not isfinite(out.number):
        return refuse(s, ERR_NOT_FINITE, opened)
    return True


cdef inline bint read_setting(Core* s, const uint8_t** p, const uint8_t* start) noexcept nogil:
    """`#5 = value` or `#<name> = value`, to take effect after the line; `p` is at the #."""
    cdef Program* program = s.program
    cdef Setting setting
    cdef Value value
    cdef int64_t column = p[0] - start + 1
    setting.name = -1
    setting.number = 0
    setting.why = KNOWN
    p[0] += 1
    if peek(p) == 60:
        if not read_name(s, p, start, &setting.name):
            return False
        create_name(s, setting.name)
        if program.predefined[setting.name]:
            return refuse(s, ERR_READ_ONLY, column)
    elif not parameter_number(s, p, start, &setting.number, &setting.why, 0):
        return False
    elif not setting.why and is_read_only(setting.number):
        return refuse(s, ERR_READ_ONLY, column)
    if peek(p) != 61:
        return refuse(s, ERR_EQUALS, p[0] - start + 1)
    p[0] += 1
    if not read_value(s, p, start, &value, 0):
        return False
    if setting.why:                     # any number may have been set, an offset too: none is known any more
        object_to(s, HAZ_NOT_PROVABLE, setting.why, column)
        forget_numbers(program)
        return True
    if program.pending_count == PENDING:
        return refuse(s, ERR_TOO_MANY_SETTINGS, column)
    setting.why = value.why
    setting.value = value.number
    program.pending[program.pending_count] = setting
    program.pending_count += 1
    return True


cdef inline void forget_numbers(Program* program) noexcept nogil:
    cdef int32_t i
    program.work += PARAMETERS
    for i in range(1, PARAMETERS):
        program.number_why[i] = WHY_UNSET
