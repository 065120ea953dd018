"""The training loops that every method uses."""

from __future__ import annotations

from msb.train.alternating import Adversaries, alternate
from msb.train.loop import Progress, Task, fit
from msb.train.settings import AlternatingSettings, TrainingSettings

__all__ = ["Adversaries", "AlternatingSettings", "Progress", "Task", "TrainingSettings", "alternate", "fit"]
