// What one can do with a row or with a whole panel, as its plugin describes it: something to post, after a
// question or a form if it wants one, or a file to save. Paths were checked by the server; what a row fills in
// is one piece of an address and never more.

import { ask, download } from "../lib/api.js";
import { $, h, toast } from "../lib/dom.js";
import { formOf } from "../lib/form.js";
import { at, textOf } from "./cells.js";

const NOWHERE = new Set(["", ".", ".."]);

// The actions that are offered for a row.
export const offered = (panel, row) => panel.actions.filter((action) => action.scope === "row" && fits(action.when, row));

const fits = (when, row) => Object.entries(when).every(([field, values]) => values.includes(at(row, field)));

// Do it, with `done()` told when something may have changed. `row` is that of the action; for a whole panel it
// is what the panel's address says.
export async function start(action, row, done) {
  if (action.type === "save") return save(action, row);
  const post = async (values) => {
    const answer = await ask(action.path.replace(/^\/api\//, ""), { ...bodyOf(action, row), ...values });
    toast(typeof answer?.message === "string" && answer.message ? answer.message : `${action.title}: done`);
  };
  if (action.schema || action.confirm) await askFirst(action, post);
  else await post({}).catch((error) => toast(error.message, true));
  return done();
}

const bodyOf = (action, row) => Object.fromEntries(Object.entries(action.body).map(([name, field]) => [name, at(row, field)]));

// Ask with a dialog that stays open until the server has taken it; what it refuses is said there.
function askFirst(action, post) {
  const dialog = $("#dialog");
  const form = action.schema ? formOf(action.schema) : null;
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const send = h("button", { class: `button ${action.danger ? "danger" : "primary"}`, data: { verb: action.title } }, action.title);
  const heading = h("h2", { id: "dialog-title" }, action.title);
  const submit = async (event) => {
    event.preventDefault();
    const values = form ? form.read() : {};
    if (values === null || send.disabled) return;
    send.disabled = true;
    try {
      await post(values);
      dialog.close("yes");
    } catch (error) {
      if (form) form.refusedBy(error);
      else wrong.replaceChildren(error.message);
      wrong.hidden = form !== null;
    } finally {
      send.disabled = false;
    }
  };
  dialog.replaceChildren(h("form", { novalidate: true, onsubmit: submit }, heading, action.confirm && h("p", {}, action.confirm), form?.element, wrong,
    h("div", { class: "buttons" }, h("button", { type: "button", class: "button", onclick: () => dialog.close("") }, "Leave it"), send)));
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.returnValue = "";
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close("");
  };
  dialog.showModal();
  if (form) form.focus();
  else send.focus();
  return new Promise((done) => {
    dialog.onclose = () => done();
  });
}

async function save(action, row) {
  try {
    const address = filled(action.address, row, (text) => {
      if (NOWHERE.has(text)) throw new Error(`${action.title}: there is nothing to save for this`);
      return encodeURIComponent(text);
    });
    keep(await download(address.replace(/^\//, "")), filled(action.name, row, fileName));
  } catch (error) {
    toast(error.message, true);
  }
}

const filled = (template, row, shown) => template.replace(/\{([^{}]*)\}/g, (_, field) => shown(textOf(at(row, field))));

const fileName = (text) => text.replace(/[/\\:\p{Cc}\p{Cf}]/gu, "_");

function keep(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
