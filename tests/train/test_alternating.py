"""Two networks in turn: turns of a step, exact resume, the averaged weights that are kept, refusals."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from msb.errors import ConfigError
from msb.train.alternating import alternate, rate_factor
from msb.train.settings import AlternatingSettings

SETTINGS = AlternatingSettings(
    steps=20, batch=32, critic_steps=3, critic_first=2, pretrain=4, pretrain_rate=1e-2, generator_rate=2e-3,
    critic_rate=1e-2, validate_every=6, checkpoint_minutes=1e-9, ema=0.9,
)  # fmt: skip


class Normal:
    """A generator of one number against a critic; the data are N(2, 0.5)."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.generator: nn.Module = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.critic: nn.Module = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.calls: list[str] = []

    def _real(self, count, random):
        return 2 + 0.5 * torch.randn(count, 1, generator=random)

    def _made(self, count, random):
        return self.generator(torch.randn(count, 1, generator=random))

    def pretrain_losses(self, count, step, random):
        self.calls.append("pretrain")
        return {"square": (self._made(count, random) - self._real(count, random)).square().mean()}

    def critic_losses(self, count, step, turn, random):
        self.calls.append(f"critic{turn}")
        assert not any(p.requires_grad for p in self.generator.parameters())
        real, made = self._real(count, random), self._made(count, random)
        return {
            "difference": self.critic(real).mean() - self.critic(made).mean(),
            "size": 0.1 * self.critic(real).square().mean(),
        }

    def generator_losses(self, count, step, random):
        self.calls.append("generator")
        assert not any(p.requires_grad for p in self.critic.parameters())
        return {"critic": self.critic(self._made(count, random)).mean()}

    def validate(self):
        made = self._made(500, torch.Generator().manual_seed(1))
        return {"score": float((made.mean() - 2).abs())}


class Killed(Exception):
    pass


def killer(step):
    def report(progress):
        if progress.step == step:
            raise Killed

    return report


def lines(folder):
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for record in records:
        assert record.pop("seconds") >= 0
    return records


def weights(task):
    return [*task.generator.state_dict().values(), *task.critic.state_dict().values()]


def test_turns_of_a_step(tmp_path):
    task = Normal()
    alternate(task, SETTINGS.model_copy(update={"steps": 6}), tmp_path, seed=1)
    first = ["critic0", "critic1", "critic2", "critic3", "critic4", "generator"]
    assert task.calls == ["pretrain"] * 4 + first + ["critic0", "critic1", "critic2", "generator"]


def test_the_generator_nears_the_data_and_the_best_average_is_kept(tmp_path):
    task = Normal()
    before = task.validate()["score"]
    result = alternate(task, SETTINGS.model_copy(update={"steps": 120}), tmp_path, seed=1)
    assert result["score"] == pytest.approx(task.validate()["score"], abs=1e-6)
    assert result["score"] == min(record["valid_score"] for record in lines(tmp_path))
    assert result["score"] < 0.5 * before


@pytest.mark.parametrize("stop", [1, 4, 13, 19])
def test_a_resumed_run_ends_with_the_same_weights_and_log(tmp_path, stop):
    whole, broken, again = Normal(), Normal(), Normal()
    alternate(whole, SETTINGS, tmp_path / "whole", seed=1)
    with pytest.raises(Killed):
        alternate(broken, SETTINGS, tmp_path / "broken", seed=1, progress=killer(stop))
    alternate(again, SETTINGS, tmp_path / "broken", seed=1, resume=True)
    for a, b in zip(weights(whole), weights(again), strict=True):
        assert torch.equal(a, b)
    assert lines(tmp_path / "whole") == lines(tmp_path / "broken")


def test_another_configuration_is_refused(tmp_path):
    alternate(Normal(), SETTINGS, tmp_path, seed=1, fingerprint="a")
    with pytest.raises(ConfigError, match="another configuration"):
        alternate(Normal(), SETTINGS, tmp_path, seed=1, fingerprint="b", resume=True)


def test_hours_end_a_run(tmp_path):
    result = alternate(Normal(), SETTINGS.model_copy(update={"hours": 1e-9}), tmp_path, seed=1)
    assert result["step"] == 1
    assert len(lines(tmp_path)) == 1


def test_a_gradient_that_is_not_finite_is_left_out(tmp_path):
    task = Normal()
    before = [value.clone() for value in task.critic.state_dict().values()]
    task.critic_losses = lambda count, step, turn, random: {  # type: ignore[method-assign]
        "nan": task.critic(torch.full((2, 1), torch.nan)).mean()
    }
    alternate(task, SETTINGS.model_copy(update={"steps": 6}), tmp_path, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(before, task.critic.state_dict().values(), strict=True))
    assert lines(tmp_path)[-1]["critic_skipped"] == 1


def test_rates_fall_over_the_cooldown():
    settings = AlternatingSettings(steps=100, cooldown=0.5)
    assert [rate_factor(step, settings) for step in (0, 50, 75, 99)] == pytest.approx([1, 1, 0.5, 0.02])
    assert rate_factor(99, AlternatingSettings(steps=100)) == 1
