"""The quicktour that users of this ecosystem know, line for line; only the import is another.

`python -m tests.quicktour` in the repository's folder writes what it shows as PNG files there.
"""

import numpy as np
import PIL.Image
import torch
import tqdm

from engine import (
    DDPMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    UNet2DModel,
)

device = "cuda" if torch.cuda.is_available() else "cpu"

# A pipeline from a folder; a "name/repository" on the Hub is loaded in the same way.
pipeline = DiffusionPipeline.from_pretrained("assets/models/tabletop", use_safetensors=True)
print(pipeline)
pipeline.to(device)

torch.manual_seed(0)
image = pipeline("a large shiny red sphere").images[0]
image.save("sphere.png")

# The same pipeline with another scheduler.
pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)

torch.manual_seed(0)
euler_image = pipeline("a large shiny red sphere").images[0]
euler_image.save("sphere-euler.png")

# The parts by themselves: a model takes a noisy sample and a timestep.
repo_id = "assets/models/tabletop-ddpm"
model = UNet2DModel.from_pretrained(repo_id, use_safetensors=True)
print(model.config)

torch.manual_seed(0)
noisy_sample = torch.randn(
    1, model.config.in_channels, model.config.sample_size, model.config.sample_size
)
print(noisy_sample.shape)

with torch.no_grad():
    noisy_residual = model(sample=noisy_sample, timestep=2).sample

# A scheduler takes what the model said, and goes one step.
scheduler = DDPMScheduler.from_pretrained(repo_id)
print(scheduler)

less_noisy_sample = scheduler.step(
    model_output=noisy_residual, timestep=2, sample=noisy_sample
).prev_sample
print(less_noisy_sample.shape)


# Both in a loop make a picture out of noise.
def display_sample(sample: torch.Tensor, i: int) -> None:
    pixels = (sample[0].cpu().permute(1, 2, 0) + 1) * 127.5
    picture = PIL.Image.fromarray(pixels.clamp(0, 255).numpy().astype(np.uint8))
    picture.save(f"step-{i:04}.png")


model.to(device)
noisy_sample = noisy_sample.to(device)

sample = noisy_sample
for i, t in enumerate(tqdm.tqdm(scheduler.timesteps)):
    # What the model takes for noise (or whatever it was trained to tell).
    with torch.no_grad():
        residual = model(sample, t).sample

    # From x_t to x_t-1.
    sample = scheduler.step(residual, t, sample).prev_sample

    if (i + 1) % 50 == 0:
        display_sample(sample, i + 1)
