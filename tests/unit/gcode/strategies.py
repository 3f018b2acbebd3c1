"""Programs for hypothesis: lines that printers and mills really get, oddly written."""

from __future__ import annotations

from hypothesis import strategies as st

digits = st.integers(0, 400_000)


@st.composite
def numbers(draw: st.DrawFn, low: int = -300, high: int = 300) -> str:
    """A decimal number as slicers, CAM and people write it: `10`, `.5`, `15.`, `+3`, `-0`, `007.250`."""
    whole = str(draw(st.integers(0, max(abs(low), high))))
    form = draw(st.integers(0, 5))
    fraction = draw(st.text("0123456789", min_size=1, max_size=8))
    sign = draw(st.sampled_from(["", "", "", "-", "+"])) if low < 0 else ""
    body = [whole, whole + ".", "." + fraction, f"{whole}.{fraction[:3]}", f"{whole}.{fraction}", "0" + whole][form]
    return sign + body


@st.composite
def words(draw: st.DrawFn, letters: str, most: int = 4) -> list[str]:
    chosen = draw(st.lists(st.sampled_from(letters), max_size=most, unique=True))
    return [letter + draw(numbers()) for letter in chosen]


@st.composite
def written(draw: st.DrawFn, parts: list[str], comments: list[str], numbered: bool = True) -> str:
    """Words put together with odd blanks, case, line number, checksum and comment."""
    gap = draw(st.sampled_from(["", " ", "  ", "\t"]))
    text = gap.join(parts)
    if draw(st.booleans()):
        text = text.lower() if draw(st.integers(0, 3)) == 0 else text
    if numbered and draw(st.integers(0, 5)) == 0:
        text = f"N{draw(st.integers(1, 99999))}{gap or ' '}{text}"
        if draw(st.booleans()):
            value = 0
            for byte in text.encode():
                value ^= byte
            text += f"*{value}"
    if draw(st.integers(0, 5)) == 0:
        text += draw(st.sampled_from(comments))
    return text


PRINTER_COMMENTS = ["; comment", ";TYPE:Perimeter", " (x9 y9)", ";LAYER", "; G1 X999"]
CNC_COMMENTS = ["(comment G1 X999)", " ; comment", "( open", "(a)(b)", "()"]


@st.composite
def printer_line(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 19))
    if kind < 9:
        parts = ["G1", *draw(words("XYZE")), *(["F" + draw(numbers(0, 9000))] if draw(st.booleans()) else [])]
    elif kind < 11:
        parts = ["G0", *draw(words("XYZ"))]
    elif kind < 13:
        parts = [draw(st.sampled_from(["G2", "G3", "g02"])), *draw(words("XYE")), *draw(words("IJ", 2))]
    elif kind == 13:
        parts = ["G92", *draw(words("EXYZ", 2))]
    elif kind == 14:
        parts = ["G28", *[axis + "0" for axis in draw(st.lists(st.sampled_from("XYZ"), max_size=2, unique=True))]]
    elif kind == 15:
        parts = ["T" + str(draw(st.integers(0, 3)))]
    elif kind == 16:
        parts = ["G4", draw(st.sampled_from(["P", "S"])) + str(draw(st.integers(0, 50)))]
    elif kind == 17:
        parts = [draw(st.sampled_from([
            "G10", "G11", "M207 S1.5 F1800", "M208 S0.25", "M221 S150", "M221 S100", "M220 S200", "M220 S100",
            "M200 D1.75", "M200 D0", "G92", "G10 L2 P1 X5 Z1", "G10 L20 P2 Y3", "G10 L2 P0 X-2", "G54", "G55",
        ]))]  # fmt: skip
    else:
        simple = ["G90", "G91", "M82", "M83", "G21", "G20", "M104 S200", "M109 S210", "M400", "", "%", "M106 S255"]
        simple += ["M84", "M18 X0", "M84 E0", "M18 S60"]
        parts = [draw(st.sampled_from(simple))]
    return draw(written(parts, PRINTER_COMMENTS))


