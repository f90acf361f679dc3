"""What a browser keeps between visits: whose it is, and the pictures that it gave.

A value may be of an earlier version of the page, or made up: all of it is looked at.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
from pathlib import Path
from typing import Any

import gradio as gr

__all__ = ["NOTHING", "Owners", "kept_in_browser", "kept_name", "load_secret"]

log = logging.getLogger(__name__)

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


def load_secret(folder: Path) -> bytes:
    """The secret of an installation, made at its first start and kept in `folder`.

    Where it cannot be kept it holds until the end of the process.
    """
    path, made = folder / "secret", secrets.token_bytes(32)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".secret.{secrets.token_hex(4)}.part"
        with open(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(made)
        try:
            os.link(partial, path)  # the first of several that start at once
        except FileExistsError:
            made = path.read_bytes()
        finally:
            partial.unlink()
    except OSError as error:
        log.warning("Browsers will be strangers after a restart: %s", error)
    return made if len(made) == 32 else secrets.token_bytes(32)


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

    def checked(self, token: str) -> str:
        """The token itself if it is one of ours, else a new one."""
        name, _, signature = token.partition(".")
        ours = TOKEN.fullmatch(name) and hmac.compare_digest(
            self._sign(name).encode(), signature.encode()
        )
        if ours:
            return token
        name = secrets.token_hex(16)
        return f"{name}.{self._sign(name)}"

    def _sign(self, name: str) -> str:
        return hmac.new(self._secret, b"owner " + name.encode(), hashlib.sha256).hexdigest()[:32]
