// Pictures as SVG: the volume of steps × filters × taps with its tiles, and the roofline.

const SVG = "http://www.w3.org/2000/svg";
const SHADES = 6;
const TOP = 86; // of the front, below what lies behind it
const DEPTH = 52;

function draw(name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== "") element.textContent = text;
  return element;
}

function written(x, y, text, more = {}) {
  return draw("text", { x, y, ...more }, text);
}

// The front is steps × filters, cut into tiles; the top is steps × taps, with what falls beside the input.
class Volume {
  // `name` tells it from another one.
  constructor(kernel, id, name, listener) {
    this.kernel = kernel;
    this.name = name;
    this.data = kernel.data.volume;
    this.id = id;
    this.listener = listener;
    this.active = -1;
    this.element = make("figure", { class: "volume" });
    this._draw();
  }

  _draw() {
    const { steps, filters, taps, tiles, length, drawn } = this.data;
    const [left, top, width, height, depth] = [58, TOP, 660, 200, DEPTH];
    const slant = 0.8 * depth;
    this.x = (step) => left + (width * step) / Math.max(1, steps);
    this.y = (filter) => top + (height * filter) / filters;
    const back = (step, tap) => [this.x(step) + (slant * tap) / taps, top - (depth * tap) / taps];
    const svg = draw("svg", {
      viewBox: `0 0 ${left + width + slant + 62} ${top + height + 44}`,
      role: "listbox",
      tabindex: "0",
      id: this.id,
      "aria-label": `${this.name}${tiles.length} tiles of ${steps} output steps by ${filters} filters; arrow keys go from tile to tile`,
    });
    // A list has entries only: what a tile's label says too is hidden from those who listen.
    const behind = draw("g", { "aria-hidden": "true" });
    const axes = draw("g", { "aria-hidden": "true" });
    svg.append(behind, axes);
    behind.append(this._patterns());
    const face = (corners, name) =>
      draw("polygon", { points: corners.map((corner) => corner.join(",")).join(" "), class: name });
    behind.append(face([back(0, 0), back(0, taps), back(steps, taps), back(steps, 0)], "face"));
    behind.append(face([back(steps, 0), back(steps, taps), [left + width + slant, top + height - depth], [left + width, top + height]], "face"));
    this.data.onInput.forEach(([first, last], tap) => {
      for (const [from, to] of [[0, first], [last, steps]]) {
        if (from >= to) continue;
        const cell = face([back(from, tap), back(from, tap + 1), back(to, tap + 1), back(to, tap)], "padding");
        cell.append(draw("title", {}, `tap ${tap} of output steps ${from} to ${to - 1} falls beside the input`));
        cell.setAttribute("fill", `url(#${this.id}-padding)`);
        behind.append(cell);
      }
      if (tap && taps <= 32) {
        const [[x1, y1], [x2, y2]] = [back(0, tap), back(steps, tap)];
        behind.append(draw("line", { x1, y1, x2, y2, class: "grid" }));
      }
    });
    this.slab = draw("path", { class: "slab" });
    behind.append(this.slab);
    axes.before(...tiles.map((_, number) => this._tile(number)));
    this.cursor = draw("path", { class: "cursor" });
    axes.append(this.cursor, ...this._axes(left, top, width, height, slant, depth));
    svg.addEventListener("mousemove", (event) => this._pointed(event));
    svg.addEventListener("mouseleave", () => this.listener.left(this));
    svg.addEventListener("click", (event) => {
      const number = this._at(event);
      if (number >= 0) this.activate(number, true);
    });
    svg.addEventListener("keydown", (event) => this._key(event));
    svg.addEventListener("focus", () => this.activate(Math.max(0, this.active)));
    this.svg = svg;
    const cut = drawn < length ? `, drawn for ${drawn} of ${length} steps` : `, for ${drawn} steps of input`;
    const caption = make("figcaption", {}, "Colours: tiles of one size");
    const area = tiles.reduce((sum, tile) => sum + stepsOf(tile) * (tile[2] - tile[1]), 0);
    const twice = Math.round(1000 * (area / (steps * filters) - 1)) / 10;
    caption.append(`${cut}${twice > 0 ? `; ${twice} % of the outputs are computed twice` : ""}. `, this._legend());
    this.said = make("p", { class: "said muted", "aria-hidden": "true" }, " ");
    this.element.append(svg, caption, this.said);
  }

