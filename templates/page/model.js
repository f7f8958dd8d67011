// The data of one kernel: lines of a stage, and which lines of the other columns come from a line.

const KINDS = ["loops", "llvm", "assembly"];
const TITLES = { loops: "Loop IR", llvm: "LLVM IR", assembly: "Assembly" };

class Kernel {
  constructor(data) {
    this.data = data;
    this.stages = data.stages;
    this.last = this.stages.length - 1;
    this._ofLoop = inverse(data.loopOf, this.stages[this.last].lines.length);
    this._ofLlvm = inverse(data.llvmOf, data.llvm.length);
    this._stripes = stripes(this.stages[this.last].depths, this.texts(this.last));
  }

  // The lines of a stage's loops, without their indentation.
  texts(stage) {
    const of = this.stages[stage];
    of.texts ??= of.lines.map((number) => this.data.texts[number]);
    return of.texts;
  }

  count(kind, stage) {
    return kind === "loops" ? this.stages[stage].lines.length : this.data[kind].length;
  }

  text(kind, line, stage) {
    if (kind !== "loops") return this.data[kind][line].replace(/\t/g, "  ");
    return "  ".repeat(this.stages[stage].depths[line]) + this.texts(stage)[line];
  }

  // Whether the stage's pass made a line.
  isNew(line, stage) {
    return stage > 0 && this.stages[stage].came[line] < 0;
  }

  // How many lines of the stage before are gone.
  gone(stage) {
    if (stage === 0) return 0;
    return this.stages[stage - 1].lines.length - this.stages[stage].came.filter((line) => line >= 0).length;
  }

  // How lines go from the stage before to a stage: for each line of the one those of the other, where its text stands,
  // and where that is nowhere, the lines that took the place of those around it.
  _step(stage) {
    const of = this.stages[stage];
    if (!of.step) {
      const same = this.stages[stage - 1].lines.map(() => []);
      of.came.forEach((from, line) => {
        if (from >= 0) same[from].push(line);
      });
      for (const [line, from] of of.copied) same[from].push(line);
      const instead = same.map(() => []);
      for (const [from, to, first, last] of of.replaced) {
        for (let line = from; line < to; line++) {
          if (!same[line].length) for (let now = first; now < last; now++) instead[line].push(now);
        }
      }
      of.step = { same, instead };
    }
    return of.step;
  }

  // The lines of the last stage that lines of a stage became: by their text, and by the place that they had.
  became(lines, stage) {
    let [strong, soft] = [new Set(lines), new Set()];
    for (let at = stage + 1; at <= this.last; at++) {
      const { same, instead } = this._step(at);
      const next = [new Set(), new Set()];
      for (const line of strong) {
        for (const now of same[line]) next[0].add(now);
        for (const now of instead[line]) next[1].add(now);
      }
      for (const line of soft) for (const now of [...same[line], ...instead[line]]) next[1].add(now);
      [strong, soft] = next;
    }
    return { strong, soft };
  }

  // The lines of a stage that a line of the last one was: the other way round.
  was(loop, stage) {
    let [strong, soft] = [new Set([loop]), new Set()];
    for (let at = this.last; at > stage; at--) {
      const { same, instead } = this._step(at);
      const before = [new Set(), new Set()];
      same.forEach((lines, from) => {
        if (lines.some((line) => strong.has(line))) before[0].add(from);
        else if (lines.some((line) => soft.has(line))) before[1].add(from);
        else if (instead[from].some((line) => strong.has(line) || soft.has(line))) before[1].add(from);
      });
      [strong, soft] = before;
    }
    return { strong, soft };
  }

  // The line behind the last one within a loop.
  end(line, stage) {
    const depths = this.stages[stage].depths;
    let end = line + 1;
    while (end < depths.length && depths[end] > depths[line] && depths[line] > 0) end++;
    return end;
  }

  // The last stage's line of loops that a line of LLVM IR or of assembly comes from, or -1.
  origin(kind, line) {
    const ir = kind === "llvm" ? line : this.data.llvmOf[line];
    return ir < 0 ? -1 : this.data.loopOf[ir];
  }

  // The stripe of a line: a number for its innermost loop, or -1.
  stripe(kind, line, stage) {
    if (kind !== "loops") {
      const loop = this.origin(kind, line);
      return loop < 0 ? -1 : this._stripes[loop];
    }
    const of = this.stages[stage];
    of.stripes ??= of.lines.map((_, each) => {
      const [first] = this.became([each], stage).strong;
      return first === undefined ? -1 : this._stripes[first];
    });
    return of.stripes[line];
  }

  // What a line lights in all columns: for each kind the lines that come from it itself, and from what is around or within.
  linked(kind, line, stage) {
    const [strong, soft] = [nothing(), nothing()];
    if (kind === "loops") {
      const within = [];
      for (let inner = line + 1; inner < this.end(line, stage); inner++) within.push(inner);
      strong.loops.add(line);
      within.forEach((inner) => soft.loops.add(inner));
      const own = this.became([line], stage);
      const inner = this.became(within, stage);
      own.strong.forEach((loop) => this._addLoop(loop, strong));
      [own.soft, inner.strong, inner.soft].forEach((loops) => loops.forEach((loop) => this._addLoop(loop, soft)));
      return { strong, soft };
    }
    const loop = this.origin(kind, line);
    if (loop >= 0) {
      this._addLoop(loop, soft);
      this._addShown(loop, stage, strong, soft);
    }
    const ir = kind === "llvm" ? line : this.data.llvmOf[line];
    if (ir >= 0) strong.llvm.add(ir);
    if (kind === "assembly") strong.assembly.add(line);
    else for (const instruction of this._ofLlvm[ir]) strong.assembly.add(instruction);
    return { strong, soft };
  }

  // What some lines of the last stage light together.
  linkedTo(loops, stage) {
    const [strong, soft] = [nothing(), nothing()];
    for (const loop of loops) {
      this._addShown(loop, stage, strong, soft);
      this._addLoop(loop, strong);
    }
    return { strong, soft };
  }

  // What lines of a stage with these texts light: the same statements of another kernel.
  alike(texts, stage) {
    const found = nothing();
    this.texts(stage).forEach((text, line) => {
      if (texts.has(text)) found.loops.add(line);
    });
    this.became(found.loops, stage).strong.forEach((loop) => this._addLoop(loop, found));
    return found;
  }

  _addShown(loop, stage, strong, soft) {
    const shown = this.was(loop, stage);
    shown.strong.forEach((line) => strong.loops.add(line));
    shown.soft.forEach((line) => soft.loops.add(line));
  }

  _addLoop(loop, to) {
    for (const ir of this._ofLoop[loop]) {
      to.llvm.add(ir);
      for (const instruction of this._ofLlvm[ir]) to.assembly.add(instruction);
    }
  }
}

function nothing() {
  return { loops: new Set(), llvm: new Set(), assembly: new Set() };
}

function inverse(origins, count) {
  const found = Array.from({ length: count }, () => []);
  origins.forEach((origin, line) => {
    if (origin >= 0) found[origin].push(line);
  });
  return found;
}

// For each line the number of the innermost loop that it is in or opens.
function stripes(depths, texts) {
  const around = [];
  let loops = 0;
  return depths.map((depth, line) => {
    while (around.length && around[around.length - 1].depth >= depth) around.pop();
    if (/^(for|parallel) /.test(texts[line])) around.push({ depth, number: loops++ });
    return around.length ? around[around.length - 1].number : -1;
  });
}
