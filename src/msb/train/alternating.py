"""Training of two networks against each other: schedule, averaged generator, log, exact resume, torchrun."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from msb.core.noise import child_seed
from msb.train.checkpoint import load_checkpoint, save_parts, truncate_log, write_log
from msb.train.loop import Progress
from msb.train.processes import Processes
from msb.train.settings import AlternatingSettings

__all__ = ["Adversaries", "alternate", "rate_factor"]

_PRETRAIN_BETAS = (0.9, 0.99)  # alone, the generator has a loss that stands still
_GENERATOR_TURN = 2**32  # label of the generator's noise in a step; the critic's turns count from 0


class Adversaries(Protocol):
    """What a method hands to the loop."""

    @property
    def generator(self) -> nn.Module:
        """What is trained to be kept."""
        ...

    @property
    def critic(self) -> nn.Module:
        """What is trained to tell the generator's samples from the data."""
        ...

    def pretrain_losses(self, count: int, step: int, random: torch.Generator) -> dict[str, Tensor]:
        """Weighted terms of the generator alone, whose sum is minimised."""
        ...

    def critic_losses(self, count: int, step: int, turn: int, random: torch.Generator) -> dict[str, Tensor]:
        """Weighted terms of the critic in one of its turns before a generator's step."""
        ...

    def generator_losses(self, count: int, step: int, random: torch.Generator) -> dict[str, Tensor]:
        """Weighted terms of the generator against the critic."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on the selection split; `score` decides, lower is better."""
        ...


