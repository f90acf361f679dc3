import io
import random
import string
from dataclasses import replace

import pytest
from PIL import Image
from sd_parsers import ParserManager

from engine.pipelines.request import Request
from engine.service.infotext import NEGATIVE, PARAMETERS, Infotext, read_infotext, write_infotext
from engine.service.metadata import encode_png

ASKED = Request("tabletop", "a red ball", width=128, height=64, seed=7, guidance_scale=5.0)
NAME = "a" * 64
PAINTED = replace(
    ASKED,
    task="inpaint",
    prompt="a ball, and\na cube",
    negative_prompt="grey",
    scheduler="Euler a",
    schedule_type="Karras",
    guidance_scale=7.25,
    image=NAME,
    mask=NAME,
    strength=0.65,
    padding=32,
    fill="noise",
    invert_mask=True,
    variation_seed=9,
    variation_strength=0.5,
)


def test_a_text_is_as_the_web_ui_writes_it() -> None:
    assert write_infotext(ASKED, "DDIMScheduler") == (
        "a red ball\n"
        "Steps: 25, Sampler: DDIM, Schedule type: Automatic, CFG scale: 5, Seed: 7, "
        "Size: 128x64, Model: tabletop, RNG: CPU, Version: Stepwise"
    )
    assert write_infotext(PAINTED, "DDIMScheduler") == (
        "a ball, and\na cube\n"
        "Negative prompt: grey\n"
        "Steps: 25, Sampler: Euler a, Schedule type: Karras, CFG scale: 7.25, Seed: 7, "
        "Size: 128x64, Model: tabletop, Variation seed: 9, Variation seed strength: 0.5, "
        "Denoising strength: 0.65, Mask mode: Inpaint not masked, Mask blur: 4, "
        "Inpaint area: Only masked, Masked area padding: 32, Masked content: latent noise, "
        "RNG: CPU, Version: Stepwise"
    )


def test_a_value_is_quoted_where_it_has_to_be() -> None:
    text = write_infotext(replace(ASKED, model='a, "b": c'), "DDIMScheduler")
    assert r'Model: "a, \"b\": c", RNG' in text
    assert read_infotext(text).settings["Model"] == 'a, "b": c'
    assert "Model: a b, RNG" in write_infotext(replace(ASKED, model="a b"), "DDIMScheduler")


def test_names_are_theirs_where_they_have_one() -> None:
    def named(scheduler: str, kind: str = "", own: str = "PNDMScheduler") -> list[str]:
        asked = replace(ASKED, scheduler=scheduler, schedule_type=kind)
        settings = read_infotext(write_infotext(asked, own)).settings
        return [settings["Sampler"], settings["Schedule type"]]

    assert named("") == ["PLMS", "Automatic"]
    assert named("DPM++ 2M Karras") == ["DPM++ 2M", "Karras"]
    assert named("DPM++ 2M Karras", "AYS") == ["DPM++ 2M", "Align Your Steps"]
    assert named("", own="SomethingElse") == ["SomethingElse", "Automatic"]


def test_without_prompts_the_settings_are_all() -> None:
    text = write_infotext(
        Request("tabletop-ddpm", task="unconditional", width=64, height=64), "DDPMScheduler"
    )
    assert text.startswith("Steps: 25, Sampler: DDPM, ") and "CFG" not in text
    assert read_infotext(text).prompt == ""


@pytest.mark.parametrize("asked", [ASKED, PAINTED])
def test_an_independent_reader_reads_our_png(asked: Request) -> None:
    infotext = write_infotext(asked, "DDIMScheduler")
    png = encode_png(Image.new("RGB", (8, 8)), {"request": {}}, infotext)
    with Image.open(io.BytesIO(png)) as image:
        assert list(image.info) == [PARAMETERS, "stepwise"]
    told = ParserManager().parse(io.BytesIO(png))
    assert told is not None and told.generator.name == "AUTOMATIC1111"
    (sampler,) = told.samplers
    expected = read_infotext(infotext).settings
    assert (sampler.name, sampler.model.name) == (expected["Sampler"], "tabletop")  # type: ignore[union-attr]
    assert sampler.parameters["seed"] == "7" and sampler.parameters["steps"] == "25"
    assert sampler.parameters["cfg_scale"] == expected["CFG scale"]
    assert [prompt.value for prompt in told.prompts] == [asked.prompt]
    assert [prompt.value for prompt in told.negative_prompts] == (
        [asked.negative_prompt] if asked.negative_prompt else []
    )
    assert told.metadata["Size"] == "128x64"


def test_what_was_written_is_read() -> None:
    pick = random.Random(0)
    letters = string.ascii_letters + " ,:\"\\{}[]'\n\t立ä🎈"

    def text(most: int) -> str:
        return "".join(pick.choices(letters, k=pick.randint(1, most))).strip() or "a"

    for _ in range(300):
        asked = replace(
            ASKED,
            prompt=text(60),
            negative_prompt=text(30),
            model=text(20).replace("\n", " ").strip('" ') or "a",
        )
        told = read_infotext(write_infotext(asked, "DDIMScheduler"))
        assert (told.prompt, told.negative_prompt) == (asked.prompt, asked.negative_prompt)
        assert told.settings["Model"] == asked.model
        assert (told.settings["Seed"], told.settings["Size"]) == ("7", "128x64")


def test_texts_of_others_are_read() -> None:
    told = read_infotext(
        "a (cat:1.2)\n<lora:soft:0.8>\n\nNegative prompt: bad, worse\nblurred\n"
        'Steps: 20, Sampler: DPM++ 2M, Seed: 1, Lora hashes: "soft: 1f, hard: 2e", '
        'Hashes: {"vae": "9a", "model": "8b"}, Version: v1.10.1'
    )
    assert told.prompt == "a (cat:1.2)\n<lora:soft:0.8>"
    assert told.negative_prompt == "bad, worse\nblurred"
    assert told.settings == {
        "Steps": "20",
        "Sampler": "DPM++ 2M",
        "Seed": "1",
        "Lora hashes": "soft: 1f, hard: 2e",
        "Hashes": '{"vae": "9a", "model": "8b"}',
        "Version": "v1.10.1",
    }
    assert read_infotext("a ball: red\nand more") == Infotext("a ball: red\nand more")
    assert read_infotext(f"{NEGATIVE} all") == Infotext("", "all")
    assert read_infotext("") == Infotext()


@pytest.mark.parametrize(
    "text",
    [
        "a:" * 300_000,
        'a:"' * 300_000,
        "a:{" * 300_000,
        'a:{"b":' * 100_000,
        "a: [[" * 200_000,
        "," * 600_000,
        ": " * 300_000,
        f"{NEGATIVE}\n" * 40_000,
        '"\\' * 300_000,
        "a: 1, b: 2, c: " + "9" * 500_000,
    ],
)
def test_nothing_that_somebody_wrote_breaks_it(text: str) -> None:
    assert isinstance(read_infotext(text), Infotext)
