// All tasks the page knows, as a tree by session, and which of them the filters let through. No DOM here.

import { LIVE, doing } from "../lib/format.js";

const LINGER = 20;

export const keyOf = (session, id) => `${session}\u0000${id}`;

export const keyOfRecord = (record) => keyOf(record.session_id, record.id);

// A runtime that starts again counts anew: numbers compare within one host only.
const isOld = (record, known) => known && known.host_id === record.host_id && known.seq >= record.seq;

export class Store {
  tasks = new Map();
  sessions = new Map();
  hidden = new Map();
  folded = new Set();
  filter = { text: [], states: new Set(), kind: "", stuckAfter: 300 };
  counts = {};
  kinds = new Map();
  #seen = null;

  apply(type, event) {
    const record = event.record;
    if (!record) return null;
    if (type === "transferred") this.#remove(keyOf(event.from_session_id, record.id));
    const key = keyOfRecord(record);
    const known = this.tasks.get(key);
    if (isOld(record, known)) return null;
    this.#put(key, record, known);
    return record;
  }

  beginSnapshot() {
    this.#seen = null;
  }

  applyPart(part) {
    this.#seen ??= new Set();
    for (const record of part.items) {
      const key = keyOfRecord(record);
      this.#seen.add(key);
      const known = this.tasks.get(key);
      if (!isOld(record, known)) this.#put(key, record, known);
    }
    if (!part.complete) return;
    for (const key of this.tasks.keys()) if (!this.#seen.has(key)) this.#remove(key);
    this.#seen = null;
  }

  #put(key, record, known) {
    this.tasks.set(key, record);
    if (known && known.parent_task_id === record.parent_task_id) return;
    let session = this.sessions.get(record.session_id);
    if (!session) this.sessions.set(record.session_id, (session = { id: record.session_id, since: record.created_at, keys: new Set() }));
    session.keys.add(key);
  }

  #remove(key) {
    const record = this.tasks.get(key);
    if (!record) return;
    this.tasks.delete(key);
    const session = this.sessions.get(record.session_id);
    session.keys.delete(key);
    if (!session.keys.size) this.sessions.delete(session.id);
  }

  isStuck(record, now) {
    return LIVE.has(record.state) && now - record.updated_at > this.filter.stuckAfter;
  }

  // The rows to show, in order: a heading for each session, below it its tasks as a tree.
  rows(now) {
    this.counts = { live: 0, stuck: 0, all: this.tasks.size };
    this.kinds = new Map();
    const rows = [];
    const sessions = [...this.sessions.values()].sort((a, b) => b.since - a.since || (a.id < b.id ? -1 : 1));
    for (const session of sessions) this.#sessionRows(session, now, rows);
    return rows;
  }

  #sessionRows(session, now, rows) {
    const tally = {};
    const shown = new Set();
    const children = new Map();
    let matches = 0;
    let stuck = 0;
    for (const key of session.keys) {
      const record = this.tasks.get(key);
      this.#count(record, now, tally);
      if (this.isStuck(record, now)) stuck += 1;
      if (!this.#matches(record, now)) continue;
      matches += 1;
      for (let above = key; above && !shown.has(above); above = this.#parentOf(above)) shown.add(above);
    }
    const heading = { kind: "session", key: `s\u0000${session.id}`, session: session.id, tally, stuck, matches, hidden: this.hidden.get(session.id) || 0 };
    if (!matches) return;
    rows.push(heading);
    if (this.folded.has(heading.key)) return;
    for (const key of shown) {
      const parent = this.#parentOf(key);
      const place = parent && shown.has(parent) ? parent : "";
      if (!children.has(place)) children.set(place, []);
      children.get(place).push(this.tasks.get(key));
    }
    const top = (children.get("") || []).sort((a, b) => b.created_at - a.created_at || b.seq - a.seq);
    this.#treeRows(top, children, now, rows);
  }

  #treeRows(top, children, now, rows) {
    const stack = top.reverse().map((record) => [record, 1]);
    while (stack.length) {
      const [record, depth] = stack.pop();
      const key = keyOfRecord(record);
      const below = children.get(key) || [];
      const folded = this.folded.has(key);
      rows.push({ kind: "task", key, record, depth, below: below.length, folded, stuck: this.isStuck(record, now), context: !this.#matches(record, now) });
      if (folded) continue;
      below.sort((a, b) => b.created_at - a.created_at || b.seq - a.seq);
      for (const child of below) stack.push([child, depth + 1]);
    }
  }

  #parentOf(key) {
    const record = this.tasks.get(key);
    if (record.parent_task_id === null || record.parent_task_id === record.id) return null;
    const parent = keyOf(record.session_id, record.parent_task_id);
    const above = this.tasks.get(parent);
    return above && above.created_at <= record.created_at ? parent : null;
  }

  #count(record, now, tally) {
    tally[record.state] = (tally[record.state] || 0) + 1;
    this.counts[record.state] = (this.counts[record.state] || 0) + 1;
    this.kinds.set(record.kind, (this.kinds.get(record.kind) || 0) + 1);
    if (LIVE.has(record.state)) this.counts.live += 1;
    if (this.isStuck(record, now)) this.counts.stuck += 1;
  }

  #matches(record, now) {
    const { text, states, kind } = this.filter;
    if (kind && record.kind !== kind) return false;
    if (!this.#matchesState(record, states, now)) return false;
    if (!text.length) return true;
    const hay = `${record.label}\n${record.id}\n${record.session_id}\n${record.kind}\n${record.producer}\n${doing(record)}`.toLowerCase();
    return text.every((word) => hay.includes(word));
  }

  #matchesState(record, states, now) {
    if (states.has("all") || states.has(record.state)) return true;
    if (states.has("stuck") && this.isStuck(record, now)) return true;
    if (states.size && !states.has("live")) return false;
    return LIVE.has(record.state) || now - record.completed_at < LINGER;
  }

  find(session, id) {
    return this.tasks.get(keyOf(session, id)) ?? { id, session_id: session };
  }

  // The tasks below one, however deep, as a request to stop reaches them: also below those that have ended, and
  // in other sessions if only one live task there can be meant.
  below(record) {
    const children = new Map();
    for (const task of this.tasks.values()) {
      const parent = this.#parentRecord(task);
      if (!parent) continue;
      if (!children.has(parent)) children.set(parent, []);
      children.get(parent).push(task);
    }
    const found = new Set();
    const waiting = [this.tasks.get(keyOfRecord(record))];
    while (waiting.length) {
      for (const child of children.get(waiting.pop()) ?? []) {
        if (child.id === record.id && child.session_id === record.session_id) continue;
        if (!found.has(child)) waiting.push(child);
        found.add(child);
      }
    }
    return [...found];
  }

  #parentRecord(task) {
    if (task.parent_task_id === null) return null;
    const near = this.tasks.get(keyOf(task.session_id, task.parent_task_id));
    return near ?? this.#onlyLive(task.parent_task_id);
  }

  #onlyLive(id) {
    const live = [...this.sessions.keys()].map((session) => this.tasks.get(keyOf(session, id))).filter((task) => task && LIVE.has(task.state));
    return live.length === 1 ? live[0] : null;
  }
}
