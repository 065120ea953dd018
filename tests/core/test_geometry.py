from __future__ import annotations

import math

import mdtraj
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from msb.core import geometry

DOUBLE = torch.float64
PI = math.pi


def random_points(seed, *shape, dtype=DOUBLE):
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradient(function, x):
    x = x.detach().clone().requires_grad_(True)
    value = function(x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), slope


# ---------------------------------------------------------------- values


def test_against_mdtraj():
    x = random_points(0, 5, 9, dtype=torch.float32)
    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(9):
        topology.add_atom("C", mdtraj.element.carbon, residue)
    trajectory = mdtraj.Trajectory(x.numpy(), topology)
    index = np.stack([np.roll(np.arange(9), -k) for k in range(4)], axis=1)
    for ours, theirs, width in (
        (geometry.distances, mdtraj.compute_distances, 2),
        (geometry.angles, mdtraj.compute_angles, 3),
        (geometry.dihedrals, mdtraj.compute_dihedrals, 4),
    ):
        expected = theirs(trajectory, index[:, :width], periodic=False, opt=False)
        np.testing.assert_allclose(ours(x, index[:, :width]).numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("phi", [0.0, 0.5, PI / 2, 3.0, PI, -0.5, -PI / 2, -3.0])
def test_known_dihedrals(phi, dtype):
    x = torch.tensor([[1, 0, 0], [0, 0, 0], [0, 0, 1], [math.cos(phi), math.sin(phi), 1]], dtype=dtype)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    assert geometry.dihedrals(x, [[0, 1, 2, 3]]).item() == pytest.approx(phi, abs=tolerance)


def test_trans_is_plus_pi_on_either_side_of_zero():
    x = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [-1, 0.0, 1]], dtype=DOUBLE)
    for tiny in (0.0, -0.0, 1e-300, -1e-300):
        x[3, 1] = tiny
        assert geometry.dihedrals(x, [[0, 1, 2, 3]]).item() == pytest.approx(PI)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_rigid_motion_and_mirror(seed):
    x = random_points(seed, 4)
    rotation = geometry.random_rotations(1, torch.Generator().manual_seed(seed), dtype=DOUBLE)[0]
    moved = x @ rotation + 3.0
    quad = [[0, 1, 2, 3]]
    torch.testing.assert_close(geometry.distances(moved, [[0, 3]]), geometry.distances(x, [[0, 3]]))
    torch.testing.assert_close(geometry.angles(moved, [[0, 1, 2]]), geometry.angles(x, [[0, 1, 2]]))
    torch.testing.assert_close(geometry.dihedrals(moved, quad), geometry.dihedrals(x, quad))
    torch.testing.assert_close(geometry.dihedrals(-x, quad), -geometry.dihedrals(x, quad))
    torch.testing.assert_close(geometry.dihedrals(x.flip(0), quad), geometry.dihedrals(x, quad))


def test_gradients_against_finite_differences():
    x = random_points(3, 2, 6).requires_grad_(True)
    index = torch.tensor([[0, 1, 2, 3], [2, 3, 4, 5], [5, 0, 3, 1]])
    for function, width in ((geometry.distances, 2), (geometry.angles, 3), (geometry.dihedrals, 4)):
        assert torch.autograd.gradcheck(lambda y, f=function, w=width: f(y, index[:, :w]), x)
        assert torch.autograd.gradgradcheck(lambda y, f=function, w=width: f(y, index[:, :w]), x)


def test_empty_and_wrong_tables():
    x = random_points(0, 3, 5)
    assert geometry.dihedrals(x, np.zeros((0, 4), dtype=int)).shape == (3, 0)
    assert geometry.angles(x, []).shape == (3, 0)
    with pytest.raises(ValueError, match=r"shape \(n, 3\), got \(1, 2\)"):
        geometry.angles(x, [[0, 1]])


# ---------------------------------------------------------------- singularities


def naive_distance(x, pairs):
    return (x[..., pairs[:, 1], :] - x[..., pairs[:, 0], :]).square().sum(-1).sqrt()


