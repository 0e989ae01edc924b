// One value of a row as a panel describes it. Values come from plugins: what is not of the form that its column
// says is shown as text, and texts are never markup.

import { h } from "../lib/dom.js";
import { bytes, fine, moment } from "../lib/format.js";
import { write } from "../lib/router.js";

const LONG = 160;

const TONES = {
  running: ["running", "downloading", "in_progress", "resolving", "verifying", "finalizing", "sending", "started", "active", "working"],
  pending: ["pending", "queued", "validating", "new", "scheduled"],
  waiting: ["waiting", "asking", "paused", "retrying", "blocked"],
  cancel_requested: ["cancel_requested", "cancelling", "stopping"],
  completed: ["completed", "complete", "done", "succeeded", "ready", "ok", "finished", "fine"],
  failed: ["failed", "error", "failure", "broken", "crashed"],
  cancelled: ["cancelled", "canceled", "expired", "stopped", "skipped"],
  abandoned: ["abandoned", "lost", "gone"],
};
const TONE_OF = new Map(Object.entries(TONES).flatMap(([tone, words]) => words.map((word) => [word, tone])));
const UNDER_WAY = new Set(["running", "pending", "waiting", "cancel_requested"]);

const isObject = (value) => typeof value === "object" && value !== null;

// The value at a path such as "guest.task", null if there is none.
export function at(row, path) {
  let value = row;
  for (const step of path.split(".")) {
    if (!isObject(value) || !Object.hasOwn(value, step)) return null;
    value = value[step];
  }
  return value ?? null;
}

export function textOf(value) {
  if (value === null || value === undefined) return "";
  return isObject(value) ? JSON.stringify(value) : String(value);
}

// Tell whether what the row stands for goes on, by its first column that is a state.
export function isUnderWay(panel, row) {
  const column = panel.columns.find((one) => one.format === "state");
  return column !== undefined && UNDER_WAY.has(toneOf(at(row, column.field)));
}

const toneOf = (value) => TONE_OF.get(textOf(value).toLowerCase());

const numeric = (show) => (value) => (Number.isFinite(value) ? show(value) : textOf(value));

const FORMATS = {
  text: textOf,
  lines,
  number: numeric((value) => value.toLocaleString("en", { maximumFractionDigits: 2 })),
  bytes: numeric(bytes),
  rate: numeric((value) => `${bytes(value)}/s`),
  duration: numeric(fine),
  moment: numeric((value) => (Math.abs(value) < 8.64e12 ? moment(value) : String(value))),
  share: numeric(bar),
  state: (value) => h("span", { class: "word", data: { state: toneOf(value) ?? "" } }, textOf(value).replaceAll("_", " ")),
  task: link,
};

const RIGHT = new Set(["number", "bytes", "rate", "duration"]);

export const isFigure = (format) => RIGHT.has(format);

// What a cell shows: an element or a text. `go(place)` opens a task.
export function content(column, row, go) {
  const value = at(row, column.field);
  if (value === null || value === "") return "";
  return formatOf(column)(value, column, row, go);
}

// The page's own tables may bring a function.
function formatOf({ format }) {
  if (typeof format === "function") return format;
  return Object.hasOwn(FORMATS, format) ? FORMATS[format] : textOf;
}

function lines(value) {
  const text = textOf(value).trimEnd();
  const first = text.split("\n", 1)[0];
  if (first === text && text.length <= LONG) return text;
  return h("details", { class: "more-lines" }, h("summary", {}, first.slice(0, LONG)), h("pre", {}, text));
}

function bar(value) {
  const part = Math.min(1, Math.max(0, value));
  const fill = h("i");
  fill.style.width = `${part * 100}%`;
  return h("span", { class: "share" }, h("span", { class: "bar" }, fill), h("b", {}, `${Math.floor(part * 100)} %`));
}

function link(value, column, row, go) {
  const session = column.session_field === null ? null : at(row, column.session_field);
  if (session === null) return textOf(value);
  return taskLink(textOf(session), textOf(value), textOf(value), go);
}

// A link that opens a task.
export function taskLink(session, id, words, go) {
  const place = { view: "tasks", path: [session, id] };
  const onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(place);
  };
  return h("a", { href: write(place), onclick }, words);
}
