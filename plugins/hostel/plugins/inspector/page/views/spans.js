// Where the time of a session's tasks went, as values: the tree of its tasks, how long each was in which state,
// and what that adds up to. No DOM here.

const isLive = (record) => record.completed_at === null;

export const endOf = (record, now) => record.completed_at ?? Math.max(now, record.updated_at);

// The tasks in the order to show them: by their beginning, each followed by those it has started.
export function treeOf(records) {
  const known = new Map(records.map((record) => [record.id, record]));
  const children = new Map();
  const top = [];
  const byAge = records.toSorted((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
  for (const record of byAge) {
    const parent = known.get(record.parent_task_id);
    const isBelow = parent && parent !== record && parent.created_at <= record.created_at;
    if (!isBelow) top.push(record);
    else if (children.has(parent.id)) children.get(parent.id).push(record);
    else children.set(parent.id, [record]);
  }
  return flat(top, children, records.length);
}

function flat(top, children, count) {
  const rows = [];
  const seen = new Set();
  const stack = top.toReversed().map((record) => [record, 0]);
  while (stack.length && rows.length < count) {
    const [record, depth] = stack.pop();
    if (seen.has(record.id)) continue;
    seen.add(record.id);
    rows.push({ record, depth });
    for (const child of (children.get(record.id) ?? []).toReversed()) stack.push([child, depth + 1]);
  }
  return rows;
}

// What its history tells of the states of a task: `[{state, from}]`, the oldest first.
export function turnsOf(history) {
  const turns = [];
  for (const { record, at } of history) if (record && record.state !== turns.at(-1)?.state) turns.push({ state: record.state, from: at });
  return turns;
}

// How long a task was in which state: `[{state, from, to}]` from its creation to its end or now. Without turns it
// is known only when it was created, began and ended.
export function spansOf(record, turns, now) {
  const end = endOf(record, now);
  const began = record.started_at ?? (record.state === "pending" || !isLive(record) ? end : record.created_at);
  const spans = [{ state: "pending", from: record.created_at, to: Math.min(began, end) }];
  const during = (turns ?? []).filter((turn) => turn.from > began && turn.from < end && turn.state !== "pending");
  const first = (turns ?? []).findLast((turn) => turn.from <= began && turn.state !== "pending")?.state;
  let [state, from] = [first ?? (turns || !isLive(record) || record.state === "pending" ? "running" : record.state), began];
  for (const turn of during) {
    spans.push({ state, from, to: turn.from });
    [state, from] = [turn.state, turn.from];
  }
  spans.push({ state, from, to: end });
  return spans.filter((span) => span.to > span.from);
}

const lengthOf = (spans, states) => spans.reduce((sum, { state, from, to }) => sum + (states.has(state) ? to - from : 0), 0);

const QUEUED = new Set(["pending"]);
const WAITING = new Set(["waiting"]);
const RUN = new Set(["running", "cancel_requested"]);

export const figuresOf = (spans) => ({ queued: lengthOf(spans, QUEUED), ran: lengthOf(spans, RUN), waited: lengthOf(spans, WAITING) });

// All tasks together, in seconds; `counts` by state; `lookedAt` of how many the turns are known.
export function sumsOf(records, turnsFor, now) {
  const sums = { from: Infinity, to: -Infinity, queued: 0, ran: 0, waited: 0, lookedAt: 0, counts: {} };
  for (const record of records) {
    const turns = turnsFor(record);
    const { queued, ran, waited } = figuresOf(spansOf(record, turns, now));
    sums.queued += queued;
    sums.ran += ran;
    sums.waited += waited;
    sums.lookedAt += turns ? 1 : 0;
    sums.from = Math.min(sums.from, record.created_at);
    sums.to = Math.max(sums.to, endOf(record, now));
    sums.counts[record.state] = (sums.counts[record.state] ?? 0) + 1;
  }
  return sums;
}

// The part of a range that is seen closer, or from further away, around a place in it (0 to 1).
export function zoomed({ from, to }, factor, place, whole) {
  const width = Math.min(whole.to - whole.from, Math.max(0.001, (to - from) * factor));
  return within({ from: from + (to - from - width) * place, to: from + (to - from - width) * place + width }, whole);
}

export function within({ from, to }, whole) {
  const width = Math.min(to - from, whole.to - whole.from);
  const start = Math.max(whole.from, Math.min(from, whole.to - width));
  return { from: start, to: start + width };
}
