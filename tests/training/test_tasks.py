"""What is asked of the tasks that begin with a picture, and its grades on made-up findings."""

from collections import Counter

import torch

from benchmarks import tasks
from benchmarks.quality import Tally
from benchmarks.tasks_cases import (
    PLACES,
    correlation,
    empty,
    grade_materials,
    grade_placing,
    grade_recolored,
    other_materials,
    placings,
    recolorings,
    relief,
)
from engine.pipelines import DiffusionPipeline
from engine.pipelines.request import Request
from training.judge import GRID, Finding, Judge, Seen
from training.render import SIZE, render_all
from training.scene import HELD_OUT_PAIRS


def finding(solid, x=0, y=0):
    return Finding(solid.shape, solid.color, solid.size, solid.finish, x, y)


def seen(*findings):
    return Seen(findings, "white", "sky")


def test_changes_change_what_they_say_and_nothing_else():
    assert recolorings(5) == recolorings(5)
    for before, after in recolorings(40):
        [old], [new] = before.solids, after.solids
        assert old.color != new.color and (new.color, new.shape) not in HELD_OUT_PAIRS
        assert (old.shape, old.x, old.z, old.size) == (new.shape, new.x, new.z, new.size)
    counts: Counter[int] = Counter()
    for before, after in other_materials(20):
        counts[len(before.solids)] += 1
        for old, new in zip(before.solids, after.solids, strict=True):
            assert old.color != new.color and old.finish != new.finish
            assert (old.shape, old.x, old.z, old.size) == (new.shape, new.x, new.z, new.size)
    assert counts == {1: 10, 2: 10}


def test_placings_mark_room_for_what_is_asked():
    cases = placings(12)
    assert [case.place for case in cases[:3]] == list(PLACES)
    for case in cases:
        assert len(case.before.solids) == (case.place != PLACES[0])
        assert case.mask.shape == (SIZE, SIZE) and 0.02 < case.mask.float().mean() < 0.9
        kinds = [(solid.color, solid.shape) for solid in case.before.solids]
        assert (case.solid.color, case.solid.shape) not in kinds


def test_a_new_colour_counts_in_its_old_place():
    [(_, after)] = recolorings(1)
    [solid] = after.solids
    cell = 7 * GRID + 5

    def shares(*findings):
        tally = Tally()
        grade_recolored(after, cell, seen(*findings), tally)
        return [
            tally.share(f"image to image: {name}") for name in ("new colour", "same place", "both")
        ]

    assert shares(finding(solid, 5, 7)) == shares(finding(solid, 7, 5)) == [1, 1, 1]
    assert shares(finding(solid, 8, 7)) == shares(finding(solid, 7, 5)._replace(y=10)) == [1, 0, 0]
    wrong = next(color for color in ("red", "blue") if color != solid.color)
    assert shares(finding(solid, 5, 7)._replace(color=wrong)) == [0, 1, 0]
    assert shares() == shares(finding(solid, 5, 7), finding(solid, 9, 9)) == [0, 0, 0]


def test_a_solid_counts_where_it_is_marked():
    [case] = placings(1)
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[32:64, 64:96] = True  # cells 4 to 7 down, 8 to 11 across
    case = case._replace(mask=mask)

    def share(*findings):
        tally = Tally()
        grade_placing(case, seen(*findings), tally)
        assert tally.share(f"inpainting: {case.place}") == tally.share(
            "inpainting: colour and shape"
        )
        return tally.share("inpainting: colour and shape")

    right = finding(case.solid, 8, 4)
    assert share(right) == share(right._replace(x=11, y=7)) == 1
    assert share(right._replace(x=0, y=0), right) == 1
    for wrong in ({"x": 7}, {"y": 8}, {"x": 4, "y": 8}, {"color": "?"}, {"shape": "?"}):
        assert share(right._replace(**wrong)) == 0
    assert share() == 0


def test_materials_count_where_all_are_right():
    after = other_materials(2)[1].after
    one, other = (finding(solid) for solid in after.solids)

    def shares(*findings):
        tally = Tally()
        grade_materials(after, seen(*findings), tally)
        return [tally.share(f"depth: {name}") for name in ("colours", "colours and finishes")]

    assert shares(one, other) == shares(other, one._replace(shape="?")) == [1, 1]
    assert shares(one, other._replace(finish="?")) == [1, 0]
    assert shares(one, other._replace(color="?")) == [0, 0]
    assert shares(one) == shares(one, other, other) == [0, 0]


def test_relief_is_of_what_stands_on_the_table():
    before = [change.before for change in other_materials(6)]
    inverse, table = (
        1 / render_all(scenes).depth for scenes in (before, [empty(scene) for scene in before])
    )
    wanted = inverse - table
    estimated = relief(40 * inverse + 3, table, wanted == 0)
    alike = correlation(estimated, wanted)
    assert (alike > 0.999).all(), alike
    assert correlation(estimated, wanted.roll(1, 0)).median() < 0.5
    assert (correlation(wanted, -2 * wanted) + 1).abs().max() <= 1e-5


def test_every_task_is_drawn_and_counted(
    tiny_checkpoint, tiny_inpaint_checkpoint, tiny_depth_checkpoint, monkeypatch
):
    monkeypatch.setattr(tasks, "_DEFAULTS", Request(model="", steps=4))
    torch.manual_seed(0)
    judge = Judge().eval()
    text, painter, depth = (
        DiffusionPipeline.from_pretrained(folder)
        for folder in (tiny_checkpoint, tiny_inpaint_checkpoint, tiny_depth_checkpoint)
    )
    rows = [
        *tasks.image_to_image(text.as_task("image-to-image"), judge, 3),
        *tasks.inpaint(painter, judge, 3),
        *tasks.depth_to_image(depth, judge, 3),
        *tasks.estimator(depth, 3),
    ]
    answers = {row.question: row.answer for row in rows}
    assert len(answers) == len(rows) == 15
    assert "nan" not in " ".join(answers.values())
    assert answers["inpainting: colour and shape"] == "0 of 3 (0.0%)"
    assert all(answers[f"inpainting: {place}"] == "0 of 1 (0.0%)" for place in PLACES)
    assert [row.question for row in rows if row.aim] == [
        "inpainting: colour and shape",
        "depth: colours and finishes",
        "estimator: AbsRel",
    ]
