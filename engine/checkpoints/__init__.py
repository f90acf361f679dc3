"""Where weights come from: folders and repositories in the diffusers layout, safetensors only."""
