"""What the endpoints of the HTTP API do: one for each tab, named as its task."""

from typing import Any

import gradio as gr

from engine.pipelines.tasks import PICTURES
from engine.service.events import Cancelled, Failed, Saved
from ui.given import take_all
from ui.request import request_from
from ui.session import owner_of
from ui.shared import Shared

__all__ = ["draw"]


async def draw(shared: Shared, task: str, owner: str, **values: Any) -> list[dict[str, Any]]:
    """Hand a run to the service and wait for it; `values` are fields of a Request, those that name
    pictures with the files themselves, in base64.

    Returns for every picture its seed, its size, and its address relative to the page. Raises
    gr.Error with the message for the caller.
    """
    token = owner_of(owner)
    try:
        given = {field: values[field] for field in PICTURES if field in values}
        values |= await take_all(shared.service, token, given)
        job = shared.service.submit(request_from(task=task, **values), token)
    except ValueError as error:
        raise gr.Error(str(error)) from error
    pictures = []
    async for event in shared.service.events(job, token):
        if isinstance(event, Saved):
            pictures.append(
                {
                    "url": shared.route.address(event.path),
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
