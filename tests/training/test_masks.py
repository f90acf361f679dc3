"""Masks mark what they say, and what they hide is known."""

import torch
from torch.nn.functional import interpolate

from training.masks import KINDS, box_around, covered, draw_mask

SIZE = 128


def two_solids() -> torch.Tensor:
    """Solid 1 on the left, solid 2 on the right."""
    solids = torch.zeros(SIZE, SIZE, dtype=torch.uint8)
    solids[40:80, 20:50] = 1
    solids[50:90, 70:110] = 2
    return solids


def test_every_mask_marks_some_latents_and_kinds_differ() -> None:
    generator = torch.Generator().manual_seed(0)
    solids = two_solids()
    masks = [draw_mask(solids, generator) for _ in range(200)]
    small = interpolate(torch.stack(masks)[:, None].float(), scale_factor=1 / 4)
    assert small.flatten(1).any(1).all()
    whole = sum(bool(mask.all()) for mask in masks)
    assert abs(whole / 200 - KINDS["whole"]) < 0.06
    alone = [covered(solids, mask) for mask in masks]
    assert alone.count([0]) > 20 and alone.count([1]) > 20 and alone.count([]) > 5
    again = torch.Generator().manual_seed(0)
    assert all(torch.equal(mask, draw_mask(solids, again)) for mask in masks)


def test_a_table_with_nothing_on_it_gets_masks_too() -> None:
    generator = torch.Generator().manual_seed(1)
    empty = torch.zeros(SIZE, SIZE, dtype=torch.uint8)
    assert all(draw_mask(empty, generator).any() for _ in range(50))


def test_a_box_reaches_as_far_as_it_is_told_and_stays_inside() -> None:
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[40:80, 2] = True
    rows, columns = box_around(mask, 5, 1, 7, 100).nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (39, 127, 0, 9)
    assert len(rows) == 89 * 10


def test_a_solid_is_covered_where_hardly_any_of_it_is_left() -> None:
    solids = two_solids()
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[:, :47] = True
    assert covered(solids, mask) == [0]
    mask[:, 47:] = True
    assert covered(solids, mask) == [0, 1]
    mask[:60, :30] = False
    assert covered(solids, mask) == [1]
    solids[solids == 1] = 0
    assert covered(solids, torch.ones_like(mask)) == [1]
    assert covered(torch.zeros_like(solids), mask) == []
