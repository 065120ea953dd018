"""Energy expressions against OpenMM's own parser, and what they refuse."""

from __future__ import annotations

import math

import openmm
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.energy.expressions import Expression
from msb.errors import EnergyError

R, K = 1.3, 0.7  # the variables of every expression below


def by_openmm(text: str) -> float:
    """Value of an expression of r and k, from a bond of length r."""
    system = openmm.System()
    system.addParticle(1.0)
    system.addParticle(1.0)
    force = openmm.CustomBondForce(text)
    force.addPerBondParameter("k")
    force.addBond(0, 1, [K])
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions([[0, 0, 0], [R, 0, 0]])
    return float(context.getState(energy=True).getPotentialEnergy()._value)


def by_torch(text: str) -> float:
    variables = {"r": torch.tensor(R, dtype=torch.float64), "k": torch.tensor(K, dtype=torch.float64)}
    return float(Expression(text)(variables))


numbers = st.sampled_from(["2", "0.5", "1e-1", "3.", ".25", "1.5E+1", "007"])
leaves = numbers | st.sampled_from(["r", "k"])
smooth = st.sampled_from(
    ["sin", "cos", "tanh", "erf", "erfc", "atan", "abs", "square", "cube", "exp", "step"]
)
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"{t[0]}{t[1]}{t[2]}"),
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]}) {t[1]} (2+{t[2]})"),
        inner.map(lambda x: f"-({x})"),
        inner.map(lambda x: f"-{x}^2"),
        st.tuples(smooth, inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["min", "max", "atan2"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]},{t[2]}+3)"
        ),
        st.tuples(inner, inner, inner).map(lambda t: f"select({t[0]}, {t[1]}, {t[2]})"),
    ),
    max_leaves=8,
)


@given(formulas)
@settings(max_examples=120)
def test_agrees_with_openmm(text):
    wanted = by_openmm(text)
    if math.isfinite(wanted) and abs(wanted) < 1e12:
        assert by_torch(text) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "0.5*k*(rp-r0)^2; rp = r - step(r-1)*2*pi; r0 = a+1; a = 0.1; pi = 3.14159265358979",
        "2^3^0.5",
        "-r^2",
        "r^-2",
        "r^(-0.5)",
        "r*-1",
        "k/r/2",
        "1-2-3",
        "lambda*r; lambda = k",
        "delta(r-r) + delta(k)",
        "floor(r*3) + ceil(k*3)",
        "sqrt(r) + log(r) + recip(k) + asin(k) + acos(k) + sinh(k) + cosh(k) + tan(k)",
        "sec(k) + csc(k) + cot(k)",
        "r^20 + k^3 - r^17",
        "7",
    ],
)
def test_forms_that_force_fields_use(text):
    assert by_torch(text) == pytest.approx(by_openmm(text), rel=1e-12)


def test_gradients_follow():
    expression = Expression("k*(r-r0)^2 + exp(-r)/r^6; r0 = sqrt(k)")
    r = torch.rand(5, dtype=torch.float64, generator=torch.manual_seed(0)).add_(0.5).requires_grad_(True)
    k = torch.full((5,), 0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r, k: expression({"r": r, "k": k}), (r, k))


def test_names_are_the_free_ones():
    assert Expression("a*b + max(c, d); b = e*2").names == {"a", "c", "d", "e"}
    assert Expression("lambda*r").names == {"lambda", "r"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a formula"),
        ("r +", "not a formula"),
        ("r == 1", "not a formula"),
        ("r, k", "not a formula"),
        ("r.real", "not a formula"),
        ("__import__('os')", "not a formula|unknown function"),
        ("'a'*3", "not a formula"),
        ("[r for r in k]", "not a formula"),
        ("gamma(r)", "unknown function `gamma`"),
        ("r; k", "not a definition"),
        ("r*q", "nothing gives a value to `q`"),
        ("r*a; a = b; b = a", "uses itself"),
        ("r*(1/0)", "division by zero"),
        ("r + sin(r, r)", "energy expression"),
    ],
)
def test_what_is_no_expression_is_refused(text, reason):
    with pytest.raises(EnergyError, match=reason):
        by_torch(text)
