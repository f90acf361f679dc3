"""What a browser keeps between visits: whose it is, and the pictures that it gave.

A value may be of an earlier version of the page, or made up: all of it is looked at.
"""

import re
import secrets
from typing import Any

import gradio as gr

from ui.secret import is_signed, sign

__all__ = ["NOTHING", "Owners", "kept_in_browser", "kept_name"]

NOTHING = "-"
"""Kept in place of the name of a picture where there is none: Gradio does not store what is empty,
so that after a reload the last picture would be there again."""

TOKEN = re.compile(r"[0-9a-f]{32}")


def kept_in_browser(name: str, value: Any = None) -> gr.BrowserState:
    """A value in the browser's storage, at first an empty dictionary if none is given.

    One for each tab, so that none writes over what another has kept since it looked. Key and secret
    are fixed: the defaults change at every start, and the browser would forget.
    """
    return gr.BrowserState(
        {} if value is None else value, storage_key=f"stepwise.{name}", secret="stepwise"
    )


def kept_name(kept: Any) -> str:
    """The name of a picture that is kept, "" for `NOTHING`."""
    return kept if isinstance(kept, str) and kept != NOTHING else ""


class Owners:
    """Tokens that tell owners apart: made here, and checked, so that nobody can make up one."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def session(self, kept: Any) -> dict[str, str]:
        """What is kept for all tabs: `owner`, a token that is made at the first visit."""
        token = kept.get("owner") if isinstance(kept, dict) else None
        return {"owner": self.checked(token if isinstance(token, str) else "")}

    def of(self, kept: Any) -> str:
        """The owner alone."""
        return self.session(kept)["owner"]

    def known(self, token: str) -> bool:
        """Whether it is one of ours."""
        name, _, signature = token.partition(".")
        whole = TOKEN.fullmatch(name) is not None
        return whole and is_signed(self._secret, f"owner {name}", signature)

    def checked(self, token: str) -> str:
        """The token itself if it is one of ours, else a new one."""
        if self.known(token):
            return token
        name = secrets.token_hex(16)
        return f"{name}.{sign(self._secret, f'owner {name}')}"
