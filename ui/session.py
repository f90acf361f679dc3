"""What a browser keeps between visits: whose it is, and the run that each tab shows.

A value may be of an earlier version of the page, or made up: all of it is looked at.
"""

import re
import secrets
from typing import Any

import gradio as gr

from ui.changes import LIVE

__all__ = ["NOTHING", "kept_in_browser", "kept_name", "kept_run", "new_session", "owner_of"]

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


def new_session(kept: Any) -> dict[str, str]:
    """What is kept for all tabs: `owner`, a token that is made at the first visit."""
    return {"owner": owner_of(_text(kept, "owner"))}


def kept_name(kept: Any) -> str:
    """The name of a picture that is kept, "" for `NOTHING`."""
    return kept if isinstance(kept, str) and kept != NOTHING else ""


def kept_run(kept: Any) -> dict[str, Any]:
    """What is kept for a tab: `job`, the run that it shows, or ""; the `prompt` of that run; and
    its `settings`, those of its fields that can be changed on the way."""
    settings = kept.get("settings") if isinstance(kept, dict) else None
    known = settings if isinstance(settings, dict) else {}
    return {
        **{name: _text(kept, name) for name in ("job", "prompt")},
        "settings": {
            name: value
            for name, value in known.items()
            if name in LIVE and isinstance(value, str | int | float)
        },
    }


def owner_of(token: str) -> str:
    """The token itself if it is one of ours, else a new one."""
    return token if TOKEN.fullmatch(token) else secrets.token_hex(16)


def _text(kept: Any, name: str) -> str:
    value = kept.get(name) if isinstance(kept, dict) else None
    return value if isinstance(value, str) else ""
