"""From the account of a morphing to what its page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from msb.jobs.morph.account import Account
    from msb.report.morph import MorphReport, MorphView

__all__ = ["morph_report"]

_FRAMES = 8  # of the 3-D view


def morph_report(account: Account, title: str = "") -> MorphReport:
    """Take from an account what a page shows, and read the frames of its 3-D view.

    Parameters
    ----------
    account : Account
    title : str
        Of the page; after the file without.
    """
    from msb.jobs.morph.measures import LENGTHS
    from msb.report.morph import MorphReport

    measures, chosen = account.done.measures, account.chosen
    morpher, system = chosen.morpher, chosen.system
    trials = [(trial.candidate.label, trial.divergences, trial.left) for trial in account.trials]
    return MorphReport(
        title=title or f"{system.trajectory.path.name}, morphed",
        summary=_summary(account),
        before=measures.before,
        after=measures.after,
        target=morpher.held_out,
        centres=measures.centres,
        target_centres=morpher.centres_held_out,
        divergences=account.divergences,
        bonds=(LENGTHS * morpher.target.mean_bond, measures.lengths),
        sizes=account.sizes(),
        beyond=account.beyond(),
        trials=trials,
        kept=account.kept(),
        moved=measures.moved,
        seconds=account.done.seconds,
        view=_view(account),
        facts=_facts(account),
    )


def _summary(account: Account) -> str:
    done, chosen = account.done, account.chosen
    frames = "One frame" if done.n_frames == 1 else f"{done.n_frames} frames"
    return (
        f"{frames} of {chosen.system.chains}, given the local statistics of the target of "
        f"{chosen.morpher.name} by scheme {chosen.scheme}; {account.kept()}."
    )


def _facts(account: Account) -> dict[str, str]:
    chosen, done = account.chosen, account.done
    sweeps = "" if chosen.sweeps is None else f", {chosen.sweeps} sweeps"
    polish = ", polished" if chosen.polish else ""
    return {
        "top-down beads": str(chosen.system.trajectory.path),
        "chains and lengths": "; ".join(account.ready.said),
        "model": f"{chosen.source}: s = {chosen.morpher.s}, {chosen.morpher.temperature:g} K",
        "scheme": f"{chosen.scheme}{sweeps}{polish}, seed {account.seed}",
        "written": ", ".join(str(path) for path in done.outputs),
    }


def _view(account: Account) -> MorphView:
    from msb.io.trajectory import open_trajectory
    from msb.report.morph import MorphView

    done, chosen = account.done, account.chosen
    several = done.n_frames > 1
    shown = (
        [(number, done.outputs[0], f"frame {number + 1}") for number in range(min(_FRAMES, done.n_frames))]
        if several
        else [(0, path, f"sample {k + 1}") for k, path in enumerate(done.outputs[:_FRAMES])]
    )
    structure = chosen.system.trajectory.structure
    before = [chosen.system.read(number)[0] for number, _, _ in shown]
    after = [
        open_trajectory(structure, path).read(number, number + 1).positions[0] for number, path, _ in shown
    ]
    return MorphView(
        chosen.topology,
        chosen.morpher.bottleneck,
        np.stack(before),
        np.stack(after),
        [label for _, _, label in shown] if several or len(shown) > 1 else [""],
    )
