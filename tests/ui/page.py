"""The page over a service, as a test or a benchmark needs it."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.routes import App

from engine.service import Service
from tests.ui.stub import SECRET
from ui.app import build_page, page_options
from ui.pictures import PictureRoute
from ui.session import Owners

__all__ = ["launch_page"]


def launch_page(
    service: Service, models: Path, outputs: Path, **more: Any
) -> tuple[gr.Blocks, App, str]:
    """Blocks, application and address of a page that answers; the service is not started.

    more: for `gr.Blocks.launch`.
    """
    route, owners = PictureRoute(outputs, SECRET), Owners(SECRET)
    page = build_page(service, models, route, owners)
    quiet = {"server_name": "127.0.0.1", "prevent_thread_lock": True, "quiet": True}
    app, url, _ = page.launch(**page_options(service, route, owners), **quiet, **more)
    return page, app, url
