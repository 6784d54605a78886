/* What one types is kept in the browser until the desk has taken it: a lost session or connection, a closed tab, a
   note sent meanwhile cost no text. The page says by data-keep-for whose it is, so that nobody else who signs in here
   gets it, and by data-taken which forms were taken. Signing out forgets it. What nobody signed in typed stays in the
   tab. */
{
  const body = document.body.dataset;
  const taken = new Set((body.taken || "").split(" "));
  const who = document.querySelector("[data-keep-for]")?.dataset.keepFor || "";
  const store = who ? localStorage : sessionStorage;
  const mine = `keep:${who}:`;

  const read = (name) => { try { return JSON.parse(store.getItem(name)); } catch { return null; } };
  // A full or forbidden store keeps nothing; the page works all the same.
  const write = (name, what) => { try { store.setItem(name, JSON.stringify({ ...what, at: Date.now() })); } catch { /* as said */ } };
  const names = (start) => Object.keys(store).filter((name) => name.startsWith(start));

  const oldest = Date.now() - Number(body.keepDays || 30) * 86400000;
  for (const name of names("keep:")) if (!(read(name)?.at > oldest)) store.removeItem(name);

  // By the form it belongs to: the page that refuses it has another address.
  const nameOf = (form, field) => `${mine}${new URL(form.action).pathname}:${field}`;
  const keyOf = (form) => form.querySelector("input[type=hidden][name$=key]")?.value || "";
  function kept(form, field) {
    const found = read(nameOf(form, field));
    if (!found || !taken.has(found.key)) return found;
    store.removeItem(nameOf(form, field));
    return null;
  }

  const restored = [];
  let restoring = false;
  for (const field of document.querySelectorAll("[data-keep]")) {
    const form = field.form;
    const group = field.type === "radio" ? [...form.querySelectorAll(`input[type=radio][name="${CSS.escape(field.name)}"]`)] : [field];
    const found = kept(form, field.name);
    // What the page brought stands; a choice that it asks for still, or made for whoever comes, gives way.
    const isOpen = field.type === "radio" ? group[0] === field && !group.some((one) => one.checked) : !field.value || field.dataset.keep === "choice";
    if (found && isOpen) {
      if (field.type === "radio") for (const one of group) one.checked = one.value === found.text;
      else if (field.tagName !== "SELECT" || [...field.options].some((one) => one.value === found.text)) field.value = found.text;
      restored.push(group.find((one) => one.checked) || field);
    }
  }

  // Heard by the page, for a part of it may be replaced while one types.
  const keep = (field) => { if (field.type !== "radio" || field.checked) write(nameOf(field.form, field.name), { key: keyOf(field.form), text: field.value }); };
  const isKept = (field) => field.form && field.matches("[data-keep]");
  for (const type of ["input", "change"]) document.addEventListener(type, ({ target }) => { if (!restoring && isKept(target)) keep(target); });
  document.addEventListener("submit", ({ target }) => { for (const field of target.elements) if (isKept(field) && field.value) keep(field); }, true);

  // What else on the page goes by a choice hears of it, once every script is there.
  document.addEventListener("DOMContentLoaded", () => {
    restoring = true;
    for (const field of restored) field.dispatchEvent(new Event("change", { bubbles: true }));
    restoring = false;
  });

  // Uploads that wait are kept like a text: by their tokens, as long as the desk has them.
  window.keepFiles = (form, field, files) => { if (files.length) write(nameOf(form, field), { key: keyOf(form), files }); else store.removeItem(nameOf(form, field)); };
  window.keptFiles = (form, field, hours) => {
    const oldestUpload = Date.now() - hours * 3600000;
    return (kept(form, field)?.files || []).filter((file) => file.at > oldestUpload);
  };

  document.querySelector("[data-forget], #logout-form")?.addEventListener("submit", () => { for (const name of names(mine)) store.removeItem(name); });
}
