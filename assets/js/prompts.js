// Earlier prompts come back with the arrow keys, as in a terminal: up from the very beginning of the
// text, down from its very end.
(() => {
  const KEY = "stepwise.prompts";
  const MOST = 100;
  const read = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY));
      return Array.isArray(kept) ? kept.filter((one) => typeof one === "string") : [];
    } catch {
      return [];
    }
  };
  const note = (text) => {
    if (!text.trim()) return;
    const kept = [...read().filter((one) => one !== text), text].slice(-MOST);
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // a browser that keeps nothing
    }
  };
  document.addEventListener("click", ({ target }) => {
    const desk = target.closest("button.generate")?.closest(".desk");
    const prompt = desk?.querySelector(".prompt textarea");
    if (prompt) note(prompt.value);
  });

  // place: in the prompts, from the oldest; draft: what was being written before the first of them.
  let place = null;
  let draft = "";
  document.addEventListener("focusin", () => (place = null));
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (!target.matches?.(".prompt textarea") || event.isComposing) return;
    if (key !== "ArrowUp" && key !== "ArrowDown") return;
    if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    if (target.selectionStart !== target.selectionEnd) return;
    const up = key === "ArrowUp";
    if (target.selectionStart !== (up ? 0 : target.value.length)) return;
    const kept = read();
    if (place === null) {
      if (!up || !kept.length) return;
      place = kept.length;
      draft = target.value;
    }
    const next = place + (up ? -1 : 1);
    if (next < 0 || next > kept.length) return;
    place = next;
    event.preventDefault();
    target.value = next === kept.length ? draft : kept[next];
    target.dispatchEvent(new Event("input", { bubbles: true }));
    const caret = up ? 0 : target.value.length;
    target.setSelectionRange(caret, caret);
  });
})();
