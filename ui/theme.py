"""Colours, type and spacing; assets/css does what a theme cannot."""

from pathlib import Path

from gradio.themes import Base, Color, LocalFont, Size

__all__ = ["ASSETS", "head", "script", "stylesheets", "theme"]

ASSETS = Path(__file__).resolve().parent.parent / "assets"

INK = Color(
    name="ink",
    c50="#fafaf9",
    c100="#f4f4f2",
    c200="#e6e6e3",
    c300="#d3d3cf",
    c400="#a3a3a0",
    c500="#737371",
    c600="#575755",
    c700="#3d3d3c",
    c800="#272728",
    c900="#1b1b1d",
    c950="#121214",
)
ACCENT = Color(
    name="cobalt",
    c50="#eff3ff",
    c100="#dde6ff",
    c200="#c2d2ff",
    c300="#9bb5ff",
    c400="#7a9bff",
    c500="#4a6ff3",
    c600="#3355d8",
    c700="#2943ae",
    c800="#233a8d",
    c900="#20346f",
    c950="#141f43",
)
RADIUS = Size(
    name="radius", xxs="3px", xs="4px", sm="6px", md="8px", lg="10px", xl="14px", xxl="18px"
)


def theme() -> Base:
    """Ink on paper with one accent. Fonts are those that Gradio serves itself: no network.

    Weight 600 falls to the bold files: Gradio's semi-bold ones hold a few glyphs only.
    """
    return Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=INK,
        radius_size=RADIUS,
        font=(LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"),
        font_mono=(LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"),
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_100",
        background_fill_secondary_dark="*neutral_800",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_padding="0px",
        block_radius="*radius_lg",
        block_title_text_weight="600",
        block_title_text_size="*text_sm",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_200",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_info_text_size="*text_xs",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_300",
        form_gap_width="0px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_shadow_focus="0 0 0 3px *primary_100",
        input_shadow_focus_dark="0 0 0 3px *primary_950",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_500",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        checkbox_background_color_selected="*primary_600",
        checkbox_background_color_selected_dark="*primary_500",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_background_fill_hover="transparent",
        checkbox_label_background_fill_hover_dark="transparent",
        checkbox_label_border_width="0px",
        checkbox_label_padding="0px",
        checkbox_label_text_weight="400",
        button_primary_background_fill="*neutral_900",
        button_primary_background_fill_hover="*neutral_700",
        button_primary_background_fill_dark="*neutral_100",
        button_primary_background_fill_hover_dark="white",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        button_primary_border_color="transparent",
        button_primary_border_color_dark="transparent",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        button_large_text_weight="600",
        button_large_radius="*radius_lg",
        button_small_radius="*radius_md",
        button_small_text_weight="400",
    )


def stylesheets() -> list[Path]:
    return sorted((ASSETS / "css").glob("*.css"))


def script() -> str:
    """What runs once when the page has loaded: stepwise.js makes the object that others extend."""
    names = ["stepwise", "countdown", "presence", "signal", "settings", "prompts", "drop"]
    files = [ASSETS / "js" / f"{name}.js" for name in (*names, "history")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def head() -> str:
    """Colours of the browser's own chrome, so that it follows the page's."""
    return (
        '<meta name="theme-color" content="#fafaf9" media="(prefers-color-scheme: light)">'
        '<meta name="theme-color" content="#121214" media="(prefers-color-scheme: dark)">'
    )
