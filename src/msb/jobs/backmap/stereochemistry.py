"""Which hand every stereocentre of a system is to have: from snapshots, from a tacticity, or from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure.stereo import chain_centres, handedness
from msb.core.noise import uniform_block
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import ConfigError, FileFormatError, MappingError
from msb.io.trajectory import open_trajectory
from msb.quality.amino_acids import natural_hands

__all__ = ["Known", "continued", "hands_of_copies", "known_hands", "parity", "resolve_hands"]

Signs = NDArray[np.int8]
Known = Mapping[MoleculeTemplate, "Signs | None"]

_TEXT = frozenset({".txt", ".dat", ".tac", ""})


@lru_cache(maxsize=64)
def parity(template: MoleculeTemplate) -> dict[int, int]:
    """Sign that turns a centre's hand seen along the chain into that of `MoleculeTemplate.chirality`.

    Parameters
    ----------
    template : MoleculeTemplate
        A chain.

    Returns
    -------
    dict of int to int
        Centre to +1 or -1, in the order along the chain; see `chain_centres`.
    """
    return {
        int(centre): _sign([template.neighbours[centre].index(int(a)) for a in around])
        for centre, *around in chain_centres(template).tolist()
    }


def hands_of_copies(
    topology: Topology, positions: NDArray[np.float32], boxes: NDArray[np.float32] | None
) -> dict[MoleculeTemplate, Signs | None]:
    """Return the hands that all copies of each molecule agree on.

    Parameters
    ----------
    topology : Topology
    positions : float32 array (F, N, 3)
        nm.
    boxes : float32 array (F, 3, 3) or None
        nm.

    Returns
    -------
    dict of MoleculeTemplate to int8 array (centres,) or None
        None where copies differ.
    """
    found = handedness(positions, topology, boxes).hands
    known: dict[MoleculeTemplate, Signs | None] = {}
    first = 0
    for template, count in topology.molecules:
        n = len(template.stereocentres)
        own = found[:, first : first + count * n].reshape(len(found) * count, n)
        first += count * n
        if template in known and known[template] is None:
            continue
        agreed = own[0] if (own == own[0]).all() and own.all() else None
        before = known.get(template)
        differ = before is not None and agreed is not None and not np.array_equal(agreed, before)
        known[template] = None if differ else agreed
    return known


def known_hands(model: object) -> dict[MoleculeTemplate, Signs | None]:
    """Hands of stereocentres that a model has learned, by molecule; nothing where it does not say.

    Parameters
    ----------
    model : Backmapper
    """
    return dict(getattr(model, "known_hands", None) or {})


def continued(template: MoleculeTemplate, like: MoleculeTemplate, hands: Signs | None) -> Signs | None:
    """Return the hands of a chain that goes on as a shorter or longer one does.

    Parameters
    ----------
    template : MoleculeTemplate
        The chain.
    like : MoleculeTemplate
        The known one, of the same repeats.
    hands : int8 array or None
        Of the known one.

    Returns
    -------
    int8 array or None
        None where the known chain is neither isotactic nor syndiotactic, or has centres beside the chain.
    """
    ours, theirs = parity(template), parity(like)
    if hands is None or len(theirs) < 2 or len(ours) != len(template.stereocentres):
        return None
    along = [int(hands[like.stereocentres.index(centre)]) * turn for centre, turn in theirs.items()]
    meso = [a == b for a, b in pairwise(along)]
    if any(meso) and not all(meso):
        return None
    sign = 1 if meso[0] else -1
    of = {centre: along[0] * sign**k * turn for k, (centre, turn) in enumerate(ours.items())}
    return np.array([of[centre] for centre in template.stereocentres], dtype=np.int8)


def resolve_hands(
    topology: Topology, known: Known, tacticity: str | None = None, seed: int = 0, *, strict: bool = True
) -> Signs:
    """Return the wanted hand of every stereocentre of a system.

    Parameters
    ----------
    topology : Topology
        The system.
    known : mapping of MoleculeTemplate to int8 array or None
        What snapshots say; see `hands_of_copies`. Amino acids without a snapshot are L.
    tacticity : str, optional
        ``iso``, ``syndio``, ``atactic:P`` with P the share of meso pairs, or a file: an all-atom structure of
        the system or of one molecule, or a text with a line a molecule (one line for all), of ``m`` and ``r``
        along the chain or of ``+`` and ``-`` for every stereocentre.  It overrules snapshots along chains.
    seed : int
        Of atactic chains.
    strict : bool
        Whether a molecule about which nothing is known is refused.

    Returns
    -------
    int8 array (C,)
        +1, -1, or 0 where nothing is wanted (a centre that is not on a chain that `tacticity` speaks of).

    Raises
    ------
    MappingError
        Nothing says which hands are wanted; or a file does not fit.
    ConfigError
        `tacticity` is none of these.
    """
    if not any(template.stereocentres for template in topology.templates):
        return np.zeros(0, dtype=np.int8)
    if tacticity is None:
        return _from_copies(topology, known, strict)
    if Path(tacticity).is_file():
        return _from_file(topology, known, Path(tacticity))
    pattern = _pattern(tacticity, seed)
    parts, number = [np.zeros(0, dtype=np.int8)], 0
    for template, count in topology.molecules:
        meso = pattern(np.arange(number, number + count), max(len(parity(template)) - 1, 0))
        parts += [_along(template, known, row) for row in meso]
        number += count
    return np.concatenate(parts)


def _own(template: MoleculeTemplate, known: Known) -> Signs:
    """What is known of a molecule's hands, else those of nature, else 0."""
    hands = known.get(template)
    return natural_hands(Topology.from_template(template)) if hands is None else hands


