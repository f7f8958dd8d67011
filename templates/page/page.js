// The page: which kernel and stage is shown, and what is lit.

const kernels = JSON.parse(document.getElementById("data").textContent).map((data) => new Kernel(data));
const one = (id) => document.getElementById(id);
const several = kernels.length > 1;
const state = { view: "0", level: "loops", at: 0, pinned: null, hidden: new Set() };
let columns = [];
let volumes = [];

// The stages of all kernels, in the order of the passes: names, each with the stage that each kernel is in then.
const steps = (() => {
  const stages = kernels.map((kernel) => kernel.stages.map((stage) => stage.name));
  const names = [...stages[0]];
  if (several) {
    let place = 0;
    for (const name of stages[1]) {
      const found = names.indexOf(name);
      if (found >= 0) place = found + 1;
      else names.splice(place++, 0, name);
    }
  }
  const now = kernels.map(() => 0);
  return names.map((name) => {
    kernels.forEach((kernel, side) => {
      const found = stages[side].indexOf(name);
      if (found >= 0) now[side] = found;
    });
    return { name, stages: [...now] };
  });
})();
state.at = steps.length - 1;

// The stage of a kernel's loops that is shown.
const stageShown = (kernel) => steps[state.at].stages[kernels.indexOf(kernel)];

const listener = {
  pointed(column, line) {
    showLine(column, line);
    if (!state.pinned) light(column.kernel, column.kernel.linked(column.kind, line, stageShown(column.kernel)));
  },
  left(source) {
    if (source.forget) source.forget();
    if (!state.pinned) clear();
  },
  activated(column, line) {
    if (state.pinned && state.pinned !== column) unpin();
    state.pinned = null;
    light(column.kernel, column.kernel.linked(column.kind, line, stageShown(column.kernel)), column);
    showLine(column, line);
    say(column, line);
  },
  pinned(column, line) {
    light(column.kernel, column.kernel.linked(column.kind, line, stageShown(column.kernel)), column);
    state.pinned = column;
    say(column, line);
  },
  beside(column, by) {
    const shown = columns.filter((each) => !each.element.hidden);
    const other = shown[shown.indexOf(column) + by];
    if (!other) return;
    const line = other.firstLit();
    if (line >= 0) other.active = line;
    other.list.focus();
    other.activate(other.active);
  },
  tile(volume, lines, text, pin) {
    if (state.pinned && !pin && document.activeElement !== volume.svg) return;
    light(volume.kernel, volume.kernel.linkedTo(lines, stageShown(volume.kernel)), pin ? {} : null);
    state.pinned = pin ? volume : null;
    one("status").textContent = text;
  },
};

// Light what is linked, and softly what the same statements of the kernel beside it became; with a `source`, bring it into
// view in all columns but that.
function light(kernel, { strong, soft }, source = null) {
  const stage = stageShown(kernel);
  const texts = new Set([...strong.loops].map((line) => kernel.texts(stage)[line]));
  for (const column of columns) {
    if (column.kernel === kernel) column.light(strong[column.kind], soft[column.kind]);
    else column.light([], column.kernel.alike(texts, stageShown(column.kernel))[column.kind]);
    if (source && column !== source) column.reveal();
  }
}

function clear() {
  for (const column of columns) column.light([], []);
}

function unpin() {
  state.pinned = null;
  clear();
}

// The whole of a line, which its column may cut off.
function showLine(column, line) {
  one("line").textContent = column.kernel.text(column.kind, line, column.stage).trim() || " ";
}

function say(column, line) {
  const { strong, soft } = column.kernel.linked(column.kind, line, stageShown(column.kernel));
  const counts = KINDS.filter((kind) => kind !== column.kind).map(
    (kind) => {
      const count = strong[kind].size + soft[kind].size;
      return `${count} line${count === 1 ? "" : "s"} of ${TITLES[kind]}`;
    },
  );
  const folded = strong.llvm.size && !strong.assembly.size && !soft.assembly.size;
  const why = folded ? ", which LLVM made part of other instructions" : "";
  one("status").textContent = `${TITLES[column.kind]}, line ${line + 1}: linked with ${counts.join(" and ")}${why}.`;
}

function showPass(at) {
  state.at = Math.max(0, Math.min(at, steps.length - 1));
  const slider = one("pass");
  slider.value = state.at;
  const side = state.view === "both" ? 0 : Number(state.view);
  const kernel = kernels[side];
  const stage = steps[state.at].stages[side];
  const { name, reason, idle } = kernel.stages[stage];
  const here = name === steps[state.at].name;
  slider.setAttribute("aria-valuetext", `${steps[state.at].name}, ${state.at + 1} of ${steps.length}`);
  one("name").textContent = `${steps[state.at].name} (${state.at + 1} of ${steps.length})`;
  const fresh = kernel.stages[stage].came.filter((line) => line < 0).length;
  const parts = [here ? reason : "changes nothing here"];
  if (stage && here) parts.push(`${fresh} lines are new, ${kernel.gone(stage)} are gone`);
  if (here && idle.length) parts.push(`unchanged before by ${idle.join(", ")}`);
  one("reason").textContent = parts.filter(Boolean).join(" · ");
  one("before").disabled = state.at === 0;
  one("next").disabled = state.at === steps.length - 1;
  unpin();
  for (const column of columns) {
    if (column.kind === "loops") column.show(stageShown(column.kernel), column.other && stageShown(column.other));
  }
}

