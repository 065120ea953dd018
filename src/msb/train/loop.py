"""One training loop for every method: schedule, clipping, averaged weights, log, exact resume, torchrun."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from msb.core.noise import child_seed
from msb.train.checkpoint import load_checkpoint, save_checkpoint, truncate_log, write_log
from msb.train.processes import Processes
from msb.train.settings import TrainingSettings

__all__ = ["Progress", "Task", "fit", "learning_rate"]


class Task(Protocol):
    """What a method hands to the loop."""

    module: nn.Module
    n_samples: int

    def losses(self, indices: Tensor, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Weighted loss terms of a batch of samples; the loop minimises their sum."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on the selection split; `score` decides, lower is better."""
        ...


@dataclass(frozen=True)
class Progress:
    """What a progress callback is told: step of steps, and the latest figures."""

    step: int
    steps: int
    figures: dict[str, float]


@dataclass
class _State:
    """Everything that a checkpoint holds beside weights and optimiser."""

    step: int = 0
    best_score: float = math.inf
    best_step: int = 0
    seconds: float = 0.0
    best: dict[str, Tensor] = field(default_factory=dict)


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """One cycle: a linear rise over `warmup`, then half a cosine to a thousandth of the peak."""
    warm = settings.warmup * settings.steps
    if step < warm:
        return settings.learning_rate * (step + 1) / (warm + 1)
    fraction = (step - warm) / max(1.0, settings.steps - warm)
    return settings.learning_rate * max(1e-3, 0.5 * (1 + math.cos(math.pi * fraction)))


def fit(
    task: Task,
    settings: TrainingSettings,
    folder: Path,
    *,
    seed: int,
    resume: bool = False,
    fingerprint: str = "",
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, float]:
    """Train a module in place; it ends with the best averaged weights.

    A run that was killed goes on from its last checkpoint with `resume` and ends with the same weights, bit
    for bit, on the same machine: the order of samples and the noise are functions of the seed and the step.

    Parameters
    ----------
    task : Task
    settings : TrainingSettings
    folder : Path
        For `checkpoint.pt` and `log.jsonl`.
    seed : int
    resume : bool
        Go on from `checkpoint.pt` where there is one.
    fingerprint : str
        Of the configuration and the data; a checkpoint with another one is refused.
    progress : callable, optional

    Returns
    -------
    dict of str to float
        Best validation figures, `step` and `seconds`.

    Raises
    ------
    ConfigError
        If the checkpoint was written by another configuration.
    """
    processes = Processes.start()
    module = task.module
    average = copy.deepcopy(module).requires_grad_(False)
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    state = _State()
    folder.mkdir(parents=True, exist_ok=True)
    if resume and (folder / "checkpoint.pt").exists():
        saved = load_checkpoint(folder / "checkpoint.pt", fingerprint)
        module.load_state_dict(saved["module"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        state = _State(**saved["state"])
    if processes.first:
        truncate_log(folder / "log.jsonl", state.step)
    saved_at = time.monotonic()
    started = saved_at - state.seconds
    while state.step < settings.steps:
        figures = _one_step(task, settings, optimiser, average, state.step, seed, processes)
        state.step += 1
        last = state.step == settings.steps
        if state.step % settings.validate_every == 0 or last:
            figures |= _select(task, average, state)
            if processes.first:
                write_log(folder / "log.jsonl", {"step": state.step, **figures})
        if progress is not None and processes.first:
            progress(Progress(state.step, settings.steps, figures))
        if processes.first and (last or time.monotonic() - saved_at > 60 * settings.checkpoint_minutes):
            state.seconds = time.monotonic() - started
            save_checkpoint(folder / "checkpoint.pt", module, average, optimiser, vars(state), fingerprint)
            saved_at = time.monotonic()
    module.load_state_dict(state.best)
    return {"score": state.best_score, "step": float(state.best_step), "seconds": state.seconds}


def _one_step(
    task: Task,
    settings: TrainingSettings,
    optimiser: torch.optim.Optimizer,
    average: nn.Module,
    step: int,
    seed: int,
    processes: Processes,
) -> dict[str, float]:
    rate = learning_rate(step, settings)
    for group in optimiser.param_groups:
        group["lr"] = rate
    generator = torch.Generator().manual_seed(child_seed(child_seed(seed, step), processes.rank))
    indices = processes.share(_batch_indices(task.n_samples, settings.batch, step, seed))
    optimiser.zero_grad(set_to_none=True)
    losses = task.losses(indices, step, generator)
    total = torch.stack(list(losses.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    processes.average_gradients(task.module)
    norm = nn.utils.clip_grad_norm_(task.module.parameters(), settings.clip)
    if bool(torch.isfinite(norm)):
        optimiser.step()
    decay = min(settings.ema, (step + 1) / (step + 10))
    with torch.no_grad():
        for kept, new in zip(average.parameters(), task.module.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)
        for fixed, value in zip(average.buffers(), task.module.buffers(), strict=True):
            fixed.copy_(value)
    figures = {name: float(value.detach()) for name, value in losses.items()}
    return {**figures, "loss": float(total.detach()), "gradient": float(norm), "rate": rate}


def _batch_indices(n_samples: int, batch: int, step: int, seed: int) -> Tensor:
    """Samples of a step: consecutive pieces of one permutation an epoch."""
    batch = min(batch, n_samples)
    per_epoch = n_samples // batch
    epoch, place = divmod(step, per_epoch)
    generator = torch.Generator().manual_seed(child_seed(seed, 2**40 + epoch))
    return torch.randperm(n_samples, generator=generator)[place * batch : (place + 1) * batch]


def _select(task: Task, average: nn.Module, state: _State) -> dict[str, float]:
    """Validate the averaged weights and keep the best."""
    current = {name: value.clone() for name, value in task.module.state_dict().items()}
    task.module.load_state_dict(average.state_dict())
    task.module.eval()
    with torch.no_grad():
        figures = task.validate()
    task.module.train()
    if figures["score"] < state.best_score or not state.best:
        state.best_score, state.best_step = figures["score"], state.step
        state.best = {name: value.clone() for name, value in average.state_dict().items()}
    task.module.load_state_dict(current)
    return {f"valid_{name}": value for name, value in figures.items()}
