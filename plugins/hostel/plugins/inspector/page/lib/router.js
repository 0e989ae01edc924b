// The address of what one sees, in the fragment: a path and what is chosen there, as in
// "#/tasks/SESSION/TASK?state=failed". Going elsewhere is a step that Back takes back; choosing is none. A
// fragment works below any path of a server, and browsers do not send it. "?runtime=ID" says that all of it is of
// another runtime; it stays until one chooses another.

const HOME = { view: "tasks", path: [], chosen: {} };

const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const [view, ...rest] = path.split("/").filter(Boolean).map(decoded);
  return view ? { view, path: rest, chosen: chosenIn(query) } : HOME;
}

const chosenIn = (query) => Object.fromEntries([...new URLSearchParams(query)].filter(([name]) => name !== "runtime"));

// The runtime that an address is of, "" for the one that serves the page.
export const runtimeIn = (hash) => new URLSearchParams(hash.split("?")[1] ?? "").get("runtime") ?? "";

const runtime = runtimeIn(location.hash);

export function write({ view, path = [], chosen = {} }, of = runtime) {
  const query = new URLSearchParams(Object.entries({ ...chosen, runtime: of }).filter(([, value]) => value)).toString();
  return `#/${[view, ...path].map(encodeURIComponent).join("/")}${query && `?${query}`}`;
}

export class Router {
  place = HOME;
  #show;

  // `show(place)` is called whenever another place is to be seen.
  constructor(show) {
    this.#show = show;
    addEventListener("popstate", () => {
      // a link opened in a tab that has the page, or a step back to another runtime: all begins anew
      if (location.hash.startsWith("#token=") || runtimeIn(location.hash) !== runtime) location.reload();
      else this.#see(parse(location.hash));
    });
  }

  start() {
    this.#see(parse(location.hash));
  }

  // Go to a place, or let it `replace` the one that is seen; `chosen` is kept within a view unless it is given.
  go({ view = this.place.view, path = [], chosen = view === this.place.view ? this.place.chosen : {}, replace = false }) {
    const place = { view, path, chosen };
    const isElsewhere = view !== this.place.view || path.join("\u0000") !== this.place.path.join("\u0000");
    history[isElsewhere && !replace ? "pushState" : "replaceState"](null, "", write(place));
    this.#see(place);
  }

  // Choose within a view: no step that Back takes back.
  choose(chosen) {
    this.place = { ...this.place, chosen: { ...this.place.chosen, ...chosen } };
    history.replaceState(null, "", write(this.place));
  }

  #see(place) {
    this.place = place;
    this.#show(place);
  }
}
