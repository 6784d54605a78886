/* The provider's card field in our page: it takes the card, we learn whether it was paid. */
const form = document.getElementById("pay");
const error = document.getElementById("card-error");
const status = document.getElementById("card-status");
const button = form.querySelector("button[type=submit]");
const place = document.getElementById("card");

const begin = () => {
  const stripe = window.Stripe(form.dataset.key);
  const ink = getComputedStyle(place);
  const card = stripe.elements().create("card", {
    style: { base: { color: ink.color, fontSize: ink.fontSize, fontFamily: ink.fontFamily } },
  });
  card.mount("#card");
  delete place.dataset.loading;
  // What the fields say of themselves; leaving them empty takes no word back that paying has said.
  card.on("change", (event) => { if (event?.error || !event?.empty) error.textContent = event?.error?.message ?? ""; });
  let paid = false;
  form.addEventListener("submit", async (event) => {
    if (paid) return;
    event.preventDefault();
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    error.textContent = "";
    status.textContent = form.dataset.wait;
    try {
      const result = await stripe.confirmCardPayment(form.dataset.secret, {
        payment_method: { card, billing_details: { name: form.dataset.name } },
      });
      // Paid in another tab: the desk looks, and says what became of it.
      const elsewhere = result.error?.code === "payment_intent_unexpected_state";
      if (result.error && !elsewhere) {
        error.textContent = result.error.message;
      } else {
        paid = true;
        form.submit();
        return;
      }
    } catch {
      error.textContent = form.dataset.unknown;
    }
    status.textContent = "";
    button.removeAttribute("aria-busy");
    error.focus?.();
  });
};

if (window.Stripe) begin();
else {
  error.textContent = form.dataset.failed;
  form.addEventListener("submit", (event) => event.preventDefault());
}