@st.composite
def cnc_line(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 19))
    feed = ["F" + draw(numbers(0, 3000))] if draw(st.integers(0, 3)) == 0 else []
    if kind < 6:
        parts = [draw(st.sampled_from(["G1", "G01", "G0", ""])), *draw(words("XYZ")), *feed]
    elif kind < 9:
        parts = [*draw(words("XYZ", 3)), *feed]
    elif kind < 12:
        parts = [draw(st.sampled_from(["G2", "G3"])), *draw(words("XYZ", 3)), *draw(words("IJK", 3)), *feed]
    elif kind == 12:
        parts = [draw(st.sampled_from(["G2", "G3"])), *draw(words("XYZ", 3)), "R" + draw(numbers())]
    elif kind == 13:
        parts = ["G53", "G0", *draw(words("XYZ", 3))]
    elif kind == 14:
        parts = ["G92", *draw(words("XYZ", 2))]
    elif kind == 15:
        parts = ["G28", *draw(words("XYZ", 2))]
    elif kind == 16:
        parts = ["T" + str(draw(st.integers(1, 9))), "M6"]
    elif kind == 17:
        parts = ["G4", "P" + draw(numbers(0, 3))]
    else:
        parts = [draw(st.sampled_from([
            "G90", "G91", "G20", "G21", "G17", "G18", "G19", "G54", "G55", "G59.1", "M3 S1000", "M5", "G92.1",
            "", "%", "M8", "/G1X5Y5", "G90 G54 G17",
        ]))]  # fmt: skip
    return draw(written(parts, CNC_COMMENTS, numbered=False))


CYCLE_WORDS = {"G81": "", "G82": "P1", "G83": "Q1.5", "G73": "Q.75", "G89": "P.5", "G85": ""}


@st.composite
def full_mill_line(draw: st.DrawFn) -> str:
    """What LinuxCNC has more than Grbl: cycles, tool lengths, origins that the program writes, inverse time."""
    kind = draw(st.integers(0, 9))
    if kind < 4:
        return draw(cnc_line())
    near = st.integers(-90, 90).map(lambda n: f"{n / 8:g}")
    if kind == 4:
        code = draw(st.sampled_from(sorted(CYCLE_WORDS)))
        top, depth = draw(st.integers(0, 40)), draw(st.integers(0, 40))
        repeat = draw(st.sampled_from(["", "", " L2"]))
        return f"G17 G21 {code} X{draw(near)} R{top / 8:g} Z{top / 8 - depth / 8:g} {CYCLE_WORDS[code]}{repeat}"
    if kind == 5:
        words_ = ["G98", "G99", "G80", "G92.1", "G49", "G28.1", "G94", "G93 G1 X5 F2", "M3 S100"]
        return draw(st.sampled_from(words_))
    if kind == 6:
        return draw(st.sampled_from(["G43 H1", "G43 H2", "G43.1 Z2.5", "G43 H1 G0 Z4", "G49 G0 Z3"]))
    if kind == 7:
        target = draw(st.sampled_from(["L2 P1", "L2 P2", "L20 P1", "L20 P2", "L20 P0"]))
        return f"G10 {target} X{draw(near)} Z{draw(near)}"
    if kind == 8:
        return f"G52 X{draw(near)}"
    return draw(
        st.sampled_from([f"G0 X{draw(near)} Z{draw(near)}", f"G1 Z{draw(near)}", f"G91 X{draw(near)}", "G90"])
    )


def programs(line: st.SearchStrategy[str], most: int = 25) -> st.SearchStrategy[bytes]:
    """Lines with any mixture of line ends, the last one perhaps without."""
    ends = st.sampled_from(["\n", "\n", "\r\n", "\r"])
    return st.lists(st.tuples(line, ends), min_size=1, max_size=most).map(
        lambda pairs: "".join(text + end for text, end in pairs).encode()
    )


@st.composite
def printer_setup_line(draw: st.DrawFn) -> str:
    """What sets a printer up and ends its work: heat, tools, units; now and then a move."""
    kind = draw(st.integers(0, 11))
    degrees = str(draw(st.integers(-5, 300)))
    tool = draw(st.sampled_from(["", "", "T0", "T1", "T4"]))
    if kind < 3:
        parts = [draw(st.sampled_from(["M104", "M109"])), draw(st.sampled_from("SR")) + degrees, tool]
    elif kind < 5:
        parts = [draw(st.sampled_from(["M140", "M190", "M141", "M191"])), draw(st.sampled_from("SR")) + degrees]
    elif kind == 5:
        parts = [
            "M104",
            *draw(st.lists(st.sampled_from(["S180", "R90", "B260", "T2", "S0"]), unique_by=lambda w: w[0])),
        ]
    elif kind == 6:
        parts = ["M303", draw(st.sampled_from(["E0", "E-1", ""])), "S" + degrees]
    elif kind == 7:
        parts = ["M145", *draw(st.lists(st.sampled_from(["H210", "B70", "S1"]), unique_by=lambda word: word[0]))]
    elif kind == 8:
        parts = [draw(st.sampled_from(["T0", "T1", "T7", "G28", "G28 X0", "G20", "G21", "G90", "G91", "M82", "M83"]))]
    else:
        return draw(printer_line())
    return draw(written([part for part in parts if part], PRINTER_COMMENTS))


