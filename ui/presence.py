"""How a page tells that it is open, and that it is closed: also through a proxy, which would hide
that from the server."""

import json
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.service import Service
from ui.session import Owners

__all__ = ["presence_route"]

MOST = 1_000
"""Bytes that a page has to say."""


def presence_route(service: Service, owners: Owners) -> Route:
    """POST /presence: JSON of `owner`, its token; `page`, a name for the page; `open`; `cancels`,
    whether closing the last page cancels what waits. Answers 204; 400 for anything else, 413 for
    too much.
    """

    async def tell(request: Request) -> Response:
        told = _read(await _body(request))
        owner, page = told.get("owner"), told.get("page")
        if not (isinstance(owner, str) and owners.known(owner) and isinstance(page, str)):
            raise HTTPException(400, "An owner of this place and a page are needed.")
        if told.get("open"):
            service.enter(owner, page, cancels=bool(told.get("cancels")))
        else:
            service.leave(owner, page)
        return Response(status_code=204)

    return Route("/presence", tell, methods=["POST"])


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST:
            raise HTTPException(413, f"At most {MOST} bytes.")
    return body


def _read(body: bytes) -> dict[str, object]:
    with suppress(ValueError, RecursionError):
        told = json.loads(body)
        if isinstance(told, dict):
            return told
    raise HTTPException(400, "A JSON object is needed.")
