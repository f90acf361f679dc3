"""The HTTP API as a script calls it."""

from gradio_client import Client  # type: ignore[import-untyped]

__all__ = ["client"]

PATIENCE = 180
"""Seconds that an answer may take. By default it is 5: too little for a busy machine."""


def client(url: str) -> Client:
    """A client of the page at `url`."""
    return Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
