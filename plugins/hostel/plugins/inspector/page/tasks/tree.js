// The tasks of all sessions as trees, changed piece by piece. A node knows how many matching tasks there are in
// its tree, itself among them: it is shown if there is one. A parent stands above only what was created after it,
// so that no circle can arise whatever records say. No DOM here.

export const keyOf = (session, id) => `${session}\u0000${id}`;

export const keyOfRecord = (record) => keyOf(record.session_id, record.id);

const isBefore = (a, b) => a.created_at < b.created_at || (a.created_at === b.created_at && a.id < b.id);

const newestFirst = (a, b) => (isBefore(b.record, a.record) ? -1 : 1);

// What has children: a task, or a session.
class Above {
  #below = null;
  #order = null;

  add(node) {
    this.#below ??= new Set();
    this.#below.add(node);
    this.#order = null;
  }

  delete(node) {
    this.#below.delete(node);
    this.#order = null;
  }

  get below() {
    if (!this.#below?.size) return [];
    this.#order ??= [...this.#below].sort(newestFirst);
    return this.#order;
  }
}

export class Session extends Above {
  tally = {};
  matches = 0;
  warned = 0;
  size = 0;
  rows = null;

  constructor(id, since) {
    super();
    this.id = id;
    this.since = since;
    this.heading = { kind: "session", key: `s\u0000${id}`, session: id, depth: 0 };
  }
}

export class Node extends Above {
  parent = null;
  matches = false;
  within = 0;
  lints = null;
  until = null;
  hay = null;
  isGone = false;

  constructor(record, session) {
    super();
    this.record = record;
    this.session = session;
    this.key = keyOfRecord(record);
    this.row = { kind: "task", key: this.key, record };
  }
}

export class Tree {
  nodes = new Map();
  #byParent = new Map(); // id of the parent → session → nodes

  // Take a node in, and below it those that waited for it.
  add(node) {
    this.nodes.set(node.key, node);
    node.session.size += 1;
    const { id, parent_task_id: parent, session_id: session } = node.record;
    if (parent !== null) this.#named(parent, session).add(node);
    this.#attach(node);
    for (const child of [...this.#namedIn(id, session)]) this.#move(child);
  }

  remove(node) {
    const { id, parent_task_id: parent, session_id: session } = node.record;
    this.nodes.delete(node.key);
    node.isGone = true;
    node.session.size -= 1;
    this.#detach(node);
    if (parent !== null) this.#unname(parent, session, node);
    for (const child of [...this.#namedIn(id, session)]) this.#move(child);
  }

  setMatches(node, matches) {
    const step = Number(matches) - Number(node.matches);
    node.matches = matches;
    node.session.matches += step;
    for (let at = node; at; at = at.parent) at.within += step;
  }

  // The tasks below one, however deep, as a request to stop reaches them: also below those that have ended, and
  // in other sessions if only one live task there can be meant.
  below(record, isLive) {
    const found = new Set();
    const waiting = [this.nodes.get(keyOfRecord(record))];
    while (waiting.length) {
      const node = waiting.pop();
      if (!node) continue;
      for (const child of this.#told(node, isLive)) {
        if (child.key === keyOfRecord(record) || found.has(child)) continue;
        found.add(child);
        waiting.push(child);
      }
    }
    return [...found].map((node) => node.record);
  }

  *#told(node, isLive) {
    const { id, session_id: home } = node.record;
    let only;
    for (const [session, children] of this.#byParent.get(id) ?? []) {
      if (session === home) yield* children;
      else if (!this.nodes.has(keyOf(session, id)) && (only ??= this.#onlyLive(id, isLive)) === node) yield* children;
    }
  }

  #onlyLive(id, isLive) {
    let found = null;
    for (const node of this.nodes.values()) {
      if (node.record.id !== id || !isLive(node.record)) continue;
      if (found) return false;
      found = node;
    }
    return found ?? false;
  }

  #named(parent, session) {
    if (!this.#byParent.has(parent)) this.#byParent.set(parent, new Map());
    const sessions = this.#byParent.get(parent);
    if (!sessions.has(session)) sessions.set(session, new Set());
    return sessions.get(session);
  }

  #namedIn(parent, session) {
    return this.#byParent.get(parent)?.get(session) ?? [];
  }

  #unname(parent, session, node) {
    const sessions = this.#byParent.get(parent);
    const nodes = sessions.get(session);
    nodes.delete(node);
    if (!nodes.size) sessions.delete(session);
    if (!sessions.size) this.#byParent.delete(parent);
  }

  #parentOf({ record }) {
    const { parent_task_id: parent, session_id: session } = record;
    const above = parent === null ? undefined : this.nodes.get(keyOf(session, parent));
    return above && isBefore(above.record, record) ? above : null;
  }

  #move(node) {
    if (this.#parentOf(node) === node.parent) return;
    this.#detach(node);
    this.#attach(node);
  }

  #attach(node) {
    node.parent = this.#parentOf(node);
    (node.parent ?? node.session).add(node);
    for (let at = node.parent; at; at = at.parent) at.within += node.within;
  }

  #detach(node) {
    (node.parent ?? node.session).delete(node);
    for (let at = node.parent; at; at = at.parent) at.within -= node.within;
    node.parent = null;
  }
}
