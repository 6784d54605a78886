/* Keys of the desk: single keys rest while one types. What a key does is said on the page, by data-key. */
const typing = (element) => element.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  // From a field, and from what it looks like.
  const form = event.target.form ?? event.target.closest("form");
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && form) {
    event.preventDefault();
    form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); }
    return;
  }
  const queue = document.querySelector(".queue");
  if (queue && inQueue(queue, event)) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!target) return;
  event.preventDefault();
  if (target.dataset.then) document.getElementById("id_answer-then").value = target.dataset.then;
  if (target.dataset.focus) goTo(target.dataset.focus);
  else if (target.matches("select")) target.focus();
  else target.click();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-focus]");
  if (!link || link.matches("summary")) return; // a summary folds and unfolds by itself
  event.preventDefault();
  if (link.dataset.then) document.getElementById("id_answer-then").value = link.dataset.then;
  goTo(link.dataset.focus);
});

/* A field in a folded part is unfolded first: what is hidden takes no focus. */
function goTo(id) {
  const field = document.getElementById(id);
  const fold = field.closest("details");
  if (fold) fold.open = true;
  field.focus();
}

let current = "";
function select(row) {
  for (const other of document.querySelectorAll(".queue [aria-selected]")) other.removeAttribute("aria-selected");
  if (!row) return;
  row.setAttribute("aria-selected", "true");
  row.scrollIntoView({ block: "nearest" });
  current = row.dataset.number;
}

function inQueue(queue, event) {
  const rows = [...queue.querySelectorAll("tr[data-number]")];
  const at = rows.findIndex((row) => row.getAttribute("aria-selected"));
  const move = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (move) { event.preventDefault(); select(rows[Math.min(rows.length - 1, Math.max(0, at + move))]); return true; }
  if (at < 0) return false;
  const box = rows[at].querySelector("input[type=checkbox]");
  if (event.key === "x" && box) { event.preventDefault(); box.click(); return true; }
  const link = rows[at].querySelector(".subject a") ?? rows[at].querySelector("a");
  const hash = queue.matches(".held") ? { Enter: "" }[event.key] : { Enter: "", r: "#id_answer-text", n: "#id_note-text", a: "#take" }[event.key];
  if (hash === undefined) return false;
  event.preventDefault();
  location.href = link.href + hash;
  return true;
}

/* Nobody looks at a hidden page: it asks again once it is seen. */
document.addEventListener("htmx:beforeRequest", (event) => { if (document.hidden) event.preventDefault(); });

/* A refreshed queue keeps the cursor where it was. */
document.addEventListener("htmx:afterSwap", () => {
  if (current) select(document.querySelector(`.queue tr[data-number="${CSS.escape(current)}"]`));
});

window.addEventListener("DOMContentLoaded", () => {
  /* The address names the field itself: of one that names a form the browser takes the focus away again. */
  document.querySelector("textarea:target")?.focus();
  if (location.hash === "#take") document.querySelector('[data-key="a"]')?.focus();
});
