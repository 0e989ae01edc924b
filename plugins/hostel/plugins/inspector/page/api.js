// The way to the server: the token, requests, and the event stream.
//
// The token arrives in the fragment of the address, which browsers do not send, is taken out of it at once and
// kept for this tab only. Every request carries it in a header, so the stream is read by fetch: the browser's
// own EventSource cannot send one.

const KEY = "hostel-token";
const SILENCE = 45_000;

let skew = 0;

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || `the server answered ${status}`);
    this.status = status;
    this.kind = (problem.type || "").split(":").pop();
  }
}

export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    setToken(given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY);
}

export const setToken = (token) => sessionStorage.setItem(KEY, token);

export const now = () => Date.now() / 1000 + skew;

const headers = (more) => ({ authorization: `Bearer ${sessionStorage.getItem(KEY)}`, ...more });

export async function ask(path, body, more = {}) {
  const init = body === undefined ? { headers: headers(more) } : {
    method: "POST",
    headers: headers({ "content-type": "application/json", ...more }),
    body: JSON.stringify(body),
  };
  const response = await fetch(`/api/${path}`, init);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

export const taskPath = (record, verb = "") =>
  `tasks/${encodeURIComponent(record.id)}${verb}?session_id=${encodeURIComponent(record.session_id)}`;

// Tell `on.frame(type, data)` what comes and `on.link(state)` how the connection is; never returns.
export async function follow(query, on) {
  let cursor = "";
  let pause = 500;
  for (;;) {
    const abort = new AbortController();
    let timer = setTimeout(() => abort.abort(), SILENCE);
    try {
      on.link("connecting");
      const more = cursor ? { "last-event-id": cursor } : {};
      const response = await fetch(`/api/events?${query}`, { headers: headers(more), signal: abort.signal });
      if (response.status === 401) return on.link("locked");
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      skew = Date.parse(response.headers.get("date")) / 1000 - Date.now() / 1000;
      if (Math.abs(skew) < 2) skew = 0;
      on.link("live");
      pause = 500;
      await read(response.body, (frame) => {
        if (frame.id) cursor = frame.id;
        if (frame.data) on.frame(frame.event || "message", JSON.parse(frame.data));
      }, () => {
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), SILENCE);
      });
    } catch (error) {
      console.info("the event stream was cut:", error.message);
    }
    clearTimeout(timer);
    on.link("lost");
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 5000);
  }
}

async function read(body, onFrame, onBytes) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let frame = {};
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    onBytes();
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        onFrame(frame);
        frame = {};
      } else if (line[0] !== ":") {
        const colon = line.indexOf(": ");
        frame[line.slice(0, colon)] = line.slice(colon + 2);
      }
    }
  }
}
