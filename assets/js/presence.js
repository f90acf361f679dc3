// Says that the page is open, and when it is closed, if that is to cancel the runs that wait.
(() => {
  const page = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
  let owner = "";
  let cancels = false;
  const tell = (open) =>
    owner && navigator.sendBeacon("presence", JSON.stringify({ owner, page, open, cancels }));
  window.stepwise.presence = (session, closing) => {
    const told = cancels;
    owner = session?.owner ?? "";
    cancels = Boolean(closing);
    if (cancels || told) tell(true);
  };
  setInterval(() => cancels && tell(true), 60_000);
  window.addEventListener("pagehide", () => cancels && tell(false));
  window.addEventListener("pageshow", ({ persisted }) => persisted && cancels && tell(true));
})();
