// A picture dropped on the page, but for where pictures are given, gives back its settings.
(() => {
  const { classList } = document.body;
  const own = (event) =>
    event.dataTransfer?.types.includes("Files") &&
    !event.target.closest?.(".given, .sketch, input[type=file], [data-testid=imageeditor]");

  let leaving;
  document.addEventListener("dragover", (event) => {
    clearTimeout(leaving);
    leaving = setTimeout(() => classList.remove("dropping"), 300);
    classList.toggle("dropping", own(event));
    if (own(event)) event.preventDefault();
  });

  document.addEventListener("drop", (event) => {
    classList.remove("dropping");
    if (!own(event)) return;
    event.preventDefault();
    const input = document.querySelector(".masthead input[type=file]");
    if (!input || !event.dataTransfer.files.length) return;
    const files = new DataTransfer();
    files.items.add(event.dataTransfer.files[0]);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
