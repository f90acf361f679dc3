"""What machines ask: whether the process lives, whether it takes work, and what it did.

The answers are for whoever reaches the port, logged in or not: no prompt, owner, path or error of
the engine's is in them.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.service import Service
from engine.service.tally import Tally
from ui.metrics import CONTENT_TYPE, families, render

__all__ = ["probe_routes", "state_of"]

STATES = {
    "starting": "The engine is starting.",
    "restarting": "The engine ended and is started again.",
    "ready": "The engine waits for jobs.",
    "busy": "The engine draws.",
    "dead": "The engine does not start, though it is tried again now and then. The log says why.",
    "stopped": "Stepwise was stopped.",
}
FRESH = {"Cache-Control": "no-store"}


def probe_routes(service: Service) -> list[Route]:
    """`/health`, `/ready` and `/metrics`."""

    async def health(request: Request) -> JSONResponse:
        """503 once the engine was given up or stopped: a new process may do better."""
        state = state_of(service.tally())
        return _answer(state, state not in ("dead", "stopped"))

    async def ready(request: Request) -> JSONResponse:
        """503 while no worker takes jobs."""
        state = state_of(service.tally())
        return _answer(state, state in ("ready", "busy"))

    async def metrics(request: Request) -> Response:
        text = render(families(service.tally()))
        return Response(text, headers=FRESH | {"Content-Type": CONTENT_TYPE})

    return [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]


def state_of(tally: Tally) -> str:
    """A key of `STATES`."""
    if tally.stopped:
        return "stopped"
    if tally.given_up:
        return "dead"
    if tally.ready:
        return "busy" if tally.running else "ready"
    return "restarting" if tally.deaths else "starting"


def _answer(state: str, good: bool) -> JSONResponse:
    content = {"state": state, "message": STATES[state]}
    return JSONResponse(content, 200 if good else 503, headers=FRESH)
