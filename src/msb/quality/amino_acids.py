"""The hands that nature wants: L amino acids, and the second centres of isoleucine and threonine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msb.core.stereo import hands, signed_volumes
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology

__all__ = ["natural_hands"]

_BRANCHED = {"ILE": "CG1", "THR": "OG1"}
_RESIDUES = frozenset(
    (
        *("ALA", "ARG", "ARGN", "ASN", "ASP", "ASPH", "ASH", "CYS", "CYSH"),
        *("CYX", "CYM", "GLN", "GLU", "GLUH", "GLH", "HIS", "HISA", "HISB"),
        *("HISH", "HISD", "HISE", "HID", "HIE", "HIP", "HSD", "HSE", "HSP"),
        *("ILE", "LEU", "LYS", "LYSH", "LYN", "MET", "PHE", "PRO", "SER"),
        *("THR", "TRP", "TYR", "VAL", "MSE"),
    )
)


def natural_hands(topology: Topology) -> NDArray[np.int8]:
    """Return the hand that every stereocentre has in nature.

    Parameters
    ----------
    topology : Topology
        The system; residues and atoms named as in the Protein Data Bank.

    Returns
    -------
    ndarray (C,)
        +1 or -1 for the alpha carbons of amino acids, which are L, and for the beta carbons of isoleucine
        (2S,3S) and threonine (2S,3R); 0 for all other centres.
    """
    parts = [np.tile(_of_template(t), count) for t, count in topology.molecules]
    return np.concatenate([np.empty(0, dtype=np.int8), *parts]).astype(np.int8)


def _of_template(template: MoleculeTemplate) -> NDArray[np.int8]:
    signs = [_hand(template, centre) for centre in template.stereocentres]
    return np.array(signs, dtype=np.int8)


def _hand(template: MoleculeTemplate, centre: int) -> int:
    residue = template.residue_names[int(template.residue_index[centre])]
    name = template.atom_names[centre]
    around = template.neighbours[centre]
    if residue[-4:] not in _RESIDUES and residue[-3:] not in _RESIDUES:  # NALA, CALA: ends of a chain
        return 0
    names = {a: template.atom_names[a] for a in around}
    if name == "CA":
        order = ("C", "CB", "N")  # CO, R, N, clockwise from the hydrogen's side
    elif name == "CB" and residue[-3:] in _BRANCHED:
        order = ("CA", _BRANCHED[residue[-3:]], "CG2")
    else:
        return 0
    hydrogen = [a for a in around if template.elements[a] == "H"]
    others = [a for wanted in order for a in around if names[a] == wanted]
    if len(hydrogen) != 1 or len(others) != 3:
        return 0
    places = dict(zip([hydrogen[0], *others], _CLOCKWISE, strict=True))
    x = np.array([places[a] for a in around])
    return int(np.asarray(hands(signed_volumes(x, [list(range(4))])))[0])


# the hydrogen towards the reader, the other three clockwise below it
_CLOCKWISE = np.array(
    [[0.0, 0.0, 1.0], [0.0, 1.0, -0.3], [0.87, -0.5, -0.3], [-0.87, -0.5, -0.3]], dtype=np.float64
)
