import json
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.ui.stub import SECRET
from ui.presence import presence_route
from ui.session import Owners


class Heard:
    """What a service is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def enter(self, owner: str, page: str, *, cancels: bool) -> None:
        self.told.append(("enter", owner, page, cancels))

    def leave(self, owner: str, page: str) -> None:
        self.told.append(("leave", owner, page))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def client(heard: Heard) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=[presence_route(heard, Owners(SECRET))])) as client:
        yield client


def test_a_page_says_that_it_is_open_and_that_it_is_closed(
    client: TestClient, heard: Heard
) -> None:
    owner = Owners(SECRET).checked("")
    told = {"owner": owner, "page": "1-2", "open": True, "cancels": True}
    assert client.post("/presence", content=json.dumps(told)).status_code == 204
    assert client.post("/presence", content=json.dumps(told | {"open": False})).status_code == 204
    assert heard.told == [("enter", owner, "1-2", True), ("leave", owner, "1-2")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("no JSON", 400),
        ("[" * 900, 400),
        ('["owner"]', 400),
        ('{"owner": "someone", "page": "1"}', 400),
        ('{"owner": 5, "page": "1"}', 400),
        ("{" + " " * 2_000 + "}", 413),
    ],
)
def test_anything_else_is_refused(client: TestClient, heard: Heard, body: str, status: int) -> None:
    assert client.post("/presence", content=body).status_code == status
    assert heard.told == []


def test_a_page_has_a_name(client: TestClient, heard: Heard) -> None:
    told = {"owner": Owners(SECRET).checked(""), "open": True}
    assert client.post("/presence", content=json.dumps(told)).status_code == 400
    assert heard.told == []
