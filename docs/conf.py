"""Sphinx configuration; pages that repeat the code (options, keys) are written from the code."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generate

import msb

project = "msb"
author = "the msb authors"
copyright = "2026, the msb authors"
version = release = msb.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"msb {msb.__version__}"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#d1495b", "color-brand-content": "#a83346"},
    "dark_css_variables": {"color-brand-primary": "#ef8a98", "color-brand-content": "#ef8a98"},
}

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give types with shapes
autodoc_default_options = {"members": True, "show-inheritance": True}
# `MoleculeTemplate` or `n_atoms` as a type in a docstring may mean several things; full names are exact.
suppress_warnings = ["ref.python"]
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def setup(app: object) -> None:
    """Write the generated pages before anything is read."""
    generate.write_pages(Path(__file__).parent / "reference" / "generated")
