// One column of code. Only the lines in view are in the document; the list says how many there are.

const ROW = 18; // pixels of a line, as in the style
const STRIPES = 6;

class Column {
  // `listener` hears what is pointed at, made active, pinned, and moved away from. With an `other` kernel beside it, loops
  // that this one does not have are marked, and not those that the pass made.
  constructor(kernel, kind, label, id, listener, other = null) {
    this.other = other;
    this.kernel = kernel;
    this.kind = kind;
    this.label = label;
    this.listener = listener;
    this.stage = kernel.last;
    this.active = 0;
    this.lit = new Uint8Array(0);
    this.element = make("section", { class: "column", "data-kind": kind });
    this.title = make("h2", { id: `${id}-title` });
    this.list = make("div", { class: "lines", id, role: "listbox", tabindex: "0", "aria-labelledby": `${id}-title` });
    this.space = make("div", { class: "space", role: "presentation" });
    this.ruler = make("canvas", { class: "ruler", "aria-hidden": "true" });
    this.list.append(this.space);
    const frame = make("div", { class: "frame" });
    frame.append(this.list, this.ruler);
    this.element.append(this.title, frame);
    this.list.addEventListener("scroll", () => this.schedule());
    this.list.addEventListener("mousemove", (event) => this._pointed(event));
    this.list.addEventListener("mouseleave", () => listener.left(this));
    this.list.addEventListener("click", (event) => this._clicked(event));
    this.list.addEventListener("keydown", (event) => this._key(event));
    this.list.addEventListener("focus", () => listener.activated(this, this.active));
    this.ruler.addEventListener("click", (event) => {
      this.list.scrollTop = (event.offsetY / this.ruler.clientHeight) * this.count * ROW - this.list.clientHeight / 2;
    });
    this.show(kernel.last);
  }

  get count() {
    return this.kernel.count(this.kind, this.stage);
  }

  // Show a stage of the loops; the other columns have one only.
  show(stage, otherStage = null) {
    this.stage = stage;
    this.there = this.other && new Set(this.other.texts(otherStage === null ? this.other.last : otherStage));
    // Where most differ, a sign is enough.
    const texts = this.there ? this.kernel.texts(stage) : [];
    this.list.classList.toggle("signs", texts.filter((text) => !this.there.has(text)).length > texts.length / 2);
    this.lit = new Uint8Array(this.count);
    this.rows = new Map();
    this.space.replaceChildren();
    this.active = Math.min(this.active, Math.max(0, this.count - 1));
    let widest = 0;
    for (let line = 0; line < this.count; line++) widest = Math.max(widest, this.kernel.text(this.kind, line, stage).length);
    this.space.style.height = `${this.count * ROW}px`;
    this.space.style.width = `calc(${widest + 1}ch + 5.2em)`;
    this.title.textContent = this.label;
    this.title.append(make("span", { class: "muted" }, ` ${this.count} lines`));
    this.draw();
  }

  light(strong, soft) {
    this.lit.fill(0);
    for (const line of soft) this.lit[line] = 1;
    for (const line of strong) this.lit[line] = 2;
    this.draw();
  }

  // Scroll to the first line that is lit, unless one is in view; strong ones first.
  reveal() {
    for (const wanted of [2, 1]) {
      const [first, last] = this._inView();
      let found = -1;
      for (let line = 0; line < this.count; line++) {
        if (this.lit[line] < wanted) continue;
        if (line >= first && line < last - 1) return;
        if (found < 0) found = line;
      }
      if (found >= 0) {
        this.list.scrollTop = Math.max(0, (found - 4) * ROW);
        this.draw();
        return;
      }
    }
  }

  firstLit() {
    const strong = this.lit.indexOf(2);
    return strong >= 0 ? strong : this.lit.indexOf(1);
  }

