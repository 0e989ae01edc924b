// Starting a task of a kind that may be started from outside: a dialog with a form of what the kind takes.

import { ask } from "../lib/api.js";
import { $, h, toast } from "../lib/dom.js";
import { formOf } from "../lib/form.js";

const MORE = "further parameters";
const PRIORITIES = ["interactive", "normal", "batch", "idle"];
const DEFAULT_SESSION = "inspector";

// Ask what to start, and start it: the record of the task, or null if one leaves it. `sessions` are those there
// are, the first of them the likeliest.
export async function startTask(sessions) {
  let kinds;
  try {
    kinds = (await ask("kinds")).items;
  } catch (error) {
    toast(error.message, true);
    return null;
  }
  if ($("#dialog").open) return null;
  return new Promise((done) => show(kinds, sessions, done));
}

function show(kinds, sessions, done) {
  const dialog = $("#dialog");
  const place = formOf(placeSchema(sessions));
  const summary = h("p", { class: "about", id: "kind-summary" });
  const room = h("div", { class: "params" });
  const select = h("select", { id: "start-kind", "aria-describedby": "kind-summary" }, ...kinds.map((kind) => h("option", { value: kind.name }, kind.name)));
  const start = h("button", { class: "button primary", data: { verb: "start" }, disabled: !kinds.length }, "Start");
  const element = h("form", { novalidate: true, class: "start" }, h("h2", { id: "dialog-title" }, "Start a task"),
    kinds.length ? h("div", { class: "form" }, h("div", { class: "field" }, h("label", { for: "start-kind" }, h("span", { class: "name" }, "Kind")), select, summary)) : h("p", {}, "No plugin offers a kind of task that may be started from outside."),
    room, kinds.length > 0 && place.element,
    h("div", { class: "buttons" }, h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Leave it"), start));
  let params = null;
  let found = null;
  const choose = () => {
    const kind = kinds.find((one) => one.name === select.value);
    summary.replaceChildren(h("span", {}, kind?.summary ?? ""));
    params = formOf(paramsSchema(kind?.params ?? {}));
    room.replaceChildren(params.element);
  };
  select.onchange = choose;
  choose();
  element.onsubmit = async (event) => {
    event.preventDefault();
    const given = params.read();
    const where = place.read();
    if (given === null || where === null || start.disabled) return;
    start.disabled = true;
    const { [MORE]: more = {}, ...named } = given;
    try {
      found = await ask("tasks", { kind: select.value, params: { ...more, ...named }, ...where });
      dialog.close();
    } catch (error) {
      (error.kind === "invalid-params" ? params : place).refusedBy(error);
    }
    start.disabled = false;
  };
  dialog.replaceChildren(element);
  dialog.onclick = null; // a click beside it must not lose what one wrote
  dialog.onclose = () => {
    done(found);
    dialog.replaceChildren();
  };
  dialog.showModal();
  select.focus();
}

function placeSchema(sessions) {
  return {
    properties: {
      session_id: { title: "Session", type: "string", default: sessions[0] ?? DEFAULT_SESSION, examples: sessions, maxLength: 512 },
      label: { title: "Label", type: "string", maxLength: 200 },
      priority: { title: "Priority", enum: PRIORITIES, default: "normal" },
    },
    required: ["session_id", "priority"],
  };
}

function paramsSchema(params) {
  if (!params.additionalProperties) return params;
  const more = { title: "Further parameters", description: "A JSON object", type: "object" };
  return { ...params, properties: { ...params.properties, [MORE]: more } };
}
