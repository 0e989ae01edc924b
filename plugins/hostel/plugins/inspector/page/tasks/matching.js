// Which tasks the filters let through: a function of a task, what is wrong with it, and the time. No DOM here.

import { LIVE, doing, title } from "../lib/format.js";

const LINGER = 20;

export const EVERYTHING = { text: [], states: new Set(), kind: "" };

// Without a state chosen, a task that has ended stays for a moment: seconds since the epoch, or null.
export function lingersUntil(record, { states }) {
  const isLive = LIVE.has(record.state);
  return isLive || (states.size && !states.has("live")) ? null : record.completed_at + LINGER;
}

export const hayOf = (record) =>
  `${title(record)}\n${record.id}\n${record.session_id}\n${record.kind}\n${record.producer}\n${doing(record)}`.toLowerCase();

export function matches(record, isWarned, hay, filter, now) {
  if (filter.kind && record.kind !== filter.kind) return false;
  if (!matchesState(record, isWarned, filter, now)) return false;
  if (!filter.text.length) return true;
  const text = hay();
  return filter.text.every((word) => text.includes(word));
}

function matchesState(record, isWarned, filter, now) {
  const { states } = filter;
  if (states.has("all") || states.has(record.state)) return true;
  if (states.has("warned") && isWarned) return true;
  if (states.has("asking") && isAsking(record)) return true;
  if (states.size && !states.has("live")) return false;
  return LIVE.has(record.state) || now < lingersUntil(record, filter);
}

export const isAsking = (record) => record.state === "waiting" && Boolean(record.question);
