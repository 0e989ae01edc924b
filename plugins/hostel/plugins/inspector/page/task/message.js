// Sending a task a message, as text or as JSON.

import { ask, taskPath } from "../lib/api.js";
import { h, island, toast } from "../lib/dom.js";
import { formOf } from "../lib/form.js";
import { LIVE } from "../lib/format.js";

const LONGEST = 60_000;

export class Message {
  #box = h("details", {}, h("summary", {}, "Send a message"));
  element = h("section", { class: "message-box", "aria-label": "Message", hidden: true }, this.#box);
  #form = null;
  #send = null;
  #record = null;

  constructor(on) {
    this.on = on;
    this.#clear();
  }

  // Show the box for a task that may take messages; what stands for it in the panel is the answer.
  show(record) {
    this.#record = record;
    this.element.hidden = !LIVE.has(record.state) || record.cancel_policy === "external";
    this.#send.disabled = !this.on.canAct();
    return island(this.element);
  }

  leave() {
    this.#box.open = false;
    this.#clear();
  }

  // Open the box and go into it.
  focus() {
    if (this.element.hidden || !this.element.isConnected) return;
    this.#box.open = true;
    this.#form.focus();
  }

  #clear() {
    const properties = { message: { title: "Message", type: "string", maxLength: LONGEST }, json: { title: "It is JSON", type: "boolean", default: false } };
    const kept = this.#box.contains(document.activeElement);
    this.#form = formOf({ properties, required: ["message"] });
    this.#send = h("button", { class: "button", data: { verb: "send" } }, "Send");
    const element = h("form", { novalidate: true }, this.#form.element, h("div", { class: "buttons" }, h("small", {}, "Enter sends, Shift+Enter begins a line"), this.#send));
    element.onsubmit = (event) => {
      event.preventDefault();
      this.#post(this.#form);
    };
    element.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.target.matches("textarea")) return;
      event.preventDefault();
      element.requestSubmit();
    };
    this.#box.lastElementChild.matches("form") ? this.#box.lastElementChild.replaceWith(element) : this.#box.append(element);
    if (kept) this.#form.focus();
  }

  async #post(form) {
    const read = form.read();
    if (read === null || this.#send.disabled) return;
    const { value, wrong } = read.json ? parsed(read.message) : { value: read.message };
    if (wrong) return form.refuse("message", wrong);
    this.#send.disabled = true;
    try {
      await ask(taskPath(this.#record, "/messages"), { message: value });
      toast("Sent");
      if (form === this.#form) this.#clear();
    } catch (error) {
      form.refuse(null, error.message);
    }
    this.#send.disabled = !this.on.canAct();
  }
}

function parsed(text) {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { wrong: 'This is no JSON: texts stand in quotes, as in {"name": "value"}.' };
  }
}
