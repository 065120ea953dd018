"""One force field for all sets, from the topology file or from the model's bundle."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.force_fields import molecule_fields, safe_cutoff
from msb.energy.replicate import system_of
from msb.energy.systems import system_from_xml
from msb.errors import EnergyError, MsbWarning
from msb.io.gromacs import GromacsTopology
from msb.jobs.assess.request import AssessRequest

__all__ = ["SameField"]

_ADVICE = "add them to the topology: forces are made of them"
_DEFAULT_CUTOFF = 1.0  # nm; what `safe_cutoff` never exceeds


class SameField:
    """The same force field for every set, whatever its numbers of molecules.

    Parameters
    ----------
    request : AssessRequest
        Cutoff and dielectric constant.
    top : GromacsTopology or None
        The force field; the model's own without.
    model : Backmapper
        Whose bundle may hold one.
    boxes : sequence of (float array (3, 3) or None)
        Of all sets, nm: the cutoff is one that fits into each.
    """

    def __init__(
        self,
        request: AssessRequest,
        top: GromacsTopology | None,
        model: Backmapper,
        boxes: Sequence[NDArray[Any] | None],
    ) -> None:
        self._request, self._top = request, top
        self._texts: dict[str, str] = getattr(model, "force_field", None) or {}
        self._cutoff = request.cutoff
        if any(box is not None for box in boxes):
            narrow = min(safe_cutoff(box) for box in boxes if box is not None)
            if narrow < min(request.cutoff, _DEFAULT_CUTOFF):
                warnings.warn(
                    f"a box is narrower than twice the cutoff: {narrow:.3g} nm instead of {request.cutoff:g} "
                    "is taken for all sets",
                    MsbWarning,
                    stacklevel=4,
                )
                self._cutoff = narrow

    def of(self, topology: Topology, grown: Sequence[MoleculeTemplate], box: Any) -> Any:
        """Return the OpenMM System of a topology.

        Parameters
        ----------
        topology : Topology
        grown : sequence of MoleculeTemplate
            Those of its molecules that the force field's file does not have.
        box : float array (3, 3) or None
            nm.

        Raises
        ------
        EnergyError
            Parameters are missing: all are listed.
        """
        templates = list(topology.templates)
        names = [template.name for template in templates]
        if len(set(names)) < len(set(templates)):
            raise EnergyError(
                f"two kinds of molecules have one name ({', '.join(sorted(names))}): rename one of them"
            )
        if self._top is not None:
            options: dict[str, Any] = {"cutoff": self._cutoff, "dielectric": self._request.dielectric}
            fields = molecule_fields(self._top, templates, grown, box=box, advice=_ADVICE, **options)
            return system_of(topology, fields, box)
        lacking = sorted(set(names) - set(self._texts))
        if lacking:
            raise EnergyError(
                f"no force field is known for {', '.join(lacking)}: forces are what is compared, so give "
                "--top topol.top"
            )
        fields = {name: system_from_xml(self._texts[name]) for name in names}
        if box is None and topology.n_molecules == 1:
            return fields[names[0]]  # as it is, whatever its forces
        return system_of(topology, fields, box)
