"""The secret of an installation, and what is signed with it."""

import hashlib
import hmac
import logging
import os
import secrets
from pathlib import Path

__all__ = ["is_signed", "load_secret", "sign"]

log = logging.getLogger(__name__)


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


def sign(secret: bytes, text: str) -> str:
    """The signature of a text: 32 hexadecimal digits."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:32]


def is_signed(secret: bytes, text: str, signature: str) -> bool:
    """Whether a signature, which may be anything, is that of the text."""
    return hmac.compare_digest(sign(secret, text).encode(), signature.encode())
