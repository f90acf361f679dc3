from pathlib import Path

from PIL import Image

from benchmarks.crashes import OWNER, Told, broken, measure
from engine.pipelines.request import Request
from engine.service.history import History
from engine.service.index import owner_folder
from engine.service.metadata import encode_png


def test_twenty_kills_break_no_promise(tmp_path: Path) -> None:
    told, problems = measure(20, tmp_path / "outputs")
    assert problems == []
    assert len(told.saved) > 20 and told.favourite and told.trashed


def test_broken_promises_are_found(tmp_path: Path) -> None:
    history, told = History(tmp_path), Told()
    for number in range(4):
        png = encode_png(Image.new("RGB", (64, 64)), {"request": Request("m").used()})
        told.saved.add(history.save(png, OWNER, f"job{number}", 0).stem)
    history.index.close()
    assert broken(tmp_path, told) == []
    gone, cut, *_ = sorted((tmp_path / owner_folder(OWNER)).rglob("*.png"))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-30])
    told.favourite.add("job2-0")
    told.trashed.add("job3-0")
    assert {problem.split(" ", 1)[0] for problem in broken(tmp_path, told)} == {
        *("job0-0", "job1-0", "job2-0", "job3-0"),
    }


def test_a_line_that_was_cut_off_says_nothing() -> None:
    told = Told()
    told.hear(["saved a-0\n", "favourite a-0\n", "saved b"])
    assert (told.saved, told.favourite) == ({"a-0"}, {"a-0"})
