"""Pictures on their way from a person to the service."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from engine.errors import RequestError
from engine.service import Service
from tests.ui.page import launch_page
from tests.ui.stub import StubWorker, stub_models
from ui.given import take_all
from ui.pictures import media_type


def file(kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(data, kind)
    return data.getvalue()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    models = stub_models(tmp_path / "models")
    return Service(lambda: StubWorker(models), tmp_path / "outputs", models)


async def test_pictures_come_in_base64_or_as_a_data_url(service: Service) -> None:
    plain = base64.b64encode(file()).decode()
    url = f"data:image/jpeg;base64,{base64.b64encode(file('JPEG')).decode()}"
    names = await take_all(service, "ann", {"image": plain, "mask": url, "depth_map": ""})
    assert service.given(names["image"], "ann").read_bytes() == file()
    assert service.given(names["mask"], "ann").read_bytes() == file("JPEG")
    assert names["depth_map"] == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/etc/passwd", "image is no base64"),
        ("a b c d", "image is no base64"),
        (base64.b64encode(b"a text").decode(), "image: .*no PNG, JPEG or WebP"),
        (None, "image is no base64"),
    ],
)
async def test_what_is_none_is_told(service: Service, text: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        await take_all(service, "ann", {"image": text})


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_picture_is_served_as_what_it_is(kind: str) -> None:
    assert media_type(file(kind)[:12]) == f"image/{kind}"


@pytest.fixture
def page(service: Service, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """Address and configuration of a page."""
    blocks, _, url = launch_page(service, tmp_path / "models", tmp_path / "outputs")
    yield url, blocks.config
    blocks.close(verbose=False)


def test_no_path_from_a_client_is_read(
    page: tuple[str, Any], service: Service, tmp_path: Path
) -> None:
    """Every event that takes a picture refuses one that Gradio did not receive itself."""
    url, config = page
    secret = tmp_path / "secret.png"
    secret.write_bytes(file())
    forged = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    kinds = {block["id"]: block["props"].get("name") for block in config["components"]}
    values = {
        "image": forged,
        "imageeditor": {"background": None, "layers": [forged], "composite": None, "id": None},
    }
    taking = [
        one for one in config["dependencies"] if {kinds[i] for i in one["inputs"]} & {*values}
    ]
    assert len(taking) >= 4
    for one in taking:
        data = [values.get(kinds[i] or "", "") for i in one["inputs"]]
        body = {"data": data, "fn_index": one["id"], "session_hash": "a"}
        answer = httpx.post(f"{url}gradio_api/run/predict", json=body, timeout=60)
        assert "was not uploaded by a user" in answer.json()["error"], one["id"]
    assert not [*(tmp_path / "outputs").rglob("inputs/*")]
