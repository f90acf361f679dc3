// The pictures of the History tab that are chosen, and what its buttons tell the server.
(() => {
  const { stepwise } = window;
  const chosen = new Set();

  const show = () => {
    const page = document.querySelector(".history");
    if (!page?.offsetParent) return;
    for (const box of page.querySelectorAll(".cards input")) {
      const wanted = chosen.has(box.closest("li").dataset.id);
      if (box.checked !== wanted) box.checked = wanted;
    }
    const count = chosen.size;
    const text = count ? `, ${count} chosen` : "";
    const line = page.querySelector(".bar .chosen");
    if (line && line.textContent !== text) line.textContent = text;
    for (const button of page.querySelectorAll(".bar [data-chosen]")) {
      button.disabled = button.dataset.chosen === "2" ? count !== 2 : count === 0;
    }
  };
  stepwise.changed.push(show);

  document.addEventListener("change", ({ target }) => {
    const card = target.closest(".history .cards li");
    if (!card) return;
    chosen[target.checked ? "add" : "delete"](card.dataset.id);
    show();
  });

  // What a button does, and with which pictures: its own, or those that are chosen.
  stepwise.pressed = (page, button) => {
    const { act } = button.dataset;
    const own = button.closest("[data-id]")?.dataset.id;
    if (own && act === "favourite") {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    }
    if (own) return { act, ids: [own] };
    if (act === "all") {
      for (const card of page.querySelectorAll(".cards li")) chosen.add(card.dataset.id);
      show();
      return null;
    }
    const ids = button.dataset.ids?.split(" ") ?? [...chosen];
    const many = ids.length === 1 ? "this picture" : `these ${ids.length} pictures`;
    const ask = button.dataset.ask ?? (act === "erase" ? `Delete ${many} for good?` : "");
    if (ask && !confirm(ask)) return null;
    if (["trash", "restore", "erase", "clean"].includes(act)) chosen.clear();
    return { act, ids };
  };
})();
