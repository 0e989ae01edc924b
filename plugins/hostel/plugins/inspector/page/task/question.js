// What a task asks, as a form in its panel.
//
// Events come in while one writes, so the form is an island (see dom.js) and made once for each question. When
// the question is over before one has sent the answer, what one wrote stays to be read until one puts it away.

import { ask, now, taskPath } from "../lib/api.js";
import { $, glyph, h, island, setText, toast } from "../lib/dom.js";
import { formOf } from "../lib/form.js";
import { duration } from "../lib/format.js";
import { ACTOR } from "./dialogs.js";

const LONGEST = 16_000;
const TOO_LATE = new Set(["stale-question", "asks-nothing", "question-withdrawn", "task-finished"]);

export class Asking {
  element = h("section", { class: "asking", "aria-label": "Question", hidden: true });
  #now = null;
  #past = null;

  constructor(on) {
    this.on = on;
  }

  // Show what the task of `record` asks, if anything; `history` tells who has answered. What stands for it in
  // the panel is the answer.
  show(record, history) {
    const { question } = record;
    if (this.#now && this.#now.question.id !== question?.id && !this.#now.isSending) this.#end(history);
    if (question && !this.#now) this.#begin(record, question);
    if (this.#now) this.#now.record = record;
    this.#draw();
    return island(this.element);
  }

  leave() {
    this.#now = this.#past = null;
    this.element.replaceChildren();
  }

  focus() {
    this.#now?.form.focus();
  }

  #begin(record, question) {
    const form = formOf(schemaOf(question));
    const since = h("time");
    const send = h("button", { class: "button primary", data: { verb: "answer" } }, "Answer");
    const element = h("form", { novalidate: true, class: "question" },
      h("h3", {}, glyph("i-ask", "icon"), h("b", {}, "Needs you"), since),
      h("p", { class: "message" }, question.message), form.element,
      h("div", { class: "buttons" }, send));
    const asked = { record, question, form, since, send, element, isSending: false };
    element.onsubmit = (event) => {
      event.preventDefault();
      this.#answer(asked);
    };
    element.onkeydown = (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element.requestSubmit();
    };
    this.element.append(element);
    this.#now = asked;
  }

  #draw() {
    this.element.hidden = !this.#now && !this.#past;
    if (!this.#now) return;
    const { question, since, send, isSending } = this.#now;
    setText(since, `${duration(now() - question.asked_at)} ago`);
    send.disabled = isSending || !this.on.canAct();
    setText(send, isSending ? "Sending" : "Answer");
  }

  async #answer(asked) {
    const read = asked.form.read();
    if (read === null || asked.isSending || !this.on.canAct()) return;
    asked.isSending = asked.wasTried = true;
    this.#draw();
    const value = asked.question.schema === null ? read.answer : read;
    try {
      await ask(taskPath(asked.record, "/answer"), { value, question_id: asked.question.id, actor: ACTOR });
      asked.isAnswered = true;
      toast("Answered");
      if (asked.element.contains(document.activeElement)) this.on.answered();
    } catch (error) {
      if (TOO_LATE.has(error.kind)) asked.form.refuse(null, `Too late: ${error.message}.`);
      else asked.form.refusedBy(error);
    }
    asked.isSending = false;
    if (this.#now === asked) this.on.draw();
  }

  #end(history) {
    const over = this.#now;
    this.#now = null;
    if (over.isAnswered || !(over.form.isTouched || over.wasTried)) return over.element.remove();
    this.#past?.remove();
    const by = history.findLast((event) => event.type === "answered" && event.seq > over.record.seq)?.actor;
    const away = h("button", { type: "button", class: "button", onclick: () => this.#putAway() }, "Put it away");
    over.element.onsubmit = (event) => event.preventDefault();
    over.element.classList.add("over");
    $(".buttons", over.element).replaceChildren(away);
    $("h3 b", over.element).replaceChildren("No longer asked");
    over.since.replaceChildren();
    $("h3", over.element).after(h("p", { class: "wrong", role: "alert" }, by ? `Answered by ${by} meanwhile. What you wrote was not sent.` : "What you wrote was not sent."));
    for (const input of over.element.querySelectorAll("input, textarea, select")) input.readOnly = true;
    for (const input of over.element.querySelectorAll("select, [type=radio], [type=checkbox]")) input.disabled = true;
    this.#past = over.element;
    return this.element.prepend(over.element);
  }

  #putAway() {
    this.#past.remove();
    this.#past = null;
    this.#draw();
    this.on.answered();
  }
}

function schemaOf({ schema, choices }) {
  if (choices) return { properties: { answer: { title: "Your answer", enum: choices } }, required: ["answer"] };
  if (!schema) return { properties: { answer: { title: "Your answer", type: "string", maxLength: LONGEST } }, required: ["answer"] };
  const properties = Object.entries(schema.properties).map(([name, described]) => [name, { type: "string", ...described }]);
  return { ...schema, properties: Object.fromEntries(properties) };
}
