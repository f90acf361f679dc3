"""The safety checker of Stable Diffusion 1: a second look at finished pictures."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPVisionModel, PreTrainedModel

__all__ = ["StableDiffusionSafetyChecker"]

CONCEPTS, SPECIAL = 17, 3
CARE = 0.01
"""By how much all thresholds are lower for a picture that is near to a special concept."""


class StableDiffusionSafetyChecker(PreTrainedModel):
    """Flags pictures whose CLIP embedding is near to one of 17 concepts.

    What the concepts are was never published, only their embeddings and how near is too near; the
    three special ones are of minors, and make the others stricter (Rando et al. 2022, "Red-Teaming
    the Stable Diffusion Safety Filter"). It errs both ways, and says nothing of violence.
    """

    config_class = CLIPConfig
    main_input_name = "clip_input"
    _supports_sdpa = True

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__(config)
        vision = cast(Any, config.vision_config)
        self.vision_model = CLIPVisionModel(vision)
        width = cast(int, config.projection_dim)
        self.visual_projection = nn.Linear(vision.hidden_size, width, bias=False)
        self.concept_embeds = nn.Parameter(torch.ones(CONCEPTS, width), requires_grad=False)
        self.special_care_embeds = nn.Parameter(torch.ones(SPECIAL, width), requires_grad=False)
        self.concept_embeds_weights = nn.Parameter(torch.ones(CONCEPTS), requires_grad=False)
        self.special_care_embeds_weights = nn.Parameter(torch.ones(SPECIAL), requires_grad=False)
        self.post_init()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def flagged(self, clip_input: Tensor) -> list[bool]:
        """Whether each of B pictures is near to a concept.

        clip_input: (B, 3, H, W), as the checkpoint's image processor makes it.
        """
        pooled = self.vision_model(clip_input).pooler_output
        embedded = F.normalize(self.visual_projection(pooled))
        special = _beyond(embedded, self.special_care_embeds, self.special_care_embeds_weights)
        concepts = _beyond(embedded, self.concept_embeds, self.concept_embeds_weights)
        care = CARE * _positive(special).any(1, keepdim=True)
        found: list[bool] = _positive(concepts + care).any(1).tolist()
        return found

    def forward(self, clip_input: Tensor, images: Any) -> tuple[Any, list[bool]]:
        """The pictures, black where they are flagged, and the flags.

        images: (B, ...), an array, a tensor or a list of them, which is changed.
        """
        flags = self.flagged(clip_input)
        for index, flag in enumerate(flags):
            if flag:
                images[index] = images[index] * 0
        return images, flags


def _beyond(embedded: Tensor, concepts: Tensor, thresholds: Tensor) -> Tensor:
    """By how much the cosine to each concept (K, D) is over its threshold: (B, K)."""
    return (embedded @ F.normalize(concepts).T).float() - thresholds.float()


def _positive(scores: Tensor) -> Tensor:
    """Whether scores are above 0 once they are rounded to three decimals."""
    return (scores * 1000).round() > 0
