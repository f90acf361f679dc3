"""What a network is to name of what stands where."""

import torch

from training.layout import NamingHead, layout_of
from training.scene import COLORS, FINISHES, SHAPES, SIZES, Scene, Solid

RED = Solid("cone", "red", "small", "metal", x=-0.5)
BLUE = Solid("cube", "blue", "large", "glass", x=0.5)
SCENES = (Scene((RED, BLUE), "marble", "night"), Scene((BLUE,), "white", "pink"))


def solids() -> torch.Tensor:
    """The first solid at the left, the second of the first scene at the right."""
    numbers = torch.zeros(2, 8, 8, dtype=torch.uint8)
    numbers[:, :, :2] = 1
    numbers[0, :, 6:] = 2
    return numbers


def answers(solid: Solid) -> list[int]:
    return [
        SHAPES.index(solid.shape) + 1,
        COLORS.index(solid.color),
        FINISHES.index(solid.finish),
        list(SIZES).index(solid.size),
    ]


def test_every_place_tells_of_its_solid_and_a_mirrored_picture_mirrored():
    layout = layout_of(SCENES, solids(), 4)
    plain, other, mirrored = layout.places(torch.tensor([0, 1, 2]))
    assert plain.shape == (4, 4, 4)
    assert plain[:, 0, 0].tolist() == answers(RED) and plain[:, 0, 3].tolist() == answers(BLUE)
    assert plain[0, 0, 1] == 0 and other[:, 0, 0].tolist() == answers(BLUE)
    assert torch.equal(mirrored, plain.flip(-1))


def test_the_head_learns_to_read_features_and_asks_nothing_of_bare_places():
    torch.manual_seed(0)
    layout, rows = layout_of(SCENES, solids(), 4), torch.arange(4)
    block = torch.nn.Identity()
    head = NamingHead(block, 8)
    places = layout.places(rows)
    features = torch.cat([places.clamp(min=0), (places < 0).long()], 1).float()

    def loss() -> torch.Tensor:
        block(features)
        return head.loss(layout, rows)

    optimizer = torch.optim.Adam(head.parameters(), 0.1)
    first = loss().item()
    for _ in range(200):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < 0.1 * first and torch.isfinite(loss())