  // Make a line active, and see that it is in view.
  activate(line) {
    this.active = Math.max(0, Math.min(line, this.count - 1));
    const [top, bottom] = [this.active * ROW, (this.active + 1) * ROW];
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    if (bottom > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = bottom - this.list.clientHeight;
    this.listener.activated(this, this.active);
    this.draw();
  }

  schedule() {
    if (this._waiting) return;
    this._waiting = true;
    requestAnimationFrame(() => {
      this._waiting = false;
      this.draw();
    });
  }

  // Rows in view are made, others are taken away, and all show what is lit now.
  draw() {
    const [first, last] = this._inView();
    const wanted = new Set(this.count ? [this.active] : []); // a screen reader looks for the active one
    for (let line = Math.max(0, first - 8); line < Math.min(this.count, last + 8); line++) wanted.add(line);
    for (const [line, row] of this.rows) {
      if (wanted.has(line)) continue;
      row.remove();
      this.rows.delete(line);
    }
    for (const line of wanted) {
      let row = this.rows.get(line);
      if (!row) {
        row = this._row(line);
        this.rows.set(line, row);
        this.space.append(row);
      }
      row.classList.toggle("soft", this.lit[line] === 1);
      row.classList.toggle("strong", this.lit[line] === 2);
      row.classList.toggle("active", line === this.active);
      row.setAttribute("aria-selected", String(line === this.active));
    }
    if (this.count) this.list.setAttribute("aria-activedescendant", `${this.list.id}-${this.active}`);
    this._drawRuler();
  }

  _inView() {
    const first = Math.floor(this.list.scrollTop / ROW);
    return [first, first + Math.ceil((this.list.clientHeight || 600) / ROW) + 1];
  }

  _row(line) {
    const stripe = this.kernel.stripe(this.kind, line, this.stage);
    const marked = this.kind === "loops" && this._isMarked(line);
    const row = make("div", {
      class: marked ? "line new" : "line",
      id: `${this.list.id}-${line}`,
      role: "option",
      "aria-setsize": String(this.count),
      "aria-posinset": String(line + 1),
      "data-line": String(line),
      style: `top:${line * ROW}px`,
    });
    if (stripe >= 0) row.dataset.stripe = String(stripe % STRIPES);
    row.append(make("span", { class: "number", "aria-hidden": "true" }, String(line + 1)));
    row.append(make("span", { class: "sign" }, marked ? (this.other ? "≠" : "+") : " "));
    row.append(...coloured(this.kind, this.kernel.text(this.kind, line, this.stage)));
    return row;
  }

  _isMarked(line) {
    return this.there ? !this.there.has(this.kernel.texts(this.stage)[line]) : this.kernel.isNew(line, this.stage);
  }

  _drawRuler() {
    const { clientWidth: width, clientHeight: height } = this.ruler;
    this.ruler.width = width;
    this.ruler.height = height;
    const context = this.ruler.getContext("2d");
    const style = getComputedStyle(this.ruler);
    const each = height / Math.max(1, this.count);
    for (const [wanted, colour] of [[1, "--ruler-soft"], [2, "--ruler-strong"]]) {
      context.fillStyle = style.getPropertyValue(colour);
      this.lit.forEach((lit, line) => {
        if (lit === wanted) context.fillRect(0, line * each, width, Math.max(2, each));
      });
    }
  }

  // By the place: rows are made anew while a button is down.
  _lineAt(event) {
    const inside = event.clientY - this.list.getBoundingClientRect().top;
    const line = Math.floor((inside + this.list.scrollTop) / ROW);
    return inside < this.list.clientHeight && line < this.count ? line : -1;
  }

  _pointed(event) {
    const line = this._lineAt(event);
    if (line >= 0 && line !== this._over) {
      this._over = line;
      this.listener.pointed(this, line);
    }
  }

  forget() {
    this._over = -1;
  }

  _clicked(event) {
    const line = this._lineAt(event);
    if (line < 0) return;
    this.activate(line);
    this.listener.pinned(this, line);
  }

  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.list.clientHeight / ROW) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.count, End: this.count };
    if (event.shiftKey && event.key.startsWith("Arrow")) {
      this.list.scrollLeft += { ArrowLeft: -80, ArrowRight: 80 }[event.key] || 0;
    } else if (event.key in moves) this.activate(this.active + moves[event.key]);
    else if (event.key === "ArrowLeft") this.listener.beside(this, -1);
    else if (event.key === "ArrowRight") this.listener.beside(this, 1);
    else if (event.key === "Enter" || event.key === " ") this.listener.pinned(this, this.active);
    else return;
    event.preventDefault();
  }
}

const WORDS = {
  loops: /(#.*$)|\b(kernel|sizes|for|parallel|unrolled|lanes|let|if|nest|prefetch|in|of|from|as|reg|scratch|constant|shared)\b/g,
  llvm: /(;.*$)|(?<![%@.\w])(define|declare|call|load|store|phi|br|ret|getelementptr|fmul|fadd|fsub|add|sub|mul|icmp|fcmp|select|shufflevector|insertelement|switch|attributes)\b/g,
  assembly: /(\s(?:#|\/\/)\s.*$)|^(  [a-z][\w.]*)/g,
};

// Text as nodes, keywords and comments in elements of their own.
function coloured(kind, text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(WORDS[kind])) {
    if (found.index > at) nodes.push(document.createTextNode(text.slice(at, found.index)));
    nodes.push(make("span", { class: found[1] ? "comment" : "word" }, found[0]));
    at = found.index + found[0].length;
  }
  nodes.push(document.createTextNode(text.slice(at)));
  return nodes;
}

function make(name, attributes = {}, text = "") {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}
