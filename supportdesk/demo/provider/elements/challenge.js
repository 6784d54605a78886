/* In the 3-D Secure box: says what somebody chose. */
(() => {
  "use strict";
  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || !event.ports.length) return;
    const [port] = event.ports;
    port.onmessage = ({ data: { amount, currency } }) => {
      const money = new Intl.NumberFormat("en", { style: "currency", currency });
      const decimals = money.resolvedOptions().maximumFractionDigits;
      document.getElementById("amount").textContent = money.format(amount / 10 ** decimals);
    };
    for (const button of document.querySelectorAll("button")) {
      button.addEventListener("click", () => port.postMessage({ success: button.value === "true" }), { once: true });
    }
    document.querySelector("button").focus();
  }, { once: true });
})();
