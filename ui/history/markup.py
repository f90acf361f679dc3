"""The HTML of the pictures on disk. Every value is escaped: `gr.HTML` escapes nothing."""

import time
from collections.abc import Sequence
from html import escape

from engine.service.index import Kept
from ui.markup import counted

__all__ = ["bar", "card", "detail", "name_of", "size_of", "summary"]

SHOWN = 300
"""Characters of a prompt that a card says."""


def card(kept: Kept, thumbnail: str) -> str:
    """A picture of the list. thumbnail: its address."""
    name, id = escape(name_of(kept)), escape(kept.id)
    star = "true" if kept.favourite else "false"
    return (
        f'<li data-id="{id}"><button type="button" class="look" data-act="look" title="{name}">'
        f'<img src="{escape(thumbnail)}" alt="{name}" loading="lazy"></button>'
        f'<input type="checkbox" aria-label="Choose: {name}">'
        f'<button type="button" class="star" data-act="favourite" aria-pressed="{star}" '
        f'aria-label="Favourite: {name}">★</button></li>'
    )


def bar(total: int, trashed: bool) -> str:
    """What can be done with the pictures that are chosen. total: how many were found."""
    acts = (("restore", "Restore"), ("erase", "Delete for good"))
    ways = acts if trashed else (("trash", "Move to trash"),)
    buttons = "".join(
        f'<button type="button" data-chosen="{least}" data-act="{act}" disabled>{text}</button>'
        for act, text, least in (
            ("compare", "Compare two", "2"),
            ("export", "Download chosen", "1+"),
            *((act, text, "1+") for act, text in ways),
        )
    )
    found = counted(total, "picture") if total else "No picture"
    return (
        f'<div class="bar" role="toolbar" aria-label="Chosen pictures">'
        f'<p>{found}<span class="chosen"></span></p>'
        f'<button type="button" class="every" data-act="all">Choose all</button>{buttons}</div>'
    )


def detail(kept: Kept, address: str, record: Sequence[tuple[str, str]]) -> str:
    """What is known of the picture that is looked at, and what can be done with it.

    record: names and values of its settings.
    """
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in record
    )
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.created))
    facts = f"{when} · {kept.width} × {kept.height} · {size_of(kept.size)}"
    name = f"stepwise-{kept.id}.png"
    use = '<button type="button" data-act="use">Use its settings</button>' if record else ""
    return (
        f'<div class="detail" data-id="{escape(kept.id)}" tabindex="-1">'
        f'<p class="said">{escape(name_of(kept))}</p>'
        f"<p>{escape(facts)}</p><p>{use}"
        f'<a href="{escape(address)}" download="{escape(name)}">Download PNG</a></p>'
        f"<details><summary>Settings</summary><dl>{rows}</dl></details></div>"
    )


def summary(size: int, lasting: bool, quota: int = 0, surplus: Sequence[Kept] = ()) -> str:
    """How much room the pictures take. lasting: whether the disk outlives the app. surplus: what
    would have to go for the rest to be within the quota (in bytes), the first of it."""
    limit = f" of {size_of(quota)}" if quota else ""
    lost = "" if lasting else " This disk is cleared at a restart: download what you want to keep."
    clean = ""
    if surplus:
        many = f"{counted(len(surplus), 'picture')}, {size_of(sum(one.size for one in surplus))}"
        ask = (
            f"Delete for good {many}: what is in the trash first, then the oldest that are no "
            "favourites?"
        )
        ids = escape(" ".join(one.id for one in surplus))
        clean = (
            f'<button type="button" data-act="clean" data-ask="{escape(ask)}" data-ids="{ids}">'
            "Clean up</button>"
        )
    return f"<p>Your pictures take {size_of(size)}{limit}, the trash included.{lost}</p>{clean}"


def size_of(size: int) -> str:
    """Bytes in a unit that suits them."""
    for unit, least in (("GB", 1e9), ("MB", 1e6)):
        if size >= least:
            return f"{size / least:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


def name_of(kept: Kept) -> str:
    """What a picture is called: its prompt, or else its seed."""
    if kept.prompt:
        return kept.prompt if len(kept.prompt) <= SHOWN else f"{kept.prompt[:SHOWN]}…"
    return f"Seed {kept.seed}" if kept.task else kept.id
