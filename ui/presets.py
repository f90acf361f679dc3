"""Settings of a tab: as they were last, under names of one's own, and as a file."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import RequestError
from ui.session import kept_in_browser
from ui.settings import check_setting, fill, settings_of
from ui.shared import SILENT, Inputs, Shared, warn

__all__ = ["Presets", "read_presets"]

Settings = Mapping[str, Any]

MOST = 1_000_000
"""Bytes of a file of presets."""
LONGEST = 80
"""Characters of a name."""
MANY = 200
"""Presets of a tab: a browser keeps a few megabytes of a page."""

RESTORE = "(kept, presets) => [window.stepwise.restored('{task}', kept), presets]"
KEEP = "(kept, ...values) => [window.stepwise.kept('{task}', kept, {names}, values)]"
RESTORED = "(kept, ...values) => [window.stepwise.keeps('{task}', kept, {names}, values)]"
EXPORT = """(presets, ...values) => {{
  const settings = window.stepwise.named({names}, values);
  window.stepwise.download("stepwise-{task}.json", {{ task: "{task}", settings, presets }});
}}"""


class Presets:
    """What a browser keeps of the settings of one tab."""

    def __init__(self, shared: Shared, task: str) -> None:
        """To be called outside `gr.Tabs`, as Tab."""
        self._shared, self._task = shared, task
        self._kept = kept_in_browser(f"{task}.settings")
        self._presets = kept_in_browser(f"{task}.presets")

    def build(self, inputs: Inputs, starts: Sequence[gr.Button]) -> None:
        """Place the group in the current layout, and connect it.

        starts: a run, after which the settings are worth keeping, however they came. `others` are
        then the events that bring settings of another kind of run.
        """
        self._inputs = inputs = settings_of(inputs)
        first = {field: _first(control) for field, control in inputs.items()}
        with gr.Accordion("Presets", open=False, elem_classes="presets"):
            name = gr.Dropdown(
                [], label="Preset", info="Choose one, or type a new name.", allow_custom_value=True
            )
            with gr.Row():
                apply, save, delete = _buttons("Apply", "Save", "Delete")
            with gr.Row():
                (export,) = _buttons("Export")
                given = gr.UploadButton(
                    "Import", size="sm", min_width=70, file_types=[".json"], type="binary"
                )
                (reset,) = _buttons("Reset all")
        self._name = name
        controls, presets = list(inputs.values()), self._presets
        words = self._words = {"task": self._task, "names": json.dumps(list(inputs))}
        private: dict[str, Any] = {"api_visibility": "private"}
        raw = SILENT | {"preprocess": False}
        keeping = {"inputs": [self._kept, *controls], "outputs": self._kept, **private}
        self._keeping = keeping
        named = [name, presets]
        delete.click(self.delete, named, named, **raw)
        filled = [
            apply.click(self.apply, named, controls, **raw),
            given.upload(self.take, [given, presets], [*controls, *named], **SILENT),
            reset.click(lambda: self._fill(first), None, controls, **SILENT),
        ]
        changes = [control.input for control in controls]  # type: ignore[attr-defined]
        changes += [start.click for start in starts]
        gr.on(changes, None, js=KEEP.format_map(words), **keeping)
        for event in filled:
            self.keep_after(event)
        self.others = [apply.click, given.upload, reset.click]
        export.click(None, [presets, *controls], None, js=EXPORT.format_map(words), **private)
        save.click(
            self.save,
            inputs_kwargs={"preset": name, "presets": presets, **inputs},
            outputs=named,
            **raw,
        )

    def keep_after(self, event: Dependency) -> None:
        """Keep the settings after what has brought others to the controls, once built."""
        event.then(None, js=KEEP.format_map(self._words), **self._keeping)

    def restore_after(self, event: Callable[..., Dependency]) -> None:
        """Bring the settings back after an event, once built; none while the tab is out of sight,
        whose controls would not take them."""
        event(
            self.restore,
            [self._kept, self._presets],
            [*self._inputs.values(), self._name],
            js=RESTORE.format_map(self._words),
            preprocess=False,
            **SILENT,
        ).then(None, js=RESTORED.format_map(self._words), **self._keeping)

    def restore(self, kept: Any, presets: Any) -> dict[Component, Any]:
        """The settings as they were last, and the names that there are."""
        return {**self._fill(_mapping(kept)), self._name: gr.update(choices=[*_mapping(presets)])}

    def apply(self, preset: Any, presets: Any) -> dict[Component, Any]:
        """The settings of a preset."""
        settings = _mapping(presets).get(str(preset or ""))
        if settings is None:
            warn("Choose a preset first: there is none of this name.")
        return self._fill(_mapping(settings))

    def save(self, preset: Any, presets: Any, **settings: Any) -> dict[Component, Any]:
        """Keep the settings under a name; what had that name before is gone."""
        name = str(preset or "").strip()
        known = {**_mapping(presets), name: settings}
        if not name or len(name) > LONGEST or len(known) > MANY:
            warn(f"Give the preset a name, of at most {LONGEST} characters; {MANY} can be kept.")
            return {self._name: gr.skip()}
        return self._offer(known, name)

    def delete(self, preset: Any, presets: Any) -> dict[Component, Any]:
        """Forget a preset."""
        known = {**_mapping(presets)}
        if known.pop(str(preset or ""), None) is None:
            warn("Choose a preset first: there is none of this name.")
        return self._offer(known, None)

    def take(self, data: bytes | None, presets: Any) -> dict[Component, Any]:
        """What a file says: its settings, and its presets beside those that there are."""
        try:
            settings, more = read_presets(data or b"")
        except RequestError as error:
            warn(f"Nothing was imported: {error}")
            return {self._name: gr.skip()}
        known = {**_mapping(presets)}
        for name, values in more.items():
            known[_free(name, values, known)] = values
        if len(known) > MANY:
            warn(f"Nothing was imported: there would be more than {MANY} presets. Delete some.")
            return {self._name: gr.skip()}
        return {**self._fill(settings), **self._offer(known, None)}

    def _offer(self, presets: Mapping[str, Settings], name: str | None) -> dict[Component, Any]:
        return {self._presets: presets, self._name: gr.update(choices=[*presets], value=name)}

    def _fill(self, settings: Settings) -> dict[Component, Any]:
        updates = fill(self._inputs, settings, self._shared.models, self._task)
        # gradio takes an empty dictionary for too few outputs
        return updates or {next(iter(self._inputs.values())): gr.skip()}


def read_presets(data: bytes) -> tuple[Settings, Mapping[str, Settings]]:
    """The settings and the presets of an exported file. Raises RequestError for anything else."""
    if len(data) > MOST:
        raise RequestError(f"the file has more than {MOST:,} bytes.")
    try:
        told = json.loads(data)
        settings, presets = dict(told.get("settings", {})), dict(told.get("presets", {}))
        every = [settings, *map(dict, presets.values())]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise RequestError("the file is no JSON that was exported here.") from None
    if any(not name.strip() or len(name) > LONGEST for name in presets):
        raise RequestError(f"the name of a preset has 1 to {LONGEST} characters.")
    for name, value in (pair for one in every for pair in one.items()):
        check_setting(name, value)
    return settings, presets


def _buttons(*names: str) -> list[gr.Button]:
    return [gr.Button(name, size="sm", min_width=70) for name in names]


def _first(control: Component) -> Any:
    """What a control begins with: an empty text is None in gradio."""
    value = getattr(control, "value", None)
    return "" if value is None else value


def _mapping(value: Any) -> Settings:
    """A browser may have kept anything."""
    return value if isinstance(value, dict) else {}


def _free(name: str, settings: Settings, known: Mapping[str, Settings]) -> str:
    """The name, with a number if there are other settings of that name."""
    free, number = name, 1
    while known.get(free, settings) != settings:
        number += 1
        free = f"{name} ({number})"
    return free
