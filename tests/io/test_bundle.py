"""Model folders: what goes in comes out; what is not whole, foreign or newer is refused with a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from msb.errors import BundleError
from msb.io import bundle, read_bundle, shipped_models, write_bundle

CONTENT = {
    "method": "temporal",
    "config": {"width": 32, "rate": 1e-3},
    "mapping": {"beads": ["A"]},
    "topology": {"molecules": []},
    "force_field_xml": {"ALA": "<System/>"},
    "metrics": {"excess": 0.01},
    "card": "# A model\n\nÅngström.\n",
    "data_hashes": {"adp.dcd": "00"},
    "extra": {"network": {"layers": 3}},
}


def make(folder: Path, **changes: object) -> Path:
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    tensors = {"w": weight, "shared": weight, "transposed": weight.T, "half": weight.bfloat16()}
    return write_bundle(folder, **{**CONTENT, "tensors": tensors, **changes})


def change(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, **changes}))


def test_round_trip(tmp_path: Path) -> None:
    half = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float16).T
    arrays = {"library/positions": half, "library/codes": np.arange(4, dtype=np.int8), "n": np.array(3)}
    folder = make(tmp_path / "m", arrays=arrays)
    assert sorted(os.listdir(folder)) == [
        "arrays.safetensors",
        "card.md",
        "library.safetensors",
        "model.json",
        "model.safetensors",
    ]
    read = read_bundle(folder)
    for key, value in CONTENT.items():
        assert getattr(read, key) == value
    assert read.versions["torch"] == torch.__version__
    assert read.format_version == bundle.FORMAT_VERSION
    assert set(read.tensors) == {"w", "shared", "transposed", "half"}
    torch.testing.assert_close(read.tensors["transposed"], read.tensors["w"].T, rtol=0, atol=0)
    assert read.tensors["half"].dtype is torch.bfloat16
    assert set(read.arrays) == set(arrays)
    for key, value in arrays.items():
        assert read.arrays[key].dtype == value.dtype
        np.testing.assert_array_equal(read.arrays[key], value)


@settings(max_examples=30)
@given(
    arrays_of.arrays(
        st.sampled_from([np.float64, np.float32, np.float16, np.int8, np.int64, np.uint8, np.bool_]),
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    )
)
def test_arrays_of_any_shape(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    folder = make(tmp_path_factory.mktemp("bundle") / "m", arrays={"a": array})
    back = read_bundle(folder).arrays["a"]
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_the_same_model_is_the_same_files(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    for name in os.listdir(one):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_replaced_as_a_whole(tmp_path: Path) -> None:
    make(tmp_path / "m", arrays={"a": np.zeros(3)})
    make(tmp_path / "m", method="library", tensors={})
    read = read_bundle(tmp_path / "m")
    assert (read.method, read.tensors, read.arrays) == ("library", {}, {})
    assert os.listdir(tmp_path) == ["m"]


def test_what_cannot_be_stored(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(BundleError, match="is there and is not a model bundle; choose another name"):
        make(tmp_path / "mine")
    with pytest.raises(BundleError, match="array 'a' is of type object; only numbers are stored"):
        make(tmp_path / "m", arrays={"a": np.array([None])})
    for name in ("x/y/z", "model/weights", "../up/a"):
        with pytest.raises(BundleError, match="cannot be an array's name"):
            make(tmp_path / "m", arrays={name: np.zeros(1)})
    with pytest.raises(BundleError, match="cannot be written as JSON"):
        make(tmp_path / "m", config={"device": torch.device("cpu")})
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format_version": 2},
            r"is in bundle format 2, made by msb .*; this msb reads up to format 1: update",
        ),
        ({"format_version": "x"}, "has no format version"),
        ({"format": "other"}, "is not a model bundle of msb"),
        ({"files": {}}, r"does not list model\.safetensors"),
    ],
)
def test_foreign_or_newer(tmp_path: Path, changes: dict, message: str) -> None:
    folder = make(tmp_path / "m")
    change(folder, **changes)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


def test_not_whole(tmp_path: Path) -> None:
    folder = make(tmp_path / "m", arrays={"library/a": np.zeros(3)})
    (folder / "library.safetensors").unlink()
    with pytest.raises(BundleError, match=r"is not whole: library\.safetensors is missing"):
        read_bundle(folder)
    folder = make(tmp_path / "m")
    (folder / "card.md").unlink()
    with pytest.raises(BundleError, match=r"card\.md is missing"):
        read_bundle(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(BundleError, match=r"model\.json is damaged: it is not JSON"):
        read_bundle(folder)
    (folder / "model.json").write_text('{"format": "msb-model", "format_version": 1}')
    with pytest.raises(BundleError, match="is damaged: it lacks method, config"):
        read_bundle(folder)
    (folder / "model.json").unlink()
    with pytest.raises(BundleError, match=r"is not a model bundle: it has no model\.json"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "library.safetensors"])
def test_every_flipped_bit_is_noticed(tmp_path: Path, name: str) -> None:
    folder = make(tmp_path / "m", arrays={"library/a": np.zeros(3)})
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} is not the file the model was written with"):
        read_bundle(folder)


def test_names_of_shipped_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_shipped_folder", lambda: tmp_path)
    make(tmp_path / "adp")
    assert shipped_models() == ["adp"]
    assert read_bundle("adp").folder == tmp_path / "adp"
    with pytest.raises(BundleError, match="no shipped model 'apd'; did you mean 'adp'"):
        read_bundle("apd")
    with pytest.raises(BundleError, match="shipped models: adp"):
        read_bundle("polystyrene")
    with pytest.raises(BundleError, match=r"card\.md is a file; a model is the folder"):
        read_bundle(tmp_path / "adp" / "card.md")


def test_description_needs_no_torch(tmp_path: Path) -> None:
    """`msb info` reads all but the tensors."""
    import subprocess
    import sys

    folder = make(tmp_path / "m")
    code = (
        "import sys; from msb.io import read_bundle; "
        f"print(read_bundle({str(folder)!r}).method, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["temporal", "False"]
