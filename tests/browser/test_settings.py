"""What a browser keeps of the settings of a tab."""

import json
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.studio import Studio


def number(studio: Studio, label: str) -> Locator:
    return studio.tab.get_by_label(f"number input for {label}")


def preset(studio: Studio) -> Locator:
    return studio.tab.get_by_role("combobox", name="Preset", exact=True)


def press(studio: Studio, name: str) -> None:
    studio.tab.locator(".presets").get_by_role("button", name=name, exact=True).click()


def test_settings_are_there_after_a_reload(studio: Studio) -> None:
    studio.fill("a blue cube", Steps=9, Guidance=7.5, Width=96)
    studio.open("unconditional")
    studio.fill(Steps=7)
    studio.reload()
    studio.at("unconditional")
    expect(number(studio, "Steps")).to_have_value("7")
    studio.open("text-to-image")
    expect(studio.prompt).to_have_value("a blue cube")
    expect(number(studio, "Steps")).to_have_value("9")
    expect(number(studio, "Guidance")).to_have_value("7.5")
    expect(number(studio, "Width")).to_have_value("96")


def test_presets_have_names_and_go_through_files(studio: Studio, tmp_path: Path) -> None:
    studio.fill("a red ball", Steps=3)
    studio.button("Presets").click()
    preset(studio).fill("mine")
    preset(studio).press("Enter")
    press(studio, "Save")
    studio.fill("a cone", Steps=40)
    studio.reload()
    expect(studio.prompt).to_have_value("a cone")
    studio.button("Presets").click()
    studio.choose("Preset", "mine")
    press(studio, "Apply")
    expect(studio.prompt).to_have_value("a red ball")
    expect(number(studio, "Steps")).to_have_value("3")
    studio.tab.get_by_label("Seed", exact=True).fill("77")
    press(studio, "Reset all")
    expect(studio.prompt).to_have_value("")
    expect(studio.tab.get_by_label("Seed", exact=True)).to_have_value("0")
    expect(studio.tab.get_by_label("New seed for every run")).to_be_checked()
    studio.reload()
    expect(number(studio, "Steps")).to_have_value("25")
    expect(studio.prompt).to_have_value("")
    studio.button("Presets").click()
    expect(number(studio, "Steps")).to_have_value("25")

    with studio.page.expect_download() as download:
        press(studio, "Export")
    path = tmp_path / "presets.json"
    download.value.save_as(path)
    told = json.loads(path.read_text())
    assert told["settings"]["steps"] == 25
    assert told["presets"]["mine"]["prompt"] == "a red ball"
    studio.choose("Preset", "mine")
    press(studio, "Delete")
    expect(preset(studio)).to_have_value("")
    told["settings"]["steps"] = 12
    path.write_text(json.dumps(told))
    studio.tab.locator(".presets input[type=file]").set_input_files(path)
    expect(number(studio, "Steps")).to_have_value("12")
    expect(studio.options("Preset").get_by_role("option", name="mine")).to_be_visible()

    studio.tab.locator(".presets input[type=file]").set_input_files(
        {"name": "a.json", "mimeType": "application/json", "buffer": b'{"settings": {"steps": 0}}'}
    )
    expect(studio.page.get_by_text("Nothing was imported: steps is 0")).to_be_visible()
    expect(number(studio, "Steps")).to_have_value("12")


def test_styles_go_into_the_prompt_of_the_picture(studio: Studio) -> None:
    studio.choose("Styles", "Open sky")
    studio.page.keyboard.press("Escape")
    studio.run("a cube", Steps=2)
    picture = studio.tab.locator(".picture img")
    expect(picture).to_have_attribute("alt", "a cube, sky background")
    expect(studio.prompt).to_have_value("a cube")


def test_earlier_prompts_come_back_with_the_arrow_keys(studio: Studio) -> None:
    for prompt in ("a ball", "a cone"):
        studio.run(prompt, Steps=1)
    studio.fill("half written")
    press_key = studio.page.keyboard.press
    studio.prompt.press("Home")
    for key, expected in (
        ("ArrowUp", "a cone"),
        ("ArrowUp", "a ball"),
        ("ArrowUp", "a ball"),
    ):
        press_key(key)
        expect(studio.prompt).to_have_value(expected)
    press_key("End")
    for expected in ("a cone", "half written", "half written"):
        press_key("ArrowDown")
        expect(studio.prompt).to_have_value(expected)
