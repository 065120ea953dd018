"""The schedule of placement: colours and stages of a large melt, beside networkx on the same graph.

Beads stand at random, ten in a cubic nanometre, in chains of twenty, and see each other within 1.2 nm.  The
stages of the straightforward way are made by a loop over the neighbours of every bead.  The report is the
ratio of median times and how many stages each visiting order leaves; seconds depend on the machine.

    python benchmarks/order.py [--smoke] [--beads N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import networkx
import numpy as np
from scipy.spatial import cKDTree

from msb.core.order import VisitingOrder, colours, describe, stages, visiting_order

DENSITY, REACH, CHAIN = 10.0, 1.2, 20


def melt(n: int) -> np.ndarray:
    """Pairs of beads that see each other."""
    edge = (n / DENSITY) ** (1 / 3)
    tree = cKDTree(np.random.default_rng(0).random((n, 3)) * edge, boxsize=edge)
    return tree.query_pairs(REACH, output_type="ndarray")


def networkx_colours(pairs: np.ndarray, n: int) -> int:
    """Number of colours that networkx finds with the same strategy."""
    graph = networkx.empty_graph(n)
    graph.add_edges_from(pairs.tolist())
    return 1 + max(networkx.greedy_color(graph, "largest_first").values())


def straightforward_stages(order: np.ndarray, pairs: np.ndarray) -> int:
    """Number of stages, from sets of neighbours."""
    around: list[set[int]] = [set() for _ in order]
    for i, j in pairs.tolist():
        around[i].add(j)
        around[j].add(i)
    level: dict[int, int] = {}
    for bead in order.tolist():
        level[bead] = 1 + max((level[o] for o in around[bead] if o in level), default=0)
    return max(level.values())


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median seconds, and the result."""
    seconds, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def measure(n: int, repeats: int) -> list[dict[str, object]]:
    """One row for the colours and one for every visiting order."""
    pairs = melt(n)
    molecule, ranks = np.arange(n) // CHAIN, np.arange(n) % CHAIN
    slow, expected = timed(lambda: networkx_colours(pairs, n), 1)
    fast, colour = timed(lambda: colours(pairs, n), repeats)
    words = f"{colour.max() + 1} colours (networkx {expected})"
    rows: list[dict[str, object]] = [
        {"what": "colours", "straightforward_s": slow, "seconds": fast, "result": words}
    ]
    for how in get_args(VisitingOrder):
        order = visiting_order(ranks, molecule, colour, how)
        slow, expected = timed(lambda order=order: straightforward_stages(order, pairs), 1)
        fast, found = timed(lambda order=order: stages(order, pairs), repeats)
        if len(found) != expected:
            raise SystemExit(f"{how}: {len(found)} stages, the straightforward way has {expected}")
        what = f"stages, order by {how}"
        rows.append({"what": what, "straightforward_s": slow, "seconds": fast, "result": describe(found)})
    return rows


def main() -> None:
    """Print the table, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="2,000 beads, once")
    parser.add_argument("--beads", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here as well")
    arguments = parser.parse_args()
    n, repeats = (2000, 1) if arguments.smoke else (arguments.beads, arguments.repeats)
    rows = measure(n, repeats)
    print(f"{'what':26} {'plain, s':>9} {'here, s':>9} {'ratio':>6}  result")
    for row in rows:
        slow, fast = float(str(row["straightforward_s"])), float(str(row["seconds"]))
        print(f"{row['what']:26} {slow:9.3f} {fast:9.3f} {slow / fast:6.1f}  {row['result']}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
