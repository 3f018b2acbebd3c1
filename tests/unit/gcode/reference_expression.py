"""A second, independent evaluation of RS274NGC expressions: recursive, over tokens, in plain Python.

Written from LinuxCNC's documentation, to check the compiled core. Numbered parameters come from a mapping.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

NAMES = [
    "and", "or", "xor", "eq", "ne", "gt", "ge", "lt", "le", "mod", "abs", "acos", "asin", "atan", "cos", "exists",
    "exp", "fix", "fup", "ln", "round", "sin", "sqrt", "tan",
]  # fmt: skip
TOKEN = re.compile(r"\d+\.?\d*|\.\d+|\*\*|" + "|".join(NAMES) + r"|[-+*/\[\]#]")
RANKS = [("and", "or", "xor"), ("eq", "ne", "gt", "ge", "lt", "le"), ("+", "-"), ("*", "/", "mod"), ("**",)]


class Refused(Exception):
    """The controller would stop at this expression."""


class Close(Exception):
    """GE or LE between numbers that only versions tell apart."""


def evaluate(text: str, parameters: Mapping[int, float]) -> float:
    """The value of a whole text; raises Refused, or KeyError for a parameter that is not set."""
    tokens = TOKEN.findall(re.sub(r"[ \t]", "", text.lower()))
    value = _value(tokens, parameters)
    if tokens:
        raise Refused("more follows")
    return value


def _value(tokens: list[str], parameters: Mapping[int, float]) -> float:
    token = tokens.pop(0) if tokens else ""
    if token in ("+", "-"):
        value = _value(tokens, parameters)
        return -value if token == "-" else value
    if token == "[":
        return _level(tokens, parameters, 0, closing=True)
    if token == "#":
        return parameters[round(_value(tokens, parameters))]
    if token.isalpha():
        return _function(token, tokens, parameters)
    if not token or not (token[0].isdigit() or token[0] == "."):
        raise Refused("a number is missing")
    return float(token)


def _function(name: str, tokens: list[str], parameters: Mapping[int, float]) -> float:
    if name == "exists":
        del tokens[:2]
        number = _value(tokens, parameters)
        tokens.pop(0)
        return float(1 <= number <= 5601)
    tokens.pop(0)
    x = _level(tokens, parameters, 0, closing=True)
    if name == "atan":
        del tokens[:2]
        return math.degrees(math.atan2(x, _level(tokens, parameters, 0, closing=True)))
    try:
        return float(
            {
                "abs": abs,
                "acos": lambda v: math.degrees(math.acos(v)),
                "asin": lambda v: math.degrees(math.asin(v)),
                "cos": lambda v: math.cos(math.radians(v)),
                "exp": math.exp,
                "fix": math.floor,
                "fup": math.ceil,
                "ln": math.log,
                "round": lambda v: math.copysign(math.floor(abs(v) + 0.5), v),
                "sin": lambda v: math.sin(math.radians(v)),
                "sqrt": math.sqrt,
                "tan": lambda v: math.tan(math.radians(v)),
            }[name](x)
        )
    except (ValueError, OverflowError) as error:
        raise Refused(name) from error


def _level(tokens: list[str], parameters: Mapping[int, float], rank: int, *, closing: bool = False) -> float:
    """One rank of operators, from left to right; operands are of the next rank."""
    if rank == len(RANKS):
        return _value(tokens, parameters)
    value = _level(tokens, parameters, rank + 1)
    while tokens and tokens[0] in RANKS[rank]:
        operator = tokens.pop(0)
        value = _binary(operator, value, _level(tokens, parameters, rank + 1))
    if closing and (not tokens or tokens.pop(0) != "]"):
        raise Refused("not closed")
    if closing and not math.isfinite(value):
        raise Refused("not finite")
    return value


def modulo(a: float, b: float) -> float:
    """The rest that is never negative, whatever the signs."""
    if b == 0 or math.isinf(a):
        return math.nan
    rest = math.fmod(a, b)
    return rest + abs(b) if rest < 0 else rest


def _binary(operator: str, a: float, b: float) -> float:
    near = abs(a - b) < 1e-6
    if operator in ("ge", "le"):
        exact = a >= b if operator == "ge" else a <= b
        if near and not exact:
            raise Close
        return float(exact)
    try:
        value = {
            "and": lambda: bool(a) and bool(b),
            "or": lambda: bool(a) or bool(b),
            "xor": lambda: bool(a) != bool(b),
            "eq": lambda: near,
            "ne": lambda: abs(a - b) >= 1e-6,
            "gt": lambda: a > b,
            "lt": lambda: a < b,
            "+": lambda: a + b,
            "-": lambda: a - b,
            "*": lambda: a * b,
            "/": lambda: a / b,
            "mod": lambda: modulo(a, b),
            "**": lambda: a**b if a or b >= 0 else math.inf,
        }[operator]()
    except ZeroDivisionError as error:
        raise Refused(operator) from error
    except OverflowError:
        return math.inf
    if isinstance(value, complex):
        raise Refused(operator)
    return float(value)
