// The roofline of all kernels of the page, as SVG on logarithmic axes.

function roofline(kernels) {
  const shown = kernels.map((kernel, side) => ({ ...kernel.data.roofline, side })).filter((each) => each.points);
  const figure = make("figure", { class: "roofline" });
  if (!shown.length) {
    figure.append(make("p", { class: "muted" }, "No loop of this kernel multiplies and adds."));
    return figure;
  }
  const [left, top, width, height] = [52, 22, 400, 210];
  const rates = shown.flatMap((each) => [each.peak, ...each.points.map((point) => point.rate)]);
  const at = shown.flatMap((each) => [each.peak / (each.memory || each.bandwidth), each.peak / each.bandwidth, ...each.points.map((point) => point.intensity)]);
  const [x0, x1] = [Math.min(...at) / 3, Math.max(...at) * 5];
  const [y0, y1] = [Math.min(...rates) / 4, Math.max(...rates) * 1.7];
  const x = (value) => left + (width * Math.log(value / x0)) / Math.log(x1 / x0);
  const y = (value) => top + height - (height * Math.log(value / y0)) / Math.log(y1 / y0);
  const unit = shown[0].unit;
  const svg = draw("svg", { viewBox: `0 0 ${left + width + 16} ${top + height + 42}`, role: "img" });
  const sentences = shown.flatMap((each) => each.points.map((point) => spoken(point, each, kernels)));
  svg.append(draw("title", {}, `Roofline. ${sentences.join(" ")}`));
  for (const [value, place] of decades(x0, x1)) {
    svg.append(draw("line", { x1: x(value), x2: x(value), y1: top, y2: top + height, class: "grid" }));
    if (place) svg.append(written(x(value), top + height + 16, value, { "text-anchor": "middle" }));
  }
  for (const [value, place] of decades(y0, y1)) {
    svg.append(draw("line", { x1: left, x2: left + width, y1: y(value), y2: y(value), class: "grid" }));
    if (place) svg.append(written(left - 6, y(value) + 4, value, { "text-anchor": "end" }));
  }
  svg.append(written(left + width / 2, top + height + 35, shown[0].axis, { "text-anchor": "middle", class: "axis" }));
  svg.append(written(left, 13, unit, { class: "axis", "text-anchor": "middle" }));
  const roofs = new Map(shown.map((each) => [`${each.peak} ${each.bandwidth}`, each]));
  const slope = (bandwidth, peak, words, name) => {
    const ridge = Math.min(Math.max(peak / bandwidth, x0), x1);
    const low = Math.max(x0, y0 / bandwidth);
    svg.append(draw("path", { d: `M${x(low)},${y(low * bandwidth)} L${x(ridge)},${y(ridge * bandwidth)}`, class: name }));
    const middle = Math.sqrt(low * ridge);
    const rise = y(low * bandwidth) - y(ridge * bandwidth);
    const turn = (-Math.atan2(rise, x(ridge) - x(low)) * 180) / Math.PI;
    const [a, b] = [x(middle) - 6, y(middle * bandwidth) - 6];
    svg.append(written(a, b, words, { "text-anchor": "middle", class: "quiet", transform: `rotate(${turn} ${a} ${b})` }));
    return ridge;
  };
  for (const { peak, bandwidth, memory, model, from } of roofs.values()) {
    const ridge = slope(bandwidth, peak, from, "roof");
    if (memory) slope(memory, peak, "memory, measured", "roof lower");
    svg.append(draw("path", { d: `M${x(ridge)},${y(peak)} L${x(x1)},${y(peak)}`, class: "roof" }));
    svg.append(written(left + width, y(peak) - 6, `${model}: ${round(peak)}`, { "text-anchor": "end" }));
  }
  for (const each of shown) {
    each.points.forEach((point, number) => {
      const [cx, cy] = [x(point.intensity), y(point.rate)];
      const name = `point side${each.side}${number ? "" : " hollow"}`;
      const circle = point.measured
        ? draw("rect", { x: cx - 5.5, y: cy - 5.5, width: 11, height: 11, class: name, transform: `rotate(45 ${cx} ${cy})` })
        : draw("circle", { cx, cy, r: 6, class: name });
      circle.append(draw("title", {}, spoken(point, each, kernels)));
      svg.append(circle);
    });
  }
  const list = make("ul", { class: "points" });
  for (const each of shown) {
    each.points.forEach((point, number) => {
      const item = make("li");
      item.append(make("span", { class: `dot side${each.side}${number ? "" : " hollow"}${point.measured ? " measured" : ""}`, "aria-hidden": "true" }));
      item.append(spoken(point, each, kernels));
      list.append(item);
    });
  }
  figure.append(svg, list);
  return figure;
}

function spoken(point, of, kernels) {
  const side = kernels.length > 1 ? `${"AB"[of.side]}, ` : "";
  return `${side}${point.name}: ${round(point.rate)} ${of.unit}, ${Math.round((100 * point.rate) / of.peak)} % of the peak${point.words ? `; ${point.words}` : ""}.`;
}

// 1, 2 and 5 times each power of ten in a range, and whether there is room for its number.
function* decades(low, high) {
  const wide = Math.log10(high / low) > 2.2;
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const factor of [1, 2, 5]) {
      const value = Number((factor * 10 ** power).toPrecision(3));
      if (value >= low && value <= high) yield [value, factor === 1 || !wide];
    }
  }
}

function round(value) {
  return Number(value.toPrecision(3));
}
