"""Why a computed program is not provable, or where its controller refuses it: a sentence and a hint per reason.

The core names the reasons (`gcode_core.REASON_NAMES`); here are only the words. It must not know machines.
Facts: LinuxCNC documentation, "G-code overview" and "O codes"; the page docs/explanation/rs274.md sums them up.
"""

from __future__ import annotations

REASONS: dict[str, tuple[str, str]] = {
    # What cannot be known before the run.
    "parameter_left_over": (
        "A numbered parameter is used that this program has not set: it holds what an earlier program left",
        "Set the parameter at the top of the program.",
    ),
    "global_left_over": (
        "It is asked for a global parameter that this program has not set: an earlier program may have",
        "Set the parameter at the top of the program.",
    ),
    "kept_by_machine": (
        "A parameter is used that the machine keeps (offsets, tool table, stored positions)",
        "Write the value into the program, if it is always the same.",
    ),
    "measured": (
        "A parameter is used that is only measured during the run (probe, input)",
        "Take the probing out of the program, or run it with a person watching.",
    ),
    "position": (
        "The present position is used where it is not known",
        "Move the axis to an absolute place first.",
    ),
    "mode": (
        "A mode is asked for that this program has not set",
        "Set the mode at the top of the program.",
    ),
    "setting": (
        "A setting of the machine is asked for (version, INI, HAL, override, tool)",
        "Write the value into the program, if it is always the same.",
    ),
    "other_file": (
        "A subroutine is called that is not in this file",
        "Put the subroutine into the program.",
    ),
    "too_long": (
        "The program jumps, and is too long to be followed (over 16 MiB from its first O word on)",
        "Let the CAM write the moves without subroutines.",
    ),
    "too_many_names": (
        "The program has more names or labels than can be kept (2048)",
        "Use fewer names.",
    ),
    "polar": ("Polar words @ and ^ are not followed", "Let the CAM write X and Y."),
    "not_modelled": ("A turning cycle G70 to G72 is not followed", "Let the CAM write the moves."),
    "row": (
        "Zero or units change within a row of cycles, and where the next hole is then differs between controllers",
        "End the row with G80 first.",
    ),
    "close": (
        "GE or LE compares numbers less than 0.000001 apart, which versions of LinuxCNC decide differently",
        "Compare with a margin: [#1 LT #2 + 0.001].",
    ),
    "modes_kept": ("M72 and M73 bring modes back (units, G90 or G91), which is not followed", "Write the modes out."),
    # What LinuxCNC answers with an error where it reads the line.
    "number": ("A number is missing or written wrongly", "Correct the number."),
    "function": ("A function is used that does not exist", "Functions are ABS, ACOS, ASIN, ATAN, COS, EXISTS, EXP, "
                 "FIX, FUP, LN, ROUND, SIN, SQRT and TAN."),
    "operator": ("An operator is used that does not exist", "Operators are + - * / ** MOD EQ NE GT GE LT LE AND OR "
                 "and XOR."),
    "unclosed": ("An expression is not closed", "Close it with ]."),
    "bracket_missing": ("A function lacks its bracket", "Write the argument in [ ]."),
    "atan": ("ATAN needs two arguments", "Write ATAN[y]/[x]."),
    "exists": ("EXISTS needs one parameter", "Write EXISTS[#<name>]."),
    "depth": ("Brackets stand inside each other too deeply", "Split the expression over several parameters."),
    "not_finite": ("The result is no finite number", "Correct the expression."),
    "division": ("It is divided by zero", "Correct the expression, or set its parameters first."),
    "power": ("A negative number is raised to a power that is not whole", "Correct the expression."),
    "root": ("A square root of a negative number is taken", "Correct the expression."),
    "logarithm": ("A logarithm of zero or less is taken", "Correct the expression."),
    "arc_function": ("ACOS or ASIN of something outside -1 to 1 is taken", "Correct the expression."),
    "round": ("A number is too great for ROUND", "Keep it under 2147483648."),
    "integer": ("A whole number is needed", "Use ROUND[ ], FIX[ ] or FUP[ ]."),
    "parameter_number": ("There is no parameter of this number", "Numbers go from 1 to 5601."),
    "read_only": ("A parameter is set that can only be read", "Use another parameter."),
    "name": ("The name of a parameter is not closed", "Close it with >."),
    "name_unset": ("A named parameter is used before it is set", "Set it first; names are local to their sub "
                   "unless they begin with _."),
    "equals": ("An equals sign is missing after a parameter", "Write #1 = 5, or a letter before the parameter."),
    "stray_bracket": ("An expression stands where a word should", "Write a letter before the [."),
    "too_many_settings": ("Too many parameters are set on one line", "Use several lines."),
    "word_number": ("A computed code is no G or M code, or a line number is computed", "Correct the expression."),
    "abort": ("The program stops itself here with (ABORT,...)", "See what the program checks before this line."),
    "keyword": ("An O word has no known keyword, or is not the first word of its line", "Correct the keyword."),
    "trailing": ("Something other than a comment follows an O word", "Put it on its own line."),
    "condition": ("A condition or a count is missing", "Write it in [ ]."),
    "arguments": ("A call has more than 30 arguments", "Pass fewer, or use global parameters."),
    "nested_sub": ("A subroutine is defined inside another", "Define it outside."),
    "twice": ("A label is used twice", "Give each sub, loop and branch its own number or name."),
    "no_label": ("A loop or branch is closed or left that was never opened", "Correct the number or name."),
    "wrong_label": ("A loop or branch is closed or left as something that it is not", "Correct the keyword."),
    "not_in_sub": ("An endsub or return stands outside a subroutine", "Take it out."),
    "never_closed": ("A subroutine, loop or branch is never closed", "Close it before the end of the program."),
    "call_style": ("A subroutine is called or left in the other style (O call and endsub, M98 and M99)",
                   "Use one style."),
    "levels": ("Subroutines call each other more than 9 deep", "Use a loop instead."),
    "m98": ("M98 is not the first word of its line, or has no whole P", "Write M98 P and the number."),
    # What does not come to an end soon enough.
    "work": ("Loops run for longer than they are followed (about 15 million lines)", "Check the loop's condition."),
    "endless": ("M99 in the main program begins it again, without end", "End the program with M2."),
}  # fmt: skip
"""By reason: what is so, and what to do about it."""
