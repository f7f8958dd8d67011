// The data of one kernel: lines of a stage, and which lines of the other columns come from a line.

const KINDS = ["loops", "llvm", "assembly"];
const TITLES = { loops: "Loop IR", llvm: "LLVM IR", assembly: "Assembly" };

class Kernel {
  constructor(data) {
    this.data = data;
    this.stages = data.stages;
    this.last = this.stages.length - 1;
    this._finals = [];
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

  // For each line of a stage the line of the last one that it still is, or -1.
  finals(stage) {
    if (!this._finals[stage]) {
      let found = this.stages[this.last].lines.map((_, line) => line);
      for (let at = this.last; at > stage; at--) {
        const earlier = new Array(this.stages[at - 1].lines.length).fill(-1);
        this.stages[at].came.forEach((from, line) => {
          if (from >= 0) earlier[from] = found[line];
        });
        found = earlier;
      }
      this._finals[stage] = found;
    }
    return this._finals[stage];
  }

  // The line behind the last one within a loop.
  end(line, stage) {
    const depths = this.stages[stage].depths;
    let end = line + 1;
    while (end < depths.length && depths[end] > depths[line] && depths[line] > 0) end++;
    return end;
  }

  // The last stage's line of loops that a line of a column comes from, or -1.
  origin(kind, line, stage) {
    if (kind === "loops") return this.finals(stage)[line];
    const ir = kind === "llvm" ? line : this.data.llvmOf[line];
    return ir < 0 ? -1 : this.data.loopOf[ir];
  }

  // The stripe of a line: a number for its innermost loop, or -1.
  stripe(kind, line, stage) {
    const loop = this.origin(kind, line, stage);
    return loop < 0 ? -1 : this._stripes[loop];
  }

  // What a line lights in all columns: for each kind the lines that come from it itself, and from what is around or within.
  linked(kind, line, stage) {
    const strong = { loops: new Set(), llvm: new Set(), assembly: new Set() };
    const soft = { loops: new Set(), llvm: new Set(), assembly: new Set() };
    const now = this.finals(stage);
    const addLoop = (loop, to) => {
      for (const ir of this._ofLoop[loop]) {
        to.llvm.add(ir);
        for (const instruction of this._ofLlvm[ir]) to.assembly.add(instruction);
      }
    };
    if (kind === "loops") {
      for (let inner = line; inner < this.end(line, stage); inner++) {
        const to = inner === line ? strong : soft;
        to.loops.add(inner);
        if (now[inner] >= 0) addLoop(now[inner], to);
      }
      return { strong, soft };
    }
    const loop = this.origin(kind, line, stage);
    if (loop >= 0) {
      addLoop(loop, soft);
      const shown = now.indexOf(loop);
      if (shown >= 0) strong.loops.add(shown);
    }
    const ir = kind === "llvm" ? line : this.data.llvmOf[line];
    if (ir >= 0) strong.llvm.add(ir);
    if (kind === "assembly") strong.assembly.add(line);
    else for (const instruction of this._ofLlvm[ir]) strong.assembly.add(instruction);
    return { strong, soft };
  }

  // What some lines of the last stage light together.
  linkedTo(loops, stage) {
    const strong = { loops: new Set(), llvm: new Set(), assembly: new Set() };
    const soft = { loops: new Set(), llvm: new Set(), assembly: new Set() };
    const now = this.finals(stage);
    for (const loop of loops) {
      const shown = now.indexOf(loop);
      if (shown >= 0) strong.loops.add(shown);
      for (const ir of this._ofLoop[loop]) {
        strong.llvm.add(ir);
        for (const instruction of this._ofLlvm[ir]) strong.assembly.add(instruction);
      }
    }
    return { strong, soft };
  }
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
