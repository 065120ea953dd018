"""What `msb backmap` says of what it wrote."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msb.cli.output import say

if TYPE_CHECKING:
    from msb.jobs.backmap.run import Backmapped
    from msb.jobs.backmap.setup import Prepared

__all__ = ["judge", "lines", "summary"]

_NOTES = 5  # that are printed
_UNLIKE = 0.05  # share of unfamiliar beads above which a frame is warned of


def summary(args: argparse.Namespace, ready: Prepared, done: Backmapped) -> dict[str, Any]:
    """Return what `--json` prints."""
    system = ready.system
    return {
        "outputs": [str(path) for path in done.outputs],
        "top_out": args.top_out,
        "method": ready.maker.model.method,
        "frames": done.n_frames,
        "atoms": done.n_atoms,
        "molecules": [[template.name, count] for template, count in system.topology.molecules],
        "unplaced": [vars(entry) for entry in system.unplaced],
        "temperature": ready.temperature,
        "relax": ready.relax,
        "polish": ready.polish,
        "polish_ps": args.polish_ps,
        "seed": args.seed,
        "seconds_per_frame": done.seconds,
        "atoms_per_second": done.n_atoms / done.seconds if done.seconds else None,
        "said": list(ready.said),
        "relaxed": list(done.relaxed),
        "notes": list(done.notes),
        "placing": list(done.placing),
        "spread": None
        if done.spread is None
        else {
            "file": str(done.spread.path),
            "mean_nm": done.spread.mean,
            "largest_nm": done.spread.largest,
        },
        "quality": [verdict.to_json() for verdict in done.verdicts],
    }


def lines(args: argparse.Namespace, ready: Prepared, done: Backmapped) -> list[str]:
    """Return what is printed otherwise."""
    frames = "1 frame" if done.n_frames == 1 else f"{done.n_frames} frames"
    said = [f"{path}: {frames} of {done.n_atoms} atoms" for path in done.outputs]
    if args.top_out is not None:
        said.append(f"{args.top_out}: its topology")
    how = [ready.maker.model.method, f"relax {ready.relax}", f"polish {ready.polish}"]
    if args.polish_ps is not None:
        how[-1] += f" {args.polish_ps:g} ps"
    if ready.temperature is not None:
        how.append(f"{ready.temperature:g} K")
    said.append(f"{', '.join(how)}, {_seconds(done.seconds)} a frame, seed {args.seed}")
    for relaxed in filter(None, done.relaxed):
        said.append(
            f"beads held to {relaxed['bead_rms_nm']:.4f} nm (at most {relaxed['bead_max_nm']:.4f}), "
            f"{relaxed['failed']:.0f} of {relaxed['frames']:.0f} frames failed to relax"
        )
    said += _placing_lines(done.placing)
    if done.spread is not None:
        said.append(
            f"{done.spread.path}: atoms are {done.spread.mean:.4f} nm from their means over the samples (at "
            f"most {done.spread.largest:.3f})"
        )
    return [*said, *ready.said]


def _placing_lines(placing: Sequence[dict[str, float]]) -> list[str]:
    """What a model said of placing the atoms, over all frames."""
    lines = []
    if placing and "stages" in placing[0]:
        total = sum(row["seconds"] for row in placing)
        share = sum(row["network"] for row in placing) / total if total else 0.0
        lines.append(
            f"placed in {max(row['stages'] for row in placing):.0f} stages at most, {share:.0%} of the time "
            f"in the network; beads {max(row['deviation'] for row in placing):.4f} nm off before projection"
        )
    outside = [row["unfamiliar"] for row in placing if "unfamiliar" in row]
    if outside:
        lines.append(
            f"{sum(outside) / len(outside):.1%} of the beads (at most {max(outside):.1%} in a frame) have "
            "surroundings unlike any in training"
        )
    return lines


def _seconds(seconds: float) -> str:
    """A duration to two digits, without an exponent."""
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def judge(done: Backmapped) -> None:
    """Say on standard error what the check found and what went wrong on the way."""
    from msb.quality.words import headline

    outside = [row["unfamiliar"] for row in done.placing if "unfamiliar" in row]
    far = sum(share > _UNLIKE for share in outside)
    if far:
        say(
            f"warning: in {far} of {len(outside)} frames more than {_UNLIKE:.0%} of the beads have "
            "surroundings beyond what all but one in a thousand had in training: the model was not made for "
            "this system or state, so compare with MD before you rely on it"
        )
    for note in done.notes[:_NOTES]:
        say(f"note: {note}")
    if len(done.notes) > _NOTES:
        say(f"note: {len(done.notes) - _NOTES} more of the kind (--json lists them)")
    for path, verdict in zip(done.outputs, done.verdicts, strict=True):
        say(f"check: {path}: {headline(verdict)}")
