// Asking several tasks to stop, or handing them over: a question that names all it reaches, then the requests,
// and in the end what did not work. Handing over is all or none for each session; requests to stop go one by one.

import { ask, taskPath } from "../lib/api.js";
import { h, toast } from "../lib/dom.js";
import { plural, title } from "../lib/format.js";
import { keyOfRecord } from "../tasks/tree.js";
import { ACTOR, askFor, reach, say, targetField } from "./dialogs.js";

const AT_ONCE = 4;
const NAMED = 8;

// `below(record)` are the tasks a request reaches besides; `progress.say(words)` tells how far it is.
export async function cancelAll(records, below, progress) {
  const under = new Map(records.flatMap((record) => below(record).map((task) => [keyOfRecord(task), task])));
  const chosen = new Set(records.map(keyOfRecord));
  const more = [...under.values()].filter((task) => !chosen.has(keyOfRecord(task)));
  const reason = h("input", { type: "text", maxlength: "500", placeholder: "kept with each task", autocomplete: "off" });
  const cascade = h("input", { type: "checkbox", checked: true });
  const fields = [
    h("p", {}, `${plural(records.length, "task")} in ${sessionsOf(records)} ${records.length === 1 ? "is" : "are"} asked to stop.`),
    names(records),
    h("label", { class: "field" }, "Why", reason),
    more.length > 0 && h("label", { class: "check" }, cascade, reach(more)),
  ].filter(Boolean);
  if (!(await askFor(`Cancel ${plural(records.length, "task")}?`, fields, "Cancel them", "danger"))) return;
  const body = { reason: reason.value.trim() || null, cascade: cascade.checked, actor: ACTOR };
  const tops = records.filter((record) => !under.has(keyOfRecord(record)));
  const asked = cascade.checked && tops.length ? tops : records;
  const refused = await each(asked, (record) => ask(taskPath(record, "/cancel"), body), progress);
  tell(refused, `Asked ${plural(records.length, "task")} to stop`, `${refused.length} of ${plural(asked.length, "request")} to stop did not work`);
}

export async function transferAll(records, sessions, progress) {
  const { target, list } = targetField(sessions);
  const fields = [
    h("p", {}, `${plural(records.length, "task")} ${records.length === 1 ? "leaves" : "leave"} ${sessionsOf(records)} and ${records.length === 1 ? "goes" : "go"} on running. Of each session all go, or none.`),
    names(records),
    h("label", { class: "field" }, "To session", target), list,
  ];
  if (!(await askFor(`Hand ${plural(records.length, "task")} over?`, fields, "Transfer", "primary"))) return;
  const bySession = [...Map.groupBy(records, (record) => record.session_id)].filter(([session]) => session !== target.value);
  const groups = bySession.map(([session, tasks]) => ({ label: plural(tasks.length, "task"), id: session, session_id: session, tasks }));
  const refused = await each(groups, (group) => ask("transfer", { from_session_id: group.id, session_id: target.value, task_ids: group.tasks.map((task) => task.id) }), progress);
  const left = refused.reduce((sum, { item }) => sum + item.tasks.length, 0);
  tell(refused, `Moved ${plural(records.length, "task")} to ${target.value}`, `${plural(left, "task")} stayed where they were`);
}

// Do it to each, a few at once; return what was refused and why.
async function each(items, act, progress) {
  const refused = [];
  const left = items.values();
  let done = 0;
  const work = async () => {
    for (const item of left) {
      await act(item).catch((error) => error.kind !== "task-finished" && refused.push({ item, why: error.message }));
      done += 1;
      if (items.length > AT_ONCE) progress.say(`${done.toLocaleString("en")} of ${items.length.toLocaleString("en")} asked`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  progress.say("");
  return refused;
}

function tell(refused, done, failed) {
  if (!refused.length) return toast(done);
  const rows = refused.slice(0, NAMED).map(({ item, why }) => h("li", {}, h("b", {}, title(item)), ` in ${item.session_id}: `, h("span", {}, why)));
  if (refused.length > NAMED) rows.push(h("li", {}, `and ${refused.length - NAMED} more`));
  return say(failed, [h("ul", { class: "refused" }, ...rows)]);
}

function sessionsOf(records) {
  const sessions = [...new Set(records.map((record) => record.session_id))];
  return sessions.length > 3 ? plural(sessions.length, "session") : sessions.join(", ");
}

const names = (records) =>
  h("p", { class: "names" }, h("b", {}, records.slice(0, NAMED).map(title).join(", ")), records.length > NAMED && `and ${records.length - NAMED} more`);