def naive_angle(x, triples):
    u, v = (
        x[..., triples[:, 0], :] - x[..., triples[:, 1], :],
        x[..., triples[:, 2], :] - x[..., triples[:, 1], :],
    )
    return torch.arccos((u * v).sum(-1) / (u.norm(dim=-1) * v.norm(dim=-1)))


def naive_dihedral(x, quads):
    p = [x[..., quads[:, k], :] for k in range(4)]
    m = torch.linalg.cross(p[1] - p[0], p[2] - p[1])
    n = torch.linalg.cross(p[2] - p[1], p[3] - p[2])
    return torch.arccos((m * n).sum(-1) / (m.norm(dim=-1) * n.norm(dim=-1)))


def unsafe(function):
    reason = "the textbook form has no finite gradient here: the guard is needed"
    return pytest.param(function, marks=pytest.mark.xfail(strict=True, reason=reason), id=function.__name__)


COINCIDENT = torch.tensor([[0.1, 0.2, 0.3]] * 4)
LINE = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])  # a straight angle is exactly pi
FOLDED = torch.tensor([[1.0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]])  # angle exactly 0
BENT_ONCE = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0]])  # first three on a line
INDEX = torch.tensor([[0, 1, 2, 3]])


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("function", [geometry.distances, unsafe(naive_distance)])
def test_distance_gradient_at_coincident_points(function, dtype):
    value, slope = gradient(lambda x: function(x, INDEX[:, :2]), COINCIDENT.to(dtype))
    assert value.item() == 0
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("x", [LINE, FOLDED, COINCIDENT], ids=["straight", "folded", "coincident"])
@pytest.mark.parametrize("function", [geometry.angles, unsafe(naive_angle)])
def test_angle_gradient_at_singularities(function, x):
    value, slope = gradient(lambda y: function(y, INDEX[:, :3]), x)
    assert torch.isfinite(value).all()
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("x", [LINE, BENT_ONCE, COINCIDENT], ids=["line", "bent once", "coincident"])
@pytest.mark.parametrize("function", [geometry.dihedrals, unsafe(naive_dihedral)])
def test_dihedral_gradient_at_singularities(function, x):
    value, slope = gradient(lambda y: function(y, INDEX), x)
    assert torch.isfinite(value).all()
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("function", [geometry.dihedrals, unsafe(naive_dihedral)])
def test_dihedral_gradient_at_cis(function):
    x = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [1, 0, 1]])
    _, slope = gradient(lambda y: function(y, INDEX), x)
    assert torch.isfinite(slope).all()
    assert slope.abs().max() == pytest.approx(1.0)


def test_a_singular_entry_does_not_spoil_its_neighbours():
    x = torch.cat((random_points(0, 4, dtype=torch.float32), COINCIDENT))
    _, both = gradient(lambda y: geometry.dihedrals(y, [[0, 1, 2, 3], [4, 5, 6, 7]]), x)
    _, alone = gradient(lambda y: geometry.dihedrals(y, INDEX), x)
    torch.testing.assert_close(both, alone)


@given(exponent=st.floats(-45, 3), seed=st.integers(0, 1000), straight=st.booleans())
@settings(max_examples=60, deadline=None)
def test_never_nan_near_singularities(exponent, seed, straight):
    """Nearly coincident (all scales down to underflow) and nearly collinear points."""
    x = random_points(seed, 4, dtype=torch.float32) * 10.0**exponent
    if straight:
        x = x + torch.arange(4.0)[:, None] * torch.tensor([0.3, -0.2, 0.5])
    for function, width in ((geometry.distances, 2), (geometry.angles, 3), (geometry.dihedrals, 4)):
        value, slope = gradient(lambda y, f=function, w=width: f(y, INDEX[:, :w]), x)
        assert torch.isfinite(value).all()
        assert torch.isfinite(slope).all()


def test_second_derivatives_are_finite_at_singularities():
    for function, width in ((geometry.distances, 2), (geometry.angles, 3), (geometry.dihedrals, 4)):
        for x in (LINE, FOLDED, COINCIDENT):
            y = x.clone().requires_grad_(True)
            (slope,) = torch.autograd.grad(function(y, INDEX[:, :width]).sum(), y, create_graph=True)
            (curvature,) = torch.autograd.grad(slope.square().sum(), y)
            assert torch.isfinite(curvature).all()


