// Tasks in words: states, durations, sizes, and one line on what matters most.

export const STATES = {
  running: "running",
  waiting: "waiting",
  pending: "pending",
  cancel_requested: "stopping",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  abandoned: "abandoned",
};

export const LIVE = new Set(["pending", "running", "waiting", "cancel_requested"]);

export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 60) return `${Math.floor(s)}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${String(Math.floor(s % 60)).padStart(2, "0")}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}m`;
  return `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`;
}

export function fine(seconds) {
  if (seconds < 1) return `${Math.round(Math.max(0, seconds) * 1000)} ms`;
  return seconds < 10 ? `${seconds.toFixed(1)}s` : duration(seconds);
}

export function bytes(value) {
  let amount = value;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (amount < 1000) return `${amount < 10 && unit !== "B" ? amount.toFixed(1) : Math.round(amount)} ${unit}`;
    amount /= 1000;
  }
  return `${amount.toFixed(1)} TB`;
}

export function amount(value, unit) {
  if (["bytes", "byte", "B"].includes(unit)) return bytes(value);
  const number = Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(1);
  return unit ? `${number} ${unit}` : number;
}

export function share(progress) {
  if (!progress || progress.done === null || !progress.total) return null;
  return Math.min(1, progress.done / progress.total);
}

export function progressText(progress) {
  if (!progress || progress.done === null) return "";
  const part = share(progress);
  if (part === null) return amount(progress.done, progress.unit);
  if (["bytes", "byte", "B"].includes(progress.unit)) return `${bytes(progress.done)} of ${bytes(progress.total)}`;
  return `${amount(progress.done)} of ${amount(progress.total, progress.unit)}`;
}

export function whoAndWhy(record) {
  const by = record.cancel_actor ? `by ${record.cancel_actor}` : "";
  return [by, record.cancel_reason].filter(Boolean).join(": ");
}

function outcome(result) {
  if (!result) return "";
  if (result.summary) return result.summary;
  return ["string", "number", "boolean"].includes(typeof result.value) ? String(result.value) : "";
}

const RAISED = /^(?:[\p{L}_][\p{L}\p{N}_]*\.)*([\p{L}_][\p{L}\p{N}_]*): ([\s\S]*\S[\s\S]*)$/u;

// What went wrong: the message first, then the last part of the name of what was raised.
export function whatFailed({ kind, message }) {
  const raised = ["error", "exit"].includes(kind) && RAISED.exec(message);
  return raised ? `${raised[2]} (${raised[1]})` : message;
}

export function doing(record) {
  if (record.failure) return whatFailed(record.failure);
  if (record.state === "cancelled") return `cancelled ${whoAndWhy(record)}`.trim();
  if (record.state === "cancel_requested") return `asked to stop ${whoAndWhy(record)}`.trim();
  if (record.state === "completed") return outcome(record.result);
  if (record.question) return record.question.message;
  const progress = record.progress;
  if (!progress) return "";
  return progress.message || progressText(progress);
}

export const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function moment(at) {
  if (at === null) return "";
  const date = new Date(at * 1000);
  return date.toDateString() === new Date().toDateString() ? clock(at) : date.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

export const title = (record) => record.label || record.id;

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
