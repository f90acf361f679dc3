"""Where weights come from: folders in the diffusers layout, safetensors only."""
