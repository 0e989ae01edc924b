// The way to the server: proof and keys, requests, and the event stream.
//
// The token arrives in the fragment of the address, which browsers do not send, is taken out of it at once and
// never leaves this page. Another program may have taken the server's port, so before anything else the server
// shows that it knows the token; what requests carry is the key of its run, which is worth nothing when that is
// over. The tab keeps the key and not the token: a page that another program serves here could read it. The key
// goes into a header, so the stream is read by fetch: the browser's own EventSource cannot send one.
//
// Where the application knows its users, no token opens the server, and its proof is null. Then the browser sends
// by itself what it sends to this origin (a cookie), and nothing is added. A page that was given a token never
// goes on like that: whoever took the port could say so.

import { hmac } from "./hmac.js";
import { breath, isLong } from "./timing.js";

const ROOT = new URL("../../", import.meta.url);
const KEPT = "hostel-key";
const SILENCE = 45_000;

let token = "";
let wantsProof = Boolean(sessionStorage.getItem(KEPT));
let opening = null; // the headers that open the server, null without a connection
let skew = 0;
let lostAt = null;
let runtime = "";

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || `the server answered ${status}`);
    this.status = status;
    this.problem = problem;
    this.kind = (problem.type || "").split(":").pop();
  }
}

// Take the token out of the address, if there is one.
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    setToken(given);
    history.replaceState(null, "", location.pathname);
  }
}

export function setToken(given) {
  token = given;
  wantsProof ||= Boolean(given);
  sessionStorage.removeItem(KEPT);
}

// Ask another runtime of the user, through the one that serves the page; "" asks that one.
export function setRuntime(id) {
  runtime = id;
}

const address = (path) => new URL(runtime ? `api/runtimes/${encodeURIComponent(runtime)}/${path}` : `api/${path}`, ROOT);

const clock = () => Date.now() / 1000 + skew;

// The time by the server's clock; without a connection it stands still, as does what the page knows.
export const now = () => lostAt ?? clock();

function connect(proven) {
  opening = proven;
  lostAt = null;
}

function disconnect() {
  opening = null;
  lostAt ??= clock();
}

// Let the server show that it knows the token; return the headers that open it, or null if it does not.
async function prove(signal) {
  const nonce = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const response = await fetch(new URL(`proof?nonce=${nonce}`, ROOT), { signal });
  const { run, proof, ...problem } = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, problem);
  if (proof === null) return openToUsers();
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  const wanted = token ? hmac(token, `hostel run ${run}`) : kept.run === run ? kept.key : "";
  if (!wanted || proof !== hmac(wanted, `hostel proof ${nonce}`)) return null;
  sessionStorage.setItem(KEPT, JSON.stringify({ run, key: wanted }));
  return { authorization: `Bearer ${wanted}` };
}

function openToUsers() {
  if (wantsProof) sessionStorage.removeItem(KEPT); // a reload starts without
  return wantsProof ? null : {};
}

const headers = (more) => ({ ...opening, ...more });

export async function ask(path, body, more = {}) {
  if (!opening) throw new Refused(0, { detail: "the runtime cannot be reached now" });
  const init = body === undefined ? { headers: headers(more) } : {
    method: "POST",
    headers: headers({ "content-type": "application/json", ...more }),
    body: JSON.stringify(body),
  };
  return answered(await fetch(address(path), init));
}

// Ask the runtime that serves the page.
export async function askHere(path) {
  if (!opening) throw new Refused(0, { detail: "the runtime cannot be reached now" });
  return answered(await fetch(new URL(`api/${path}`, ROOT), { headers: headers() }));
}

async function answered(response) {
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

// The body of what a path of the server answers, to be kept as a file.
export async function download(path) {
  if (!opening) throw new Refused(0, { detail: "the runtime cannot be reached now" });
  const inApi = path.match(/^api\/(.*)$/s);
  if (runtime && !inApi) throw new Refused(0, { detail: "this can only be saved from the page of its own runtime" });
  const response = await fetch(inApi ? address(inApi[1]) : new URL(path, ROOT), { headers: headers() });
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
  return response.blob();
}

// "." and ".." would be places in the path, however they are quoted, unless they are quoted twice
const quoted = (id) => (/^\.\.?$/.test(id) ? id.replaceAll(".", "%252E") : encodeURIComponent(id));

export const taskPath = (record, verb = "") =>
  `tasks/${quoted(record.id)}${verb}?session_id=${encodeURIComponent(record.session_id)}`;

// Read a stream of the API until it ends: `tell(type, data)` is told each frame, and waited for.
export async function readStream(path, tell, signal) {
  if (!opening) throw new Refused(0, { detail: "the runtime cannot be reached now" });
  const response = await fetch(address(path), { headers: headers({ accept: "text/event-stream" }), signal });
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
  await read(response.body, (frame) => frame.data && tell(frame.event, JSON.parse(frame.data)), () => {});
}

let goOn = () => {};

// Try to connect at once, and not only when the pause after a loss is over.
export const retryNow = () => goOn();

// Tell `on.frame(type, data)` what comes and `on.link(state, why)` how the connection is; return when the server
// does not know the token.
export async function follow(query, on) {
  let cursor = "";
  let pause = 500;
  for (;;) {
    const abort = new AbortController();
    let timer = setTimeout(() => abort.abort(), SILENCE);
    let why = "";
    try {
      on.link("connecting");
      const proven = await prove(abort.signal);
      if (!proven) return disconnect();
      const more = { ...proven, ...(cursor && { "last-event-id": cursor }) };
      const response = await fetch(address(`events?${query}`), { headers: more, signal: abort.signal });
      if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
      skew = Date.parse(response.headers.get("date")) / 1000 - Date.now() / 1000;
      if (!(Math.abs(skew) >= 2)) skew = 0;
      connect(proven);
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
      if (error instanceof Refused) why = error.message;
      console.info("the event stream was cut:", error.message);
    }
    clearTimeout(timer);
    disconnect();
    on.link("lost", why);
    await new Promise((done) => {
      goOn = done;
      setTimeout(done, pause);
    });
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
        const telling = onFrame(frame);
        if (telling instanceof Promise) await telling;
        frame = {};
        if (isLong()) await breath();
      } else if (line[0] !== ":") {
        const colon = line.indexOf(": ");
        frame[line.slice(0, colon)] = line.slice(colon + 2);
      }
    }
  }
}
