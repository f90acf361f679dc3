"""The runs of a person that wait or go on, in all tabs: where they stand, and their order."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from html import escape
from typing import Any

import gradio as gr
from gradio.events import Dependency

from engine.service import JobInfo, JobNotFound
from ui import markup
from ui.latest import Latest
from ui.shared import SILENT, Shared

__all__ = ["build_queue", "queue_lines"]

TEMPLATE = """${value.length
  ? `<section aria-label="Queue"><details data-fold><summary>${value[0]}</summary>` +
    `<ol>${value.slice(1).join("")}</ol></details></section>`
  : ""}"""

ALIVE = """
const jobOf = (target) => target.closest("[data-job]")?.dataset.job ?? "";
const order = () => [...element.querySelectorAll("[data-job]")].map(jobOf).join();
const open = new Set([""]);
let pressed = null;
element.addEventListener("click", ({ target }) => {
  const details = target.closest("summary")?.parentElement;
  if (details) open[details.open ? "delete" : "add"](jobOf(details));
  const button = target.closest("button[data-act]");
  if (!button) return;
  pressed = { act: button.dataset.act, job: jobOf(button), order: order() };
  trigger("act", pressed);
});
const keep = () => {
  for (const details of element.querySelectorAll("details")) {
    const wanted = open.has(jobOf(details));
    if (details.open !== wanted) details.open = wanted;
  }
  if (!pressed || order() === pressed.order) return;
  const buttons = [...element.querySelectorAll("button")].filter((b) => jobOf(b) === pressed.job);
  const same = buttons.find((b) => b.dataset.act === pressed.act && !b.disabled);
  (same ?? buttons.find((b) => !b.disabled))?.focus();
  pressed = null;
};
new MutationObserver(keep).observe(element, {
  attributes: true,
  attributeFilter: ["data-job", "open"],
  childList: true,
  subtree: true,
});
keep();
"""
"""Gradio writes a changed list into the elements of the old one, place by place: what was open
stays so for its run, and the focus stays with the run whose button was pressed."""

SHOWN = 120
"""Characters of a prompt in the list."""

STEPS = {"earlier": -1, "later": 1}
"""Places by which a button moves a job."""

UNTOLD = ("task", "prompt", "changes", "image", "mask", "depth_map")
"""Fields of a Request that are no settings, or said already."""

VARIED = ("variation_seed", "variation_strength")
"""Those that say nothing of most runs."""


def build_queue(shared: Shared, titles: Mapping[str, str], begun: Sequence[Dependency]) -> None:
    """Place the list and connect it.

    titles: label of a job -> what the page calls it. begun: events after which there may be jobs.
    """
    service, owners, latest = shared.service, shared.owners, Latest()
    shown = gr.HTML(
        [],
        html_template=TEMPLATE,
        js_on_load=ALIVE,
        apply_default_css=False,
        elem_classes="queue",
    )

    async def lists(owner: str) -> AsyncIterator[list[str]]:
        async with aclosing(service.watch_jobs(owner)) as changes:
            async for jobs in changes:
                left = [job for job in jobs if not job.ended]
                yield queue_lines(left, titles)
                if not left:
                    return

    async def watch(session: Any, page: gr.Request) -> AsyncIterator[list[str]]:
        """The list, until nothing runs and nothing waits."""
        async for lines in latest.of(str(page.session_hash), lists(owners.of(session))):
            yield lines

    def act(session: Any, event: gr.EventData) -> None:
        """Do what a button of the list says."""
        owner, job = owners.of(session), str(event.job)
        waiting = [one.id for one in service.jobs(owner) if one.state == "waiting"]
        with suppress(JobNotFound):  # it has ended meanwhile
            if event.act == "remove":
                service.cancel(job, owner)
            elif event.act in STEPS and job in waiting:
                service.move(job, owner, max(0, waiting.index(job) + STEPS[event.act]))

    for event in begun:
        event.then(watch, shared.session, shown, trigger_mode="multiple", **SILENT)
    shown.act(act, shared.session, None, queue=False, **SILENT)


def queue_lines(jobs: Sequence[JobInfo], titles: Mapping[str, str]) -> list[str]:
    """A heading, then HTML for each job that runs or waits. None where no job waits: the tab of the
    one that runs shows it."""
    waiting = [job for job in jobs if job.state == "waiting"]
    if not waiting:
        return []
    heading = f"Queue: {markup.counted(len(waiting), 'run')} waiting"
    return [heading, *(_line(job, titles, waiting) for job in jobs)]


def _line(job: JobInfo, titles: Mapping[str, str], waiting: Sequence[JobInfo]) -> str:
    prompt = job.request.prompt
    short = prompt if len(prompt) <= SHOWN else f"{prompt[:SHOWN]}…"
    what = escape(short or f"Seed {job.request.seed}")
    if job.state == "running":
        state, buttons = "Going on", _button("remove", "Stop", what)
    else:
        place = f"{job.position - 1} ahead" if job.position > 1 else "Next"
        state = f"{place}{markup.starts(job.starts)}"
        buttons = (
            _button("earlier", "Earlier", what, off=job is waiting[0])
            + _button("later", "Later", what, off=job is waiting[-1])
            + _button("remove", "Remove", what)
        )
    return (
        f'<li data-job="{escape(job.id)}" data-state="{job.state}">'
        f'<p class="what">{what}</p>'
        f"<p>{escape(titles.get(job.label, job.label))} · {state}</p>"
        f"<details><summary>Settings</summary><dl>{_settings(job)}</dl></details>"
        f'<p class="acts">{buttons}</p></li>'
    )


def _settings(job: JobInfo) -> str:
    varied = job.request.variation_strength > 0
    return "".join(
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in job.request.used().items()
        if name not in UNTOLD and value not in ("", None) and (name not in VARIED or varied)
    )


def _button(act: str, text: str, what: str, off: bool = False) -> str:
    disabled = " disabled" if off else ""
    return (
        f'<button type="button" data-act="{act}"{disabled} aria-label="{text}: {what}">'
        f"{text}</button>"
    )
