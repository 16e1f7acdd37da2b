"""Keeps models' text away from scorers that evaluate it as Python.

Nine families of reasoning-gym pass the answer to `eval` or to `sympy.parse_expr` (which calls `eval`), so that an
answer such as `__import__("os").system(...)` would run. For these families only literals, or arithmetic on small
numbers and known functions, reach the scorer; any other answer is wrong with the reason. Each of these scorers gives
such an answer no more than a token score anyway. Five scorers evaluate part of the entry too, which comes with the
dataset and so from whoever made that: it is held to the same forms.
"""

from __future__ import annotations

import ast
import re
from typing import Any

_LITERAL_NODES = (ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.UnaryOp, ast.USub, ast.Name, ast.Load)
_ARITHMETIC_NODES = (
    ast.Expression,
    ast.Constant,
    ast.BinOp,
    ast.UnaryOp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.Pow,
    ast.UAdd,
    ast.USub,
    ast.Call,
    ast.Name,
    ast.Load,
)
_LITERALS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
_ARITHMETIC = frozenset(
    {"countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24", "simple_integration"}
)
_FUNCTIONS = frozenset(
    {"Abs", "acos", "asin", "atan", "cos", "cosh", "cot", "csc", "exp", "ln", "log", "pi", "sec", "sin", "sinh", "sqrt"}
    | {"tan", "tanh"}
)
_MAX_CHARS = {"literal": 20_000, "arithmetic": 1_000}
_ARITHMETIC_CHARS = re.compile(r"[0-9A-Za-z_ .+\-*/()]*")
_BITWISE_CHARS = re.compile(r"[0-9a-fA-FxX +\-*()<>]*")
_MAX_NODES = 300
_MAX_POWER = 64
_MAX_POWER_DEPTH = 2
_MAX_NUMBER = 10**15


def refusal(family: str, answer: str) -> str | None:
    """Why `answer` must not reach the scorer of `family`, or None when it may."""
    if family in _LITERALS:
        return _refuse_non_literal(family, answer)
    if family in _ARITHMETIC:
        return _refuse_non_arithmetic(family, answer)
    return None


def unsafe_entry(family: str, entry: dict[str, Any]) -> str | None:
    """Why the entry itself must not reach the scorer, or None when it may."""
    metadata = entry.get("metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    if family == "number_sorting":
        return _refuse_non_literal(family, str(entry.get("answer")))
    if family == "polynomial_multiplication":
        return _refuse_non_arithmetic(family, str(entry.get("answer")))
    if family in ("simple_integration", "intermediate_integration"):
        return _refuse_non_arithmetic(family, str(fields.get("integrand")))
    if family == "bitwise_arithmetic" and not _BITWISE_CHARS.fullmatch(str(fields.get("problem"))):
        return f"a problem of {family} that is no arithmetic expression"
    return None


def _refuse_non_literal(family: str, answer: str) -> str | None:
    """Text that is no Python at all may pass: evaluating it ends in a syntax error, which the scorer expects."""
    if len(answer) > _MAX_CHARS["literal"]:
        return f"an answer to {family} of {len(answer)} characters; at most {_MAX_CHARS['literal']} are read"
    try:
        tree = ast.parse(answer, mode="eval")
    except (SyntaxError, ValueError):
        return None
    except (RecursionError, MemoryError):
        return f"an answer to {family} that is nested too deeply"
    if all(_is_literal(node) for node in ast.walk(tree)):
        return None
    return f"an answer to {family} that is Python code, not a value"


def _is_literal(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):  # ABCD is an answer; the scorer's own variables are in lower case
        return node.id.isascii() and node.id.isalpha() and node.id.isupper()
    return isinstance(node, _LITERAL_NODES)


def _refuse_non_arithmetic(family: str, answer: str) -> str | None:
    if len(answer) > _MAX_CHARS["arithmetic"]:
        return f"an answer to {family} of {len(answer)} characters; at most {_MAX_CHARS['arithmetic']} are read"
    if not _ARITHMETIC_CHARS.fullmatch(answer):
        return f"an answer to {family} that is no arithmetic expression"
    try:
        tree = ast.parse(answer, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return f"an answer to {family} that is no arithmetic expression"
    nodes = list(ast.walk(tree))
    if len(nodes) > _MAX_NODES or _power_depth(tree) > _MAX_POWER_DEPTH:
        return f"an answer to {family} that is too large an expression"
    if all(_is_arithmetic(node) for node in nodes):
        return None
    return f"an answer to {family} that holds more than small numbers, one-letter variables and known functions"


def _is_arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return _is_number(node.value, _MAX_NUMBER)
    if isinstance(node, ast.Name):
        return len(node.id) == 1 or node.id in _FUNCTIONS
    if isinstance(node, ast.Call):
        return (
            isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and len(node.args) == 1 and not node.keywords
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return all(_is_small_exponent(part) for part in ast.walk(node.right))
    return isinstance(node, _ARITHMETIC_NODES)


def _is_number(value: object, at_most: int) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= at_most


def _is_small_exponent(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return _is_number(node.value, _MAX_POWER)
    return not isinstance(node, (ast.Mult, ast.Pow))


def _power_depth(node: ast.AST) -> int:
    """How many powers lie inside one another: each one multiplies the size of the result."""
    inside = max((_power_depth(child) for child in ast.iter_child_nodes(node)), default=0)
    return inside + (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow))
