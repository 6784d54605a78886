/* What is typed, as it will be seen: the desk renders it, in place of the text and back. Without this script the tab
   is a button that sends the form there, and the page comes back with both. */
for (const form of document.querySelectorAll("form[data-preview]")) {
  const text = form.querySelector("textarea");
  const pane = form.querySelector(".preview");
  const write = form.querySelector("[data-write]");
  const look = form.querySelector("button[name=preview]");
  let asked = 0;
  write.hidden = false;

  function turn(seen) {
    text.hidden = seen;
    pane.hidden = !seen;
    write.setAttribute("aria-pressed", String(!seen));
    look.setAttribute("aria-pressed", String(seen));
  }
  function fail(words) {
    const said = document.createElement("p");
    said.className = "error";
    said.textContent = words;
    pane.replaceChildren(said);
  }
  async function show() {
    const mine = ++asked;
    const address = new URL(look.formAction);
    address.hash = "";
    address.search = "part";
    const body = new FormData(form);
    body.set("preview", look.value);
    pane.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { method: "POST", body });
      const html = await answer.text();
      if (mine !== asked) return;
      if (answer.redirected) fail(form.dataset.saySignedOut);
      else if (answer.ok || answer.status === 422) pane.innerHTML = html;
      else fail(form.dataset.sayLost);
    } catch {
      if (mine !== asked) return;
      fail(form.dataset.sayLost);
    }
    pane.removeAttribute("aria-busy");
    turn(true);
    pane.focus();
  }
  function back() {
    asked += 1;
    pane.removeAttribute("aria-busy");
    turn(false);
    text.focus();
  }

  write.addEventListener("click", back);
  look.addEventListener("click", (event) => { event.preventDefault(); show(); });
  form.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !event.shiftKey || event.key.toLowerCase() !== "p") return;
    event.preventDefault();
    if (pane.hidden) show();
    else back();
  });
  // What a key or a link leads to is the text, not what it looks like.
  document.addEventListener("click", (event) => { if (event.target.closest(`[data-focus="${text.id}"]`)) turn(false); }, true);
}
