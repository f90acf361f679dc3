from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.ui.stub import SECRET
from ui.pictures import PictureRoute, Shelf, Stage


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "outputs" / "owner" / "a.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def test_only_a_signed_address_is_served(tmp_path: Path, picture: Path) -> None:
    route = PictureRoute(tmp_path / "outputs", SECRET)
    (tmp_path / "secret.png").write_bytes(b"secret")
    client = TestClient(Starlette(routes=route.routes()))
    address = route.address(picture)
    assert not address.startswith("/")
    answer = client.get(address)
    assert (answer.status_code, answer.content) == (200, picture.read_bytes())
    assert answer.headers["content-type"] == "image/png"

    signature = address.split("/")[1]
    for wrong in (
        f"pictures/{'0' * 32}/owner/a.png",
        f"pictures/{signature}/owner/b.png",
        f"pictures/{signature}/..%2Fsecret.png",
        f"pictures/{signature}/%2Fetc%2Fpasswd",
    ):
        assert client.get(wrong).status_code == 404
    assert (
        client.get(PictureRoute(tmp_path / "outputs", b"other").address(picture)).status_code == 404
    )
    picture.unlink()
    assert client.get(address).status_code == 404


def test_a_file_elsewhere_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="secret"):
        PictureRoute(tmp_path / "outputs", SECRET).address(tmp_path / "secret.png")


def test_previews_travel_as_data_and_pictures_as_addresses() -> None:
    preview = Stage().postprocess(b"\xff\xd8\xff jpeg")
    assert preview and preview.url == "data:image/jpeg;base64,/9j/IGpwZWc="
    final = Stage().postprocess("pictures/s/a.png")
    assert final and (final.url, final.orig_name) == ("pictures/s/a.png", "a.png")
    assert Stage().postprocess(None) is None
    (item,) = Shelf().postprocess([("pictures/s/a.png", "Seed 1")]).root
    assert item.caption == "Seed 1"
