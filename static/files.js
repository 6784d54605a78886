/* Files in a form go up at once: picked, dropped on the form, or pasted into it. The form then names them by token.
   Without this script they go with the form itself. */
function sized(bytes, units) {
  let n = bytes, unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit += 1; }
  return `${unit ? n.toFixed(1) : n} ${units[unit]}`;
}

const hasFiles = (transfer) => [...(transfer?.types || [])].includes("Files");
const pickers = [...document.querySelectorAll("[data-files]")].map(picker);

function picker(box) {
  const form = box.closest("form");
  const say = box.dataset;
  const input = box.querySelector("input[type=file]");
  const list = box.querySelector(".picked");
  const row = box.querySelector("template").content.firstElementChild;
  const status = box.querySelector("[role=status]");
  const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
  const text = form.matches("[data-preview]") ? form.querySelector("textarea") : null; // of Markdown, which shows pictures
  const files = new Set(); // each: { name, size, token, picture, pk, at, li, error, request }
  let sending = null;

  const good = () => [...files].filter((file) => !file.error);
  const busy = () => good().some((file) => !file.token);
  const remember = () => window.keepFiles?.(form, say.files, good().filter((file) => file.token).map(({ name, size, token, picture, pk, at, reference }) => ({ name, size, token, picture, pk, at, reference })));

  function show(file) {
    const li = row.cloneNode(true);
    file.li = li;
    li.querySelector("bdi").textContent = file.name;
    li.querySelector(".quiet").textContent = sized(file.size, say.sayUnits.split(" "));
    li.querySelector("progress").setAttribute("aria-label", file.name);
    const button = li.querySelector("button:not([data-put])");
    button.lastElementChild.textContent = `${button.firstElementChild.textContent} ${file.name}`;
    button.addEventListener("click", () => remove(file));
    list.append(li);
  }
  function fail(file, why) {
    file.error = why;
    file.li.querySelector("progress").hidden = true;
    const error = file.li.querySelector(".error");
    error.hidden = false;
    error.textContent = why;
    status.textContent = `${file.name} ${why}`;
    if (sending) { sending = null; file.li.querySelector("button").focus(); }
  }
  function arrive(file, found) {
    Object.assign(file, { at: Date.now() }, found);
    file.li.querySelector("progress").hidden = true;
    file.li.querySelector("bdi").textContent = file.name;
    const hidden = document.createElement("input");
    Object.assign(hidden, { type: "hidden", name: say.files, value: file.token });
    file.li.append(hidden);
    if (file.picture) {
      const image = file.li.querySelector("img");
      image.src = `${say.to}${file.pk}/?show`;
      image.hidden = false;
    }
    if (text && file.picture && file.reference) {
      const put = file.li.querySelector("[data-put]");
      put.hidden = false;
      put.addEventListener("click", () => { putInText(file); text.focus(); });
    }
  }
  /* A picture is shown where its name stands in the text: at the cursor, on lines of its own where it is between words. */
  const named = (file) => `![${file.name.replace(/[[\]\\]/g, " ")}](file:${file.reference})`;
  function putInText(file) {
    const before = text.value.slice(0, text.selectionStart);
    const mark = (before && !before.endsWith("\n") ? "\n" : "") + named(file) + "\n";
    text.setRangeText(mark, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }
  function remove(file) {
    file.request?.abort();
    if (file.token) fetch(say.remove, { method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams({ token: file.token }), keepalive: true });
    const next = file.li.nextElementSibling || file.li.previousElementSibling;
    files.delete(file);
    file.li.remove();
    remember();
    if (text && file.reference && text.value.includes(named(file))) {
      text.value = text.value.replaceAll(named(file), "");
      text.dispatchEvent(new Event("input", { bubbles: true }));
    }
    status.textContent = `${file.name} ${say.sayGone}`;
    (next?.querySelector("button:not([data-put])") || input).focus();
  }

  function refusal(given) {
    if (!given.size) return say.sayEmpty;
    if (given.size > Number(say.bytes)) return say.sayLarge;
    if (good().length > Number(say.most)) return say.sayMany;
    if (good().reduce((sum, file) => sum + file.size, 0) > Number(say.allBytes)) return say.sayAll;
    return "";
  }
  function send(given, { inText = false } = {}) {
    const file = { name: given.name, size: given.size };
    files.add(file);
    show(file);
    const no = refusal(given);
    if (no) { fail(file, no); return; }
    const request = new XMLHttpRequest();
    file.request = request;
    request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) file.li.querySelector("progress").value = (100 * event.loaded) / event.total; });
    request.addEventListener("error", () => fail(file, say.sayLost));
    request.addEventListener("load", () => {
      let answer = null;
      try { answer = JSON.parse(request.responseText); } catch { /* a page: of a proxy, or the one to sign in */ }
      if (answer?.token) {
        arrive(file, answer);
        if (inText && text && file.picture) putInText(file);
        status.textContent = `${file.name} ${say.sayHere}`;
        remember();
      } else if (answer?.error) fail(file, answer.error);
      else if (request.status === 413) fail(file, say.sayLarge);
      else fail(file, new URL(request.responseURL).pathname === say.to ? say.sayLost : say.saySignedOut);
      if (sending && !busy()) form.requestSubmit(sending.by);
    });
    const body = new FormData();
    body.append("name", given.name);
    body.append("file", given, given.name);
    request.open("POST", say.to);
    request.setRequestHeader("X-CSRFToken", token);
    request.send(body);
  }
  function take(transfer) {
    const folders = [...(transfer.items || [])].filter((item) => item.kind === "file" && item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.webkitGetAsEntry().name);
    for (const given of transfer.files) {
      if (!folders.includes(given.name)) { send(given, { inText: true }); continue; }
      const file = { name: given.name, size: 0 };
      files.add(file);
      show(file);
      fail(file, say.sayFolder);
    }
  }

  for (const li of [...list.children]) {
    const file = { name: li.dataset.name, size: Number(li.dataset.size) };
    const found = { token: li.querySelector("input").value, picture: li.dataset.picture, pk: li.dataset.pk, reference: li.dataset.reference };
    li.remove();
    files.add(file);
    show(file);
    arrive(file, found);
  }
  // A page that was left by another form of it, or by mistake, has its uploads again while they wait.
  for (const kept of window.keptFiles?.(form, say.files, Number(say.hours)) || []) {
    if (good().some((file) => file.token === kept.token)) continue;
    const file = { name: kept.name, size: kept.size };
    files.add(file);
    show(file);
    arrive(file, kept);
  }
  form.addEventListener("submit", remember);

  input.addEventListener("change", () => {
    const given = [...input.files];
    input.value = "";
    given.forEach(send);
  });
  form.addEventListener("paste", (event) => {
    // A cell or a formatted text brings a picture of itself along: its text is what was meant.
    if (!event.clipboardData.files.length || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    take(event.clipboardData);
  });
  form.addEventListener("dragover", (event) => { if (hasFiles(event.dataTransfer)) { event.preventDefault(); form.classList.add("over"); } });
  form.addEventListener("dragleave", (event) => { if (!form.contains(event.relatedTarget)) form.classList.remove("over"); });
  form.addEventListener("drop", (event) => {
    form.classList.remove("over");
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    event.stopPropagation();
    take(event.dataTransfer);
  });
  // Before the guard against a second click: what waits here was not sent yet.
  form.addEventListener("submit", (event) => {
    if (!busy()) return;
    event.preventDefault();
    event.stopPropagation();
    sending = { by: event.submitter };
    status.textContent = say.sayWait;
  }, true);
  return { take };
}

// A file that misses the form would replace the page, and what was typed on it.
if (pickers.length) {
  document.addEventListener("dragover", (event) => { if (hasFiles(event.dataTransfer)) event.preventDefault(); });
  document.addEventListener("drop", (event) => { if (hasFiles(event.dataTransfer)) event.preventDefault(); });
}