@st.composite
def cnc_setup_line(draw: st.DrawFn) -> str:
    """Spindle, speeds and modes of a mill among its moves."""
    kind = draw(st.integers(0, 9))
    speed = "S" + draw(st.sampled_from(["0", "100", "1000", "24000", "99.5"]))
    if kind < 2:
        parts = [draw(st.sampled_from(["M3", "M4", "M5", "m03"])), draw(st.sampled_from(["", speed]))]
    elif kind == 2:
        parts = [speed]
    elif kind == 3:
        parts = ["G1", *draw(words("XYZ", 2)), speed]
    elif kind == 4:
        parts = ["F" + draw(st.sampled_from(["0", "100", "0.5", "2000"]))]
    elif kind == 5:
        parts = ["G0", *draw(words("XYZ", 2)), "F" + draw(numbers(0, 3000))]
    else:
        return draw(cnc_line())
    return draw(written([part for part in parts if part], CNC_COMMENTS, numbered=False))


ODD_BYTES = st.sampled_from(
    [b"\xe4", b"\xc3\x84", b"\xff", b"\x80", b"!", b"?", b"~", b"\x00", b"\x18", b"\x7f", b"\x1b"]
)
ODD_WORDS = st.sampled_from([b"G1", b" X1.5", b"Y-2 ", b"\t", b" ", b"Z.25", b"F100", b"/", b"g0x3"])
ODD_TEXT = st.lists(st.one_of(ODD_BYTES, st.sampled_from([b"a", b" b", b"1", b"*", b"\t"])), max_size=4).map(b"".join)
ODD_PAREN = st.tuples(
    ODD_TEXT, st.sampled_from([b"", b"(", b";"]), ODD_TEXT, st.sampled_from([b")", b")", b")", b""])
).map(lambda parts: b"(" + b"".join(parts))


@st.composite
def odd_line(draw: st.DrawFn) -> bytes:
    """A line with bytes where none should be: in code, in comments of both kinds, in a message, before a checksum."""
    if draw(st.integers(0, 5)) == 0:
        body = (
            draw(st.sampled_from([b"M117 ", b"M117", b" M117\t"]))
            + draw(ODD_TEXT)
            + draw(st.sampled_from([b"", b"(", b"!"]))
        )
    else:
        body = b"".join(draw(st.lists(st.one_of(ODD_WORDS, ODD_WORDS, ODD_BYTES, ODD_PAREN), max_size=6)))
    end = draw(st.integers(0, 5))
    if end == 0:
        checksum = 0
        for byte in body:
            checksum ^= byte
        body += b"*%d" % (checksum ^ draw(st.sampled_from([0, 0, 1]))) + draw(st.sampled_from([b"", b" ", b"!"]))
    if end < 2:
        body += b";" + draw(ODD_TEXT) + draw(st.sampled_from([b"", b"(", b")"]))
    return body


FUNCTION_NAMES = ["ABS", "ACOS", "ASIN", "COS", "EXP", "FIX", "FUP", "LN", "ROUND", "SIN", "SQRT", "TAN"]
OPERATORS = ["+", "-", "*", "/", "**", "MOD", "EQ", "NE", "GT", "GE", "LT", "LE", "AND", "OR", "XOR"]


@st.composite
def constants(draw: st.DrawFn) -> str:
    """A number as people write it inside an expression; small, so that powers stay small."""
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return str(draw(st.integers(0, 12)))
    if kind == 1:
        return f"{draw(st.integers(-9, 9))}.{draw(st.integers(0, 999))}"
    if kind == 2:
        return f".{draw(st.integers(0, 99))}"
    if kind == 3:
        return f"{draw(st.integers(0, 9))}."
    return draw(st.sampled_from(["0", "1", "2", "-1", "90", "30", "0.5", "+3", "1.0000004", "- 2"]))


@st.composite
def expressions(draw: st.DrawFn, parameters: tuple[str, ...] = (), depth: int = 3) -> str:
    """What may stand where a number stands: mostly right, now and then something that is refused."""
    kind = draw(st.integers(0, 9 if depth else 3))
    if kind < 3:
        return draw(constants())
    if kind == 3:
        return draw(st.sampled_from(parameters)) if parameters else draw(constants())
    inner = expressions(parameters, depth - 1)
    if kind < 8:
        parts = [draw(inner)]
        for _ in range(draw(st.integers(0, 3))):
            parts += [draw(st.sampled_from(OPERATORS)), draw(inner)]
        text = "[" + draw(st.sampled_from(["", " "])).join(parts) + "]"
        return draw(st.sampled_from(["", "", "", "-", "+"])) + text
    if kind == 8:
        name = draw(st.sampled_from(FUNCTION_NAMES))
        return draw(st.sampled_from([name, name.lower()])) + "[" + draw(inner) + "]"
    return draw(st.sampled_from([f"ATAN[{draw(inner)}]/[{draw(inner)}]", f"EXISTS[#{draw(st.integers(1, 99))}]"]))


