"""The demonstration's request: complete, of files that are there, of one system."""

from __future__ import annotations

from msb.io import open_trajectory
from msb.jobs.assess.demo import demo_request
from msb.jobs.assess.request import check_request


def test_the_demo_is_complete_and_of_one_system() -> None:
    request = demo_request()
    check_request(request)
    reference = open_trajectory(request.structure, request.trajectory)
    assert reference.n_frames == 20
    models = [open_trajectory(own.structure, own.trajectory) for own in request.cg]
    assert [own.n_frames for own in models] == [20, 20]
    assert {own.n_atoms for own in models} == {3 * reference.n_atoms // 20}
    assert demo_request(frames=3, polish=True).polish
