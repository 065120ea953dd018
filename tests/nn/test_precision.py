from __future__ import annotations

import pytest
import torch

from msb.errors import ConfigError
from msb.nn import VoxelDecoder, choose_precision, cpu_has_fast_bfloat16, precision, seeded

FLAGS = "processor\t: 0\nflags\t\t: fpu avx2 {}\nbugs\t\t: spectre_v1\n"


@pytest.mark.parametrize(
    ("extra", "fast"), [("amx_bf16 amx_tile", True), ("avx512f avx512_bf16", True), ("avx512f", False)]
)
def test_cpu_flags_decide(tmp_path, extra, fast):
    (tmp_path / "cpuinfo").write_text(FLAGS.format(extra))
    assert cpu_has_fast_bfloat16(tmp_path / "cpuinfo") is fast


def test_unknown_cpu_is_slow(tmp_path):
    assert not cpu_has_fast_bfloat16(tmp_path / "absent")
    (tmp_path / "cpuinfo").write_text("Processor: other\n")
    assert not cpu_has_fast_bfloat16(tmp_path / "cpuinfo")


def test_flags_agree_with_torch():
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if "avx512_bf16" in capabilities:
        known = capabilities["amx_bf16"] or capabilities["avx512_bf16"]
        assert cpu_has_fast_bfloat16() == known


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_automatic_choice_follows_the_cpu(monkeypatch, fast, dtype):
    monkeypatch.setattr(precision, "cpu_has_fast_bfloat16", lambda: fast)
    chosen = choose_precision("cpu")
    assert chosen.dtype == dtype
    assert chosen.channels_last is fast
    assert choose_precision("cpu", "float32").dtype == torch.float32


def test_devices_without_support_get_float32():
    assert choose_precision("meta").dtype == torch.float32
    if not torch.cuda.is_available():
        assert choose_precision("cuda").dtype == torch.float32


def test_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="one of auto, float32, bfloat16; got 'half'"):
        choose_precision("cpu", "half")


def small():
    with seeded(0):
        network = VoxelDecoder(2, 8, 4, 3, 4)
    generator = torch.Generator().manual_seed(1)
    return network, torch.rand(2, 2, 4, 4, 4, generator=generator), torch.rand(2, 8, generator=generator)


def test_float32_changes_nothing():
    network, condition, z = small()
    plain = network(condition, z)
    chosen = choose_precision("cpu", "float32")
    with chosen.autocast():
        assert torch.equal(chosen.prepare(network)(chosen.arrange(condition), z), plain)


def test_bfloat16_keeps_weights_and_results_in_float32():
    network, condition, z = small()
    plain = network(condition, z)
    chosen = choose_precision("cpu", "bfloat16")
    chosen.prepare(network)
    arranged = chosen.arrange(condition)
    assert arranged.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(arranged, condition)
    assert chosen.arrange(z) is z
    kernel = network.joint[0].convolution.weight
    assert kernel.is_contiguous(memory_format=torch.channels_last_3d)
    with chosen.autocast():
        densities = network(arranged, z)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert densities.dtype == torch.float32
    torch.testing.assert_close(densities, plain, atol=0.03, rtol=0)


def test_seeded_leaves_the_outer_stream_alone():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with seeded(1):
        inner = torch.rand(1)
    assert torch.equal(torch.rand(2), expected)
    with seeded(1):
        assert torch.equal(torch.rand(1), inner)
