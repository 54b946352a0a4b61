// What a script adds to pages that work without one: copying, and the focus on what is wrong.
(() => {
  "use strict";

  const ready = (root) => {
    for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  });

  document.addEventListener("htmx:afterSwap", (event) => ready(event.target));
  ready(document);
  document.querySelector(".error-summary")?.focus();
})();
