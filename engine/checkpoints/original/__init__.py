"""Checkpoints in the layout of their authors, one file each: CompVis, Stability AI."""
