// All tasks the page knows, and the rows that show those the filters let through. What a change of one task
// touches is changed and no more: counts at once, matches when the rows are asked for, and the rows of a session
// only if one came, went or moved there. What changes by time alone waits in a queue of moments. No DOM here.

import { LIVE } from "../lib/format.js";
import { EVERYTHING, hayOf, isAsking, lingersUntil, matches } from "./matching.js";
import { Moments } from "./moments.js";
import { Node, Session, Tree, keyOf, keyOfRecord } from "./tree.js";

export { keyOf, keyOfRecord };

// A host forgets what has ended without a word; so does the page, of more than these.
const KEPT = 20_000;

// A runtime that starts again counts anew: numbers compare within one host only.
const isOld = (record, known) => known && known.host_id === record.host_id && known.seq >= record.seq;

export class Store {
  tasks = new Map();
  sessions = new Map();
  asking = new Map();
  hidden = new Map();
  folded = new Set();
  filter = EVERYTHING;
  counts = { live: 0, warned: 0, asking: 0, all: 0 };
  kinds = new Map();
  #tree = new Tree();
  #changed = new Set();
  #moments = new Moments();
  #ended = new Set();
  #seen = null;
  #order = null;
  #rows = null;

  apply(type, event) {
    const record = event.record;
    if (!record) return null;
    if (type === "transferred") this.#leave(keyOf(event.from_session_id, record.id), record);
    if (isOld(record, this.tasks.get(keyOfRecord(record)))) return null;
    this.#put(record);
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
      if (!isOld(record, this.tasks.get(key))) this.#put(record);
    }
    if (!part.complete) return;
    for (const key of [...this.tasks.keys()]) if (!this.#seen.has(key)) this.#remove(this.#tree.nodes.get(key));
    this.#seen = null;
  }

  // What the server says of sessions: since when there is something in them, and how much of it is hidden.
  describe(sessions) {
    this.hidden = new Map(sessions.map((session) => [session.id, session.hidden]));
    for (const { id, first_activity: since } of sessions) {
      const known = this.sessions.get(id);
      if (!known || known.since === since) continue;
      known.since = since;
      this.#order = this.#rows = null;
    }
  }

  // What looks wrong, all of it: takes the place of what was said before.
  warn(lints) {
    const said = Map.groupBy(lints, (lint) => keyOf(lint.session_id, lint.task_id));
    for (const node of this.#tree.nodes.values()) {
      const of = said.get(node.key);
      if (!of && !node.lints) continue;
      this.#warn(node, of && LIVE.has(node.record.state) ? of : null);
    }
  }

  lintsOf(record) {
    return this.#tree.nodes.get(keyOfRecord(record))?.lints ?? [];
  }

  choose({ text, states, kind }) {
    const old = this.filter;
    if (old.kind === kind && old.text.join() === text.join() && [...old.states].join() === [...states].join()) return;
    this.filter = { text, states, kind };
    for (const node of this.#tree.nodes.values()) this.#changed.add(node);
  }

  fold(row, isFolded) {
    this.folded[isFolded ? "add" : "delete"](row.key);
    this.#reshape(row.kind === "session" ? this.sessions.get(row.session) : this.#tree.nodes.get(row.key)?.session);
  }

  // The rows to show, in order: a heading for each session, below it its tasks as a tree. The same array as
  // before if none came, went or moved.
  rows(now) {
    for (const node of this.#changed) this.#look(node, now);
    this.#changed.clear();
    for (const node of this.#moments.due(now)) this.#look(node, now);
    this.#order ??= [...this.sessions.values()].sort((a, b) => b.since - a.since || (a.id < b.id ? -1 : 1));
    const shown = this.#order.filter((session) => session.matches);
    shown.forEach((session, place) => {
      const { tally, matches, warned } = session;
      Object.assign(session.heading, { tally, matches, warned, hidden: this.hidden.get(session.id) || 0, place: place + 1, of: shown.length });
    });
    this.#rows ??= shown.flatMap((session) => (session.rows ??= this.#rowsOf(session)));
    return this.#rows;
  }

  find(session, id) {
    return this.tasks.get(keyOf(session, id)) ?? { id, session_id: session };
  }

  // The tasks that a request to stop a task reaches besides it.
  below(record) {
    return this.#tree.below(record, (task) => LIVE.has(task.state));
  }

  #put(record) {
    const key = keyOfRecord(record);
    const known = this.#tree.nodes.get(key);
    const old = known?.record;
    const stays = known && old.parent_task_id === record.parent_task_id && old.created_at === record.created_at;
    if (known && !stays) this.#remove(known);
    const node = stays ? known : this.#add(record);
    if (stays) this.#count(node, -1);
    node.record = node.row.record = record;
    node.hay = null;
    this.tasks.set(key, record);
    this.#count(node, 1);
    this.#changed.add(node);
    if (LIVE.has(record.state)) this.#ended.delete(node);
    else this.#end(node);
  }

  #add(record) {
    let session = this.sessions.get(record.session_id);
    if (!session) {
      this.sessions.set(record.session_id, (session = new Session(record.session_id, record.created_at)));
      this.#order = null;
    }
    const node = new Node(record, session);
    this.#tree.add(node);
    this.#reshape(session); // what waited for it is below it now
    return node;
  }

  #end(node) {
    this.#warn(node, null);
    this.#ended.add(node);
    if (this.#ended.size > KEPT) this.#remove(this.#ended.values().next().value);
  }

  #leave(key, record) {
    const node = this.#tree.nodes.get(key);
    if (node && !(node.record.host_id === record.host_id && node.record.seq > record.seq)) this.#remove(node);
  }

