// Runs once when the page has loaded.
(() => {
  const visible = (selector) =>
    [...document.querySelectorAll(selector)].find((element) => element.offsetParent !== null);

  // The address names the open tab: a reload comes back to it, and a link can point at it.
  const tabs = "[role=tab][data-tab-id]";
  [...document.querySelectorAll(tabs)]
    .find((tab) => tab.dataset.tabId === location.hash.slice(1))
    ?.click();
  document.addEventListener("click", (event) => {
    const tab = event.target.closest(tabs);
    if (tab) history.replaceState(history.state, "", `#${tab.dataset.tabId}`);
  });

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
  }).observe(document.body, { childList: true, subtree: true });
})();
