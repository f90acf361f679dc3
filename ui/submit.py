"""Hands the runs of a tab to the service."""

from typing import Any

from engine.errors import EngineError
from engine.pipelines.request import Request
from ui.request import request_from
from ui.settings import check_setting
from ui.shared import Shared
from ui.styles import with_styles

__all__ = ["Submission"]

MOST = 1_000
"""Prompts at a time."""


class Submission:
    """Makes requests of what the controls of a tab say."""

    def __init__(self, shared: Shared, task: str) -> None:
        self._shared, self._task = shared, task

    def one(self, owner: str, **values: Any) -> Request:
        """Put a run in line, and return its request. Raises EngineError."""
        request = self._request(**values)
        self._shared.service.submit(request, owner, label=self._task)
        return request

    def each(self, owner: str, lines: str, **values: Any) -> tuple[str, str]:
        """Put a run in line for each line that is not empty; nothing is put there if one of them
        is no request. Looks at files: not for the thread that serves the page.

        Returns the lines that found no room, and why. Raises EngineError naming the line.
        """
        prompts = [line.strip() for line in lines.splitlines() if line.strip()]
        if not prompts:
            raise EngineError("There is no prompt: write one on each line.")
        if len(prompts) > MOST:
            raise EngineError(f"There are {len(prompts):,} prompts: take {MOST:,} at most.")
        requests = []
        for number, prompt in enumerate(prompts, start=1):
            try:
                requests.append(self._request(**values | {"prompt": prompt}))
            except EngineError as error:
                raise EngineError(f"Prompt {number}: {error}") from None
        for done, request in enumerate(requests):
            try:
                self._shared.service.submit(request, owner, label=self._task)
            except EngineError as error:
                if not done:
                    raise
                return "\n".join(prompts[done:]), f"{done} of {len(prompts)} are in line. {error}"
        return "", ""

    def _request(self, *, styles: Any = (), **values: Any) -> Request:
        if styles:
            check_setting("styles", styles)
            texts = (str(values.get(name) or "") for name in ("prompt", "negative_prompt"))
            prompt, negative = with_styles(self._shared.styles, styles, *texts)
            values |= {"prompt": prompt, "negative_prompt": negative}
        return request_from(task=self._task, **values)
