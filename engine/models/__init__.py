"""Networks, taken apart or loaded whole: `Model.from_pretrained(folder)`."""

from typing import TYPE_CHECKING

from engine._lazy import attach

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL as AutoencoderKL
    from engine.models.unet2d import UNet2DModel as UNet2DModel
    from engine.models.unet2d_condition import UNet2DConditionModel as UNet2DConditionModel

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AutoencoderKL": "autoencoder_kl",
        "UNet2DConditionModel": "unet2d_condition",
        "UNet2DModel": "unet2d",
    },
)
