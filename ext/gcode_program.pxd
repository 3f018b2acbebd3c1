"""The memory of a program that computes: parameters, names, labels and its own text, as plain C structs.

There is one only where the dialect evaluates (`READ_EXPRESSIONS`); everything in it has a fixed bound but the text,
which has a cap. Nothing here computes.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    PARAMETERS = 5602       # numbers 1 .. 5601; LinuxCNC 2.9 refuses 5602 and more
    CALL_LEVELS = 10        # LinuxCNC refuses a tenth call inside nine others
    ARGUMENTS = 30          # #1 .. #30 belong to each call
    PENDING = 64            # assignments on one line; LinuxCNC reads 255 characters, which hold no more
    NAMES = 2048
    NAME_SLOTS = 8192
    NAME_BYTES = 65536
    NAME_LENGTH = 256
    LABELS = 2048
    LABEL_SLOTS = 8192
    DEPTH = 128             # brackets inside each other; 255 characters hold no more that mean anything
    TEXT_CAP = 16777216     # bytes kept from the first O word on
    WORK_OF_STEP = 50       # a move of a cycle or curve takes as long as so many bytes
    WORK_OF_ARC = 400       # an arc is planned in up to sixteen pieces a turn

# Bytes followed, with 12 more for a line: some 7 million lines, 1 to 1.5 s. Sanitizers take fifty times as long, so
# the fuzzed build sets a cap of its own (tests/fuzz/build.py).
cdef extern from *:
    """
    #ifndef FLEETCTL_WORK_CAP
    #define FLEETCTL_WORK_CAP 150000000
    #endif
    """
    const int64_t WORK_CAP "FLEETCTL_WORK_CAP"

# Whether the core reads straight on, or keeps the text because there are jumps in it.
cdef enum:
    STATE_PLAIN = 0         # no O word so far: lines act as they come
    STATE_KEEP = 1          # the text is kept, to be followed at the end
    STATE_RUN = 2           # it is being followed
    STATE_SWEEP = 3         # lines that were never reached are looked at, not carried out
    STATE_OFF = 4           # too long to keep: O words and expressions are only noted

# Why a value, or all that follows, is not known before the run; 0 is known. The words are in `evaluation.py`.
cdef enum:
    KNOWN = 0
    WHY_UNSET
    WHY_MACHINE
    WHY_INPUT
    WHY_POSITION
    WHY_MODE
    WHY_SETTING
    WHY_OTHER_FILE
    WHY_TOO_LONG
    WHY_TOO_MANY_NAMES
    WHY_GLOBAL
    WHY_POLAR
    WHY_NOT_MODELLED
    WHY_ROW
    WHY_CLOSE
    WHY_MODES_KEPT
    ERR_NUMBER
    ERR_FUNCTION
    ERR_OPERATOR
    ERR_UNCLOSED
    ERR_BRACKET_MISSING
    ERR_ATAN
    ERR_EXISTS
    ERR_DEPTH
    ERR_NOT_FINITE
    ERR_DIVISION
    ERR_POWER
    ERR_ROOT
    ERR_LOGARITHM
    ERR_ARC_FUNCTION
    ERR_ROUND
    ERR_INTEGER
    ERR_PARAMETER_NUMBER
    ERR_READ_ONLY
    ERR_NAME
    ERR_NAME_UNSET
    ERR_EQUALS
    ERR_STRAY_BRACKET
    ERR_TOO_MANY_SETTINGS
    ERR_WORD_NUMBER
    ERR_ABORT
    FLOW_KEYWORD
    FLOW_TRAILING
    FLOW_CONDITION
    FLOW_ARGUMENTS
    FLOW_NESTED_SUB
    FLOW_TWICE
    FLOW_NO_LABEL
    FLOW_WRONG_LABEL
    FLOW_NOT_IN_SUB
    FLOW_NEVER_CLOSED
    FLOW_CALL_STYLE
    FLOW_LEVELS
    FLOW_M98
    CAP_WORK
    CAP_ENDLESS
    REASONS

cdef enum:
    O_NONE = 0              # a number alone: the beginning of a Fanuc-style (sub)program
    O_SUB
    O_ENDSUB
    O_CALL
    O_DO
    O_WHILE
    O_REPEAT
    O_IF
    O_ELSEIF
    O_ELSE
    O_ENDIF
    O_BREAK
    O_CONTINUE
    O_ENDWHILE
    O_ENDREPEAT
    O_RETURN
    O_UNKNOWN
    O_M98
    O_M99

cdef struct Value:
    double number
    int32_t why             # KNOWN, or why the number means nothing

cdef struct Setting:
    int32_t name            # index of a name, or -1
    int32_t number
    int32_t why
    double value

cdef struct Call:
    int32_t sub             # index of the name
    int32_t fanuc           # called with M98
    int32_t repeats         # M98 L: times to go, this one included
    uint32_t serial         # tells the local names of this call from those of an earlier one
    int64_t offset          # of the line after the call
    int64_t line
    double saved[ARGUMENTS]
    uint8_t saved_why[ARGUMENTS]

cdef struct Label:
    uint64_t key
    int32_t kind            # O_SUB, O_NONE, O_DO, O_WHILE, O_REPEAT, O_IF
    int32_t repeats         # of a repeat: times still to go, -1 before it has begun
    int64_t offset
    int64_t line

cdef struct Local:
    double value
    uint32_t serial         # set in the call of this serial number
    int32_t why

cdef struct Program:
    int32_t state
    int32_t stopped         # nothing more is followed
    int32_t failed          # the line at hand must not act
    int32_t bare_o          # an O number stood alone before the text was kept
    int32_t reason[4]       # of not_provable, evaluation_error, flow_error, loop_cap, at their first places
    int64_t work
    # parameters
    double number[PARAMETERS]
    uint8_t number_why[PARAMETERS]
    int32_t pending_count
    Setting pending[PENDING]
    # names, folded and without blanks
    int32_t name_count
    int32_t name_used
    int32_t name_slot[NAME_SLOTS]
    uint64_t name_hash[NAMES]
    int32_t name_offset[NAMES]
    int16_t name_length[NAMES]
    int16_t predefined[NAMES]
    double global_value[NAMES]
    uint8_t global_set[NAMES]
    int32_t global_why[NAMES]
    Local local[CALL_LEVELS][NAMES]
    char arena[NAME_BYTES]
    # flow
    int32_t level
    uint32_t serial
    Call call[CALL_LEVELS]
    Value returned
    int32_t value_returned
    int32_t label_count
    int32_t label_slot[LABEL_SLOTS]
    Label label[LABELS]
    int32_t skipping        # lines are passed over until the label `skip_key`
    int32_t seeking         # and that label must be a sub
    uint64_t skip_key
    int64_t skip_line
    int64_t skip_column
    int32_t defining        # inside a sub that is being read, not called
    int32_t defined_sub
    int32_t executed_if
    int32_t doing_break
    int32_t doing_continue
    int32_t jumped
    int64_t jump_offset
    int64_t jump_line
    # text
    uint8_t* text
    uint8_t* visited        # a bit for each byte of the text: the line that begins here was carried out
    int64_t length
    int64_t capacity
    int64_t first_line
    int64_t base            # where the kept text begins in the file, bytes
    int64_t next_offset     # what follows the line at hand
    int64_t next_line
    # where the axes stood after each line that was followed, on request: line, x, y, z (mm; NaN where not known)
    int64_t trail_most
    int64_t trail_count
    double* trail
