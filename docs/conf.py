"""How Sphinx builds the manual."""

from __future__ import annotations

from privet import __version__

project = "Privet"
author = "The Privet developers"
copyright = author
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"Privet {release}"
