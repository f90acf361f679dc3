// Runs once when the page has loaded.
(() => {
  const visible = (selector) =>
    [...document.querySelectorAll(selector)].find((element) => element.offsetParent !== null);

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

  // The status line changes several times a second; only a change of phase is read out.
  let last = "";
  new MutationObserver(() => {
    const line = visible(".status [data-say]");
    const said = document.getElementById("said");
    if (!line || !said || line.dataset.say === last) return;
    last = line.dataset.say;
    said.textContent = last;
  }).observe(document.body, { childList: true, subtree: true });
})();