  #remove(node) {
    this.#warn(node, null);
    this.#count(node, -1);
    if (node.matches) this.#tree.setMatches(node, false);
    this.#tree.remove(node);
    this.tasks.delete(node.key);
    this.#changed.delete(node);
    this.#ended.delete(node);
    this.#reshape(node.session);
    if (node.session.size) return;
    this.sessions.delete(node.session.id);
    this.#order = null;
  }

  #warn(node, lints) {
    const step = Number(Boolean(lints)) - Number(Boolean(node.lints));
    node.lints = node.row.lints = lints;
    this.counts.warned += step;
    node.session.warned += step;
    if (step) this.#changed.add(node);
  }

  #count({ record, session }, step) {
    const { state, kind } = record;
    session.tally[state] = (session.tally[state] || 0) + step;
    this.counts[state] = (this.counts[state] || 0) + step;
    this.counts.all += step;
    if (LIVE.has(state)) this.counts.live += step;
    if (isAsking(record)) this.#ask(record, step);
    const left = (this.kinds.get(kind) || 0) + step;
    if (left) this.kinds.set(kind, left);
    else this.kinds.delete(kind);
  }

  #ask(record, step) {
    this.counts.asking += step;
    if (step > 0) this.asking.set(keyOfRecord(record), record);
    else this.asking.delete(keyOfRecord(record));
  }

  // See whether a task matches now, and when to look again if only time changes that.
  #look(node, now) {
    if (node.isGone) return;
    const hay = () => (node.hay ??= hayOf(node.record));
    const isMatch = matches(node.record, Boolean(node.lints), hay, this.filter, now);
    const until = lingersUntil(node.record, this.filter);
    if (isMatch && until !== null && until > now && until !== node.until) {
      this.#moments.add(until, node);
      node.until = until;
    }
    if (isMatch === node.matches) return;
    this.#tree.setMatches(node, isMatch);
    this.#reshape(node.session);
  }

  #reshape(session) {
    if (session) session.rows = null;
    this.#rows = null;
  }

  #rowsOf(session) {
    const rows = [session.heading];
    if (this.folded.has(session.heading.key)) return rows;
    const stack = [];
    pile(stack, session, 1);
    while (stack.length) {
      const node = stack.pop();
      const { row } = node;
      row.folded = this.folded.has(node.key);
      row.context = !node.matches;
      rows.push(row);
      row.below = pile(row.folded ? [] : stack, node, row.depth + 1);
    }
    return rows;
  }
}

// Put what is shown below something on the stack, the first on top; return how many there are.
function pile(stack, above, depth) {
  const shown = above.below.filter((node) => node.within);
  for (let place = shown.length - 1; place >= 0; place -= 1) {
    Object.assign(shown[place].row, { depth, place: place + 1, of: shown.length });
    stack.push(shown[place]);
  }
  return shown.length;
}