# ---------------------------------------------------------------- superposition and rotations


@given(seed=st.integers(0, 10**6), n=st.integers(3, 8))
@settings(max_examples=30, deadline=None)
def test_kabsch_recovers_a_rigid_motion(seed, n):
    x = random_points(seed, 2, n)
    true = geometry.random_rotations(2, torch.Generator().manual_seed(seed), dtype=DOUBLE)
    shift = random_points(seed + 1, 2)
    rotation, translation = geometry.kabsch(x, x @ true + shift[:, None])
    torch.testing.assert_close(rotation, true)
    torch.testing.assert_close(translation, shift)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_kabsch_against_scipy_with_weights(seed):
    x, y = random_points(seed, 6), random_points(seed + 1, 6)
    weights = torch.rand(6, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE) + 0.01
    rotation, translation = geometry.kabsch(x, y, weights)
    share = (weights / weights.sum())[:, None]
    a, b = x - (share * x).sum(0), y - (share * y).sum(0)
    expected, _ = Rotation.align_vectors(b.numpy(), a.numpy(), weights=weights.numpy())
    np.testing.assert_allclose(rotation.numpy(), expected.as_matrix().T, atol=1e-6)
    moved = (share * (x @ rotation + translation)).sum(0)
    torch.testing.assert_close(moved, (share * y).sum(0))


def test_kabsch_never_reflects():
    x = random_points(1, 50, 5)
    for target in (
        -x,
        x * torch.tensor([1.0, 1, -1], dtype=DOUBLE),
        x * torch.tensor([1.0, 1, 0], dtype=DOUBLE),
    ):
        rotation, _ = geometry.kabsch(x, target)
        torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(50, dtype=DOUBLE))


@pytest.mark.parametrize("x", [LINE, COINCIDENT, torch.zeros(1, 3)], ids=["line", "coincident", "one"])
def test_kabsch_of_degenerate_sets_is_a_rotation(x):
    rotation, translation = geometry.kabsch(x, x + 1)
    assert rotation.dtype == torch.float32
    assert torch.linalg.det(rotation).item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(x @ rotation + translation, x + 1)


