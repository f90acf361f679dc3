// Runs once when the page has loaded.
(() => {
  const visible = (selector) =>
    [...document.querySelectorAll(selector)].find((element) => element.offsetParent !== null);

  // The address names the open tab: a reload comes back to it, and a link can point at it.
  const tabs = "[role=tab][data-tab-id]";
  document.addEventListener("click", (event) => {
    const tab = event.target.closest(tabs);
    if (!tab) return;
    history.replaceState(history.state, "", `#${tab.dataset.tabId}`);
    tab.scrollIntoView({ block: "nearest", inline: "center" });
  });
  [...document.querySelectorAll(tabs)]
    .find((tab) => tab.dataset.tabId === location.hash.slice(1))
    ?.click();

  // Ctrl+Enter or Cmd+Enter anywhere on the page starts a run in the tab that is open.
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      const button = visible("button.generate");
      if (!button || button.disabled) return;
      event.preventDefault();
      event.stopPropagation();
      button.click();
    },
    true,
  );

  // A slider on its way, or a number half typed, is not yet what a run is to be told: wait until it
  // rests, or until the browser says that it is settled (let go, Enter, focus gone).
  const waiting = new Map();
  let typing = false;
  const settled = (name, values) =>
    new Promise((resolve) => {
      clearTimeout(waiting.get(name)?.timer);
      const go = () => {
        waiting.delete(name);
        resolve(values);
      };
      waiting.set(name, { go, timer: setTimeout(go, typing ? 2000 : 300) });
    });
  document.addEventListener("input", ({ target }) => (typing = target.type === "number"), true);
  document.addEventListener("change", () => {
    typing = false;
    for (const { go, timer } of [...waiting.values()]) {
      clearTimeout(timer);
      go();
    }
  });

  // For the other scripts. changed: called whenever something of the page has changed.
  window.stepwise = { settled, changed: [] };

  // The value under the pointer, in the corner of the plot.
  const read = (chart, clientX) => {
    const plot = chart.closest(".plot");
    const lines = [...chart.querySelectorAll("polyline")].map((line) => ({
      name: line.dataset.name,
      values: JSON.parse(line.dataset.values),
    }));
    const last = Math.max(...lines.map((line) => line.values.length)) - 1;
    const box = chart.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    const index = Math.round(share * last);
    const cursor = chart.querySelector(".cursor") ?? document.createElement("span");
    cursor.className = "cursor";
    cursor.style.setProperty("--at", last ? index / last : 0);
    chart.append(cursor);
    const values = lines.map(({ name, values }) => `${name} ${values[index] ?? "–"}`);
    plot.querySelector("output").textContent =
      `${plot.dataset.label} ${+plot.dataset.first + index}: ${values.join(", ")}`;
  };
  for (const kind of ["pointermove", "pointerdown"]) {
    document.addEventListener(kind, (event) => {
      const chart = event.target.closest?.(".plot .chart");
      if (chart) read(chart, event.clientX);
    });
  }
  document.addEventListener("pointerout", (event) => {
    const chart = event.target.closest?.(".plot .chart");
    if (!chart || chart.contains(event.relatedTarget)) return;
    chart.querySelector(".cursor")?.remove();
    chart.closest(".plot").querySelector("output").textContent = "";
  });

  // The filmstrip is wider than a phone: keep its newest frame in sight.
  let frames = 0;
  const follow = () => {
    const film = visible(".film");
    const shown = film ? film.querySelectorAll("img") : [];
    if (shown.length === frames) return;
    frames = shown.length;
    if (!frames) return;
    const beyond = shown[frames - 1].getBoundingClientRect().right;
    film.scrollLeft += beyond - film.getBoundingClientRect().right;
  };

  // The status line changes several times a second; only a change of phase is read out.
  let last = "";
  const say = () => {
    const line = visible(".status [data-say]");
    const said = document.getElementById("said");
    if (!line || !said || line.dataset.say === last) return;
    last = line.dataset.say;
    said.textContent = last;
  };

  new MutationObserver(() => {
    follow();
    say();
    for (const look of window.stepwise.changed) look();
  }).observe(document.body, { childList: true, subtree: true, attributeFilter: ["data-id"] });

  // How much of the two pictures behind each other is seen of which.
  document.addEventListener("input", ({ target }) => {
    target.closest(".behind")?.style.setProperty("--at", `${target.value}%`);
  });
})();
