"""How long `msb --help` takes, beside an empty Python and beside importing torch.

    python benchmarks/cli_startup.py [--repeats 20 | --smoke]

Prints CPU seconds (user + system) and the ratios; `msb --help` should stay under half a second.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys

COMMANDS = {
    "python": ["-c", "pass"],
    "msb --help": ["-m", "msb", "--help"],
    "import torch": ["-c", "import torch"],
}


def cpu_seconds(words: list[str]) -> float:
    """CPU time of one run of this Python with some words."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure in turn, so that a busy machine slows all alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--smoke", action="store_true", help="once each, to see that it runs")
    args = parser.parse_args()
    repeats = 1 if args.smoke else args.repeats
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, words in COMMANDS.items():
            times[name].append(cpu_seconds(words))
    base = statistics.median(times["python"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:<14} {median:6.3f} s CPU   {median / base:6.1f} x an empty Python")


if __name__ == "__main__":
    main()
