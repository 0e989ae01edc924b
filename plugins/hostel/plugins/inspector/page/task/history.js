// What a panel keeps of the life of its task while events come in, however long it stays open.

export const LAST_EVENTS = 400;

// Reports of progress go first, the oldest of them first.
export function kept(history) {
  if (history.length <= 2 * LAST_EVENTS) return history;
  const reports = history.filter((event) => event.type === "progress");
  if (reports.length <= LAST_EVENTS) return history.slice(-LAST_EVENTS);
  const gone = new Set(reports.slice(0, -LAST_EVENTS));
  return history.filter((event) => !gone.has(event));
}
