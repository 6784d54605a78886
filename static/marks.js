/* Marks in a list: "all of this page" marks each, and how many are marked is said. */
for (const form of document.querySelectorAll("[data-marks]")) {
  const all = form.querySelector("[data-all]");
  const said = form.querySelector("[data-marked]");
  const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    said.textContent = count ? (count === 1 ? said.dataset.one : said.dataset.many.replace("%", count)) : "";
  };
  form.addEventListener("change", (event) => {
    if (event.target === all) for (const box of boxes) box.checked = all.checked;
    tell();
  });
  window.addEventListener("pageshow", tell);
}
