from pathlib import Path

import pytest

from engine.errors import RequestError
from tests.repository import ROOT
from ui.styles import Style, load_styles, with_styles


def test_a_file_of_styles_is_read_as_others_write_it(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    path.write_text(
        "\ufeffname,prompt,negative_prompt\n"
        '"Sky, open","{prompt}, sky background",\n'
        "--- headings ---,,\n"
        "Sharp,sharp,blurred\n",
        encoding="utf-8",
    )
    assert load_styles(path) == {
        "Sky, open": Style("{prompt}, sky background"),
        "Sharp": Style("sharp", "blurred"),
    }


def test_without_a_file_that_can_be_read_there_are_none(tmp_path: Path) -> None:
    assert load_styles(tmp_path / "none.csv") == {}
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\x00")
    assert load_styles(tmp_path / "bad.csv") == {}
    (tmp_path / "other.csv").write_text("a;b;c\n1;2;3\n")
    assert load_styles(tmp_path / "other.csv") == {}


def test_styles_go_around_a_prompt_or_behind_it() -> None:
    styles = {"Sky": Style("{prompt}, sky background"), "Sharp": Style("sharp", "blurred")}
    assert with_styles(styles, [], "a cube", "") == ("a cube", "")
    both = with_styles(styles, ["Sky", "Sharp"], "a cube", "dark")
    assert both == ("a cube, sky background, sharp", "dark, blurred")
    with pytest.raises(RequestError, match="no style 'Gone'"):
        with_styles(styles, ["Gone"], "a cube", "")


def test_the_styles_of_the_house_keep_the_prompt() -> None:
    styles = load_styles(ROOT / "assets" / "styles.csv")
    assert styles
    for style in styles.values():
        assert "a cube" in with_styles({"one": style}, ["one"], "a cube", "")[0]