@st.composite
def setting(draw: st.DrawFn, names: tuple[str, ...]) -> str:
    return f"{draw(st.sampled_from(names))} = {draw(expressions(names, 2))}"


@st.composite
def computed_line(draw: st.DrawFn, names: tuple[str, ...]) -> str:
    """A line of a computing program that moves, or sets parameters."""
    kind = draw(st.integers(0, 6))
    if kind < 3:
        return draw(setting(names))
    if kind == 3:
        return draw(st.sampled_from(["G91 G0 X2", "G90", "G0 Y#<_x>", "G91", "G90 G1 Z[#5422/2] F200"]))
    if kind == 4:
        return (
            f"G1 F[100+{draw(st.sampled_from(names))}-{draw(st.sampled_from(names))}] Z[{draw(setting_free(names))}]"
        )
    if kind == 5:
        return (
            f"G{draw(st.integers(2, 3))} X[#5420+4] Y#5421 I2 J[{draw(st.sampled_from(['0', '1-1', '#31*0']))}] F90"
        )
    axes = draw(st.lists(st.sampled_from("XYZ"), min_size=1, max_size=2, unique=True))
    return "G0 " + " ".join(f"{axis}[{draw(setting_free(names))}]" for axis in axes)


def setting_free(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    """An expression kept inside a machine's travel."""
    return expressions(names, 2).map(lambda text: f"[{text}] MOD 50")


@st.composite
def computed_block(draw: st.DrawFn, names: tuple[str, ...], label: int, depth: int = 2) -> list[str]:
    """Lines with loops and branches around them, each with labels of its own."""
    lines: list[str] = []
    for i in range(draw(st.integers(1, 3))):
        here = f"o{label * 5 + i + 10}"
        kind = draw(st.integers(0, 7)) if depth else 0
        inner = draw(computed_block(names, label * 5 + i + 1, depth - 1)) if kind > 2 else []
        counter = f"#{1000 + label * 5 + i}"
        if kind <= 2:
            lines += [draw(computed_line(names))]
        elif kind == 3:
            lines += [f"{here} if [{draw(expressions(names, 1))}]", *inner]
            if draw(st.booleans()):
                lines += [f"{here} elseif [{draw(expressions(names, 1))}]", draw(computed_line(names))]
            if draw(st.booleans()):
                lines += [f"{here} else", draw(computed_line(names))]
            lines += [f"{here} endif"]
        elif kind == 4:
            lines += [
                f"{here} repeat [{draw(st.sampled_from(['2', '0', '1.5', '-1', '3']))}]",
                *inner,
                f"{here} endrepeat",
            ]
        elif kind == 5:
            leave = [f"{here} {draw(st.sampled_from(['break', 'continue']))}"] if draw(st.integers(0, 3)) == 0 else []
            lines += [f"{counter}=0", f"{here} while [{counter} LT 3]", f"{counter}=[{counter}+1]", *inner, *leave]
            lines += [f"{here} endwhile"]
        elif kind == 6:
            lines += [
                f"{counter}=0",
                f"{here} do",
                f"{counter}=[{counter}+1]",
                *inner,
                f"{here} while [{counter} LT 2]",
            ]
        else:
            lines += [f"o{draw(st.integers(1, 3))} call [{draw(expressions(names, 1))}] [2]"]
    return lines


@st.composite
def computed_program(draw: st.DrawFn) -> list[str]:
    """A whole program of LinuxCNC with subs, loops and parameters, now and then with a line too many or missing."""
    names = ("#31", "#32", "#<a>", "#<_glob>")
    lines = ["o9 if [1]", "o9 endif", "G21 G90 G17 G94 G54", "G0 X0 Y0 Z0", "S100 M3 F100"]
    lines += ["#31=1", "#32=[3/2]", "#<a>=2", "#<_glob>=-1"]
    for number in (1, 2, 3):
        body = draw(computed_block(("#1", "#2", "#3", "#31", "#<_glob>"), 20 * number, 1))
        lines += [f"o{number} sub", "#<a>=#1", *body, f"o{number} endsub [{draw(constants())}]"]
    lines += draw(computed_block(names, 1))
    lines += ["G0 X[#<_value> MOD 50]", "M2"]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        at = draw(st.integers(4, len(lines) - 1))
        if draw(st.booleans()):
            del lines[at]
        else:
            lines.insert(
                at, draw(st.sampled_from(["o9 else", "o1 return", "o77 endwhile", "G0 X[1", "#5400=1", "o5 foo"]))
            )
    return lines
