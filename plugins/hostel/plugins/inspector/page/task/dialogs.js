// Asking twice before a task is cancelled or handed over.

import { ask, taskPath } from "../lib/api.js";
import { $, h, toast } from "../lib/dom.js";
import { plural, title } from "../lib/format.js";

const ACTOR = "inspector page";

function closeOutside(event) {
  if (event.target === this) this.close("");
}

function askFor(heading, fields, verb, kind) {
  const dialog = $("#dialog");
  return new Promise((done) => {
    const form = h("form", { method: "dialog" },
      h("h2", {}, heading), ...fields,
      h("div", { class: "buttons" },
        h("button", { type: "button", class: "button", onclick: () => dialog.close("") }, "Leave it"),
        h("button", { class: `button ${kind}`, value: "yes", data: { verb } }, verb)));
    dialog.replaceChildren(form);
    dialog.returnValue = "";
    dialog.onclick = closeOutside;
    dialog.onclose = () => done(dialog.returnValue === "yes");
    dialog.showModal();
    form.querySelector("input")?.focus();
  });
}

export async function cancel(record, below) {
  const reason = h("input", { type: "text", maxlength: "500", placeholder: "kept with the task", autocomplete: "off" });
  const cascade = h("input", { type: "checkbox", checked: true });
  const fields = [
    h("p", {}, h("b", {}, title(record)), `in ${record.session_id} is asked to stop.`),
    h("label", { class: "field" }, "Why", reason),
    below > 0 && h("label", { class: "check" }, cascade, `and the ${plural(below, "task")} below it`),
  ].filter(Boolean);
  if (!(await askFor("Cancel this task?", fields, "Cancel the task", "danger"))) return;
  const body = { reason: reason.value.trim() || null, cascade: cascade.checked, actor: ACTOR };
  await attempt(() => ask(taskPath(record, "/cancel"), body), "Asked to stop");
}

export async function transfer(record, sessions) {
  const names = h("datalist", { id: "sessions" }, ...sessions.filter((id) => id !== record.session_id).map((id) => h("option", { value: id })));
  const target = h("input", { type: "text", required: true, list: "sessions", maxlength: "512", placeholder: "a session, old or new", autocomplete: "off", spellcheck: "false" });
  const fields = [
    h("p", {}, h("b", {}, title(record)), `leaves ${record.session_id} and goes on running.`),
    h("label", { class: "field" }, "To session", target), names,
  ];
  if (!(await askFor("Hand this task over?", fields, "Transfer", "primary"))) return;
  await attempt(() => ask(taskPath(record, "/transfer"), { session_id: target.value }), `Moved to ${target.value}`);
}

async function attempt(act, done) {
  try {
    await act();
    toast(done);
  } catch (error) {
    toast(error.message, true);
  }
}

export function showKeys() {
  const keys = [["/", "find"], ["↑ ↓  j k", "move"], ["← →", "fold, unfold"], ["Enter", "open the task"], ["c", "cancel it"], ["t", "transfer it"], ["s", "timeline of its session"], ["1 2 3 …", "the views, from the left"], ["Esc", "close"]];
  const dialog = $("#dialog");
  dialog.onclose = null;
  dialog.onclick = closeOutside;
  dialog.replaceChildren(h("form", { method: "dialog" }, h("h2", {}, "Keys"),
    h("dl", { class: "keylist" }, ...keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("div", { class: "buttons" }, h("button", { class: "button primary" }, "Close"))));
  dialog.showModal();
}

export function askToken(onToken) {
  const dialog = $("#dialog");
  const token = h("input", { type: "password", required: true, autocomplete: "off", placeholder: "token" });
  const form = h("form", { method: "dialog" },
    h("h2", {}, "This runtime is locked"),
    h("p", {}, "Whoever answers at this address does not know the token of this page, or the page has none. Open the link that ", h("code", {}, "hostel serve"), " printed, or enter the token: it is in ", h("code", {}, "HOSTEL_TOKEN"), " or in the card of the runtime."),
    h("label", { class: "field" }, "Token", token),
    h("div", { class: "buttons" }, h("button", { class: "button primary", value: "yes" }, "Unlock")));
  dialog.replaceChildren(form);
  dialog.onclick = null;
  dialog.oncancel = (event) => event.preventDefault();
  dialog.onclose = () => {
    dialog.oncancel = null;
    onToken(token.value.trim());
  };
  if (!dialog.open) dialog.showModal();
}
