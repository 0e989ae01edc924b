// A random history told to the store of the page and to a plain one that counts everything anew; returns the
// first difference between what the two show, or null. Called as a function of the seed in the page itself.
async (seed) => {
  const { Store } = await import("/page/tasks/store.js");
  const LIVE = ["pending", "running", "waiting", "cancel_requested"];
  const STATES = [...LIVE, "completed", "failed", "cancelled", "abandoned"];
  const LINGER = 20;

  let state = seed;
  const random = (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
  const pick = (items) => items[random(items.length)];
  const keyOf = (session, id) => `${session}\u0000${id}`;

  const plain = { tasks: new Map(), since: new Map(), hidden: new Map(), lints: new Map(), folded: new Set(), filter: { text: [], states: new Set(), kind: "" } };
  const store = new Store();
  let now = 1000;
  let seq = 0;

  const record = (session = pick(["a", "b", "c"]), id = `t${random(9)}`) => {
    const known = plain.tasks.get(keyOf(session, id));
    const created = known && random(8) ? known.created_at : now - random(5);
    const is = pick(STATES);
    return {
      id, session_id: session, host_id: random(30) ? "h1" : "h2", seq: random(6) ? (seq += 1) : random(seq + 1),
      kind: pick(["x", "y"]), producer: "p", label: pick(["", "red", "green"]), state: is,
      parent_task_id: known && random(8) ? known.parent_task_id : pick([null, `t${random(9)}`]),
      created_at: created, updated_at: now, completed_at: LIVE.includes(is) ? null : now - random(30),
      progress: null, result: null, failure: null, question: random(2) ? { message: "?" } : null, cancel_reason: null, cancel_actor: null,
    };
  };

  const drop = (key) => {
    const gone = plain.tasks.get(key);
    if (!gone) return;
    plain.tasks.delete(key);
    plain.lints.delete(key);
    if (![...plain.tasks.values()].some((task) => task.session_id === gone.session_id)) plain.since.delete(gone.session_id);
  };
  const isOld = (task, known) => known && known.host_id === task.host_id && known.seq >= task.seq;
  const take = (task) => {
    const key = keyOf(task.session_id, task.id);
    const known = plain.tasks.get(key);
    if (isOld(task, known)) return;
    if (known && (known.parent_task_id !== task.parent_task_id || known.created_at !== task.created_at)) drop(key);
    plain.tasks.set(key, task);
    if (!plain.since.has(task.session_id)) plain.since.set(task.session_id, task.created_at);
    if (!LIVE.includes(task.state)) plain.lints.delete(key);
  };

  const OPS = [
    ...Array(12).fill(() => {
      const task = record();
      take(task);
      store.apply("state_changed", { record: task });
    }),
    () => {
      const task = record();
      const from = pick(["a", "b", "c"]);
      const left = plain.tasks.get(keyOf(from, task.id));
      if (left && !(left.host_id === task.host_id && left.seq > task.seq)) drop(keyOf(from, task.id));
      take(task);
      store.apply("transferred", { record: task, from_session_id: from });
    },
    () => {
      const items = [...plain.tasks.values()].filter(() => random(10)).concat(Array.from({ length: random(4) }, () => record()));
      const keys = new Set(items.map((task) => keyOf(task.session_id, task.id)));
      store.beginSnapshot();
      const half = random(items.length + 1);
      for (const task of items) take(task);
      for (const key of [...plain.tasks.keys()]) if (!keys.has(key)) drop(key);
      store.applyPart({ items: items.slice(0, half), complete: false });
      store.applyPart({ items: items.slice(half), complete: true });
    },
    () => {
      const lints = [...plain.tasks.values()].filter(() => !random(4)).map((task) => ({ lint: "silent", task_id: task.id, session_id: task.session_id, since: now, text: "" }));
      plain.lints = new Map(lints.map((lint) => [keyOf(lint.session_id, lint.task_id), lint]).filter(([key]) => LIVE.includes(plain.tasks.get(key).state)));
      store.warn(lints);
    },
    () => {
      plain.filter = { text: pick([[], [], ["red"], ["t1"]]), kind: pick(["", "", "x"]), states: new Set(pick([[], [], ["all"], ["failed"], ["warned"], ["asking", "running"], ["live", "failed"]])) };
      store.choose(plain.filter);
    },
    () => {
      const session = pick(["a", "b", "c"]);
      const row = random(2) ? { kind: "session", session, key: `s\u0000${session}` } : { kind: "task", key: keyOf(session, `t${random(9)}`) };
      const isFolded = Boolean(random(2));
      plain.folded[isFolded ? "add" : "delete"](row.key);
      store.fold(row, isFolded);
    },
    () => {
      const items = ["a", "b", "c"].map((id) => ({ id, hidden: random(3), first_activity: random(100) }));
      plain.hidden = new Map(items.map((item) => [item.id, item.hidden]));
      for (const item of items) if (plain.since.has(item.id)) plain.since.set(item.id, item.first_activity);
      store.describe(items);
    },
    () => {
      now += random(25);
    },
  ];

  const isAsking = (task) => task.state === "waiting" && Boolean(task.question);
  const keyIn = (task) => keyOf(task.session_id, task.id);
  const before = (a, b) => a.created_at < b.created_at || (a.created_at === b.created_at && a.id < b.id);
  const newest = (a, b) => (before(b, a) ? -1 : 1);

  const passes = (task) => {
    const { text, states, kind } = plain.filter;
    if (kind && task.kind !== kind) return false;
    const hay = `${task.label}\n${task.id}`;
    if (!text.every((word) => hay.includes(word))) return false;
    if (states.has("all") || states.has(task.state)) return true;
    if (states.has("warned") && plain.lints.has(keyIn(task))) return true;
    if (states.has("asking") && isAsking(task)) return true;
    if (states.size && !states.has("live")) return false;
    return LIVE.includes(task.state) || now < task.completed_at + LINGER;
  };
  const parentOf = (task) => {
    const above = plain.tasks.get(keyOf(task.session_id, task.parent_task_id));
    return above && before(above, task) ? above : null;
  };
  const tally = (tasks, of) => {
    const counts = {};
    for (const task of tasks) counts[of(task)] = (counts[of(task)] || 0) + 1;
    return counts;
  };

  function recounted() {
    const tasks = [...plain.tasks.values()];
    const counts = { ...tally(tasks, (task) => task.state), all: tasks.length, live: tasks.filter((task) => LIVE.includes(task.state)).length, warned: plain.lints.size, asking: tasks.filter(isAsking).length };
    const rows = [];
    const sessions = [...plain.since].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([id]) => id);
    const shownSessions = sessions.filter((id) => tasks.some((task) => task.session_id === id && passes(task)));
    shownSessions.forEach((id, place) => {
      const mine = tasks.filter((task) => task.session_id === id);
      const hits = mine.filter(passes);
      const warned = mine.filter((task) => plain.lints.has(keyIn(task))).length;
      rows.push(["session", id, tally(mine, (task) => task.state), hits.length, warned, plain.hidden.get(id) || 0, place + 1, shownSessions.length]);
      if (plain.folded.has(`s\u0000${id}`)) return;
      const shown = new Set();
      for (const hit of hits) for (let at = hit; at; at = parentOf(at)) shown.add(at);
      const list = (parent, depth) => {
        const level = [...shown].filter((task) => parentOf(task) === parent).sort(newest);
        level.forEach((task, at) => {
          const folded = plain.folded.has(keyIn(task));
          const below = [...shown].filter((child) => parentOf(child) === task).length;
          rows.push(["task", keyIn(task), task.seq, depth, below, folded, !passes(task), plain.lints.has(keyIn(task)), at + 1, level.length]);
          if (!folded) list(task, depth + 1);
        });
      };
      list(null, 1);
    });
    return { counts, kinds: tally(tasks, (task) => task.kind), rows };
  }

  function kept() {
    const rows = store.rows(now).map((row) =>
      row.kind === "session"
        ? ["session", row.session, row.tally, row.matches, row.warned, row.hidden, row.place, row.of]
        : ["task", row.key, row.record.seq, row.depth, row.below, row.folded, row.context, Boolean(row.lints), row.place, row.of]);
    return { counts: store.counts, kinds: Object.fromEntries(store.kinds), rows };
  }

  const sorted = (value) =>
    JSON.stringify(value, (_, part) => (part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).filter(([, n]) => n !== 0).sort()) : part));

  for (let step = 0; step < 400; step += 1) {
    pick(OPS)();
    if (random(3)) continue;
    const [wanted, got] = [sorted(recounted()), sorted(kept())];
    if (wanted !== got) return { step, wanted, got };
  }
  return null;
}
