// Asking twice before a task is cancelled or handed over.

import { ask, taskPath } from "../lib/api.js";
import { $, h, toast } from "../lib/dom.js";
import { plural, title } from "../lib/format.js";
import { hasKeys, setKeys } from "../lib/keys.js";

export const ACTOR = "inspector page";

const SESSIONS = 3;

// Names the dialog, see index.html.
export const heading = (words) => h("h2", { id: "dialog-title" }, words);

function closeOutside(event) {
  if (event.target === this) this.close("");
}

export function askFor(words, fields, verb, kind) {
  const dialog = $("#dialog");
  return new Promise((done) => {
    const form = h("form", { method: "dialog" },
      heading(words), ...fields,
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

// Which tasks a request reaches besides those it is for, and where they are.
export function reach(below, what = "them") {
  const sessions = [...new Set(below.map((record) => record.session_id))];
  const where = sessions.length > SESSIONS ? plural(sessions.length, "session") : sessions.join(", ");
  return `and the ${plural(below.length, "task")} below ${what}, in ${where}`;
}

// Ask before a task is cancelled, and the tasks `below` it.
export async function cancel(record, below) {
  const reason = h("input", { type: "text", maxlength: "500", placeholder: "kept with the task", autocomplete: "off" });
  const cascade = h("input", { type: "checkbox", checked: true });
  const fields = [
    h("p", {}, h("b", {}, title(record)), `in ${record.session_id} is asked to stop.`),
    h("label", { class: "field" }, "Why", reason),
    below.length > 0 && h("label", { class: "check" }, cascade, reach(below, "it")),
  ].filter(Boolean);
  if (!(await askFor("Cancel this task?", fields, "Cancel the task", "danger"))) return;
  const body = { reason: reason.value.trim() || null, cascade: cascade.checked, actor: ACTOR };
  await attempt(() => ask(taskPath(record, "/cancel"), body), "Asked to stop");
}

export function targetField(sessions) {
  const list = h("datalist", { id: "sessions" }, ...sessions.map((id) => h("option", { value: id })));
  const target = h("input", { type: "text", required: true, list: "sessions", maxlength: "512", placeholder: "a session, old or new", autocomplete: "off", spellcheck: "false" });
  return { target, list };
}

export async function transfer(record, sessions) {
  const { target, list } = targetField(sessions.filter((id) => id !== record.session_id));
  const fields = [
    h("p", {}, h("b", {}, title(record)), `leaves ${record.session_id} and goes on running.`),
    h("label", { class: "field" }, "To session", target), list,
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

// Say something that is too long for a moment's notice.
export function say(words, content) {
  const dialog = $("#dialog");
  dialog.onclose = null;
  dialog.onclick = closeOutside;
  dialog.replaceChildren(h("form", { method: "dialog" }, heading(words), ...content, h("div", { class: "buttons" }, h("button", { class: "button primary" }, "Close"))));
  if (!dialog.open) dialog.showModal();
}

export function showKeys() {
  const keys = [["/", "find"], ["↑ ↓  j k", "move"], ["← →", "fold, unfold"], ["Enter", "open the task"], ["n", "start a task"], ["a", "answer what needs you"], ["m", "send it a message"], ["x", "select it; Shift+x, Shift+↑ ↓, Shift+click: several; Ctrl+a: all shown"], ["c", "cancel it, or what is selected"], ["t", "transfer it, or what is selected"], ["s", "timeline of its session"], ["1 2 3 …", "the views, from the left"], ["Esc", "clear the selection, close"]];
  const single = h("input", { type: "checkbox", checked: hasKeys(), onchange: () => setKeys(single.checked) });
  say("Keys", [
    h("dl", { class: "keylist" }, ...keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("label", { class: "check" }, single, "Keys that are a single character do something"),
  ]);
}

export function askToken(onToken) {
  const dialog = $("#dialog");
  const token = h("input", { type: "password", required: true, autocomplete: "off", placeholder: "token" });
  const form = h("form", { method: "dialog" },
    heading("This runtime is locked"),
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