def _from_copies(topology: Topology, known: Known, strict: bool = True) -> Signs:
    hands = {template: _own(template, known) for template in topology.templates}
    missing = [template for template, signs in hands.items() if not signs.all()]
    if missing and strict:
        said = ", ".join(f"{t.name} ({len(t.stereocentres)} centres)" for t in missing)
        why = (
            "copies in the snapshots differ" if any(t in known for t in missing) else "no snapshot shows them"
        )
        raise MappingError(
            f"nothing says which hand the stereocentres of {said} are to have ({why}): "
            "give --tacticity iso, syndio, atactic:P (P the share of meso pairs) or a file"
        )
    parts = [np.tile(hands[template], count) for template, count in topology.molecules]
    return np.concatenate([np.zeros(0, dtype=np.int8), *parts]).astype(np.int8)


Pattern = Callable[[NDArray[np.int64], int], NDArray[np.bool_]]


def _pattern(tacticity: str, seed: int) -> Pattern:
    """A function of molecules and their number of dyads that says which are meso, (molecules, dyads)."""
    word, _, share = tacticity.partition(":")
    if word == "iso" and not share:
        return lambda molecules, n: np.ones((len(molecules), n), dtype=bool)
    if word == "syndio" and not share:
        return lambda molecules, n: np.zeros((len(molecules), n), dtype=bool)
    if word == "atactic":
        try:
            meso = float(share)
        except ValueError:
            meso = -1.0
        if 0 <= meso <= 1:
            return lambda molecules, n: np.asarray(uniform_block(seed, molecules, n) < meso)
        raise ConfigError(f"--tacticity {tacticity}: give the share of meso pairs, 0 to 1, as in atactic:0.5")
    raise ConfigError(
        f"--tacticity {tacticity} is neither iso, syndio nor atactic:P, and there is no file of that name"
    )


def _along(template: MoleculeTemplate, known: Known, meso: NDArray[np.bool_]) -> Signs:
    """Hands of one molecule whose dyads are meso or not; those beside the chain are as known."""
    centres = template.stereocentres
    out = np.array(_own(template, known), dtype=np.int8)
    turns = parity(template)
    if not turns:
        return out
    hand = np.cumprod(np.concatenate([[1], np.where(meso, 1, -1)]))
    first = next(iter(turns))
    if out[centres.index(first)]:
        hand = hand * int(out[centres.index(first)]) * turns[first]
    for (centre, turn), sign in zip(turns.items(), hand.tolist(), strict=True):
        out[centres.index(centre)] = sign * turn
    return out


def _from_file(topology: Topology, known: Known, path: Path) -> Signs:
    if path.suffix.lower() in _TEXT:
        return _from_text(topology, known, path)
    source = open_trajectory(path)
    for system in (topology, *(Topology.from_template(t) for t in topology.templates)):
        if source.n_atoms != system.n_atoms:
            continue
        frame = source.read(0, 1)
        found: Signs = handedness(frame.positions, system, frame.boxes).hands[0]
        if system is topology:
            return found
        own = {system.only_template(): found}
        return _from_copies(topology, {**known, **own})
    raise MappingError(
        f"--tacticity {path} has {source.n_atoms} atoms: neither the {topology.n_atoms} of the system nor "
        f"those of one molecule ({', '.join(f'{t.name} {t.n_atoms}' for t in topology.templates)})"
    )


def _from_text(topology: Topology, known: Known, path: Path) -> Signs:
    rows = [line.split("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines()]
    words = ["".join(row) for row in rows if row]
    molecules = [t for t, count in topology.molecules for _ in range(count) if t.stereocentres]
    if len(words) not in (1, len(molecules)):
        raise FileFormatError(
            path,
            f"{len(words)} lines for {len(molecules)} molecules with stereocentres; give one each, or one",
        )
    parts = [np.zeros(0, dtype=np.int8)]
    for number, template in enumerate(molecules):
        line = 0 if len(words) == 1 else number
        parts.append(_of_word(template, known, words[line].lower(), path, line + 1))
    return np.concatenate(parts)


def _of_word(template: MoleculeTemplate, known: Known, word: str, path: Path, line: int) -> Signs:
    n, dyads = len(template.stereocentres), max(len(parity(template)) - 1, 0)
    if set(word) <= {"+", "-"} and len(word) == n:
        return np.array([1 if sign == "+" else -1 for sign in word], dtype=np.int8)
    if set(word) <= {"m", "r"} and len(word) == dyads:
        return _along(template, known, np.array([pair == "m" for pair in word], dtype=bool))
    raise FileFormatError(
        path, f"{template.name} needs {n} signs + or -, or {dyads} letters m or r, not '{word[:24]}'", line
    )


def _sign(order: list[int]) -> int:
    """Sign of a permutation."""
    swaps = sum(order[i] > order[j] for i in range(len(order)) for j in range(i + 1, len(order)))
    return -1 if swaps % 2 else 1
