"""Generator and critic: sizes, heads, derivatives of derivatives, spectral norm."""

from __future__ import annotations

import pytest
import torch

from msb.core.voxel import VoxelGrid
from msb.errors import ConfigError
from msb.nn import VoxelCritic, VoxelGenerator, seeded
from msb.nn.voxel_generator import WIDTHS

GRID = VoxelGrid(8, 1.2, 0.1)
HEADS = ("density", "coordinate")


def generator(width="tiny", head="density", updates=3, grid=GRID, **more):
    with seeded(0):
        return VoxelGenerator(5, 4, grid, updates=updates, width=width, latent=6, head=head, **more)


def critic(width="tiny", **more):
    with seeded(0):
        return VoxelCritic(5, 4, 8, width=width, **more)


def rand(*shape, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


def inputs(n=8, batch=2, dtype=torch.float32):
    return (
        rand(batch, 5, n, n, n, dtype=dtype),
        rand(batch, 4, dtype=dtype),
        rand(batch, 6, dtype=dtype),
        rand(batch, 3, n, n, n, dtype=dtype),
    )


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("width", sorted(WIDTHS))
def test_shapes_of_every_width(width, head):
    condition, label, noise, update = inputs()
    network = generator(width, head)
    position, density = network(condition, label, noise, update)
    assert position.shape == (2, 3)
    assert density.shape == (2, 8, 8, 8)
    assert position.abs().max() < 0.6
    assert density.min() >= 0
    assert density.max() <= 1
    encoding = network.encode(condition)
    c = WIDTHS[width][0]
    assert encoding.fine.shape == (2, c, 8, 8, 8)
    assert encoding.coarse.shape == (2, 2 * c, 4, 4, 4)
    assert critic(width)(condition, density, label).shape == (2,)


@pytest.mark.parametrize("head", HEADS)
def test_position_and_density_say_the_same(head):
    """The density head's point is its density's mean (eq. 4.11), the other's density is a Gaussian (4.12)."""
    position, density = generator(head=head)(*inputs())
    if head == "density":
        torch.testing.assert_close(position, GRID.positions(density[:, None])[:, 0])
    else:
        torch.testing.assert_close(density, GRID.densities(position[:, None])[:, 0])


def test_other_grids_and_no_update():
    position, density = generator(updates=0, grid=VoxelGrid(12, 1.5, 0.1))(*inputs(12)[:3])
    assert position.shape == (2, 3)
    assert density.shape == (2, 12, 12, 12)


@pytest.mark.parametrize("head", HEADS)
def test_every_parameter_and_input_matters(head):
    network = generator(head=head)
    given = [x.requires_grad_(True) for x in inputs()]
    position, density = network(*given)
    (position.sum() + (density * rand(2, 8, 8, 8)).sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    for x in given:
        assert x.grad.abs().max() > 0


def test_one_encoding_serves_many_atoms():
    """Encoded once and placed twice is the same as encoded twice; rows of it are rows of the result."""
    network, (condition, label, noise, update) = generator().double(), inputs(dtype=torch.float64)
    encoding = network.encode(condition)
    whole, _ = network(condition, label, noise, update)
    torch.testing.assert_close(network.place(encoding, label, noise, update)[0], whole, rtol=0, atol=1e-12)
    row = torch.tensor([1])
    again, _ = network.place(encoding.rows(row), label[row], noise[row], update[row])
    torch.testing.assert_close(again, whole[row], rtol=0, atol=1e-12)


def test_the_way_up_interpolates():
    """Copies of coarse voxels would make blocks of eight equal fine ones."""
    network, seen = generator(), []
    network.decode.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    network(*inputs())
    up = seen[0][:, : network.width]
    assert (up[..., 0::2, :, :] - up[..., 1::2, :, :]).abs().min() > 0


@pytest.mark.parametrize("normalised", [True, False])
def test_the_critic_can_be_differentiated_twice(normalised):
    network = critic(spectral_norm=normalised)
    condition, label, _, _ = inputs()
    density = rand(2, 8, 8, 8).requires_grad_(True)
    value = network(condition, density, label)
    (slope,) = torch.autograd.grad(value.sum(), density, create_graph=True)
    (slope.flatten(1).norm(dim=1) - 1).square().sum().backward()
    weights = [p for name, p in network.named_parameters() if p.ndim > 1 and not name.startswith("label")]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in weights)


def test_the_gradient_of_the_critic_against_differences():
    """Twice, in float64."""
    network = critic().double().requires_grad_(False)
    condition, label, _, _ = inputs(batch=1, dtype=torch.float64)
    bump = rand(1, 8, 8, 8, dtype=torch.float64)

    def value(weight):
        return network(condition, bump * weight, label)

    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(value, weight)
    assert torch.autograd.gradgradcheck(value, weight)


@pytest.mark.parametrize("make", [critic, generator])
def test_spectral_norm_makes_the_largest_singular_value_one(make):
    network = make(spectral_norm=True).train()
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv3d | torch.nn.Linear)]
    plain = [m for m in make().modules() if isinstance(m, torch.nn.Conv3d | torch.nn.Linear)]
    assert len(layers) == len(plain)
    off = [torch.linalg.matrix_norm(m.weight.detach().flatten(1), 2) for m in plain]
    assert max(abs(float(value) - 1) for value in off) > 0.1  # not so by itself
    with torch.no_grad():
        for layer in layers:
            for _ in range(200):
                weight = layer.weight  # a step of the power iteration each
            assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1, abs=5e-3)


def test_spectral_norm_is_off_by_default():
    assert not any("parametrizations" in name for name, _ in critic().named_parameters())
    assert not any("parametrizations" in name for name, _ in generator().named_parameters())


@pytest.mark.parametrize("head", HEADS)
def test_bfloat16_gives_positions_in_float32(head):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        position, density = generator(head=head)(*inputs())
        value = critic()(inputs()[0], density, inputs()[1])
    assert position.dtype == density.dtype == value.dtype == torch.float32


def test_mistakes_are_sentences():
    for wrong in ({"width": "huge"}, {"head": "voxel"}, {"grid": VoxelGrid(6, 1.0, 0.1)}):
        with pytest.raises(ConfigError, match="voxel generator"):
            generator(**wrong)
    with pytest.raises(ConfigError, match="`latent` must be positive"):
        VoxelGenerator(5, 4, GRID, latent=0)
    for wrong in ((5, 4, 6, "tiny"), (5, 4, 8, "huge"), (0, 4, 8, "tiny")):
        with pytest.raises(ConfigError, match="voxel critic"):
            VoxelCritic(*wrong[:3], width=wrong[3])
    condition, label, noise, update = inputs()
    with pytest.raises(ValueError, match="takes an update"):
        generator()(condition, label, noise)
    with pytest.raises(ValueError, match="takes no update"):
        generator(updates=0)(condition, label, noise, update)
