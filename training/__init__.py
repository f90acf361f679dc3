"""The recipe of the bundled models: scenes, renderer, captions, training and evaluation."""
