from __future__ import annotations

import pytest
import torch

from msb.errors import ConfigError
from msb.nn import ConvBlock3d, ResidualBlock3d, VoxelDecoder, VoxelEncoder, seeded


def encoder(n=8, channels=5, width=6, latent=16, seed=0):
    with seeded(seed):
        return VoxelEncoder(channels, width, latent, n)


def decoder(n=8, channels=4, width=6, latent=16, out=3, seed=0):
    with seeded(seed):
        return VoxelDecoder(channels, latent, width, out, n)


def rand(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(7))


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("network", "published"),
    [
        (VoxelEncoder(2 * 22 + 6, 512 // 16, 32, 12), 535_008),
        (VoxelDecoder(22 + 6, 32, 512 // 16, 22, 12), 706_646),
        (VoxelEncoder(2 * 175 + 10, 512 // 16, 64, 12), 1.83e6),
        (VoxelDecoder(175 + 10, 64, 512 // 8, 175, 12), 3.06e6),
    ],
    ids=["dipeptide encoder", "dipeptide decoder", "chignolin encoder", "chignolin decoder"],
)
def test_parameter_counts_are_the_published_ones(network, published):
    """Exact for alanine dipeptide (535,008 and 706,646); chignolin's are printed with three digits."""
    tolerance = 0 if isinstance(published, int) else 5e3
    assert n_parameters(network) == pytest.approx(published, abs=tolerance, rel=0)


@pytest.mark.parametrize("n", [4, 8, 12, 20])
def test_shapes_for_any_grid(n):
    mu, log_sigma = encoder(n)(rand(2, 5, n, n, n))
    assert mu.shape == log_sigma.shape == (2, 16)
    densities = decoder(n)(rand(2, 4, n, n, n), rand(2, 16))
    assert densities.shape == (2, 3, n, n, n)
    assert densities.min() > 0
    assert densities.max() < 1


def test_a_residual_block_may_change_channels_and_size():
    x = rand(2, 3, 8, 8, 8)
    assert ResidualBlock3d(3, 5)(x).shape == (2, 5, 8, 8, 8)
    assert ResidualBlock3d(3, stride=2)(x).shape == (2, 3, 4, 4, 4)
    assert ConvBlock3d(3, 2, kernel=5)(x).shape == (2, 2, 8, 8, 8)


def test_latent_fills_octants():
    """The latent's 2³ voxels are enlarged by repetition, as padding 2³ by replication to n³ does."""
    network = decoder(n=8, latent=8)
    seen = []
    network.noise.convolution.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    z = rand(1, 8)
    network(rand(1, 4, 8, 8, 8), z)
    padded = torch.nn.ReplicationPad3d(3)(z.reshape(1, 1, 2, 2, 2))
    assert torch.equal(seen[0], padded)


def test_gradients_reach_every_parameter():
    network, x = encoder(), rand(2, 5, 8, 8, 8)
    mu, log_sigma = network(x)
    (mu * rand(2, 16) + log_sigma * rand(2, 16)).sum().backward()
    generator, condition, z = decoder(), rand(2, 4, 8, 8, 8), rand(2, 16).requires_grad_(True)
    (generator(condition, z) * rand(2, 3, 8, 8, 8)).sum().backward()
    for module in (network, generator):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
    assert z.grad.abs().min() > 0


def test_latent_and_condition_both_matter():
    network = decoder()
    condition, z = rand(2, 4, 8, 8, 8), rand(2, 16)
    assert not torch.allclose(network(condition, z), network(condition, -z))
    assert not torch.allclose(network(condition, z), network(condition.flip(0), z))


def test_a_decoder_may_have_no_latent():
    network = decoder(latent=0)
    assert network(rand(2, 4, 8, 8, 8)).shape == (2, 3, 8, 8, 8)
    with pytest.raises(ValueError, match="takes no latent"):
        network(rand(2, 4, 8, 8, 8), rand(2, 16))
    with pytest.raises(ValueError, match="takes a latent"):
        decoder()(rand(2, 4, 8, 8, 8))


@pytest.mark.parametrize("make", [encoder, decoder])
def test_same_seed_same_weights(make):
    first, again, other = (list(make(seed=seed).parameters()) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_two_calls_agree_to_the_bit():
    network, condition, z = decoder(), rand(3, 4, 8, 8, 8), rand(3, 16)
    assert torch.equal(network(condition, z), network(condition, z))


def test_a_batch_of_five_equals_five_of_one():
    x, condition, z = rand(5, 5, 8, 8, 8), rand(5, 4, 8, 8, 8), rand(5, 16)
    to_latent, to_atoms = encoder(), decoder()
    with torch.no_grad():
        together = (*to_latent(x), to_atoms(condition, z))
        for k in range(5):
            one = slice(k, k + 1)
            alone = (*to_latent(x[one]), to_atoms(condition[one], z[one]))
            for a, b in zip(together, alone, strict=True):
                torch.testing.assert_close(a[one], b, atol=1e-6, rtol=0)


@pytest.mark.parametrize("n", [0, -4, 6, 10])
def test_wrong_grid_sizes_are_refused(n):
    with pytest.raises(ConfigError, match=f"positive multiple of 4, got {n}"):
        encoder(n)
    with pytest.raises(ConfigError, match=f"positive multiple of 4, got {n}"):
        decoder(n)


def test_wrong_sizes_are_refused():
    with pytest.raises(ConfigError, match="`width` must be positive"):
        encoder(width=0)
    with pytest.raises(ConfigError, match="`latent` must be positive"):
        encoder(latent=0)
    with pytest.raises(ConfigError, match="`latent` must be a multiple of 8, got 12"):
        decoder(latent=12)
