"""Includes, conditions and macros of GROMACS topologies."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from msb.energy.preprocess import flatten_topology, gromacs_folder
from msb.errors import FileFormatError, MsbWarning


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.itp").write_text(text)
    return folder / "main.itp"


def test_includes_come_in_place_from_beside_and_from_the_folders(tmp_path):
    (tmp_path / "ff").mkdir()
    (tmp_path / "ff" / "far.itp").write_text('far\n#include "near.itp"\n')
    (tmp_path / "ff" / "near.itp").write_text("near of far\n")
    main = write(tmp_path, main='a ; comment\n#include "near.itp"\n#include <far.itp>\nb\n', near="near\n")
    text = flatten_topology(main, [tmp_path / "ff"])
    assert text.split("\n") == ["a", "near", "far", "near of far", "b", ""]


def test_conditions_are_decided_and_macros_kept(tmp_path):
    main = write(
        tmp_path,
        main="#define A 1 2\n#ifdef A\nyes\n#ifdef B\nno\n#else\nelse\n#endif\n#endif\n"
        '#ifndef A\n#include "missing.itp"\n#define C\n#endif\n'
        "#undef A\n#ifdef A\nno\n#endif\nlong \\\nline\n",
    )
    assert flatten_topology(main).split("\n") == [
        "#define A 1 2",
        "yes",
        "else",
        "#undef A",
        "long   line",
        "",
    ]
    assert "no" in flatten_topology(main, defines={"B": "1"}).split("\n")


def test_missing_restraints_are_left_out_with_a_warning(tmp_path):
    main = write(tmp_path, main='a\n#include "posres.itp"\n#include "sub/posre_b.itp"\nb\n')
    with pytest.warns(MsbWarning, match=r"main.itp.*posres.itp, sub/posre_b.itp"):
        assert flatten_topology(main) == "a\nb\n"


def test_other_missing_includes_are_errors_unless_named(tmp_path):
    main = write(tmp_path, main='a\n#include "water.itp"\n')
    with pytest.raises(FileFormatError, match=r"main.itp, line 2: the file \"water.itp\".*leave out"):
        flatten_topology(main)
    with pytest.warns(MsbWarning, match="water.itp"):
        assert flatten_topology(main, leave_out=("water.itp",)) == "a\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('#include "main.itp"\n', "includes itself"),
        ("#ifdef A\n", "no #endif"),
        ("#endif\n", "line 1: #endif without"),
        ("a\n#else\n", "line 2: #else without"),
        ("#pragma once\n", "#pragma is not known"),
    ],
)
def test_broken_files_are_sentences(tmp_path, text, reason):
    with pytest.raises(FileFormatError, match=reason):
        flatten_topology(write(tmp_path, main=text))
    with pytest.raises(FileFormatError, match="cannot be read"):
        flatten_topology(tmp_path / "nothing.top")


def test_an_installed_gromacs_is_found(monkeypatch, tmp_path):
    (tmp_path / "top").mkdir()
    monkeypatch.setenv("GMXDATA", str(tmp_path))
    assert gromacs_folder() == tmp_path / "top"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flatten_topology(write(tmp_path, main="a\n")) == "a\n"
