"""From a configuration to a trained temporal model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.core.features import LinearMean, choose_frame
from msb.core.internal import InternalCoordinates
from msb.core.noise import child_seed
from msb.data.paired import PairedData, load_paired
from msb.energy import Energy, system_from_xml
from msb.errors import MappingError, MsbWarning
from msb.nn.precision import choose_precision
from msb.nn.seeding import seeded
from msb.temporal.config import TemporalConfig
from msb.temporal.flow_network import FlowNetwork
from msb.temporal.layout import measure_layout
from msb.temporal.model import TemporalBackmapper
from msb.temporal.task import StepTask, gather
from msb.temporal.voxel_network import VoxelNetwork, fit_mixture
from msb.train.loop import Progress, fit

__all__ = ["train"]

_RIGID = 2e-5  # nm: spread of a bond that was constrained in the simulation
_MIXTURE_SAMPLES = 20_000
_PROJECTED = 500  # frames on which the projection is measured
_SMALL = 0.01  # nm, about the thermal spread of a bond angle


def train(
    config: TemporalConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> TemporalBackmapper:
    """Train as configured.

    Parameters
    ----------
    config : TemporalConfig
    base : Path
        Folder that the configuration's paths are relative to.
    folder : Path
        For checkpoints and the log.
    resume : bool
        Go on from the folder's checkpoint.
    device : str
    progress : callable, optional
        Told after every step.

    Raises
    ------
    ConfigError, TrajectoryError, MappingError
        If the configuration, the data or the mapping do not fit.
    """
    data = load_paired(config.data, base)
    if data.topology.n_molecules != 1:
        raise MappingError(
            f"a temporal model places one molecule, the structure has {data.topology.n_molecules}; "
            "train on a trajectory of one molecule"
        )
    positions, beads = (torch.tensor(a) for a in data.part("train"))
    select = (torch.tensor(a) for a in data.part("select"))
    with seeded(config.seed):
        network = _build(config, data, positions, beads, device)
    unroll = config.network.unroll if config.network.kind == "voxel" else 1
    task = StepTask(
        network,
        (positions, beads),
        (next(select), next(select)),
        config.training.steps,
        device,
        unroll,
    )
    fingerprint = sha256(f"{config.model_dump_json()} {sorted(data.hashes.items())}".encode()).hexdigest()
    metrics = fit(
        task,
        config.training,
        folder,
        seed=config.seed,
        resume=resume,
        fingerprint=fingerprint,
        progress=progress,
    )
    network.eval()
    if isinstance(network, VoxelNetwork):
        network.precision = choose_precision(device, "float32")  # as when it is read from a file
        network.precision.prepare(network)
        _fit_latents(network, task, config.seed)
    model = TemporalBackmapper(
        config,
        data.topology,
        data.mapping,
        network,
        positions[torch.linspace(0, len(positions) - 1, min(config.data.library, len(positions))).long()].to(
            device
        ),
        rigid_bonds(data, positions),
        data.force_field,
        data.hashes,
        {f"select_{name}": value for name, value in metrics.items()},
        device,
    )
    model.metrics["select_projection_nm"] = _projection(model, data)
    return model


def _projection(model: TemporalBackmapper, data: PairedData) -> float:
    """Median displacement, nm, that the projection on the beads needs on the selection split.

    Warns where it is not small: the projection makes the beads exact at the price of the structure.
    """
    beads = torch.from_numpy(np.array(data.part("select")[1][:_PROJECTED]))[None].to(model.device)
    raw = model.draw(beads, finish=False)
    projected = model.mapping.project(raw[0], beads[0], constraints=model.rigid)
    median = float(projected.displacement.median())
    if median > _SMALL:
        warnings.warn(
            f"the atoms that the model draws are {median:.3f} nm (median) away from what their beads want; "
            "the projection closes the gap and strains the structure. Train longer, or choose beads that are "
            "single atoms, which are met exactly",
            MsbWarning,
            stacklevel=2,
        )
    return median


def _library(positions: Tensor, size: int) -> Tensor:
    """Frames (K, N, 3) evenly in time."""
    chosen = torch.linspace(0, len(positions) - 1, min(size, len(positions))).long()
    return positions[chosen].clone()


def rigid_bonds(data: PairedData, positions: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bonds (C, 2) whose length never changes in a trajectory (F, N, 3), and the lengths (C,), nm."""
    bonds = np.array(data.topology.bonds)
    sample = positions[:: max(1, len(positions) // 2000)].double()
    lengths = (sample[:, bonds[:, 0]] - sample[:, bonds[:, 1]]).norm(dim=-1)
    constant = (lengths.std(0) < _RIGID).numpy()
    return bonds[constant], lengths.mean(0).numpy()[constant]


def _build(
    config: TemporalConfig, data: PairedData, positions: Tensor, beads: Tensor, device: str
) -> FlowNetwork | VoxelNetwork:
    template = data.topology.molecules[0][0]
    mapping = data.mapping.templates[0]
    bonds = np.asarray(mapping.bead_bonds)
    if config.network.kind == "flow":
        chart = InternalCoordinates.of(template, mapping)
        layout, centre, spread = measure_layout(chart, positions, beads, bonds)
        flow = FlowNetwork(chart, layout, config.network)
        flow.calibrate(centre, spread, beads[:-1], beads[1:])
        return flow
    frame = choose_frame(beads, bonds)
    voxel = VoxelNetwork(template.n_atoms, mapping.n_beads, frame, config.network)
    voxel.set_mean(LinearMean.fit(positions, beads, frame))
    energy, scale = _energy(data, positions) if config.network.weights.energy else (None, 1.0)
    precision = choose_precision(device, config.training.precision)
    voxel.use(precision, data.mapping.beads, energy, scale)
    return precision.prepare(voxel)


def _energy(data: PairedData, positions: Tensor) -> tuple[Callable[[Tensor], Tensor] | None, float]:
    """The molecule's potential energy and its standard deviation over a trajectory, kJ/mol."""
    if not data.force_field:
        return None, 1.0
    energy = Energy.from_openmm(system_from_xml(next(iter(data.force_field.values()))))
    sample = positions[:: max(1, len(positions) // 1000)]
    return energy, float(energy(sample).std())


def _fit_latents(network: VoxelNetwork, task: StepTask, seed: int) -> None:
    count = min(_MIXTURE_SAMPLES, task.n_samples)
    generator = torch.Generator().manual_seed(child_seed(seed, 1))
    indices = torch.randperm(task.n_samples, generator=generator)[:count]
    latents = []
    for first in range(0, count, 512):
        step = gather(task.train, indices[first : first + 512], 1)
        mean, log_sigma = network.encode(step)
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        latents.append((mean + log_sigma.clamp(-7.0, 2.0).exp() * noise).cpu())
    fit_mixture(network, torch.cat(latents).double().numpy(), seed)
