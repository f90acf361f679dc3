"""The models at hand, and how to get others."""
