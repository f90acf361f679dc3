"""The tasks, and the pipeline class that does each for each family of checkpoints."""

from engine.errors import RequestError

__all__ = ["ALIASES", "FIELDS", "PICTURES", "PIPELINES", "TASKS", "class_for", "tasks_of"]

TASKS: dict[str, dict[str, str]] = {
    "text-to-image": {
        "StableDiffusionPipeline": "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline": "StableDiffusionPipeline",
    },
    "image-to-image": {
        "StableDiffusionPipeline": "StableDiffusionImg2ImgPipeline",
        "StableDiffusionImg2ImgPipeline": "StableDiffusionImg2ImgPipeline",
    },
    "inpaint": {
        "StableDiffusionPipeline": "StableDiffusionInpaintPipeline",
        "StableDiffusionImg2ImgPipeline": "StableDiffusionInpaintPipeline",
        "StableDiffusionInpaintPipeline": "StableDiffusionInpaintPipeline",
    },
    "depth-to-image": {
        "StableDiffusionDepth2ImgPipeline": "StableDiffusionDepth2ImgPipeline",
    },
    "unconditional": {
        "DDPMPipeline": "DDPMPipeline",
        "DDIMPipeline": "DDIMPipeline",
        "PNDMPipeline": "PNDMPipeline",
    },
}
"""Task -> class named in a checkpoint's model_index.json -> class that does the task with it."""

_TEXTS = ("prompt", "negative_prompt", "guidance_scale")
_FROM_PICTURE = (*_TEXTS, "image", "strength")

FIELDS: dict[str, tuple[str, ...]] = {
    "text-to-image": _TEXTS,
    "image-to-image": (*_FROM_PICTURE, "fit"),
    "inpaint": (*_FROM_PICTURE, "mask", "invert_mask", "mask_blur", "padding", "fill"),
    "depth-to-image": (*_FROM_PICTURE, "fit", "depth_map", "invert_depth"),
    "unconditional": (),
}
"""Task -> fields of a `Request` that mean something there, beside those that all tasks have."""

PICTURES: dict[str, bool] = {"image": True, "mask": True, "depth_map": False}
"""Field of a `Request` that names a picture -> whether a task that has it needs it."""

PIPELINES: dict[str, str] = {
    "DDIMPipeline": "unconditional",
    "DDPMPipeline": "unconditional",
    "PNDMPipeline": "unconditional",
    "StableDiffusionDepth2ImgPipeline": "depth_to_image",
    "StableDiffusionImg2ImgPipeline": "image_to_image",
    "StableDiffusionInpaintPipeline": "inpaint",
    "StableDiffusionPipeline": "stable_diffusion",
}
"""Pipeline class -> module of this package."""

ALIASES: dict[str, str] = {"LatentConsistencyModelPipeline": "StableDiffusionPipeline"}
"""Class named in a checkpoint's model_index.json -> class that is the same but for defaults."""


def tasks_of(pipeline: str) -> tuple[str, ...]:
    """Name the tasks that a checkpoint with this pipeline class can do."""
    pipeline = ALIASES.get(pipeline, pipeline)
    return tuple(task for task, classes in TASKS.items() if pipeline in classes)


def class_for(task: str, pipeline: str) -> str:
    """The class that does a task with the components of a pipeline class, if they fit it.

    Raises `RequestError` for an unknown task.
    """
    if task not in TASKS:
        raise RequestError(f"task is {task!r}; known are: {', '.join(TASKS)}.")
    classes = TASKS[task]
    return classes.get(ALIASES.get(pipeline, pipeline)) or next(iter(classes.values()))
