"""Side by side: what ``run.py`` wrote for each model, as RESULTS.md and one picture.

python summary.py [--output out]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent
MODELS = ("adp", "adp_next_beads", "adp_voxel", "library", "linear")
SETS = {
    "test": "test split, 300 K",
    "hot": "400 K, with the noise of 400 K",
    "hot_untold": "400 K, the model believing it is 300 K",
    "cg": "beads of the bead simulation (compared with the test split, not judged)",
    "long": "100,000 frames in one go",
}
SHOWN = {
    "vacuum energy": "energy",
    "C-beta hydrogens' displacement over 1 ps": "Cβ-H displacement",
    "heavy-atom bonds": "bonds",
    "heavy-atom angles": "angles",
    "heavy-atom dihedrals": "dihedrals",
}


def load(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Results of a set by model, in the order of MODELS."""
    paths = {model: folder / model / f"{name}.json" for model in MODELS}
    return {model: json.loads(path.read_text()) for model, path in paths.items() if path.exists()}


def cell(row: dict[str, Any] | None) -> str:
    """What a model scores in a row: the excess where there is one, else the figure; bold where missed."""
    if row is None or row["measured"] is None:
        return ""
    value = row["excess"] if row["excess"] is not None else row["measured"]
    text = f"{value:.4g}"
    return f"**{text}**" if row["passed"] is False else text


def matching(rows: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """The row of that name; `worst of N` rows match by what is before the comma."""
    return next((row for row in rows if row["name"].split(", worst")[0] == name), None)


def section(name: str, results: dict[str, dict[str, Any]]) -> list[str]:
    """A set's table in Markdown."""
    first = next(iter(results.values()))
    frames = ", ".join(f"{model}: {result['frames']}" for model, result in results.items())
    lines = [f"## {SETS[name]}", "", f"Frames: {frames}.", ""]
    lines += ["| row | bar | unit | floor | " + " | ".join(results) + " |", "|---" * (4 + len(results)) + "|"]
    for row in first["rows"]:
        if row["detail"]:
            continue
        key = row["name"].split(", worst")[0]
        floor = "" if row["floor"] is None else f"{row['floor']:.4g}"
        cells = [cell(matching(result["rows"], key)) for result in results.values()]
        lines.append(f"| {key} | {row['bar']} | {row['unit']} | {floor} | " + " | ".join(cells) + " |")
    passed = [f"{result['passed']} of {result['judged']}" for result in results.values()]
    lines.append("| **rows that pass** | | | | " + " | ".join(passed) + " |")
    return [*lines, ""]


def picture(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Excess of the rows in SHOWN, one group of bars a row, one colour a model."""
    figure, axis = plt.subplots(figsize=(8.5, 3.6), layout="constrained")
    width = 0.8 / len(results)
    colours = dict(zip(MODELS, ("#c44e5c", "#e0a458", "#8c6bb1", "#4f6d9b", "#7a8793"), strict=True))
    for k, (model, result) in enumerate(results.items()):
        rows = [matching(result["rows"], name) for name in SHOWN]
        values = [max(row["excess"], 1e-5) if row else 1e-5 for row in rows]
        places = [i + (k - (len(results) - 1) / 2) * width for i in range(len(SHOWN))]
        axis.bar(places, values, width, label=model, color=colours[model])
    for i, name in enumerate(SHOWN):
        row = matching(next(iter(results.values()))["rows"], name)
        bar, floor = {"energy": 0.02, "Cβ-H displacement": 0.03}.get(SHOWN[name], 0.05), row["floor"]
        for height, style, label in ((bar, "-", "bar"), (floor, ":", "floor")):
            axis.hlines(height, i - 0.45, i + 0.45, "k", style, lw=1, label=None if i else label)
    axis.set_yscale("log")
    axis.set_ylim(1e-5, 9)
    axis.set_xticks(range(len(SHOWN)), list(SHOWN.values()))
    axis.set_ylabel("excess JS / nats")
    axis.legend(frameon=False, ncols=4, fontsize=8, loc="upper left")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=140)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    """Write RESULTS.md and results.png."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=HERE / "out")
    options = parser.parse_args(arguments)
    lines = [
        "# Results",
        "",
        "Written by `summary.py` from what `run.py` measured. Divergences are excess over the floor, in",
        "nats; other rows in their unit; **bold** where the bar is missed. Definitions: README.md.",
        "",
        "![Excess on the test split](out/results.png)",
        "",
    ]
    for name in SETS:
        results = load(options.output, name)
        if results:
            lines += section(name, results)
        if name == "test" and results:
            picture(results, options.output / "results.png")
    (options.output.parent / "RESULTS.md").write_text("\n".join(lines).rstrip() + "\n")
    print(options.output.parent / "RESULTS.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
