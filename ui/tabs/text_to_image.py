"""Tab "Text to image"."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency, api

from engine.service import Service
from engine.service.events import Cancelled, Failed, Saved
from ui.bind import Binding, owner_of, request_from
from ui.controls import Controls, build_controls
from ui.pictures import PictureRoute
from ui.stage import build_stage

__all__ = ["build"]

TASK = "text-to-image"
EXAMPLES = (
    "a large shiny red sphere on a wooden floor",
    "a small matte blue cube and a green cone",
    "a yellow cylinder, pink background",
)


def build(
    page: gr.Blocks,
    service: Service,
    models: Path,
    route: PictureRoute,
    session: gr.BrowserState,
) -> tuple[Controls, list[Dependency]]:
    """Lay the tab out where `page` stands now, and connect it.

    Returns its controls, and the events that end when a run has ended.
    """
    with gr.Column(elem_classes="desk"):
        with gr.Column(elem_classes="compose"):
            prompt = gr.Textbox(
                label="Prompt",
                placeholder="Describe the picture",
                lines=3,
                max_lines=8,
                autofocus=True,
                elem_id="prompt",
            )
            with gr.Row(elem_classes="actions"):
                generate = gr.Button("Generate", variant="primary", elem_classes="generate")
                stop = gr.Button("Stop", interactive=False, elem_classes="stop", min_width=80)
            gr.Examples([[text] for text in EXAMPLES], prompt, label="Try one of these")
        with gr.Column(elem_classes="stage"):
            parts = build_stage()
        with gr.Column(elem_classes="settings"):
            negative = gr.Textbox(
                label="Negative prompt",
                placeholder="What to keep out of the picture",
                lines=1,
                max_lines=4,
            )
            controls = build_controls(models, TASK)
    inputs = {"prompt": prompt, "negative_prompt": negative, **controls.named()}
    ended = Binding(
        service,
        route,
        task=TASK,
        inputs=inputs,
        parts=parts,
        generate=generate,
        stop=stop,
        session=session,
    ).connect(page)
    controls.reuse.click(
        lambda results, shown: (results[shown].seed, False) if results else (gr.skip(), gr.skip()),
        [parts.results, parts.shown],
        [controls.seed, controls.random_seed],
        api_visibility="private",
        show_progress="hidden",
    )
    _api(service, route)
    return controls, ended


def _api(service: Service, route: PictureRoute) -> None:
    """The endpoint `/text_to_image`, with a parameter for every field of the page."""

    async def text_to_image(
        prompt: str,
        model: str,
        negative_prompt: str = "",
        scheduler: str = "",
        steps: int = 25,
        guidance_scale: float = 5.0,
        width: int = 0,
        height: int = 0,
        seed: int = 0,
        count: int = 1,
        owner: str = "",
    ) -> list[dict[str, Any]]:
        """Draw, wait, and return for every picture its seed, its size and the address of its PNG,
        relative to the page. A width or height of 0 is the model's own; so is an empty scheduler.
        """
        token = owner_of(owner)
        try:
            request = request_from(
                task=TASK,
                prompt=prompt,
                model=model,
                negative_prompt=negative_prompt,
                scheduler=scheduler,
                steps=steps,
                guidance_scale=guidance_scale,
                width=width,
                height=height,
                seed=seed,
                count=count,
            )
            job = service.submit(request, token)
        except ValueError as error:
            raise gr.Error(str(error)) from error
        pictures = []
        async for event in service.events(job, token):
            if isinstance(event, Saved):
                pictures.append(
                    {
                        "url": route.address(event.path),
                        "seed": event.seed,
                        "width": event.width,
                        "height": event.height,
                    }
                )
            elif isinstance(event, Failed):
                raise gr.Error(event.message)
            elif isinstance(event, Cancelled):
                raise gr.Error("The run was stopped.")
        return pictures

    api(text_to_image, api_name="text_to_image", concurrency_limit=None)
