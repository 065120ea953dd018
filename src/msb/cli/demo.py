"""`msb demo`: the shipped model on the shipped beads, as a page to look at; `--condensed`: a melt."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from msb.cli.output import progress_bar, report, say
from msb.cli.parser import add_device, add_json, natural, whole

__all__ = ["add_parser", "run"]

_MODEL = "adp"
_SEGMENTS = 16


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "demo",
        help="backmap a bundled trajectory and make a page about it",
        description="Backmap the bundled bead trajectory of alanine dipeptide with the model 'adp', compare "
        "it with the simulation the beads came from, and write the trajectory and a page of figures. With "
        "--condensed: a polystyrene melt from beads and one all-atom snapshot, relaxed and checked.",
    )
    parser.add_argument("--condensed", action="store_true", help="a melt of polystyrene instead")
    parser.add_argument(
        "--frames", type=natural, choices=(1, 2, 3, 4), default=4, help="of the melt (default 4)"
    )
    parser.add_argument(
        "--relax", choices=("staged", "none"), default="staged", help="none: the melt's raw placement, quick"
    )
    parser.add_argument("-o", "--output", default="msb-demo", metavar="FOLDER", help="default: msb-demo")
    parser.add_argument("--seed", type=whole, default=0, help="of the noise (default 0)")
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Backmap, compare, write the page."""
    if args.condensed:
        from msb.cli.demo_condensed import run_condensed

        return run_condensed(args)
    from msb.backmapper import load_model
    from msb.data import sample
    from msb.io.bundle import read_bundle
    from msb.io.trajectory import open_trajectory
    from msb.jobs.backmap.bead_input import open_beads
    from msb.jobs.backmap.trajectory import BackmapSettings, backmap_trajectory
    from msb.report.demo import compare_with_reference, demo_page
    from msb.report.page import write_page

    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    inputs = sample("adp_beads.pdb"), sample("adp_beads.xtc")
    output, page = folder / "atoms.xtc", folder / "index.html"
    model = load_model(_MODEL, args.device)
    settings = BackmapSettings(seed=args.seed, segments=_SEGMENTS, resume=True)
    with progress_bar(what="backmap") as advance:
        made = backmap_trajectory(model, *inputs, output, settings, advance)
    say("comparing with the simulation that the beads came from …")
    beads = open_beads(*inputs, model).read(0, made.n_frames).positions
    reference = open_trajectory(sample("adp_reference.pdb"), sample("adp_reference.xtc")).read().positions
    generated = open_trajectory(output.with_suffix(".pdb"), output).read().positions
    force_field = next(iter(read_bundle(_MODEL).force_field_xml.values()))
    result = compare_with_reference(model, force_field, beads, reference, generated)
    commands = [
        'B=$(python -c \'from msb.data import sample; print(sample("adp_beads.xtc").with_suffix(""))\')',
        f"msb backmap-traj $B.pdb $B.xtc -m {_MODEL} --segments {_SEGMENTS} --seed {args.seed} -o atoms.xtc",
        f"msb info {_MODEL}",
    ]
    speed = made.frames_per_second
    write_page(demo_page(model, _MODEL, beads, reference, generated, result, speed, commands), page)
    summary = {"page": page, "trajectory": output, "n_frames": made.n_frames, "frames_per_second": speed}
    lines = [f"{output}: {made.n_frames} frames, {speed:.0f} a second", f"{page}: open it in a browser"]
    report({**summary, **result.summary()}, lines, args.json)
    return 0
