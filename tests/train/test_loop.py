"""The training loop: exact resume, a known schedule, processes that agree, sentences when refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from msb.errors import ConfigError
from msb.train.checkpoint import truncate_log
from msb.train.loop import fit, learning_rate
from msb.train.settings import TrainingSettings

SETTINGS = TrainingSettings(steps=30, batch=16, learning_rate=1e-2, validate_every=7, checkpoint_minutes=1e-9)


class Line:
    """Fit y = a x + b with noise drawn anew in every step."""

    def __init__(self, n_samples: int = 100) -> None:
        generator = torch.Generator().manual_seed(3)
        self.x = torch.randn(n_samples, 2, generator=generator)
        self.y = self.x @ torch.tensor([[1.0], [-2.0]]) + 0.5
        torch.manual_seed(0)
        self.module: nn.Module = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        self.n_samples = n_samples

    def losses(self, indices, step, generator):
        noise = 0.1 * torch.randn(len(indices), 1, generator=generator)
        return {"square": (self.module(self.x[indices]) - self.y[indices] - noise).square().mean()}

    def validate(self):
        return {"score": float((self.module(self.x) - self.y).square().mean().detach())}


class Killed(Exception):
    pass


def killer(step):
    def report(progress):
        if progress.step == step:
            raise Killed

    return report


def test_the_fit_improves(tmp_path):
    task = Line()
    before = task.validate()["score"]
    result = fit(task, SETTINGS.model_copy(update={"steps": 300}), tmp_path, seed=1)
    assert result["score"] == pytest.approx(task.validate()["score"], rel=1e-6)
    assert result["score"] < 0.5 * before


@pytest.mark.parametrize("stop", [1, 13, 29])
def test_a_resumed_run_ends_with_the_same_weights_and_log(tmp_path, stop):
    whole, broken = Line(), Line()
    fit(whole, SETTINGS, tmp_path / "whole", seed=1)
    with pytest.raises(Killed):
        fit(broken, SETTINGS, tmp_path / "broken", seed=1, progress=killer(stop))
    again = Line()
    fit(again, SETTINGS, tmp_path / "broken", seed=1, resume=True)
    for a, b in zip(whole.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(a, b)
    assert (tmp_path / "whole/log.jsonl").read_text() == (tmp_path / "broken/log.jsonl").read_text()


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    fit(Line(), SETTINGS, tmp_path, seed=1, fingerprint="a")
    with pytest.raises(ConfigError, match="another configuration"):
        fit(Line(), SETTINGS, tmp_path, seed=1, fingerprint="b", resume=True)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigError, match="cannot be read"):
        fit(Line(), SETTINGS, tmp_path, seed=1, resume=True)


def test_a_log_line_cut_by_a_kill_is_dropped(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1}\n{"step": 9}\n{"st')
    truncate_log(log, 5)
    assert [json.loads(line) for line in log.read_text().splitlines()] == [{"step": 1}]


def test_the_rate_rises_then_falls():
    rates = [learning_rate(step, TrainingSettings(steps=1000, warmup=0.1)) for step in range(1000)]
    peak = rates.index(max(rates))
    assert peak == 100
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) == pytest.approx(2e-3)


def test_two_processes_keep_equal_weights(tmp_path):
    """Under torchrun with gloo, both ranks end with the same weights and one of them writes."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, torch, os\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from test_loop import SETTINGS, Line\n"
        "from msb.train.loop import fit\n"
        "task = Line()\n"
        f"fit(task, SETTINGS, Path({str(tmp_path)!r}), seed=1)\n"
        f"file = Path({str(tmp_path)!r}) / f'rank{{os.environ[\"RANK\"]}}.pt'\n"
        "torch.save(task.module.state_dict(), file)\n"
    )
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        str(program),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    first, second = (torch.load(tmp_path / f"rank{r}.pt", weights_only=True) for r in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [7, 14, 21, 28, 30]
