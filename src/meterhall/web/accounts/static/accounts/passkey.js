// The browser's half of a passkey: ask the device, put its answer into the form, send the form.
(() => {
  "use strict";
  if (!window.PublicKeyCredential) return;

  const asked = async (button) => {
    if (button.dataset.options) return JSON.parse(button.dataset.options);
    const answer = await fetch(button.form.action, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return answer.json();
  };

  for (const button of document.querySelectorAll("[data-passkey]")) {
    const note = button.form.querySelector("[data-passkey-failed]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      note.hidden = true;
      try {
        const credential = await window.webauthnJSON[button.dataset.passkey](await asked(button));
        button.form.elements.credential.value = JSON.stringify(credential);
        button.form.submit();
      } catch {
        note.hidden = false;
      }
    });
  }
})();
