"""The tasks, and the pipeline class that does each for each family of checkpoints."""

__all__ = ["ALIASES", "PIPELINES", "TASKS", "tasks_of"]

TASKS: dict[str, dict[str, str]] = {
    "text-to-image": {"StableDiffusionPipeline": "StableDiffusionPipeline"},
    "unconditional": {
        "DDPMPipeline": "DDPMPipeline",
        "DDIMPipeline": "DDIMPipeline",
        "PNDMPipeline": "PNDMPipeline",
    },
}
"""Task -> class named in a checkpoint's model_index.json -> class that does the task with it."""

PIPELINES: dict[str, str] = {
    "DDIMPipeline": "unconditional",
    "DDPMPipeline": "unconditional",
    "PNDMPipeline": "unconditional",
    "StableDiffusionPipeline": "stable_diffusion",
}
"""Pipeline class -> module of this package."""

ALIASES: dict[str, str] = {"LatentConsistencyModelPipeline": "StableDiffusionPipeline"}
"""Class named in a checkpoint's model_index.json -> class that is the same but for defaults."""


def tasks_of(pipeline: str) -> tuple[str, ...]:
    """Name the tasks that a checkpoint with this pipeline class can do."""
    pipeline = ALIASES.get(pipeline, pipeline)
    return tuple(task for task, classes in TASKS.items() if pipeline in classes)
