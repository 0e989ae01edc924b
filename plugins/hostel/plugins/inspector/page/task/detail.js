// One task in full: facts, its life as a strip, its timeline, its children.

import { ask, now, taskPath } from "../lib/api.js";
import { $, glyph, h, patch, shape, toast } from "../lib/dom.js";
import { LIVE, STATES, clock, doing, duration, fine, moment, plural, progressText, share, title, whatFailed, whoAndWhy } from "../lib/format.js";
import { keyOfRecord } from "../tasks/store.js";
import { LAST_EVENTS, kept } from "./history.js";
import { Message } from "./message.js";
import { Output } from "./output.js";
import { Asking } from "./question.js";

export class Detail {
  #panel = $("#detail");
  #history = [];
  #children = [];
  #ask = 0;
  #why = "";

  constructor(on) {
    this.on = on;
    this.record = null;
    this.asking = new Asking({ canAct: on.canAct, draw: () => this.draw(), answered: on.answered });
    this.message = new Message({ canAct: on.canAct });
    this.output = new Output({ isLive: on.isLive });
  }

  get isOpen() {
    return this.record !== null;
  }

  shows(session, id) {
    return this.record !== null && this.record.session_id === session && this.record.id === id;
  }

  // Go to the form of what the task asks, once it is drawn.
  focusQuestion() {
    requestAnimationFrame(() => this.asking.focus());
  }

  // Open a task, of which no more may be known than its id and its session.
  open(record) {
    this.record = record;
    this.#history = [];
    this.#children = [];
    this.#why = "";
    this.#leaveParts();
    this.#panel.replaceChildren();
    this.#panel.scrollTop = 0;
    this.#panel.hidden = false;
    document.body.classList.add("has-detail");
    this.draw();
    this.load();
  }

  // Ask for what the events so far have not told.
  async load() {
    if (!this.record || !this.on.isLive()) return;
    const asked = (this.#ask += 1);
    try {
      const found = await ask(taskPath(this.record));
      if (asked !== this.#ask || !this.record) return;
      this.#history = found.history;
      this.#children = found.children;
      if (!(found.seq <= this.record.seq)) this.record = found;
    } catch (error) {
      if (asked !== this.#ask) return;
      this.#why = error.message;
    }
    this.draw();
  }

  close() {
    this.#ask += 1;
    this.record = null;
    this.#leaveParts();
    this.#panel.hidden = true;
    document.body.classList.remove("has-detail");
  }

  #leaveParts() {
    for (const part of [this.asking, this.message, this.output]) part.leave();
  }

  take(type, event) {
    if (!this.record || !event.record) return;
    const record = event.record;
    const mine = record.id === this.record.id && [record.session_id, event.from_session_id].includes(this.record.session_id);
    if (mine) {
      this.record = record;
      if (!this.#history.length || this.#history.at(-1).seq < event.seq) this.#history = kept(this.#history.concat(event));
    } else if (record.parent_task_id === this.record.id) {
      this.#children = [...this.#children.filter((child) => keyOfRecord(child) !== keyOfRecord(record)), record];
    } else return;
    this.draw();
  }

  #asked = false;

  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      if (this.record) this.#draw(this.record);
    });
  }

  #draw(record) {
    const fresh = this.#panel.cloneNode(false);
    fresh.dataset.state = record.state;
    if (record.state === undefined) return patch(this.#panel, this.#unknown(fresh, record));
    fresh.append(
      this.#topLine(record),
      this.#head(record),
      this.asking.show(record, this.#history),
      this.#trouble(record),
      this.#progress(record),
      this.#facts(record),
      this.#result(record),
      this.output.show(record),
      this.message.show(record),
      this.#family(record),
      this.#life(record),
      this.#timeline(record),
    );
    return patch(this.#panel, fresh);
  }

  // The address names a task that nobody has told of yet.
  #unknown(panel, record) {
    panel.append(this.#topLine(record), h("header", {}, h("h2", {}, record.id)), this.#why ? h("div", { class: "box failure" }, this.#why) : h("div", { class: "doing" }, "asking for it"));
    return panel;
  }

  #topLine(record) {
    return h("div", { class: "head-line" },
      h("span", { class: "state", data: { state: record.state } }, record.state && glyph(`g-${record.state}`), STATES[record.state]),
      h("button", { type: "button", class: "ghost close", "aria-label": "Close", title: "Close (Esc)", onclick: () => this.on.close() }, glyph("i-close", "icon")));
  }

  #head(record) {
    const live = LIVE.has(record.state);
    const act = (name, words, kind) => h("button", { type: "button", class: kind, disabled: !this.on.canAct(), onclick: () => this.on.act(name, this.record) }, words);
    return h("header", {},
      h("h2", { title: title(record) }, title(record)),
      h("button", { type: "button", class: "copy", title: "Copy the id", onclick: () => this.#copy(record.id) }, h("code", {}, record.id), glyph("i-copy", "icon")),
      live && h("div", { class: "buttons" },
        act("transfer", "Transfer…", "button"),
        record.state !== "cancel_requested" && act("cancel", "Cancel…", "button danger")),
    );
  }

  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied");
    } catch {
      toast("The browser does not let this page copy", true);
    }
  }

