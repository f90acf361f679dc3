// How long until a run that waits is likely to start: told by the server as seconds from the moment
// at which it said so, as clocks may differ.
(() => {
  const words = (seconds) =>
    seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
  const ends = new WeakMap();
  const tick = () => {
    for (const element of document.querySelectorAll("[data-in]")) {
      const { told, in: seconds } = element.dataset;
      if (ends.get(element)?.told !== told)
        ends.set(element, { told, at: Date.now() + seconds * 1000 });
      const left = (ends.get(element).at - Date.now()) / 1000;
      const text = left > 0 ? ` · starts in about ${words(left)}` : " · starts soon";
      if (element.textContent !== text) element.textContent = text;
    }
  };
  window.stepwise.changed.push(tick);
  setInterval(tick, 1000);
})();
