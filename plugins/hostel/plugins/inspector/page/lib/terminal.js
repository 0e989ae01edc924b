// What a task has written, as the lines a terminal would show. No DOM here.
//
// A line feed ends a line, a carriage return goes back to its beginning and what follows overwrites it. Of escape
// sequences two are obeyed: those for the look of texts (SGR) and for erasing the rest of a line; all others and
// all other control characters are left out. Lines and characters have bounds: the oldest lines go first.

const LINES = 10_000;
const CHARACTERS = 4_000_000;
const LONGEST = 4_096;
const TAB = 8;
const LONGEST_ESCAPE = 4_096;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;
const ESCAPE = /(?:\u001b\[|\u009b)([0-?]*)[ -/]*([@-~])|\u001b(?:[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\|(?=\u001b[^\\]))|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/y;
const BEGUN = /\u009b[0-?]*[ -/]*$|\u001b(?:\[[0-?]*[ -/]*|[\]PX^_][^\u0007\u001b]*\u001b?|[ -/]*)?$/y;

export class Terminal {
  lines = [];
  // The number of the first line: it grows when lines are dropped, and falls when earlier ones are added.
  base = 0;
  #size = 0;
  #column = 0;
  #rest = "";
  #look = new Look();

  get end() {
    return this.base + this.lines.length;
  }

  // The offset in bytes of the first line; null if there is none.
  get start() {
    return this.lines.length ? this.lines[0].at : null;
  }

  get isFull() {
    return this.lines.length >= LINES || this.#size >= CHARACTERS;
  }

  line(number) {
    return this.lines[number - this.base];
  }

  // Take what was written to `stream`, bytes `start` to `next` of all.
  write(text, stream, start, next) {
    const all = this.#rest + text;
    const place = places(all, start - bytesOf(this.#rest), next);
    this.#rest = "";
    if (!this.lines.length) this.#begin(start);
    const isError = stream === "stderr";
    let at = 0;
    while (at < all.length) {
      CONTROL.lastIndex = at;
      const stop = CONTROL.exec(all)?.index ?? all.length;
      if (stop > at) this.#put(all.slice(at, stop), isError, place, at);
      at = stop < all.length ? this.#control(all, stop, place) : stop;
    }
    this.#bound();
  }

  // Say that so many bytes are missing here.
  gap(words, at) {
    if (!this.lines.length || this.lines.at(-1).length) this.#begin(at);
    const line = this.lines.at(-1);
    line.note = words;
    line.length = words.length;
    this.#begin(at);
  }

  // Put the lines of another one before these.
  prepend(earlier) {
    const lines = earlier.lines;
    const last = lines.at(-1);
    if (last && !last.note && this.lines.length && !this.lines[0].note) {
      const first = this.lines.shift();
      lines[lines.length - 1] = { ...last, runs: [...last.runs, ...first.runs], length: last.length + first.length, isError: last.isError || first.isError };
      this.base += 1;
    }
    this.lines.unshift(...lines);
    this.base -= lines.length;
    this.#size = this.lines.reduce((sum, line) => sum + line.length, 0);
  }

  text() {
    return this.lines.map(textOf).join("\n");
  }

  #begin(at) {
    this.lines.push({ runs: [], length: 0, isError: false, note: "", at });
    this.#column = 0;
  }

  #put(text, isError, place, from) {
    for (let done = 0; done < text.length; ) {
      if (this.#column >= LONGEST) this.#begin(place(from + done));
      const line = this.lines.at(-1);
      const part = text.slice(done, done + LONGEST - this.#column);
      const before = line.length;
      overwrite(line, this.#column, part, this.#look.name);
      line.isError ||= isError;
      this.#size += line.length - before;
      this.#column += part.length;
      done += part.length;
    }
  }

  // Obey the control character at `at`; return where to go on.
  #control(all, at, place) {
    const char = all[at];
    if (char === "\n") this.#begin(place(at + 1));
    else if (char === "\r") this.#column = 0;
    else if (char === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (char === "\t") this.#put(" ".repeat(TAB - (this.#column % TAB)), this.lines.at(-1).isError, place, at);
    else if (char === "\u001b" || char === "\u009b") return this.#escape(all, at);
    return at + 1;
  }

  #escape(all, at) {
    ESCAPE.lastIndex = at;
    const found = ESCAPE.exec(all);
    if (!found) {
      BEGUN.lastIndex = at;
      if (all.length - at > LONGEST_ESCAPE || !BEGUN.test(all)) return at + 1;
      this.#rest = all.slice(at); // the rest of it comes with the next part
      return all.length;
    }
    if (found[2] === "m") this.#look.change(found[1]);
    if (found[2] === "K") this.#erase(found[1]);
    return at + found[0].length;
  }

  #erase(how) {
    const line = this.lines.at(-1);
    const before = line.length;
    if (how === "" || how === "0") line.runs = cut(line.runs, 0, this.#column);
    else if (how === "2") line.runs = [];
    line.length = textOf(line).length;
    this.#size += line.length - before;
  }

  #bound() {
    let gone = Math.max(0, this.lines.length - LINES);
    for (let place = 0; place < gone; place += 1) this.#size -= this.lines[place].length;
    while (this.#size > CHARACTERS && gone < this.lines.length - 1) {
      this.#size -= this.lines[gone].length;
      gone += 1;
    }
    this.lines.splice(0, gone);
    this.base += gone;
  }
}

export const textOf = (line) => line.note || line.runs.map((run) => run.text).join("");

// A function that tells the offset in bytes of a character, asked from the front to the back.
function places(all, start, next) {
  if (next - start === all.length) return (index) => start + index;
  let [index, offset] = [0, start];
  return (wanted) => {
    offset += bytesOf(all, index, wanted);
    index = wanted;
    return Math.min(offset, next);
  };
}

// How many bytes of UTF-8 a part of a text is: half of a pair counts two.
export function bytesOf(text, from = 0, to = text.length) {
  let sum = 0;
  for (let place = from; place < to; place += 1) {
    const code = text.charCodeAt(place);
    sum += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 2 : 3;
  }
  return sum;
}

function overwrite(line, column, text, look) {
  if (column > line.length) {
    line.runs.push({ text: " ".repeat(column - line.length), look: "" });
    line.length = column;
  }
  if (column < line.length) {
    line.runs = [...cut(line.runs, 0, column), { text, look }, ...cut(line.runs, column + text.length, Infinity)];
    line.length = Math.max(line.length, column + text.length);
    return;
  }
  const last = line.runs.at(-1);
  if (last?.look === look) last.text += text;
  else line.runs.push({ text, look });
  line.length += text.length;
}

// The part of runs from one column up to another.
function cut(runs, from, to) {
  const found = [];
  let at = 0;
  for (const { text, look } of runs) {
    const part = text.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (part) found.push({ text: part, look });
    at += text.length;
  }
  return found;
}

const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "under", 7: "inverse", 9: "strike" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["under"], 27: ["inverse"], 29: ["strike"] };

// How texts look, as names of classes: `f1` and `b4` are colours of text and ground, 0 to 15.
class Look {
  name = "";
  #front = null;
  #ground = null;
  #with = new Set();

  change(codes) {
    const numbers = codes.split(/[;:]/).map(Number);
    while (numbers.length) this.#take(numbers.shift(), numbers);
    const [front, ground] = this.#with.has("inverse") ? [this.#ground ?? "i", this.#front ?? "i"] : [this.#front, this.#ground];
    const kept = [...this.#with].filter((one) => one !== "inverse");
    this.name = [front !== null && `f${front}`, ground !== null && `b${ground}`, ...kept].filter(Boolean).join(" ");
  }

  #take(code, more) {
    if (code === 0) {
      this.#front = this.#ground = null;
      this.#with.clear();
    } else if (code in ON) this.#with.add(ON[code]);
    else if (code in OFF) for (const one of OFF[code]) this.#with.delete(one);
    else if (code === 38) this.#front = colour(more) ?? this.#front;
    else if (code === 48) this.#ground = colour(more) ?? this.#ground;
    else if (code === 39) this.#front = null;
    else if (code === 49) this.#ground = null;
    else if (code >= 30 && code < 38) this.#front = code - 30;
    else if (code >= 40 && code < 48) this.#ground = code - 40;
    else if (code >= 90 && code < 98) this.#front = code - 82;
    else if (code >= 100 && code < 108) this.#ground = code - 92;
  }
}

// One of sixteen for each of the colours there are, so that all can be read by day and by night.
function colour(more) {
  const kind = more.shift();
  if (kind === 2) return nearest(...more.splice(0, 3));
  if (kind !== 5) return null;
  const code = more.shift() ?? 0;
  if (code < 16) return code;
  if (code >= 232) return nearest(...Array(3).fill((code - 232) * 10 + 8));
  const level = (step) => (step ? step * 40 + 55 : 0);
  return nearest(level(Math.floor((code - 16) / 36)), level(Math.floor((code - 16) / 6) % 6), level((code - 16) % 6));
}

function nearest(red = 0, green = 0, blue = 0) {
  const most = Math.max(red, green, blue);
  const bits = most < 48 ? 0 : [red, green, blue].reduce((sum, part, place) => sum + (part > most * 0.6 ? 1 << place : 0), 0);
  return bits + (most > 200 || (bits === 0 && most > 32) ? 8 : 0);
}