  _patterns() {
    const defs = draw("defs");
    const hatch = (name, line) => {
      const pattern = draw("pattern", {
        id: `${this.id}-${name}`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
      });
      pattern.append(draw("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: line }));
      defs.append(pattern);
    };
    hatch("padding", "hatch");
    hatch("idle", "hatch idle");
    return defs;
  }

  _sizes() {
    if (!this._bySize) {
      this._bySize = new Map();
      for (const tile of this.data.tiles) {
        const size = this._sizeOf(tile);
        this._bySize.set(size, (this._bySize.get(size) || 0) + 1);
      }
      this._bySize = new Map([...this._bySize].sort((a, b) => b[1] - a[1]));
    }
    return this._bySize;
  }

  _sizeOf(tile) {
    const [runs, f0, f1, idle] = tile;
    const apart = runs.length > 1 ? " apart" : "";
    return `${stepsOf(tile)}${apart} × ${f1 - f0}${idle ? `, ${idle} lanes idle` : ""}`;
  }

  _shade(size) {
    return Math.min([...this._sizes().keys()].indexOf(size), SHADES - 1);
  }

  _tile(number) {
    const tile = this.data.tiles[number];
    const narrow = Math.min(...tile[0].map(([from, to]) => this.x(to) - this.x(from))) < 4; // edges would hide the colour
    const group = draw("g", {
      class: `tile shade${this._shade(this._sizeOf(tile))}${narrow ? " narrow" : ""}`, id: `${this.id}-${number}`, role: "option",
      "data-number": number, "aria-label": this.describe(number), "aria-selected": "false",
    });
    const d = this._outline(tile);
    group.append(draw("path", { d }));
    if (tile[3]) group.append(draw("path", { d, fill: `url(#${this.id}-idle)`, class: "over" }));
    return group;
  }

  _outline([runs, f0, f1]) {
    const [above, below] = [this.y(f0), this.y(f1)];
    return runs.map(([s0, s1]) => `M${this.x(s0)},${above}H${this.x(s1)}V${below}H${this.x(s0)}Z`).join("");
  }

  _axes(left, top, width, height, slant, depth) {
    const { steps, filters, taps } = this.data;
    const parts = [];
    for (const step of ticks(steps, 8)) {
      parts.push(draw("line", { x1: this.x(step), x2: this.x(step), y1: top + height, y2: top + height + 4, class: "tick" }));
      parts.push(written(this.x(step), top + height + 17, step, { "text-anchor": "middle" }));
    }
    for (const filter of ticks(filters, 5)) {
      parts.push(draw("line", { x1: left - 4, x2: left, y1: this.y(filter), y2: this.y(filter), class: "tick" }));
      parts.push(written(left - 7, this.y(filter) + 4, filter, { "text-anchor": "end" }));
    }
    parts.push(written(left + width / 2, top + height + 36, "output step →", { "text-anchor": "middle", class: "axis" }));
    const [x, y] = [14, top + height / 2];
    parts.push(written(x, y, "← filter", { "text-anchor": "middle", transform: `rotate(-90 ${x} ${y})`, class: "axis" }));
    parts.push(written(left + width + slant / 2 + 8, top - depth / 2 + 12, `↗ ${taps} tap${taps > 1 ? "s" : ""}`, { class: "axis" }));
    const missing = this.data.onInput.some(([first, last]) => first > 0 || last < steps);
    const what = missing ? "hatched: taps beside the input" : "all taps fall on the input";
    parts.push(written(left + slant, top - depth - 10, what, { class: "axis" }));
    return parts;
  }

  _legend() {
    const list = make("span", { class: "legend" });
    const sizes = [...this._sizes()];
    sizes.slice(0, SHADES).forEach(([size, count], number) => {
      const last = number === SHADES - 1 && sizes.length > SHADES;
      const others = last ? sizes.slice(number).reduce((sum, each) => sum + each[1], 0) : count;
      const item = make("span", { class: "item" });
      item.append(make("span", { class: `key shade${number}`, "aria-hidden": "true" }));
      item.append(last ? `others (${others})` : `${size} (${count})`);
      list.append(item);
    });
    return list;
  }

  describe(number) {
    const [runs, f0, f1, idle] = this.data.tiles[number];
    let taps = 0;
    for (const [first, last] of this.data.onInput) {
      for (const [s0, s1] of runs) taps += Math.max(0, Math.min(s1, last) - Math.max(s0, first));
    }
    const all = stepsOf(this.data.tiles[number]) * this.data.taps;
    const steps = runs.map(([s0, s1]) => (s1 - s0 === 1 ? s0 : `${s0} to ${s1 - 1}`)).join(", ");
    const beside = taps < all ? `, ${all - taps} of its ${all} taps beside the input` : "";
    const lanes = idle ? `, ${idle} lanes of its vectors idle` : "";
    return `tile ${number + 1}: steps ${steps}, filters ${f0} to ${f1 - 1}${beside}${lanes}`;
  }

  activate(number, pin = false) {
    const tiles = this.data.tiles;
    this.mark(Math.max(0, Math.min(number, tiles.length - 1)));
    this.listener.tile(this, tiles[this.active][4], this.describe(this.active), pin);
  }

  // Show a tile, and on the top the taps of its steps.
  mark(number) {
    this.svg.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
    this.active = number;
    const tile = this.data.tiles[number];
    this.cursor.setAttribute("d", this._outline(tile));
    const [slant, back] = [0.8 * DEPTH, TOP - DEPTH];
    const slab = tile[0].map(([s0, s1]) => {
      const [a, b] = [this.x(s0), this.x(s1)];
      return `M${a},${TOP}L${a + slant},${back}L${b + slant},${back}L${b},${TOP}Z`;
    });
    this.slab.setAttribute("d", slab.join(""));
    this.svg.setAttribute("aria-activedescendant", `${this.id}-${number}`);
    this.svg.querySelector(`[data-number="${number}"]`).setAttribute("aria-selected", "true");
    this.said.textContent = this.describe(number);
  }

  _at(event) {
    const tile = event.target.closest(".tile");
    return tile ? Number(tile.dataset.number) : -1;
  }

  _pointed(event) {
    const number = this._at(event);
    if (number >= 0 && number !== this.active) {
      this.mark(number);
      this.listener.tile(this, this.data.tiles[number][4], this.describe(number), false);
    }
  }

  // The tile beside the active one: the nearest whose middle lies in a direction.
  _beside(dx, dy) {
    const middle = ([runs, f0, f1]) => [this.x((runs[0][0] + runs[runs.length - 1][1]) / 2), this.y((f0 + f1) / 2)];
    const [x, y] = middle(this.data.tiles[Math.max(0, this.active)]);
    let [best, least] = [this.active, Infinity];
    this.data.tiles.forEach((tile, number) => {
      const [a, b] = middle(tile);
      const along = (a - x) * dx + (b - y) * dy;
      const across = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      if (along > 0.01 && along + 3 * across < least) [best, least] = [number, along + 3 * across];
    });
    return best;
  }

  _key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in moves) this.activate(this._beside(...moves[event.key]));
    else if (event.key === "Home") this.activate(0);
    else if (event.key === "End") this.activate(this.data.tiles.length - 1);
    else if (event.key === "Enter" || event.key === " ") this.activate(Math.max(0, this.active), true);
    else return;
    event.preventDefault();
  }
}

function stepsOf(tile) {
  return tile[0].reduce((sum, [from, to]) => sum + to - from, 0);
}

// Some round numbers from 0 to a size, the size itself among them.
function ticks(size, most) {
  const rough = size / most;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough));
  const found = [];
  for (let at = 0; at < size - step / 2; at += step) found.push(at);
  return [...found, size];
}
