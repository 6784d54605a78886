/* Choosing a reason puts its usual words into the text, unless somebody has written words of their own there. */
document.addEventListener("change", (event) => {
  const words = event.target.dataset.words;
  if (words === undefined) return;
  const form = event.target.form;
  const field = form.querySelector("textarea");
  const usual = [...form.querySelectorAll("[data-words]")].map((choice) => choice.dataset.words);
  if (field.value.trim() && !usual.includes(field.value)) return;
  field.value = words;
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
