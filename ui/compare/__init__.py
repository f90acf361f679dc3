"""A grid of pictures that differ in one or two settings."""