  #trouble(record) {
    const boxes = h("div");
    if (record.cancel_actor || record.cancel_reason) {
      const asked = this.#history.find((event) => event.type === "cancel_requested");
      boxes.append(h("div", { class: "box cancel" },
        h("b", {}, record.state === "cancelled" ? "Cancelled" : "Asked to stop"),
        record.cancel_actor && h("span", {}, ` by ${record.cancel_actor}`),
        asked && h("time", {}, clock(asked.at)),
        record.cancel_reason && h("p", {}, record.cancel_reason)));
    }
    if (record.failure) {
      boxes.append(h("div", { class: "box failure" },
        h("b", {}, record.state === "abandoned" ? "Abandoned" : "Failed"), h("span", {}, ` ${record.failure.kind.replace("_", " ")}`),
        h("p", {}, whatFailed(record.failure)),
        record.failure.traceback && h("details", {}, h("summary", {}, "Traceback"), h("pre", {}, record.failure.traceback))));
    }
    return boxes;
  }

  #progress(record) {
    if (!LIVE.has(record.state) || !record.progress) return h("div", { class: "doing" });
    const part = share(record.progress);
    const fill = h("i");
    if (part !== null) fill.style.width = `${part * 100}%`;
    return h("div", { class: "doing" },
      h("div", { class: "line" }, h("span", { class: "text" }, doing({ ...record, question: null })), part !== null && h("b", {}, `${Math.floor(part * 100)} %`)),
      record.progress.done !== null && h("span", { class: part === null ? "bar endless" : "bar" }, fill),
      record.progress.message && h("small", {}, progressText(record.progress)));
  }

  // A strip from creation to now or the end: how long the task was in each state.
  #life(record) {
    const end = record.completed_at ?? now();
    const spans = spansOf(record, this.#history, end);
    const strip = h("div", { class: "strip", "aria-hidden": "true" });
    for (const span of spans) {
      const part = h("i", { data: { state: span.state }, title: `${STATES[span.state]} for ${fine(span.seconds)}` });
      part.style.flexGrow = 1000 * Math.max(span.seconds, 0.001);
      strip.append(part);
    }
    const legend = spans.filter((span) => LIVE.has(span.state)).map((span) => h("span", { data: { state: span.state } }, `${STATES[span.state]} `, h("b", {}, fine(span.seconds))));
    return h("section", { class: "life" }, h("h3", {}, "Life"), strip, h("div", { class: "legend" }, ...legend));
  }

  #facts(record) {
    const quiet = record.completed_at === null ? `${duration(now() - record.updated_at)} ago` : null;
    const attempt = record.attempt;
    const counted = attempt.attempt - attempt.interruptions;
    const parent = record.parent_task_id !== null && h("button", { type: "button", class: "link-button", onclick: () => this.on.openId(record.session_id, record.parent_task_id) }, this.on.nameOf(record.session_id, record.parent_task_id));
    const facts = [
      ["Session", record.session_id], ["Kind", record.kind], ["Producer", record.producer], ["Parent", parent],
      ["Its own session", record.child_session_id],
      ["Attempt", attempt.max_attempts > 1 || counted > 1 ? `${counted} of ${Math.max(counted, attempt.max_attempts)}` : null],
      ["Interrupted", attempt.interruptions ? plural(attempt.interruptions, "time") : null],
      ["Key", attempt.idempotency_key], ["When cancelled", record.cancel_policy.replace("_", " ")],
      ["When its session closes", record.close_policy], ["Created", moment(record.created_at)], ["Started", record.started_at === null ? null : moment(record.started_at)],
      ["Ended", moment(record.completed_at)], ["Last sign", quiet],
    ];
    const list = h("dl", { class: "facts" });
    for (const [name, value] of facts) if (value) list.append(h("div", {}, h("dt", {}, name), h("dd", {}, value)));
    return list;
  }

  #result(record) {
    const result = record.result;
    if (!result) return h("div");
    const value = result.value !== null && h("details", {}, h("summary", {}, "Value"), h("pre", {}, JSON.stringify(result.value, null, 2).slice(0, 20_000)));
    return h("div", { class: "box result" }, h("b", {}, "Result"), result.summary && h("p", {}, result.summary), value);
  }

  #family(record) {
    if (!this.#children.length) return h("div");
    const rows = this.#children.toSorted((a, b) => a.created_at - b.created_at).map((child) =>
      h("li", {}, h("button", { type: "button", class: "link-button", data: { state: child.state }, onclick: () => this.on.openRecord(child) }, glyph(`g-${child.state}`), h("span", {}, title(child)), h("small", {}, STATES[child.state]))));
    return h("section", { class: "family" }, h("h3", {}, "Started by it"), h("ul", {}, ...rows));
  }

  #timeline(record) {
    const steps = stepsOf(this.#history.slice(-LAST_EVENTS));
    if (!steps.length) return h("div");
    const isWhole = this.#history[0].type === "registered";
    const rows = steps.toReversed().map((step) => {
      const { event } = step;
      const name = event.type === "state_changed" ? event.record.state : event.type;
      return h("li", { data: { state: event.record.state, type: event.type } },
        glyph(`g-${name}`),
        h("div", {}, h("b", {}, headline(step)), wordsOf(step) && h("p", {}, wordsOf(step)), step.points.length > 2 && spark(step.points)),
        h("time", { title: moment(event.at) }, `+${fine(event.at - record.created_at)}`));
    });
    if (!isWhole) rows.push(h("li", { class: "gap" }, h("div", {}, "What happened before is no longer kept.")));
    return h("section", { class: "timeline" }, h("h3", {}, "Timeline"), h("ol", {}, ...rows));
  }
}

