from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core.voxel import VoxelGrid
from msb.errors import ConfigError

DOUBLE = torch.float64
PAPERS = [  # (n, edge, sigma) of chapter 8 (ADP, CLN) and of deepBackmap
    VoxelGrid(12, 1.8, math.sqrt(0.01 / 2)),
    VoxelGrid(12, 5.5, math.sqrt(0.3076 / 2)),
    VoxelGrid(8, 1.2, math.sqrt(0.02 / 2)),
]


def inside(grid, *shape, seed=0, margin=0.0, dtype=DOUBLE):
    """Particles uniform in the cube that keeps `margin` from the faces."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(*shape, 3, generator=generator, dtype=dtype) - 0.5) * (grid.edge - 2 * margin)


def one_by_one(grid, positions):
    """Evaluate the definition directly: n³ exponentials per particle."""
    c = grid.centres(positions)
    centres = torch.stack(torch.meshgrid(c, c, c, indexing="ij"), dim=-1)
    squares = (positions[..., None, None, None, :] - centres).square().sum(-1)
    return torch.exp(-squares / (2 * grid.sigma**2))


@pytest.mark.parametrize("grid", PAPERS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_against_the_definition(grid, dtype):
    x = inside(grid, 2, 7, dtype=dtype)
    tolerance = 2e-6 if dtype == torch.float32 else 1e-13
    torch.testing.assert_close(grid.densities(x), one_by_one(grid, x), atol=tolerance, rtol=0)
    channels = torch.rand(7, 3, dtype=dtype, generator=torch.Generator().manual_seed(1))
    expected = torch.einsum("bpijk,pc->bcijk", one_by_one(grid, x), channels)
    torch.testing.assert_close(grid.densities(x, channels), expected, atol=5 * tolerance, rtol=0)


def test_channels_may_differ_between_samples():
    grid = PAPERS[2]
    x = inside(grid, 4, 6)
    channels = torch.nn.functional.one_hot(torch.arange(24).reshape(4, 6) % 5, 5)
    expected = torch.stack([grid.densities(x[s], channels[s]) for s in range(4)])
    torch.testing.assert_close(grid.densities(x, channels), expected)
    shared = torch.stack([grid.densities(x[0], channels[s]) for s in range(4)])
    torch.testing.assert_close(grid.densities(x[0], channels), shared)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_conservation(seed):
    """What particles weigh is what the grid holds, when no tail leaves it."""
    grid = VoxelGrid(24, 2.4, 0.1)
    x = inside(grid, 5, seed=seed, margin=0.65)
    torch.testing.assert_close(
        grid.densities(x).sum((-3, -2, -1)), torch.full((5,), grid.total, dtype=DOUBLE)
    )
    channels = torch.rand(5, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    held = grid.densities(x, channels).sum((-3, -2, -1))
    torch.testing.assert_close(held, grid.total * channels.sum(0))


@given(order=st.permutations(range(6)))
@settings(max_examples=20, deadline=None)
def test_permutation_of_particles(order):
    grid = PAPERS[0]
    x = inside(grid, 6)
    channels = torch.rand(6, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(2))
    assert torch.equal(grid.densities(x[order]), grid.densities(x)[order])
    torch.testing.assert_close(grid.densities(x[order], channels[order]), grid.densities(x, channels))


def quarter_turns():
    """The 24 proper rotations of the cube as (axis permutation, signs)."""
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = torch.zeros(3, 3, dtype=DOUBLE)
            for row, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
                matrix[row, axis] = sign
            if torch.linalg.det(matrix) > 0:
                yield axes, signs, matrix


@pytest.mark.parametrize("grid", [PAPERS[0], VoxelGrid(5, 1.0, 0.1)], ids=str)
def test_equivariance_under_quarter_turns(grid):
    """Turning the particles turns the grid, and turning the grid turns the positions."""
    turns = list(quarter_turns())
    assert len(turns) == 24
    x = inside(grid, 4)
    densities = grid.densities(x)
    for axes, signs, matrix in turns:
        turned = densities.permute(0, *(1 + axis for axis in axes))
        turned = turned.flip([1 + row for row, sign in enumerate(signs) if sign < 0])
        torch.testing.assert_close(grid.densities(x @ matrix.T), turned, rtol=1e-14, atol=0)
        for exact in (False, True):
            torch.testing.assert_close(
                grid.positions(turned, exact), grid.positions(densities, exact) @ matrix.T, atol=1e-9, rtol=0
            )


@given(seed=st.integers(0, 10**6), width=st.floats(0.56, 1.0), n=st.integers(12, 20))
@settings(max_examples=40, deadline=None)
def test_a_particle_comes_back_from_its_mean(seed, width, n):
    """Plain mean, 5 sigma from the faces, sigma of 0.56 voxels or more: within 1 % of a voxel."""
    grid = VoxelGrid(n, 1.0, width / n)
    x = inside(grid, 50, seed=seed, margin=5 * grid.sigma)
    assert (grid.positions(grid.densities(x)) - x).abs().max() < 0.01 * grid.spacing


@given(seed=st.integers(0, 10**6), width=st.floats(0.35, 1.5), n=st.integers(4, 16))
@settings(max_examples=40, deadline=None)
def test_a_particle_anywhere_inside_comes_back_exactly(seed, width, n):
    """Inverted mean: anywhere inside, faces included, far within 1 % of a voxel."""
    grid = VoxelGrid(n, 1.0, width / n)
    x = inside(grid, 50, seed=seed)
    x[0], x[1] = grid.edge / 2, -grid.edge / 2
    assert (grid.positions(grid.densities(x), exact=True) - x).abs().max() < 1e-4 * grid.spacing
    single = grid.positions(grid.densities(x.float()), exact=True)
    assert (single - x.float()).abs().max() < 1e-2 * grid.spacing


@pytest.mark.parametrize("grid", PAPERS, ids=str)
def test_published_grids_return_particles_within_one_percent(grid):
    x = inside(grid, 2000, dtype=torch.float32)
    assert (grid.positions(grid.densities(x), exact=True) - x).abs().max() < 0.01 * grid.spacing


def test_the_stated_error_of_the_plain_mean():
    """The docstring's 4 pi s² exp(-2 pi² s²) is what a fine scan over one voxel finds."""
    for s in (0.4, 0.47, 0.55, 0.667):
        grid = VoxelGrid(20, 20.0, s)
        x = torch.zeros(200, 3, dtype=DOUBLE)
        x[:, 0] = torch.linspace(-0.5, 0.5, 200, dtype=DOUBLE)
        found = (grid.positions(grid.densities(x)) - x).abs().max().item()
        assert found == pytest.approx(4 * math.pi * s**2 * math.exp(-2 * math.pi**2 * s**2), rel=0.15)


