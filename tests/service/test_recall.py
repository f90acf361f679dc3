"""What is recalled from pictures of ours, and from texts as other apps document them."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from benchmarks.hostile import png
from engine.errors import PictureError
from engine.pipelines.request import Request
from engine.service.infotext import write_infotext
from engine.service.metadata import describe, encode_png
from engine.service.recall import Recalled, recall

NAME = "a" * 64
Row = tuple[Mapping[str, str], dict[str, Any], dict[str, str]]
"""Texts of a file; settings that are recalled; what is left out, without what all rows do."""


INFOTEXT = (
    "a castle, (detailed:1.2)\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 123, "
    "Size: 512x768, Model hash: abc, Model: dream"
)
CASTLE = {
    **{"prompt": "a castle, (detailed:1.2)", "negative_prompt": "blurry", "steps": 20, "seed": 123},
    **{"scheduler": "Euler a", "guidance_scale": 7, "width": 512, "height": 768, "model": "dream"},
}
NONE_OF_THIS = "(there is none of this name here)"


def automatic1111() -> Iterator[Row]:
    def row(old: str, new: str, settings: dict[str, Any], **left: str) -> Row:
        assert old in INFOTEXT
        text = INFOTEXT.replace(old, new)
        return {"parameters": text}, CASTLE | settings, {"Model hash": "abc"} | left

    end = "Model: dream"
    yield row("", "", {})
    yield row("CFG scale: 7", "CFG scale: 7.5", {"guidance_scale": 7.5})
    yield row("Euler a, Schedule type: Automatic", "DPM++ 2M Karras",
              {"scheduler": "DPM++ 2M", "schedule_type": "Karras"})  # fmt: skip
    yield row("Euler a, Schedule type: Automatic", "DPM++ 3M SDE, Schedule type: Exponential",
              {"scheduler": "DPM++ 3M SDE", "schedule_type": "Exponential"})  # fmt: skip
    yield row("Euler a", "PLMS", {"scheduler": "PNDM"})
    yield row("Automatic", "Align Your Steps", {"schedule_type": "AYS"})
    yield row("Automatic", "KL Optimal", {}, schedule=f"KL Optimal {NONE_OF_THIS}")
    yield row("\nNegative prompt: blurry", "", {"negative_prompt": ""})
    yield row("blurry", "bad, worse\nblurry", {"negative_prompt": "bad, worse\nblurry"})
    yield row(end, f"{end}, Denoising strength: 0.45, Mask blur: 8, Masked area padding: 32",
              {"strength": 0.45, "mask_blur": 8, "padding": 32})  # fmt: skip
    yield row(end, f"{end}, Variation seed: 5, Variation seed strength: 0.3",
              {"variation_seed": 5, "variation_strength": 0.3})  # fmt: skip
    yield row(end, f'{end}, Lora hashes: "soft: 1f, hard: 2e", Version: v1.10.1', {},
              Version="v1.10.1", **{"Lora hashes": "soft: 1f, hard: 2e"})  # fmt: skip
    yield row("Model: dream", 'Model: "a, b: c"', {"model": "a, b: c"})
    yield row("Seed: 123", "Seed: 4294967295", {"seed": 2**32 - 1})
    yield row("512x768", "1024x1024", {"width": 1024, "height": 1024})


GRAPH: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream.safetensors"}},
    "5": {"class_type": "EmptyLatentImage",
          "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode",
          "inputs": {"text": "a castle, (detailed:1.2)", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 123, "steps": 20, "cfg": 7, "sampler_name": "euler_ancestral",
            "scheduler": "normal", "denoise": 1, "model": ["4", 0], "positive": ["6", 0],
            "negative": ["7", 0], "latent_image": ["5", 0],
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "C", "images": ["8", 0]}},
}  # fmt: skip
COMFY = CASTLE | {"schedule_type": "Normal", "model": "dream.safetensors"}


def comfyui() -> Iterator[Row]:
    def row(settings: dict[str, Any], nodes: dict[str, Any], **left: str) -> Row:
        """nodes: new ones, or inputs to change in old ones."""
        graph = json.loads(json.dumps(GRAPH))
        for key, node in nodes.items():
            if "class_type" in node:
                graph[key] = node
            else:
                graph[key]["inputs"] |= node
        return {"prompt": json.dumps(graph), "workflow": "{}"}, COMFY | settings, left

    def encode(text: Any) -> dict[str, Any]:
        return {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["4", 1]}}

    yield row({}, {})
    yield row({"scheduler": "DPM++ 2M SDE", "schedule_type": "Karras"},
              {"3": {"sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras"}})  # fmt: skip
    yield row({"scheduler": "UniPC", "schedule_type": "SGM Uniform"},
              {"3": {"sampler_name": "uni_pc", "scheduler": "sgm_uniform"}})  # fmt: skip
    yield row({"schedule_type": "DDIM"}, {"3": {"scheduler": "ddim_uniform"}})
    yield row({"strength": 0.6}, {"3": {"denoise": 0.6}})
    yield row({"prompt": "two castles"}, {"6": {"text": "two castles"}})
    yield row({"prompt": "from afar"},
              {"6": {"text": ["10", 0]}, "10": {"class_type": "PrimitiveString",
                                                "inputs": {"value": "from afar"}}})  # fmt: skip
    yield row({"seed": 77}, {"3": {"seed": ["10", 0]},
                             "10": {"class_type": "Seed", "inputs": {"seed": 77}}})  # fmt: skip
    yield row({}, {"3": {"model": ["10", 0]},
                   "10": {"class_type": "LoraLoader",
                          "inputs": {"lora_name": "soft", "strength_model": 1, "model": ["4", 0],
                                     "clip": ["4", 1]}}}, LoRA="['soft']")  # fmt: skip
    yield row({"prompt": "one half"},
              {"3": {"positive": ["10", 0]}, "11": encode("one half"), "12": encode("the other"),
               "10": {"class_type": "ConditioningCombine",
                      "inputs": {"conditioning_1": ["11", 0],
                                 "conditioning_2": ["12", 0]}}})  # fmt: skip
    second = GRAPH["3"]["inputs"] | {"seed": 9, "denoise": 0.4, "latent_image": ["3", 0]}
    yield row({}, {"10": {"class_type": "KSampler", "inputs": second}})
    yield row({"width": 640, "height": 320}, {"5": {"width": 640, "height": 320}})
    advanced = {k: v for k, v in GRAPH["3"]["inputs"].items() if k not in ("seed", "denoise")}
    yield row({"seed": 5}, {"3": {"class_type": "KSamplerAdvanced",
                                  "inputs": advanced | {"noise_seed": 5}}})  # fmt: skip
    linked = {k: v for k, v in GRAPH["3"]["inputs"].items()
              if k in ("model", "positive", "negative", "latent_image", "cfg")}  # fmt: skip
    parts = {
        "10": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler_ancestral"}},
        "11": {"class_type": "BasicScheduler",
               "inputs": {"scheduler": "normal", "steps": 20, "denoise": 1, "model": ["4", 0]}},
    }  # fmt: skip
    yield row({}, {**parts, "3": {"class_type": "SamplerCustom",
                                  "inputs": linked | {"noise_seed": 123, "sampler": ["10", 0],
                                                      "sigmas": ["11", 0]}}})  # fmt: skip
    guider = {name: linked[name] for name in ("model", "positive", "negative", "cfg")}
    yield row({}, {**parts, "12": {"class_type": "RandomNoise", "inputs": {"noise_seed": 123}},
                   "13": {"class_type": "CFGGuider", "inputs": guider},
                   "3": {"class_type": "SamplerCustomAdvanced",
                         "inputs": {"noise": ["12", 0], "guider": ["13", 0], "sampler": ["10", 0],
                                    "sigmas": ["11", 0],
                                    "latent_image": ["5", 0]}}})  # fmt: skip


INVOKE: dict[str, Any] = {
    "app_version": "4.2.0",
    "generation_mode": "txt2img",
    "positive_prompt": "a castle, (detailed:1.2)",
    "negative_prompt": "blurry",
    "width": 512,
    "height": 768,
    "seed": 123,
    "rand_device": "cpu",
    "cfg_scale": 7,
    "steps": 20,
    "scheduler": "euler_a",
    "model": {"key": "1", "hash": "2", "name": "dream", "base": "sd-1", "type": "main"},
    "loras": [],
    "vae": None,
}
INVOKE_LEFT = {"app_version": "4.2.0", "generation_mode": "txt2img", "rand_device": "cpu"}
OLD: dict[str, Any] = {
    "model": "stable diffusion",
    "model_weights": "dream",
    "app_id": "invoke-ai/InvokeAI",
    "app_version": "2.3.0",
    "image": {
        "prompt": [{"prompt": "a castle, (detailed:1.2) [blurry]", "weight": 1}],
        **{"steps": 20, "cfg_scale": 7, "seed": 123, "width": 512, "height": 768},
        **{"sampler": "k_euler_a", "type": "txt2img"},
    },
}


def invokeai() -> Iterator[Row]:
    def row(told: dict[str, Any], settings: dict[str, Any], **left: str) -> Row:
        text = json.dumps(INVOKE | told)
        return {"invokeai_metadata": text}, CASTLE | settings, INVOKE_LEFT | left

    def old(told: dict[str, Any], settings: dict[str, Any], **left: str) -> Row:
        text = json.dumps(OLD | {"image": OLD["image"] | told})
        return {"sd-metadata": text, "Dream": "-"}, CASTLE | settings, {"type": "txt2img"} | left

    yield row({}, {})
    yield row({"scheduler": "dpmpp_2m_sde_k"},
              {"scheduler": "DPM++ 2M SDE", "schedule_type": "Karras"})  # fmt: skip
    yield row({"scheduler": "kdpm_2_a"}, {"scheduler": "DPM2 a"})
    yield row({"scheduler": "unipc"}, {"scheduler": "UniPC"})
    yield row({"scheduler": "heun_k"}, {"scheduler": "Heun", "schedule_type": "Karras"})
    yield row({"cfg_scale": 7.5}, {"guidance_scale": 7.5})
    yield row({"strength": 0.7, "init_image": "a.png"}, {"strength": 0.7}, init_image="a.png")
    yield row({"model": {"model_name": "older", "base_model": "sd-1"}}, {"model": "older"})
    yield row({"loras": [{"weight": 1}]}, {}, loras="[{'weight': 1}]")
    yield row({"negative_prompt": ""}, {"negative_prompt": ""})
    yield row({"clip_skip": 2}, {}, clip_skip="2")
    yield old({}, {})
    yield old({"sampler": "k_lms"}, {"scheduler": "LMS"})
    yield old({"prompt": "a castle [bad] by day [worse]"},
              {"prompt": "a castle by day", "negative_prompt": "bad worse"})  # fmt: skip
    yield old({"seed": 4294967295, "strength": 0.5}, {"seed": 2**32 - 1, "strength": 0.5})


FOOOCUS: dict[str, Any] = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "dream",
    "guidance_scale": 7,
    "loras": [],
    "metadata_scheme": "fooocus",
    "negative_prompt": "blurry",
    "prompt": "a castle, (detailed:1.2)",
    "refiner_model": "None",
    "resolution": "(512, 768)",
    "sampler": "euler_ancestral",
    "scheduler": "normal",
    "seed": "123",
    "steps": 20,
}


def fooocus() -> Iterator[Row]:
    def row(told: dict[str, Any], settings: dict[str, Any], **left: str) -> Row:
        text = json.dumps(FOOOCUS | told)
        kept = {"adm_guidance": "(1.5, 0.8, 0.3)", "metadata_scheme": "fooocus"}
        expected = CASTLE | {"schedule_type": "Normal"} | settings
        return {"parameters": text, "fooocus_scheme": "fooocus"}, expected, kept | left

    def a1111(old: str, new: str, settings: dict[str, Any], **left: str) -> Row:
        text = INFOTEXT.replace("Schedule type: Automatic", "Scheduler: karras")
        text = f"{text}, Version: Fooocus v2.3.0".replace(old, new)
        kept = {"Model hash": "abc", "Version": "Fooocus v2.3.0"}
        expected = CASTLE | {"schedule_type": "Karras"} | settings
        return {"parameters": text, "fooocus_scheme": "a1111"}, expected, kept | left

    yield row({}, {})
    yield row({"sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras"},
              {"scheduler": "DPM++ 2M SDE", "schedule_type": "Karras"})  # fmt: skip
    yield row({"sampler": "dpmpp_3m_sde_gpu"}, {"scheduler": "DPM++ 3M SDE"})
    yield row({"scheduler": "turbo"}, {"schedule_type": ""}, schedule=f"turbo {NONE_OF_THIS}")
    yield row({"guidance_scale": 4.5}, {"guidance_scale": 4.5})
    yield row({"resolution": "(1152, 896)"}, {"width": 1152, "height": 896})
    yield row({"seed": "4294967295"}, {"seed": 2**32 - 1})
    yield row({"negative_prompt": ""}, {"negative_prompt": ""})
    yield row({"styles": "['Fooocus V2']"}, {}, styles="['Fooocus V2']")
    yield row({"loras": [["a", 0.1, "b"]]}, {}, loras="[['a', 0.1, 'b']]")
    yield row({"performance": "Speed", "steps": 30}, {"steps": 30}, performance="Speed")
    yield row({"prompt": "two\nlines"}, {"prompt": "two\nlines"})
    yield a1111("", "", {})
    yield a1111("CFG scale: 7", "CFG scale: 4, Sharpness: 2", {"guidance_scale": 4}, Sharpness="2")
    yield a1111("Euler a", "DPM++ 2M SDE", {"scheduler": "DPM++ 2M SDE"})


APPS: dict[str, Callable[[], Iterator[Row]]] = {
    "AUTOMATIC1111": automatic1111,
    "ComfyUI": comfyui,
    "InvokeAI": invokeai,
    "Fooocus": fooocus,
}


@pytest.mark.parametrize("app", APPS)
def test_every_field_of_other_apps_is_right(app: str) -> None:
    rows = list(APPS[app]())
    assert len(rows) == 15
    for texts, settings, left in rows:
        told = recall(png(texts))
        expected = {name: value for name, value in settings.items() if value != ""}
        assert told.app == app
        assert {name: v for name, v in told.settings.items() if v != ""} == expected, texts
        assert told.left_out == left, texts


def test_a_picture_of_ours_says_all() -> None:
    asked = Request("tabletop", "a ball", task="inpaint", image=NAME, mask=NAME, seed=3)
    record = describe(asked, index=0, size=(64, 64), made={})
    told = recall(encode_png(Image.new("RGB", (8, 8)), record, write_infotext(asked, "DDIM")))
    expected = replace(asked, width=64, height=64).used()
    assert told == Recalled("Stepwise", expected)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_one_of_several_drawn_at_once_is_recalled_with_the_others(strength: float) -> None:
    whole = Request("m", prompt="a", seed=7, count=3, batch_size=3, variation_strength=strength)
    record = describe(whole, index=2, size=(64, 64), made={})
    told = recall(encode_png(Image.new("RGB", (8, 8)), record))
    assert told.index == 2
    assert Request.from_dict(told.settings) == replace(whole, width=64, height=64)

    record["batch"]["index"] = 1  # by hand: it is not the picture that the record tells of
    with pytest.raises(PictureError):
        recall(encode_png(Image.new("RGB", (8, 8)), record))


def test_a_picture_of_ours_without_its_record_says_what_it_can() -> None:
    asked = Request("tabletop", "a ball", width=64, height=64)
    infotext = write_infotext(asked, "DDIMScheduler")
    for record in ('{"request": {"model": "a", "steps": 0}}', "[]", '{"request": 1}', "{"):
        told = recall(png({"stepwise": record, "parameters": infotext}))
        assert (told.app, told.settings["prompt"]) == ("Stepwise", "a ball")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_the_comment_of_a_jpeg_is_read(kind: str) -> None:
    for prefix, encoding in ((b"UNICODE\0", "utf-16-be"), (b"UNICODE\0", "utf-16-le"),
                             (b"ASCII\0\0\0", "utf-8")):  # fmt: skip
        exif, file = Image.Exif(), io.BytesIO()
        exif.get_ifd(0x8769)[0x9286] = prefix + INFOTEXT.encode(encoding)
        Image.new("RGB", (8, 8)).save(file, kind, exif=exif)
        assert recall(file.getvalue()).settings == CASTLE


def test_what_is_out_of_bounds_is_left_out_with_the_reason() -> None:
    text = INFOTEXT.replace("Steps: 20", "Steps: many").replace("Seed: 123", f"Seed: {2**60}")
    told = recall(png({"parameters": text.replace("512x768", "9999x768")}))
    assert told.left_out["steps"] == "many (steps is no number.)"
    assert told.left_out["seed"].startswith(f"{2**60} (seed is {2**60}: it must be from 0")
    assert told.left_out["width"].startswith("9999 (width is 9999")
    assert not {"steps", "seed", "width"} & told.settings.keys()


@pytest.mark.parametrize("data", [b"", b"a text", b"GIF89a", png({}), png({"Comment": "hello"})])
def test_what_says_nothing_is_an_error(data: bytes) -> None:
    with pytest.raises(PictureError, match="the picture"):
        recall(data)


def odd_files() -> Iterator[bytes]:
    """Beside those of benchmarks.hostile, which are tested with it."""
    inputs = {"seed": {}, "cfg": [[]], "steps": "x", "latent_image": [None, 1]}
    odd: list[Any] = [None, 1, [], {}, {"inputs": 1}, {"class_type": [], "inputs": {}}]
    odd.append({"class_type": "KSampler", "inputs": inputs})
    for node in odd:
        yield png({"prompt": json.dumps({"1": node, "2": GRAPH["3"]})})
        yield png({"sd-metadata": json.dumps({"image": {"prompt": node, "seed": node}})})
        yield png({"invokeai_metadata": json.dumps(dict.fromkeys(INVOKE, node))})
        yield png({"parameters": json.dumps(FOOOCUS | dict.fromkeys(FOOOCUS, node))})


def test_nothing_that_a_file_holds_breaks_it() -> None:
    for data in odd_files():
        try:
            told = recall(data)
        except PictureError:
            continue
        assert isinstance(told, Recalled) and isinstance(str(told), str)
