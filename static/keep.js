/* What one types is kept in the tab until the desk has taken it: a lost session, a note sent meanwhile, a wrong
   click cost no text. The page says by data-taken which forms were taken. */
const taken = new Set((document.body.dataset.taken || "").split(" "));

for (const field of document.querySelectorAll("textarea[data-keep], input[data-keep]")) {
  // By the form it belongs to: the page that refuses it has another address.
  const name = `keep:${new URL(field.form.action).pathname}:${field.name}`;
  const key = () => field.form.querySelector("input[type=hidden][name$=key]").value;
  const keep = () => sessionStorage.setItem(name, JSON.stringify({ key: key(), text: field.value }));
  const kept = JSON.parse(sessionStorage.getItem(name) || "null");
  if (kept && taken.has(kept.key)) sessionStorage.removeItem(name);
  else if (kept && !field.value) field.value = kept.text;
  field.addEventListener("input", keep);
  field.form.addEventListener("submit", () => { if (field.value) keep(); });
}
