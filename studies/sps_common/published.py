"""The published figures that this study measures again; None where nothing was published.

Columns: the published deepBackmap structures, the published energy-minimised baseline, and all-atom MD
against itself (divergences: the floor; others: the figure of MD).
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = [
    "COLUMNS",
    "CONTACTS",
    "INVERTED",
    "RING_WIDTH",
    "SHORTEST",
    "TEMPERATURES",
    "WRONG_SIDE",
    "targets",
]

COLUMNS = ("deepbackmap", "baseline", "md")
TEMPERATURES = (568, 313)
SHORTEST = "shortest non-bonded distance, Å"
INVERTED = "inverted stereocentres vs aa"
WRONG_SIDE = "wrong-side H"
RING_WIDTH = "ring-dihedral sd, deg"
CONTACTS = {
    "C–C pairs <0.28 nm per frame (beyond 3 bonds)": (0.28, True),
    "any pair <0.17 nm per frame": (0.17, False),
}
"""Distance in nm, and whether only pairs of carbons count."""

_Row = tuple[float | None, float | None, float | None]

_POLYSTYRENE: dict[str, tuple[_Row, _Row]] = {  # name: (568 K, 313 K)
    "angle C-C-C backbone": ((0.0195, 0.0753, 0.0017), (0.0437, 0.0203, 0.0012)),
    "angle C-C-C ring": ((0.0773, 0.287, 0.00044), (0.0350, 0.180, 0.00032)),
    "angle C-C-C_ar": ((0.0064, 0.0819, 0.0015), (0.0128, 0.0151, 0.0009)),
    "angle C-C-H": ((0.0313, 0.301, 0.00054), (0.0191, 0.221, 0.0006)),
    "angle H-C-H": ((0.0762, 0.408, 0.0028), (0.0554, 0.332, 0.0019)),
    "dihedral C-C-C-C backbone": ((0.0048, 0.0484, 0.0032), (0.0050, 0.172, 0.0018)),
    "dihedral C-C-C-H": ((0.0044, 0.0215, 0.0012), (0.0043, 0.0812, 0.0012)),
    "dihedral ring link (C-C-C_ar-C_ar)": ((0.0039, 0.0883, 0.0018), (0.0077, 0.198, 0.0018)),
    "improper, heavy": ((0.0590, 0.221, 0.00048), (0.0198, 0.109, 0.00041)),
    "improper with H": ((0.0852, 0.341, 0.0010), (0.0326, 0.208, 0.0007)),
    "LJ energy per chain, all atoms": ((0.0537, 0.592, 0.0082), (0.0803, 0.549, 0.0130)),
    "LJ energy per chain, carbons": ((0.0112, 0.0603, 0.0087), (0.0117, 0.129, 0.0128)),
    "RDF carbons, relative L1": ((0.0089, 0.0300, 0.0067), (0.0107, 0.0620, 0.0107)),
    "bond sd, Å: C-C": ((0.064, 0.079, 0.004), (0.042, 0.129, 0.004)),
    "bond sd, Å: C_ar-C_ar": ((0.041, 0.043, 0.004), (0.038, 0.092, 0.004)),
    "bond sd, Å: C-H": ((0.061, 0.057, 0.004), (0.043, 0.072, 0.004)),
    SHORTEST: ((1.38, 0.28, 1.73), (1.45, 0.15, None)),
}

_STEREOCENTRES_AND_RINGS: dict[str, tuple[_Row, _Row]] = {
    INVERTED: ((0.0078, 0.49, 0.0), (0.0, 0.45, 0.0)),
    WRONG_SIDE: ((0.0008, None, None), (None, None, None)),
    RING_WIDTH: ((3.98, None, 6.98), (3.96, None, 5.11)),
    "C–C pairs <0.28 nm per frame (beyond 3 bonds)": ((0.54, 0.23, 0.0), (0.15, 3.6, 0.0)),
    "any pair <0.17 nm per frame": ((2.31, 0.23, 0.0), (0.46, 0.0, 0.0)),
}


def targets() -> Iterator[tuple[int, str, str, float | None]]:
    """Yield (temperature in K, row, column, published figure)."""
    for number, temperature in enumerate(TEMPERATURES):
        for table in (_POLYSTYRENE, _STEREOCENTRES_AND_RINGS):
            for name, rows in table.items():
                for column, figure in zip(COLUMNS, rows[number], strict=True):
                    yield temperature, name, column, figure
