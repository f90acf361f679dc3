"""Models, scheduler and text put together: a pipeline makes pictures."""

from typing import TYPE_CHECKING

from engine._lazy import attach

if TYPE_CHECKING:
    from engine.pipelines.control import Control as Control
    from engine.pipelines.denoise import Progress as Progress
    from engine.pipelines.depth_to_image import (
        StableDiffusionDepth2ImgPipeline as StableDiffusionDepth2ImgPipeline,
    )
    from engine.pipelines.image_to_image import (
        StableDiffusionImg2ImgPipeline as StableDiffusionImg2ImgPipeline,
    )
    from engine.pipelines.inpaint import (
        StableDiffusionInpaintPipeline as StableDiffusionInpaintPipeline,
    )
    from engine.pipelines.pipeline import DiffusionPipeline as DiffusionPipeline
    from engine.pipelines.pipeline import PipelineOutput as PipelineOutput
    from engine.pipelines.request import Request as Request
    from engine.pipelines.stable_diffusion import (
        StableDiffusionPipeline as StableDiffusionPipeline,
    )
    from engine.pipelines.unconditional import DDIMPipeline as DDIMPipeline
    from engine.pipelines.unconditional import DDPMPipeline as DDPMPipeline
    from engine.pipelines.unconditional import PNDMPipeline as PNDMPipeline

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Control": "control",
        "DDIMPipeline": "unconditional",
        "DDPMPipeline": "unconditional",
        "DiffusionPipeline": "pipeline",
        "PNDMPipeline": "unconditional",
        "PipelineOutput": "pipeline",
        "Progress": "denoise",
        "Request": "request",
        "StableDiffusionDepth2ImgPipeline": "depth_to_image",
        "StableDiffusionImg2ImgPipeline": "image_to_image",
        "StableDiffusionInpaintPipeline": "inpaint",
        "StableDiffusionPipeline": "stable_diffusion",
    },
)
