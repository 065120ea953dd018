"""The training loop that every method uses."""

from __future__ import annotations

from msb.train.loop import Progress, Task, fit
from msb.train.settings import TrainingSettings

__all__ = ["Progress", "Task", "TrainingSettings", "fit"]
