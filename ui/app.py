"""The page: header, tabs, and what they share."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.service import Service
from ui import markup
from ui.crowd import AT_ONCE, SESSIONS, make_room
from ui.pictures import PictureRoute
from ui.preferences import build_preferences
from ui.presence import presence_route
from ui.probes import probe_routes
from ui.queue import build_queue
from ui.recall import RecallGroup
from ui.send import connect_sending, send_group
from ui.session import Owners, kept_in_browser
from ui.shared import SILENT, Shared
from ui.styles import Style
from ui.tabs import TABS
from ui.tabs.compare import Compare
from ui.tabs.history import History
from ui.tabs.picture_tab import PictureTab
from ui.theme import ASSETS, head, script, stylesheets, theme

__all__ = ["build_page", "page_options"]

WAITING = 1_000  # joins that Gradio's own queue holds; ours orders the work


def build_page(
    service: Service,
    models: Path,
    route: PictureRoute,
    owners: Owners,
    styles: Mapping[str, Style] = MappingProxyType({}),
) -> gr.Blocks:
    """The Blocks, ready for `launch(**page_options(...))`. styles: by name."""
    with gr.Blocks(
        title="Stepwise",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(600, 3600),  # Gradio takes uploads from anyone; our pictures are elsewhere
    ) as page:
        with gr.Row(elem_classes="masthead"):
            gr.HTML(markup.header())
            recalling = RecallGroup()
            chip = gr.HTML(markup.device({}), elem_classes="device")
        gr.HTML('<div id="said" role="status" aria-live="polite"></div>', elem_classes="unseen")
        session = kept_in_browser("session")
        opened = page.load(owners.session, session, session, **SILENT)
        shared = Shared(service, models, route, owners, session, opened, styles)
        tabs = [kind(shared) for kind in TABS]
        targets = [tab for tab in tabs if isinstance(tab, PictureTab)]
        recalling.place_answer()
        compare, history = Compare(shared, tabs[0]), History(shared, recalling)
        with gr.Tabs(elem_classes="tasks"):
            sending = partial(send_group, targets)
            runs = [*(tab.build(sending) for tab in tabs), compare.build()]
            history.build()
        build_preferences(shared)
        recalling.connect(shared, tabs)
        for tab in tabs:
            connect_sending(shared, tab, targets)

        def find_jobs(owner: str) -> dict[Component, list[str]]:
            """Ids of the jobs of each tab: what watches them starts only where there are some."""
            jobs = service.jobs(owner)
            return {tab.asked: [job.id for job in jobs if job.label == tab.task] for tab in tabs}

        shared.opening.add(find_jobs, [], [tab.asked for tab in tabs])
        told = shared.opening.connect(opened, session, owners, **SILENT)
        tabs[0].presets.restore_after(told.then)  # that the first is looked at Gradio does not tell
        titles = {tab.task: tab.title for tab in tabs} | {compare.task: compare.title}
        build_queue(shared, titles, [opened, *(event for one in runs for event in one.begun)])

        async def watch_engine() -> AsyncIterator[str]:
            """The state of the engine until it has started, at first or again."""
            state = ""
            while True:
                now = service.status
                if now["state"] != state:
                    state = now["state"]
                    yield markup.device(now)
                if state != "starting":
                    return
                await asyncio.sleep(0.5)

        page.load(watch_engine, None, chip, **SILENT)
        for event in (event for one in runs for event in one.ended):
            event.then(watch_engine, None, chip, **SILENT)
    for event in page.fns.values():  # no progress is shown, but would be told to every output
        event.show_progress_on = [chip]
    page.queue(default_concurrency_limit=None, max_size=WAITING)
    make_room(page)
    return page


def page_options(service: Service, route: PictureRoute, owners: Owners) -> dict[str, Any]:
    """What `launch()` needs for the page to look and work as built; also what lies beside it."""
    routes = [*route.routes(), presence_route(service, owners), *probe_routes(service)]
    return {
        "theme": theme(),
        "css_paths": stylesheets(),
        "js": script(),
        "head": head(),
        "favicon_path": ASSETS / "icons" / "favicon.png",
        "footer_links": ["api", "settings"],
        "run_history": False,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "show_error": True,
        "max_file_size": "32mb",
        "max_threads": AT_ONCE,
        "state_session_capacity": SESSIONS,
        "app_kwargs": {"routes": routes},
    }
