/* The surface of Stripe.js v3 that the desk uses, written from its documentation. The card's fields are in a frame of
   this script's own origin: no number touches the page around it. What is said between them goes through one port. */
(() => {
  "use strict";
  const origin = new URL(document.currentScript.src).origin;

  /* A frame, and the port to what runs in it. `heard` gets every message. */
  function open(page, title, heard) {
    const frame = document.createElement("iframe");
    const channel = new MessageChannel();
    frame.title = title;
    frame.src = `${origin}/v3/${page}`;
    frame.addEventListener("load", () => frame.contentWindow.postMessage("port", origin, [channel.port2]), { once: true });
    channel.port1.onmessage = (event) => heard(event.data);
    frame.style.border = "0";
    return { frame, say: (message) => channel.port1.postMessage(message) };
  }

  class CardElement {
    #listeners = {};
    #waiting = new Map();
    #count = 0;
    #part = null;
    #said = null;
    #options;

    constructor(options) { this.#options = options; }

    mount(where) {
      const node = typeof where === "string" ? document.querySelector(where) : where;
      if (!node) throw new Error(`The selector you specified (${where}) applies to no DOM elements that are currently on the page.`);
      if (this.#part) throw new Error("This Element has already been mounted.");
      this.#part = open("card.html", "Secure card payment input frame", (message) => this.#heard(message));
      // The frame leaves 3px around its fields for the ring of the one in focus; they line up with the page's own.
      Object.assign(this.#part.frame.style, { display: "block", inlineSize: "calc(100% + 6px)", blockSize: "79px", margin: "-3px" });
      this.#part.frame.dataset.provider = "card";
      node.replaceChildren(this.#part.frame);
      this.#part.say({ kind: "options", disabled: Boolean(this.#options.disabled) });
      return this;
    }

    on(event, listener) { (this.#listeners[event] ??= []).push(listener); return this; }
    off(event, listener) { this.#listeners[event] = (this.#listeners[event] ?? []).filter((one) => listener && one !== listener); return this; }
    once(event, listener) {
      const first = (said) => { this.off(event, first); listener(said); };
      return this.on(event, first);
    }
    update(options) { Object.assign(this.#options, options); this.#part?.say({ kind: "options", disabled: Boolean(this.#options.disabled) }); return this; }
    focus() { this.#part?.frame.focus(); this.#part?.say({ kind: "focus" }); }
    blur() { this.#part?.say({ kind: "blur" }); }
    clear() { this.#part?.say({ kind: "clear" }); }
    unmount() {
      for (const answer of this.#waiting.values()) answer({ error: { type: "validation_error", message: "The card field is gone." } });
      this.#waiting.clear();
      this.#part?.frame.remove();
      this.#part = null;
    }
    destroy() { this.unmount(); this.#listeners = {}; }

    /* For the script alone: asks the frame to confirm. The names are those of the request. */
    ask(message) {
      if (!this.#part) throw new Error("We could not retrieve data from the specified Element. Please make sure the Element you are attempting to use is still mounted.");
      return new Promise((answer) => {
        const id = ++this.#count;
        this.#waiting.set(id, answer);
        this.#part.say({ ...message, id });
      });
    }

    #heard(message) {
      if (message.kind === "answer") {
        this.#waiting.get(message.id)?.(message.body);
        this.#waiting.delete(message.id);
      } else if (message.kind === "size") {
        if (this.#part) this.#part.frame.style.blockSize = `${message.height}px`;
      } else {
        this.#said = { elementType: "card", ...message.event };
        for (const listener of [...(this.#listeners[message.kind] ?? [])]) listener(this.#said);
      }
    }
  }

  /* The 3-D Secure box, over the page. The page behind it cannot be reached until somebody decides. */
  function challenge(body) {
    return new Promise((decided) => {
      const before = document.activeElement;
      const behind = [...document.body.children].filter((one) => !one.inert);
      const part = open("challenge.html", "3-D Secure", (answer) => {
        part.frame.remove();
        for (const one of behind) one.inert = false;
        before?.focus?.();
        decided(answer);
      });
      Object.assign(part.frame.style, { position: "fixed", inset: "0", inlineSize: "100%", blockSize: "100%", zIndex: "2147483647" });
      part.frame.dataset.provider = "challenge";
      for (const one of behind) one.inert = true;
      document.body.append(part.frame);
      part.frame.focus();
      part.say(body);
    });
  }

  window.Stripe = (key) => {
    if (!/^pk_/.test(key ?? "")) throw new Error("Please call Stripe() with your publishable key. You used an empty string or another key.");
    const settle = (body) => body.error ? { error: body.error } : { paymentIntent: body };
    return {
      elements() {
        const made = {};
        return {
          create(kind, options = {}) {
            if (kind !== "card") throw new Error(`The stand-in has no Element ${kind}.`);
            return (made[kind] = new CardElement({ ...options }));
          },
          getElement: (kind) => made[kind] ?? null,
        };
      },
      async confirmCardPayment(secret, data = {}) {
        const method = data.payment_method ?? {};
        if (!(method.card instanceof CardElement)) throw new Error("The stand-in confirms with a card Element only.");
        const said = { key, secret, billing: method.billing_details ?? {} };
        const first = await method.card.ask({ kind: "confirm", ...said });
        if (first.status !== "requires_action") return settle(first);
        const { success } = await challenge({ amount: first.amount, currency: first.currency });
        const second = await method.card.ask({ kind: "authenticate", ...said, success });
        return settle(success || second.error ? second : { error: { ...second.last_payment_error, payment_intent: second } });
      },
      async retrievePaymentIntent(secret) {
        const asker = new CardElement({});
        const host = document.createElement("div");
        host.hidden = true;
        document.body.append(host);
        try {
          return settle(await asker.mount(host).ask({ kind: "retrieve", key, secret }));
        } finally {
          asker.destroy();
          host.remove();
        }
      },
    };
  };
})();
