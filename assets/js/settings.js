// What a browser keeps of the settings of a tab, and what becomes of it when the tab is opened.
(() => {
  const { stepwise } = window;
  const seen = new Set();
  const keeping = new Set();

  // For a tab that is opened by what brings settings to it: the names of these, or `true` for all.
  const arriving = {};

  // Turns to a tab that settings are to be brought to: inputs that were never shown take no values.
  stepwise.turn = (task, names = true) => {
    if (!task) return;
    arriving[task] = names;
    document.querySelector(`[role=tab][data-tab-id='${task}']`)?.click();
    window.scrollTo(0, 0);
  };

  // Of what was kept, all that is to be put back: once for each tab, as soon as it is in sight.
  stepwise.restored = (task, kept) => {
    if (seen.has(task) || !document.getElementById(`tab-${task}`)?.offsetParent) return {};
    seen.add(task);
    const given = arriving[task] ?? [];
    if (given === true) return {};
    return Object.fromEntries(Object.entries(kept ?? {}).filter(([name]) => !given.includes(name)));
  };

  // Before they were put back, the settings of a tab are the first ones: not to be kept.
  stepwise.kept = (task, kept, names, values) =>
    keeping.has(task) ? stepwise.named(names, values) : kept;
  stepwise.keeps = (task, ...more) => {
    if (seen.has(task)) keeping.add(task);
    return stepwise.kept(task, ...more);
  };

  stepwise.named = (names, values) =>
    Object.fromEntries(names.map((name, index) => [name, values[index]]));

  // Has the browser save what lies at an address under a name.
  stepwise.fetch = (href, download) =>
    Object.assign(document.createElement("a"), { href, download }).click();

  stepwise.download = (name, value) => {
    const address = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)]));
    stepwise.fetch(address, name);
    URL.revokeObjectURL(address);
  };
})();