// The columns of a view: three of one kernel, or one level of both.
function build() {
  const both = state.view === "both";
  const wanted = both
    ? kernels.map((kernel, side) => [kernel, state.level, `${"AB"[side]} · ${TITLES[state.level]}`])
    : KINDS.map((kind) => [kernels[Number(state.view)], kind, TITLES[kind]]);
  columns = wanted.map(([kernel, kind, label], number) => {
    const other = both && kind === "loops" ? kernels[1 - number] : null;
    return new Column(kernel, kind, label, `column${number}`, listener, other);
  });
  one("columns").replaceChildren(...columns.map((column) => column.element));
  buildLevels(both);
  arrange();
  const shown = both ? kernels : [kernels[Number(state.view)]];
  volumes = shown
    .filter((kernel) => kernel.data.volume)
    .map((kernel) => {
      const number = kernels.indexOf(kernel);
      return new Volume(kernel, `volume${number}`, several ? `${"AB"[number]}: ` : "", listener);
    });
  one("volumes").replaceChildren(...volumes.map((volume) => volume.element));
  if (!volumes.length) one("volumes").append(make("p", { class: "muted" }, "This kernel stores no steps of a convolution."));
  showPass(state.at);
}

function buildLevels(both) {
  one("levels").replaceChildren(
    ...KINDS.map((kind) => {
      const pressed = both ? state.level === kind : !state.hidden.has(kind);
      const button = make("button", { type: "button", "aria-pressed": String(pressed), "data-kind": kind }, TITLES[kind]);
      button.addEventListener("click", () => {
        if (both) {
          state.level = kind;
          build();
        } else {
          if (state.hidden.has(kind)) state.hidden.delete(kind);
          else if (state.hidden.size < KINDS.length - 1) state.hidden.add(kind);
          buildLevels(both);
          arrange();
        }
        one("levels").querySelector(`[data-kind="${kind}"]`).focus();
      });
      return button;
    }),
  );
}

function arrange() {
  const both = state.view === "both";
  for (const column of columns) column.element.hidden = !both && state.hidden.has(column.kind);
  const widths = { loops: "5fr", llvm: "5fr", assembly: "4fr" }; // assembly has short lines
  const shown = columns.filter((column) => !column.element.hidden);
  one("columns").style.setProperty("--widths", shown.map(({ kind }) => `minmax(0, ${widths[kind]})`).join(" "));
  redraw();
}

function redraw() {
  for (const column of columns) column.draw();
}

// Facts of all kernels in one table.
function buildFacts() {
  const names = [...new Set(kernels.flatMap((kernel) => kernel.data.facts.map(([name]) => name)))];
  if (several) {
    const head = make("tr");
    head.append(make("td"), ...kernels.map((_, side) => make("th", { scope: "col" }, "AB"[side])));
    one("facts").append(head);
  }
  for (const name of names) {
    const row = make("tr");
    row.append(make("th", { scope: "row" }, name));
    for (const kernel of kernels) {
      const fact = kernel.data.facts.find(([other]) => other === name);
      row.append(make("td", {}, fact ? fact[1] : "–"));
    }
    one("facts").append(row);
  }
}

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  redraw();
}

function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch {
    // pages from files may have no storage
  }
  return null;
}

one("pass").max = steps.length - 1;
one("pass").addEventListener("input", (event) => showPass(Number(event.target.value)));
one("before").addEventListener("click", () => showPass(state.at - 1));
one("next").addEventListener("click", () => showPass(state.at + 1));
one("view")?.addEventListener("change", (event) => {
  state.view = event.target.value;
  build();
});
one("theme").addEventListener("change", (event) => {
  setTheme(event.target.value);
  remember("conv1d_codegen.theme", event.target.value);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") unpin();
  else if (event.key === ",") showPass(state.at - 1);
  else if (event.key === ".") showPass(state.at + 1);
});
window.addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

const kept = remember("conv1d_codegen.theme");
const chosen = kept && document.querySelector(`input[name="theme"][value="${CSS.escape(kept)}"]`);
if (chosen) {
  chosen.checked = true;
  setTheme(kept);
}
one("roofline").replaceChildren(roofline(kernels));
buildFacts();
build();
performance.mark("ready");
document.documentElement.dataset.ready = "true";
