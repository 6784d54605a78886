/* In the card's frame: checks the fields, says how they stand, and pays. The number never leaves this origin. */
(() => {
  "use strict";
  const form = document.querySelector("form");
  const { number, expiry, cvc } = form.elements;
  const wrong = document.getElementById("wrong");
  const left = new Set(); // fields that somebody has been in and left: only those are told that they are incomplete
  let say = () => {};

  const BRANDS = [["amex", /^3[47]/, 15], ["mastercard", /^(5[1-5]|2[2-7])/, 16], ["visa", /^4/, 16]];
  const figures = (field) => field.value.replace(/\D/g, "");
  const brand = () => BRANDS.find(([, pattern]) => pattern.test(figures(number))) ?? ["unknown", null, 16];

  function luhn(text) {
    const sum = [...text].reverse().reduce((total, one, place) => {
      const value = place % 2 ? 2 * one : +one;
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    return sum % 10 === 0;
  }

  const error = (code, message) => ({ type: "validation_error", code, message });

  function numberWrong() {
    const text = figures(number);
    if (text.length < brand()[2]) return error("incomplete_number", "Your card number is incomplete.");
    return luhn(text) ? null : error("invalid_number", "Your card number is invalid.");
  }

  function expiryWrong() {
    const text = figures(expiry);
    if (text.length < 4) return error("incomplete_expiry", "Your card’s expiration date is incomplete.");
    const month = +text.slice(0, 2), year = 2000 + +text.slice(2), today = new Date();
    if (month < 1 || month > 12) return error("invalid_expiry_month", "Your card’s expiration date is invalid.");
    if (year < today.getFullYear()) return error("invalid_expiry_year_past", "Your card’s expiration year is in the past.");
    if (year > today.getFullYear() + 50) return error("invalid_expiry_year", "Your card’s expiration year is invalid.");
    const over = year === today.getFullYear() && month < today.getMonth() + 1;
    return over ? error("invalid_expiry_month_past", "Your card’s expiration date is in the past.") : null;
  }

  function cvcWrong() {
    const short = figures(cvc).length < (brand()[0] === "amex" ? 4 : 3);
    return short ? error("incomplete_cvc", "Your card’s security code is incomplete.") : null;
  }

  const checks = [[number, numberWrong], [expiry, expiryWrong], [cvc, cvcWrong]];

  /* What is wrong with each field; `all` also counts what was not touched yet. */
  function look(all) {
    return checks.map(([field, check]) => {
      const found = check();
      const early = found?.code.startsWith("incomplete_") && !all && !(left.has(field) && field.value);
      return [field, early ? null : found];
    });
  }

  function tell(all = false) {
    const seen = look(all);
    for (const [field, found] of seen) field.setAttribute("aria-invalid", String(Boolean(found)));
    const first = seen.find(([, found]) => found)?.[1];
    wrong.textContent = first?.message ?? "";
    const complete = checks.every(([, check]) => !check());
    const empty = checks.every(([field]) => !field.value);
    say({ kind: "change", event: { complete, empty, error: first, brand: brand()[0], value: { postalCode: "" } } });
    return first;
  }

  function shape(field) {
    const text = figures(field);
    if (field === number) {
      const groups = brand()[0] === "amex" ? /^(\d{1,4})(\d{1,6})?(\d{1,5})?/ : /^(\d{1,4})(\d{1,4})?(\d{1,4})?(\d{1,4})?(\d{1,3})?/;
      field.value = (text.match(groups) ?? []).slice(1).filter(Boolean).join(" ");
    } else if (field === expiry) {
      const full = /^[2-9]$/.test(text) ? `0${text}` : text.slice(0, 4);
      field.value = full.length > 2 ? `${full.slice(0, 2)} / ${full.slice(2)}` : full;
    } else {
      field.value = text.slice(0, 4);
    }
  }

  form.addEventListener("input", (event) => {
    const field = event.target;
    if (field.selectionStart === field.value.length) shape(field);
    tell();
  });
  form.addEventListener("focusin", () => say({ kind: "focus", event: {} }));
  form.addEventListener("focusout", (event) => {
    left.add(event.target);
    shape(event.target);
    tell();
    if (!form.contains(event.relatedTarget)) say({ kind: "blur", event: {} });
  });
  // Enter in a field is for the page's own button, as in Stripe's frame: nothing is sent from here.
  form.addEventListener("submit", (event) => event.preventDefault());

  async function ask(path, fields, method = "POST") {
    const sent = new URLSearchParams(fields);
    try {
      const response = method === "GET" ? await fetch(`${path}?${sent}`) : await fetch(path, { method, body: sent });
      return await response.json();
    } catch {
      return { error: { type: "api_connection_error", message: "We are experiencing issues connecting to our payments provider. Please check your internet connection and try again." } };
    }
  }

  function confirm(message, path, fields) {
    const found = tell(true);
    if (found) return { error: found };
    const data = "payment_method_data";
    fields[`${data}[type]`] = "card";
    fields[`${data}[card][number]`] = figures(number);
    fields[`${data}[card][exp_month]`] = figures(expiry).slice(0, 2);
    fields[`${data}[card][exp_year]`] = figures(expiry).slice(2);
    fields[`${data}[card][cvc]`] = figures(cvc);
    for (const name of ["name", "email", "phone"]) {
      if (message.billing[name]) fields[`${data}[billing_details][${name}]`] = message.billing[name];
    }
    return ask(`${path}/confirm`, fields);
  }

  async function answer(message) {
    const path = `/v1/payment_intents/${encodeURIComponent(message.secret.split("_secret_")[0])}`;
    const fields = { key: message.key, client_secret: message.secret };
    if (message.kind === "retrieve") return ask(path, fields, "GET");
    if (message.kind === "authenticate") return ask(`${path}/_authenticate`, { ...fields, success: String(message.success) });
    return confirm(message, path, fields);
  }

  async function heard({ data: message }) {
    if (message.id) say({ kind: "answer", id: message.id, body: await answer(message) });
    else if (message.kind === "focus") number.focus();
    else if (message.kind === "blur") document.activeElement?.blur();
    else if (message.kind === "clear") { form.reset(); left.clear(); tell(); }
    else if (message.kind === "options") for (const [field] of checks) field.disabled = message.disabled;
  }

  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || !event.ports.length) return;
    const [port] = event.ports;
    say = (message) => port.postMessage(message);
    port.onmessage = heard;
    new ResizeObserver(() => say({ kind: "size", height: Math.ceil(form.getBoundingClientRect().height) })).observe(form);
    say({ kind: "ready", event: {} });
  }, { once: true });
})();
