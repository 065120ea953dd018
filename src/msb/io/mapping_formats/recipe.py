"""A mapping as a file states it, before it meets a molecule's atoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msb.core.bead_groups import BeadGroup, Unlisted, Weighting
from msb.core.elements import NO_ELEMENT
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MappingError

__all__ = ["Recipe", "build_all"]


@dataclass(frozen=True)
class Recipe:
    """Beads of one molecule, by the names or numbers of their atoms.

    Attributes
    ----------
    name : str
        Name of the molecule, as the file gives it.
    groups : tuple of BeadGroup
    weighting, unlisted
        See `msb.core.bead_groups.bead_matrix`.
    bead_bonds : tuple of (int, int), or None
        From 0; None: beads whose atoms are bonded.
    aliases : mapping of str to tuple of str
        Other names of bead types.
    elements : mapping of int to str
        Elements that the file states for atoms, from 0: a check of the order.
    n_atoms : int or None
        Number of atoms, where the file implies one.
    atoms : MoleculeTemplate or None
        The molecule's atoms, where the file lists them.
    """

    name: str
    groups: tuple[BeadGroup, ...]
    weighting: Weighting = "mass"
    unlisted: Unlisted = "error"
    bead_bonds: tuple[tuple[int, int], ...] | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elements: Mapping[int, str] = field(default_factory=dict)
    n_atoms: int | None = None
    atoms: MoleculeTemplate | None = None

    def build(self, molecule: MoleculeTemplate) -> MappingTemplate:
        """Meet the atoms of a molecule.

        Raises
        ------
        MappingError
            When atoms are unknown, missing, or in another order than the file says.
        """
        self._check_order(molecule)
        make = {
            "mass": MappingTemplate.from_mass,
            "geometry": MappingTemplate.from_geometry,
            "given": MappingTemplate.given,
        }[self.weighting]
        return make(
            molecule, self.groups, unlisted=self.unlisted, bead_bonds=self.bead_bonds, aliases=self.aliases
        )

    def _check_order(self, molecule: MoleculeTemplate) -> None:
        if self.n_atoms is not None and self.n_atoms != molecule.n_atoms:
            raise MappingError(
                f"mapping of {self.name}: it numbers {self.n_atoms} atoms, molecule {molecule.name} has"
                f" {molecule.n_atoms}."
            )
        names = molecule.atom_names
        listed = self.atoms.atom_names if self.atoms is not None else names
        found = [(i, a, b) for i, (a, b) in enumerate(zip(listed, names, strict=False)) if a != b]
        found += [
            (i, element, molecule.elements[i])
            for i, element in self.elements.items()
            if i < molecule.n_atoms and molecule.elements[i] not in (element, NO_ELEMENT)
        ]
        if found or len(listed) != len(names):
            where = ", ".join(f"atom {i + 1} is {a} there and {b} here" for i, a, b in found[:6])
            raise MappingError(
                f"mapping of {self.name}: the atoms of molecule {molecule.name} come in another order than"
                f" in the mapping file ({where or f'{len(listed)} atoms there, {len(names)} here'}): reorder"
                " one of the two."
            )

    def failure(self, molecule: MoleculeTemplate) -> str | None:
        """Say why a molecule does not fit, or None when it does."""
        try:
            self.build(molecule)
        except MappingError as error:
            return str(error)
        return None


def build_all(
    recipes: Sequence[Recipe], topology: Topology | None, source: str, weighting: Weighting | None = None
) -> dict[str, MappingTemplate]:
    """Build the mapping of every molecule that a file has a recipe for.

    A recipe goes by the molecule's name; a molecule whose name the file does not know takes the only recipe
    that its atoms fit (the same molecule has many names).

    Parameters
    ----------
    recipes : sequence of Recipe
    topology : Topology or None
        Without one, the recipes must list the atoms.
    source : str
        The file, for messages.
    weighting : {'mass', 'geometry', 'given'}, optional
        Instead of the file's.

    Returns
    -------
    dict of str to MappingTemplate
        By the names of the topology's molecules, or the recipes' without a topology.

    Raises
    ------
    MappingError
        When no molecule of the topology has a recipe, or a recipe of that name does not fit.
    """
    if weighting is not None:
        recipes = [replace(recipe, weighting=weighting) for recipe in recipes]
    if topology is None:
        return {recipe.name: recipe.build(_own_atoms(recipe, source)) for recipe in recipes}
    built: dict[str, MappingTemplate] = {}
    failures: list[str] = []
    for molecule in topology.templates:
        template = _build_one(recipes, molecule, failures)
        if template is not None:
            key = molecule.name if molecule.name not in built else f"{molecule.name}#{len(built) + 1}"
            built[key] = template
    if not built:
        known = ", ".join(recipe.name for recipe in recipes) or "nothing"
        wanted = ", ".join(molecule.name for molecule in topology.templates) or "none"
        reason = failures[0] if len(set(failures)) == 1 else "; ".join(dict.fromkeys(failures))
        raise MappingError(f"{source} maps {known}, which fits none of the molecules ({wanted}). {reason}")
    return built


def _build_one(
    recipes: Sequence[Recipe], molecule: MoleculeTemplate, failures: list[str]
) -> MappingTemplate | None:
    for recipe in recipes:
        if recipe.name == molecule.name:
            return recipe.build(molecule)
    reasons = [recipe.failure(molecule) for recipe in recipes]
    fitting = [recipe for recipe, reason in zip(recipes, reasons, strict=True) if reason is None]
    if len(fitting) == 1:
        return fitting[0].build(molecule)
    if len(fitting) > 1:
        names = ", ".join(recipe.name for recipe in fitting)
        failures.append(f"Molecule {molecule.name} fits several of them ({names}): rename one to it.")
    failures.extend(reason for reason in reasons if reason is not None)
    return None


def _own_atoms(recipe: Recipe, source: str) -> MoleculeTemplate:
    if recipe.atoms is None:
        raise MappingError(
            f"{source} names atoms of {recipe.name} but does not list them all with their masses:"
            " read it together with the molecule's topology."
        )
    return recipe.atoms
