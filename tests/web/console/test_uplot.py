"""The third-party files that pages load are those that were looked at, and NOTICE names them."""

import base64
from hashlib import sha384
from pathlib import Path

import pytest

from services.web.console.assets import UPLOT, asset, integrity

ROOT = Path(__file__).parents[3]
KNOWN = {
    "uplot.iife.min.js": "sha384-XMP23k7YSCFr13Xrkxh4IO0v1W+8fB6AP+3Vycxphp2Z0V2vocAZHyuGaFCysrtM",
    "uplot.min.css": "sha384-IfV0B7MIOYuO95kO9G5ySKPz/85zqFNOAs8iy4tkK5zd9izhJAB8b7lHrwYqqmYE",
}


@pytest.mark.parametrize("name", UPLOT)
def test_a_file_of_uplot_is_the_known_one(name: str) -> None:
    content = asset(name)
    assert content is not None
    assert f"sha384-{base64.b64encode(sha384(content).digest()).decode()}" == KNOWN[name]
    assert integrity(name) == KNOWN[name]


def test_uplot_is_of_the_version_that_is_said() -> None:
    assert (asset("uplot.iife.min.js") or b"").startswith(b"/*! https://github.com/leeoniya/uPlot (v1.6.31) */")
    assert set(UPLOT) == set(KNOWN)


def test_the_notice_names_what_is_loaded() -> None:
    notice = " ".join((ROOT / "NOTICE").read_text("utf-8").split())
    for words in ("uPlot 1.6.31, Copyright (c) 2022 Leon Sorokin", "youplot 1.0.0", "MIT licence"):
        assert words in notice
    libraries = (ROOT / "docs/adr/0002-libraries.md").read_text("utf-8")
    assert "| youplot |" in libraries
    assert "| playwright |" in libraries
