"""OpenMM's algebraic expressions as functions of tensors, by way of Python's own parser.

An expression is one formula, then definitions of the names it uses, separated by semicolons:
``"0.5*k*(thetap-theta0)^2; thetap = theta + shift; shift = step(-theta)*2*3.14159"``.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from msb.errors import EnergyError

__all__ = ["Expression"]

Value = Tensor | float

_TOKEN = re.compile(r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)")
_PREFIX = "x_"  # names may be Python keywords ("lambda"): none begins like this
_LARGEST_PRODUCT = 16  # integer powers up to here are products, which are quicker than pow


class Expression:
    """A formula that is evaluated on tensors and differentiable where its functions are.

    Operators are ``+ - * / ^`` and parentheses; the functions are those of OpenMM's custom forces.  Both
    branches of ``select`` and both factors of a product with ``step`` are evaluated, as in OpenMM, so a
    branch that is infinite where it is not taken spoils the gradient.

    Parameters
    ----------
    text : str
        Formula and definitions.
    functions : mapping of str to callable, optional
        Further functions, tabulated ones for instance.

    Raises
    ------
    EnergyError
        If the text is not an expression, or calls an unknown function.

    Examples
    --------
    >>> Expression("k*(r-r0)^2; r0 = 2")({"k": torch.tensor(3.0), "r": torch.tensor(4.0)})
    tensor(12.)
    """

    def __init__(self, text: str, functions: Mapping[str, Callable[..., Value]] | None = None) -> None:
        self.text = text
        self._functions = dict(functions or {})
        formula, *definitions = [part.strip() for part in text.split(";") if part.strip()] or [""]
        self._formula = self._parse(formula)
        self._definitions: dict[str, ast.expr] = {}
        for definition in definitions:
            name, equals, body = definition.partition("=")
            if not equals or not name.strip().isidentifier():
                raise self._refusal(f"`{definition}` is not a definition `name = formula`")
            self._definitions[name.strip()] = self._parse(body.strip())

    @property
    def names(self) -> frozenset[str]:
        """Variables that must be given."""
        trees = [self._formula, *self._definitions.values()]
        used = {
            node.id.removeprefix(_PREFIX)
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Name)
        }
        called = {
            node.func.id.removeprefix(_PREFIX)
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        return frozenset(used - called - set(self._definitions))

    def __call__(self, variables: Mapping[str, Value]) -> Tensor:
        """Value of the formula.

        Parameters
        ----------
        variables : mapping of str to Tensor or float
            Shapes that broadcast; at least one tensor.

        Returns
        -------
        Tensor
            Of the broadcast shape.

        Raises
        ------
        EnergyError
            If a name is neither given nor defined, or a definition uses itself.
        """
        like = next(value for value in variables.values() if isinstance(value, Tensor))
        try:
            value = _Evaluation(self, variables, like).value(self._formula)
        except (ZeroDivisionError, OverflowError, TypeError) as error:
            raise self._refusal(str(error)) from error
        return _tensor(value, like)

    def _function(self, name: str) -> Callable[..., Value] | None:
        return self._functions.get(name) or _FUNCTIONS.get(name)

    def _parse(self, text: str) -> ast.expr:
        """Syntax tree of one formula, checked to hold nothing but arithmetic."""
        try:
            tree = ast.parse(_TOKEN.sub(_python_token, text).replace("^", "**"), mode="eval").body
        except SyntaxError as error:
            raise self._refusal(f"`{text}` is not a formula") from error
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                if not isinstance(node.func, ast.Name) or node.keywords:
                    raise self._refusal(f"`{text}` is not a formula")
                if self._function(node.func.id.removeprefix(_PREFIX)) is None:
                    raise self._refusal(f"unknown function `{node.func.id.removeprefix(_PREFIX)}`")
            elif not isinstance(node, _ARITHMETIC) or isinstance(getattr(node, "value", 0.0), str):
                raise self._refusal(f"`{text}` is not a formula")
        return tree

    def _refusal(self, reason: str) -> EnergyError:
        return EnergyError(f"energy expression `{self.text}`: {reason}")


class _Evaluation:
    """One evaluation: definitions are worked out once, when first used."""

    def __init__(self, expression: Expression, variables: Mapping[str, Value], like: Tensor) -> None:
        self._expression, self._like = expression, like
        self._known: dict[str, Value] = dict(variables)
        self._open: set[str] = set()

    def value(self, node: ast.expr) -> Value:
        """Value of a node of the syntax tree."""
        if isinstance(node, ast.Constant):
            return float(str(node.value))
        if isinstance(node, ast.Name):
            return self._lookup(node.id.removeprefix(_PREFIX))
        if isinstance(node, ast.UnaryOp):
            operand = self.value(node.operand)
            return -operand if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.BinOp):
            left, right = self.value(node.left), self.value(node.right)
            return (
                _power(left, right) if isinstance(node.op, ast.Pow) else _BINARY[type(node.op)](left, right)
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            function = self._expression._function(node.func.id.removeprefix(_PREFIX))
            arguments = (_tensor(self.value(argument), self._like) for argument in node.args)
            if function is not None:
                return function(*arguments)
        raise self._expression._refusal("not a formula")

    def _lookup(self, name: str) -> Value:
        if name not in self._known:
            body = self._expression._definitions.get(name)
            if body is None:
                raise self._expression._refusal(f"nothing gives a value to `{name}`")
            if name in self._open:
                raise self._expression._refusal(f"the definition of `{name}` uses itself")
            self._open.add(name)
            self._known[name] = self.value(body)
        return self._known[name]


def _python_token(match: re.Match[str]) -> str:
    """Write a number as Python writes it (007 is none), or a name that is no Python keyword."""
    if match["number"]:
        return repr(float(match["number"]))
    return _PREFIX + match["name"]


def _tensor(value: Value, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)


def _power(base: Value, exponent: Value) -> Value:
    """Power; a product where the exponent is a small integer."""
    if isinstance(exponent, Tensor) or not float(exponent).is_integer():
        return base**exponent
    n = int(abs(exponent))
    if n > _LARGEST_PRODUCT or not isinstance(base, Tensor):
        return base**exponent
    product: Value = 1.0
    for bit in f"{n:b}":  # square and multiply
        product = product * product
        if bit == "1":
            product = product * base
    return 1.0 / product if exponent < 0 else product


def _reciprocal_of(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: function(x).reciprocal()


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ARITHMETIC = (
    *(ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.USub, ast.UAdd),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow),
)
_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atan2": torch.atan2,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "cot": _reciprocal_of(torch.tan),
    "csc": _reciprocal_of(torch.sin),
    "cube": lambda x: x * x * x,
    "delta": lambda x: (x == 0).to(x.dtype),
    "erf": torch.erf,
    "erfc": torch.erfc,
    "exp": torch.exp,
    "floor": torch.floor,
    "log": torch.log,
    "max": torch.maximum,
    "min": torch.minimum,
    "recip": torch.reciprocal,
    "sec": _reciprocal_of(torch.cos),
    "select": lambda x, y, z: torch.where(x != 0, y, z),
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "step": lambda x: (x >= 0).to(x.dtype),
    "tan": torch.tan,
    "tanh": torch.tanh,
}