function spansOf(record, history, end) {
  const spans = [];
  let at = record.created_at;
  let state = "pending";
  for (const event of history) {
    if (!event.record || event.type === "progress") continue;
    if (event.type === "registered") state = event.record.state;
    else if (event.record.state !== state) {
      spans.push({ state, seconds: event.at - at });
      [at, state] = [event.at, event.record.state];
    }
  }
  if (!history.length) state = record.state;
  if (LIVE.has(state) || !spans.length) spans.push({ state, seconds: end - at });
  return spans;
}

// Progress in a row is one step, with the shares it reported.
function stepsOf(history) {
  const steps = [];
  for (const event of history) {
    if (!event.record) continue;
    const last = steps.at(-1);
    if (event.type === "progress" && last && last.event.type === "progress") {
      last.event = event;
      last.count += 1;
      last.points.push(share(event.record.progress) ?? 0);
    } else steps.push({ event, count: 1, points: event.type === "progress" ? [share(event.record.progress) ?? 0] : [] });
  }
  return steps;
}

function headline({ event, count }) {
  if (event.type === "state_changed") return STATES[event.record.state];
  if (event.type === "cancel_requested") return "asked to stop";
  if (event.type === "answered") return event.actor ? `answered by ${event.actor}` : "answered";
  if (event.type === "progress") return count > 1 ? `progress, ${count} times` : "progress";
  return event.type;
}

function wordsOf({ event }) {
  const record = event.record;
  if (event.type === "registered") return `in ${event.session_id}`;
  if (event.type === "transferred") return `from ${event.from_session_id} to ${event.session_id}`;
  if (event.type === "cancel_requested") return whoAndWhy(record);
  if (event.type === "interrupted") return "its host stopped; it goes on with the next";
  if (event.type === "answered") return "";
  if (event.type === "state_changed") return record.question?.message ?? `was ${STATES[event.previous]}`;
  if (event.type === "progress") return [record.progress?.message, progressText(record.progress)].filter(Boolean).join(" · ");
  return doing(record) === event.type ? "" : doing(record).replace(/^cancelled /, "");
}

function spark(points) {
  const [width, height] = [240, 22];
  const step = width / (points.length - 1);
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const line = points.map((point, place) => `${(place * step).toFixed(1)},${(height - 2 - ((point - low) / (high - low || 1)) * (height - 4)).toFixed(1)}`).join(" ");
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, class: "spark", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(shape("polyline", { points: line }));
  return svg;
}
