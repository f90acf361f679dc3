// The pictures of the History tab that are chosen, and what its buttons tell the server.
(() => {
  const { stepwise } = window;
  const chosen = new Set();

  // Cards take each other's places: what is chosen is the picture, and only while it is in the list.
  const show = () => {
    const page = document.querySelector(".history");
    if (!page?.offsetParent) return;
    const cards = [...page.querySelectorAll(".cards li")];
    const listed = new Set(cards.map((card) => card.dataset.id));
    for (const id of [...chosen]) if (!listed.has(id)) chosen.delete(id);
    for (const card of cards) {
      const box = card.querySelector("input");
      const wanted = chosen.has(card.dataset.id);
      if (box.checked !== wanted) box.checked = wanted;
    }
    const count = chosen.size;
    write(page.querySelector(".bar .chosen"), count ? `, ${count} chosen` : "");
    const every = count && count === cards.length;
    write(page.querySelector(".bar .every"), every ? "Choose none" : `Choose these ${cards.length}`);
    for (const button of page.querySelectorAll(".bar [data-chosen]")) {
      button.disabled = button.dataset.chosen === "2" ? count !== 2 : count === 0;
    }
  };
  const write = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };
  stepwise.changed.push(show);

  document.addEventListener("change", ({ target }) => {
    const card = target.closest(".history .cards li");
    if (!card) return;
    chosen[target.checked ? "add" : "delete"](card.dataset.id);
    show();
  });

  const choose = (page) => {
    const all = [...page.querySelectorAll(".cards li")].map((card) => card.dataset.id);
    const none = all.length === chosen.size;
    for (const id of all) chosen[none ? "delete" : "add"](id);
    show();
  };

  // What a button does, and with which pictures: its own, or those that are chosen.
  let looking = false;
  stepwise.pressed = (page, button) => {
    const { act } = button.dataset;
    const own = button.closest("[data-id]")?.dataset.id;
    looking = act === "look" || act === "compare";
    if (own && act === "favourite") {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      return { act, ids: [own], on };
    }
    if (own) return { act, ids: [own] };
    if (act === "all") {
      choose(page);
      return null;
    }
    const ids = button.dataset.ids?.split(" ") ?? [...chosen];
    const many = ids.length === 1 ? "this picture" : `these ${ids.length} pictures`;
    const ask = button.dataset.ask ?? (act === "erase" ? `Delete ${many} for good?` : "");
    if (ask && !confirm(ask)) return null;
    return { act, ids };
  };

  // What is looked at stands above the list: go there.
  stepwise.looked = () => {
    const stage = looking && document.querySelector(".history .stage");
    looking = false;
    if (!stage) return;
    stage.scrollIntoView({ block: "start", behavior: "smooth" });
    stage.querySelector(".behind input, .detail")?.focus({ preventScroll: true });
  };
})();
