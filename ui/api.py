"""The endpoints of the HTTP API: one for each tab, named as its task."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from inspect import Parameter, Signature
from typing import Any

import gradio as gr

from engine.pipelines.request import Request
from engine.pipelines.tasks import FIELDS, PICTURES
from engine.service.events import Cancelled, Failed, Saved
from ui.given import take_all
from ui.request import SIDES, request_from
from ui.shared import Shared

__all__ = ["endpoint"]

Pictures = list[dict[str, Any]]

FIRST = ("image", "mask", "prompt", "model")
"""Come first where a task has them, and have to be given."""
UNASKED = ("task", "changes")


def endpoint(
    shared: Shared, task: str, about: str, defaults: Mapping[str, Any]
) -> Callable[..., Awaitable[Pictures]]:
    """What draws for callers of the API.

    Its parameters are the fields of a `Request` that mean something in the task, and `owner`.
    about: for the page that describes the API. defaults: where they are not those of a `Request`.
    """
    ours, unused = FIELDS[task], Request("", task=task).unused
    known = {field.name: field for field in fields(Request) if field.name not in UNASKED}
    names = [
        name for name in known if name not in unused and (name not in SIDES or "prompt" in ours)
    ]
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    parameters = [
        Parameter(
            name,
            Parameter.POSITIONAL_OR_KEYWORD,
            default=Parameter.empty if name in FIRST else defaults.get(name, known[name].default),
            annotation=known[name].type,
        )
        for name in names
    ]
    parameters.append(
        Parameter("owner", Parameter.POSITIONAL_OR_KEYWORD, default="", annotation=str)
    )

    async def call(*args: Any) -> Pictures:
        values = dict(zip([*names, "owner"], args, strict=True))
        return await _draw(shared, task, **values)

    call.__signature__ = Signature(parameters, return_annotation=Pictures)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": Pictures}
    call.__doc__ = about
    return call


async def _draw(shared: Shared, task: str, owner: str, **values: Any) -> Pictures:
    """Hand a run to the service and wait for it; `values` are fields of a Request, those that name
    pictures with the files themselves, in base64.

    Returns for every picture its seeds, its size, and its address relative to the page. Raises
    gr.Error with the message for the caller.
    """
    token = shared.owners.checked(owner)
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
                    "variation_seed": event.variation_seed,
                    "width": event.width,
                    "height": event.height,
                }
            )
        elif isinstance(event, Failed):
            raise gr.Error(event.message)
        elif isinstance(event, Cancelled):
            raise gr.Error("The run was stopped.")
    return pictures