def test_random_rotations_are_proper_and_uniform():
    rotations = geometry.random_rotations(20000, torch.Generator().manual_seed(5), dtype=DOUBLE)
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3, dtype=DOUBLE).expand(20000, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(20000, dtype=DOUBLE))
    assert rotations.mean(0).abs().max() < 5 * math.sqrt(1 / 3 / 20000)
    # On SO(3) every entry is uniform on [-1, 1]; the rotation angle has density (1 - cos) / pi.
    for row in range(3):
        entry = rotations[:, row, row].sort().values
        grid = torch.linspace(-1, 1, 20000, dtype=DOUBLE)
        assert (entry - grid).abs().max() < 0.05
    angle = torch.arccos(((rotations.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
    assert angle.mean().item() == pytest.approx(PI / 2 + 2 / PI, abs=0.02)


def test_random_rotations_repeat_with_their_generator():
    first = geometry.random_rotations(3, torch.Generator().manual_seed(1))
    assert torch.equal(first, geometry.random_rotations(3, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, geometry.random_rotations(3, torch.Generator().manual_seed(2)))


# ---------------------------------------------------------------- frames and placement


def assert_proper(frames):
    identity = torch.eye(3, dtype=frames.dtype).expand_as(frames)
    torch.testing.assert_close(frames @ frames.mT, identity, atol=1e-5, rtol=0)
    assert (torch.linalg.det(frames) > 0.999).all()


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_frames_turn_with_the_points(seed):
    points = random_points(seed, 3)
    rotation = geometry.random_rotations(1, torch.Generator().manual_seed(seed), dtype=DOUBLE)[0]
    frame = geometry.local_frames(*points)
    assert_proper(frame)
    torch.testing.assert_close(geometry.local_frames(*(points @ rotation + 1)), frame @ rotation)
    local = (points - points[0]) @ frame.mT
    assert local[1, 0] > 0
    assert local[2, 1] > 0
    torch.testing.assert_close(local[1, 1:], torch.zeros(2, dtype=DOUBLE), atol=1e-12, rtol=0)
    assert local[2, 2].abs() < 1e-12


@given(
    direction=st.sampled_from([(1, 0, 0), (0, 0, 1), (0, -1, 0), (1, 1, 0), (0.3, -0.2, 0.5), (0, 0, 0)]),
    factor=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 7.0]),
    exponent=st.floats(-45, 0),
    dtype=st.sampled_from([torch.float32, DOUBLE]),
)
@settings(max_examples=100, deadline=None)
def test_frames_never_nan(direction, factor, exponent, dtype):
    """Bond parallel or antiparallel to the axis, exactly or nearly; zero axis; zero plane vector."""
    axis = torch.tensor(direction, dtype=dtype)
    plane = factor * axis + torch.tensor([0.1, 0.7, -0.4], dtype=dtype) * 10.0**exponent

    def frame(points):
        return geometry.local_frames(*points)

    value, slope = gradient(frame, torch.stack((torch.zeros(3, dtype=dtype), axis, plane)))
    assert_proper(value)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("phi", [-3.0, -1.2, 0.0, 0.4, 2.9])
def test_placed_atom_has_the_asked_geometry(phi):
    a, b, c = random_points(4, 3, 7)
    d = geometry.place_atoms(a, b, c, 0.11, 1.9, phi)
    x = torch.stack((d, a, b, c), dim=1)
    torch.testing.assert_close(geometry.distances(x, [[0, 1]]), torch.full((7, 1), 0.11, dtype=DOUBLE))
    torch.testing.assert_close(geometry.angles(x, [[0, 1, 2]]), torch.full((7, 1), 1.9, dtype=DOUBLE))
    torch.testing.assert_close(geometry.dihedrals(x, INDEX), torch.full((7, 1), phi, dtype=DOUBLE))


def test_placement_inverts_measurement_and_broadcasts():
    x = random_points(6, 5, 4)
    r, theta = geometry.distances(x, [[0, 1]])[:, 0], geometry.angles(x, [[0, 1, 2]])[:, 0]
    phi = geometry.dihedrals(x, INDEX)[:, 0]
    placed = geometry.place_atoms(x[:, 1], x[:, 2], x[:, 3], r, theta, phi)
    torch.testing.assert_close(placed, x[:, 0])
    fan = geometry.place_atoms(x[:, 1], x[:, 2], x[:, 3], 0.1, 1.9, torch.tensor([[-2.0], [0.0], [2.0]]))
    assert fan.shape == (3, 5, 3)


def test_placement_is_differentiable():
    points = random_points(8, 3, 2).requires_grad_(True)
    scalars = torch.tensor([[0.1, 1.9, -2.0], [0.2, 1.0, 3.0]], dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, s: geometry.place_atoms(*p, *s.T), (points, scalars))


@pytest.mark.parametrize("x", [LINE, FOLDED, COINCIDENT], ids=["line", "folded", "coincident"])
def test_placement_next_to_collinear_points(x):
    value, slope = gradient(lambda y: geometry.place_atoms(y[0], y[1], y[2], 0.1, 1.9, 0.7), x)
    assert torch.isfinite(slope).all()
    assert (value - x[0]).norm().item() == pytest.approx(0.1, rel=1e-5)
    if not torch.equal(x[0], x[1]):
        angle = geometry.angles(torch.stack((value, x[0], x[1])), [[0, 1, 2]])
        assert angle.item() == pytest.approx(1.9, abs=1e-5)


def test_frames_and_placement_broadcast():
    points = random_points(9, 3, 4)
    assert geometry.local_frames(points[0, 0], points[1], points[2]).shape == (4, 3, 3)
    assert geometry.local_frames(points[0], points[1], points[2, 0]).shape == (4, 3, 3)
    theta = torch.full((5, 4), 1.9, dtype=DOUBLE)
    placed = geometry.place_atoms(points[0], points[1], points[2, 0], 0.1, theta, 0.3)
    assert placed.shape == (5, 4, 3)
    torch.testing.assert_close(placed[2], geometry.place_atoms(*points[:2], points[2, 0], 0.1, 1.9, 0.3))