def test_positions_of_an_arbitrary_density():
    """Of any density the plain mean is the weighted mean of the voxel centres."""
    grid = VoxelGrid(4, 1.0, 0.2)
    rho = torch.rand(3, 4, 4, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    c = grid.centres(rho)
    centres = torch.stack(torch.meshgrid(c, c, c, indexing="ij"), dim=-1)
    expected = (rho.unsqueeze(-1) * centres).sum((1, 2, 3)) / rho.sum((1, 2, 3)).unsqueeze(-1)
    torch.testing.assert_close(grid.positions(rho), expected)


def test_gradients_twice():
    grid = VoxelGrid(3, 1.0, 0.25)
    x = inside(grid, 2, 2, margin=0.05).requires_grad_(True)
    channels = torch.rand(2, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    rho = torch.rand(2, 3, 3, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(1)).requires_grad_(
        True
    )
    for function, inputs in (
        (grid.densities, (x,)),
        (grid.densities, (x, channels)),
        (grid.positions, (rho,)),
        (lambda r: grid.positions(r, exact=True), (rho,)),
        (lambda y: grid.positions(grid.densities(y), exact=True), (x[:1],)),
    ):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


def test_empty_density_and_far_particle_stay_finite():
    grid = PAPERS[2]
    rho = torch.zeros(2, 8, 8, 8, requires_grad=True)
    far = torch.full((2, 3), 1e4, requires_grad=True)
    for exact in (False, True):
        for x in (grid.positions(rho, exact), grid.positions(grid.densities(far), exact)):
            torch.testing.assert_close(x, torch.zeros(2, 3), atol=1e-7, rtol=0)
            for slope in torch.autograd.grad(x.sum(), (rho, far), allow_unused=True):
                assert slope is None or torch.isfinite(slope).all()
    beyond = torch.tensor([[0.8, 0.0, -0.8]])
    torch.testing.assert_close(grid.positions(grid.densities(beyond), exact=True), beyond.clamp(-0.6, 0.6))


def test_half_precision_is_summed_in_float32_and_autocast_leaves_it_alone():
    grid = PAPERS[0]
    x = inside(grid, 5, dtype=torch.float32)
    channels = torch.eye(5)
    plain = grid.densities(x, channels)
    assert grid.positions(plain.bfloat16()).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(grid.densities(x, channels), plain)
        inside_autocast = grid.positions(plain)
    assert torch.equal(inside_autocast, grid.positions(plain))


@pytest.mark.parametrize(
    "wrong", [(0, 1, 1), (1, 1, 1), (4, -1, 1), (4, 1, 0), (4, math.nan, 1), (4.5, 1, 1)]
)
def test_wrong_grids_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"voxel grid: `(n|edge|sigma)` must be"):
        VoxelGrid(*wrong)


def test_wrong_shapes_are_refused():
    grid = VoxelGrid(4, 1.0, 0.2)
    with pytest.raises(ValueError, match=r"`positions` must have shape \(..., P, 3\)"):
        grid.densities(torch.zeros(5, 2))
    with pytest.raises(ValueError, match="P = 5 particles"):
        grid.densities(torch.zeros(5, 3), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"must end in \(4, 4, 4\)"):
        grid.positions(torch.zeros(3, 4, 4, 5))