@dataclass
class _State:
    """Everything that a checkpoint holds beside weights and optimisers."""

    step: int = 0
    best_score: float = math.inf
    best_step: int = 0
    seconds: float = 0.0
    best: dict[str, Tensor] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, figures: dict[str, float]) -> None:
        """Count figures in the means of the next line of the log."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Means since the last call."""
        means = {name: value / self.counts[name] for name, value in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means


@dataclass
class _Run:
    """The two networks with their optimisers, and the generator's average."""

    task: Adversaries
    settings: AlternatingSettings
    seed: int
    processes: Processes
    average: nn.Module
    generator_optimiser: torch.optim.Optimizer
    critic_optimiser: torch.optim.Optimizer

    @classmethod
    def start(cls, task: Adversaries, settings: AlternatingSettings, seed: int) -> _Run:
        def adam(module: nn.Module, rate: float) -> torch.optim.Optimizer:
            return torch.optim.Adam(module.parameters(), lr=rate, betas=settings.betas)

        return cls(
            task,
            settings,
            seed,
            Processes.start(),
            copy.deepcopy(task.generator).requires_grad_(False),
            adam(task.generator, settings.generator_rate),
            adam(task.critic, settings.critic_rate),
        )

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to where a checkpoint was written."""
        self.task.generator.load_state_dict(saved["generator"])
        self.task.critic.load_state_dict(saved["critic"])
        self.average.load_state_dict(saved["average"])
        self.generator_optimiser.load_state_dict(saved["generator_optimiser"])
        self.critic_optimiser.load_state_dict(saved["critic_optimiser"])

    def parts(self, state: _State) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "generator": self.task.generator.state_dict(),
            "critic": self.task.critic.state_dict(),
            "average": self.average.state_dict(),
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser.state_dict(),
            "state": dict(vars(state)),
        }

    def step(self, step: int) -> dict[str, float]:
        """One step of the generator, with the critic's turns before it."""
        settings = self.settings
        if step < settings.pretrain:
            losses = self.task.pretrain_losses(self._share(), step, self._random(step, _GENERATOR_TURN))
            rate = settings.pretrain_rate * rate_factor(step, settings)
            figures = self._update("generator", losses, rate, _PRETRAIN_BETAS)
        else:
            figures = self._against(step)
        self._average(step)
        return figures

    def _against(self, step: int) -> dict[str, float]:
        """The critic's turns and the generator's step against it."""
        settings, task = self.settings, self.task
        factor = rate_factor(step, settings)
        turns = settings.critic_steps + (settings.critic_first if step == settings.pretrain else 0)
        figures: dict[str, float] = {}
        task.generator.requires_grad_(False)
        for turn in range(turns):
            losses = task.critic_losses(self._share(), step, turn, self._random(step, turn))
            rate = settings.critic_rate * factor
            figures |= self._update("critic", losses, rate, settings.betas)
        task.generator.requires_grad_(True)
        task.critic.requires_grad_(False)
        losses = task.generator_losses(self._share(), step, self._random(step, _GENERATOR_TURN))
        rate = settings.generator_rate * factor
        figures |= self._update("generator", losses, rate, settings.betas)
        task.critic.requires_grad_(True)
        return figures

    def _share(self) -> int:
        return max(1, self.settings.batch // self.processes.size)

    def _random(self, step: int, turn: int) -> torch.Generator:
        seed = child_seed(child_seed(child_seed(self.seed, step), turn), self.processes.rank)
        return torch.Generator().manual_seed(seed)

    def _update(
        self, name: str, losses: dict[str, Tensor], rate: float, betas: tuple[float, float]
    ) -> dict[str, float]:
        """Minimise the sum of losses by one step; a gradient that is not finite is left out."""
        module: nn.Module = getattr(self.task, name)
        optimiser: torch.optim.Optimizer = getattr(self, f"{name}_optimiser")
        for group in optimiser.param_groups:
            group["lr"], group["betas"] = rate, betas
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(module)
        norm = nn.utils.clip_grad_norm_(module.parameters(), self.settings.clip or math.inf)
        finite = bool(torch.isfinite(norm))
        if finite:
            optimiser.step()
        figures = {f"{name}_{key}": float(value.detach()) for key, value in losses.items()}
        return {**figures, f"{name}_gradient": float(norm), f"{name}_skipped": float(not finite)}

    def _average(self, step: int) -> None:
        decay = min(self.settings.ema, (step + 1) / (step + 10)) if self.settings.ema else 0.0
        module = self.task.generator
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), module.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
            for fixed, value in zip(self.average.buffers(), module.buffers(), strict=True):
                fixed.copy_(value)

    def select(self, state: _State) -> dict[str, float]:
        """Validate the averaged generator and keep the best."""
        module = self.task.generator
        current = {name: value.clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self.average.state_dict())
        module.eval()
        with torch.no_grad():
            figures = self.task.validate()
        module.train()
        if figures["score"] < state.best_score or not state.best:
            state.best_score, state.best_step = figures["score"], state.step
            state.best = {name: value.clone() for name, value in self.average.state_dict().items()}
        module.load_state_dict(current)
        return {f"valid_{name}": value for name, value in figures.items()}


def rate_factor(step: int, settings: AlternatingSettings) -> float:
    """Share of the learning rates in a step: 1, and falling to 0 over the `cooldown` at the end."""
    if not settings.cooldown:
        return 1.0
    return min(1.0, (settings.steps - step) / (settings.cooldown * settings.steps))


def alternate(
    task: Adversaries,
    settings: AlternatingSettings,
    folder: Path,
    *,
    seed: int,
    resume: bool = False,
    fingerprint: str = "",
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, float]:
    """Train a generator and its critic in place; the generator ends with its best averaged weights.

    The best are those whose validation scored lowest; the losses of adversaries say little about quality.
    A run that was killed goes on from its last checkpoint with `resume` and ends with the same weights, bit
    for bit, on the same machine: samples and noise are functions of the seed and the step.

    Parameters
    ----------
    task : Adversaries
    settings : AlternatingSettings
    folder : Path
        For `checkpoint.pt` and `log.jsonl`: a line for every validation, with the seconds since the start,
        means of the losses since the line before, and the validation's figures under ``valid_``.
    seed : int
    resume : bool
        Go on from `checkpoint.pt` where there is one.
    fingerprint : str
        Of the configuration and the data; a checkpoint with another one is refused.
    progress : callable, optional

    Returns
    -------
    dict of str to float
        `score` and `step` of the best, and `seconds`.

    Raises
    ------
    ConfigError
        If the checkpoint was written by another configuration.
    """
    run, state = _Run.start(task, settings, seed), _State()
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "checkpoint.pt", folder / "log.jsonl"
    if resume and path.exists():
        saved = load_checkpoint(path, fingerprint)
        run.load(saved)
        state = _State(**saved["state"])
    first = run.processes.first
    if first:
        truncate_log(log, state.step)
    saved_at = time.monotonic()
    started = saved_at - state.seconds
    last = _over(state, settings)
    while not last:
        figures = run.step(state.step)
        state.step += 1
        state.add(figures)
        state.seconds = time.monotonic() - started
        last = run.processes.agree(_over(state, settings))
        if state.step % settings.validate_every == 0 or last:
            figures = state.means() | run.select(state)
            if first:
                write_log(log, {"step": state.step, "seconds": round(state.seconds, 1), **figures})
        if progress is not None and first:
            progress(Progress(state.step, settings.steps, figures))
        if first and (last or time.monotonic() - saved_at > 60 * settings.checkpoint_minutes):
            save_parts(path, run.parts(state), fingerprint)
            saved_at = time.monotonic()
    task.generator.load_state_dict(state.best)
    return {"score": state.best_score, "step": float(state.best_step), "seconds": state.seconds}


def _over(state: _State, settings: AlternatingSettings) -> bool:
    """Whether the steps or the hours are used up."""
    late = bool(settings.hours) and state.seconds > 3600 * settings.hours
    return state.step >= settings.steps or late
