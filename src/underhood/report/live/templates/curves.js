// The curves of the settings that are ticked. LOOKS has colours, dashes and how many seeds are followed.

function showCurves(news) {
  for (const [group, found] of Object.entries(news)) {
    const known = state.curves.get(group) ?? { trials: new Map(), mean: { points: [], of: 0 } };
    Object.assign(known, { label: found.label, seeds: found.seeds, axis: found.axis, counted: found.mean.counted });
    for (const [id, each] of Object.entries(found.trials)) {
      state.names.set(id, `${found.label}, seed ${each.seed}`);
      known.trials.set(id, { seed: each.seed, ...extended(known.trials.get(id), each) });
    }
    known.mean = extended(known.mean, found.mean);
    state.curves.set(group, known);
  }
  listLogs();
  draw();
}

const extended = (known, added) => (added.anew || !known
  ? { points: added.points, of: added.of }
  : { points: [...known.points, ...added.points], of: known.of + added.of });

function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? rough;
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

function decades(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const step of Math.log10(high / low) > 3 ? [1] : [1, 2, 5]) {
      const tick = Number((step * 10 ** power).toPrecision(3));
      if (tick >= low && tick <= high) found.push(tick);
    }
  }
  return found;
}

// The curves of each setting: the mean over a band and faint seeds, or the seeds themselves where there is no mean yet.
function drawnCurves(log) {
  const fits = ([x, y]) => x !== null && y !== null && (!log || y > 0);
  return state.shown.map((group, i) => [state.curves.get(group), i]).filter(([found]) => found).map(([found, i]) => {
    const seeds = [...found.trials.values()].map((each) => ({ ...each, points: each.points.filter(fits) })).filter((each) => each.points.length);
    const mean = found.mean.points.filter(fits), last = (mean.length ? mean : seeds[0]?.points ?? []).at(-1);
    const of = mean.length ? `mean of ${found.counted} seeds` : seeds.length === 1 ? `seed ${seeds[0].seed}` : `${seeds.length} seeds`;
    return {
      label: found.label, axis: found.axis, trials: found.seeds, seeds, mean, of, last, every: [...seeds.flatMap((each) => each.points), ...mean],
      thin: [...found.trials.values(), found.mean].some((each) => each.points.length < each.of),
      colour: LOOKS.colours[i % LOOKS.colours.length], dash: LOOKS.dashes[i % LOOKS.dashes.length].join(" ").replace(/^1 0$/, "none"),
    };
  });
}

function csv(curves) {
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`, rows = [["setting", "seed", "x", state.metric, "low", "high"]];
  for (const curve of curves) {
    for (const { seed, points } of curve.seeds) for (const [x, y] of points) rows.push([quoted(curve.label), seed, x, y, "", ""]);
    for (const [x, y, low, high] of curve.mean) rows.push([quoted(curve.label), "", x, y, low, high]);
  }
  return `data:text/csv;charset=utf-8,${encodeURIComponent(`${rows.map((row) => row.join()).join("\n")}\n`)}`;
}

function draw() {
  const log = $("log-scale").checked, curves = drawnCurves(log);
  const every = curves.flatMap((curve) => curve.every), metric = plain(state.metric);
  legend(curves);
  const notes = [];
  if (curves.some((curve) => curve.mean.length)) notes.push("The mean over the seeds with its 95 % interval, as far as all that began have come; faint: each seed.");
  if (curves.some((curve) => curve.thin)) notes.push("Long curves are thinned to what a screen shows, lowest and highest points kept.");
  if (curves.some((curve) => curve.trials > LOOKS.seeds)) notes.push(`Of a setting the first ${LOOKS.seeds} seeds are followed.`);
  $("thinned").textContent = notes.join(" ");
  $("csv").href = csv(curves);
  if (!every.length) { $("chart").replaceChildren(element("p", { className: "nothing", textContent: metric ? `No trial that is chosen below has measured ${metric} yet.` : "Nothing was measured yet." })); return; }
  const width = Math.max(260, $("chart").clientWidth), height = 288, top = 26, bottom = 40, right = 12;
  const xs = every.map(([x]) => x), ys = every.map(([, y]) => y);
  let [x0, x1] = [least(xs), most(xs)], [y0, y1] = [least(ys), most(ys)];
  if (x0 === x1) [x0, x1] = [x0 - 0.5, x1 + 0.5];
  if (!log && y0 > 0 && y0 < 0.1 * y1) y0 = 0; // the axis has a zero where the curves come near it
  if (y0 === y1) [y0, y1] = log ? [y0 / 2, y1 * 2] : [y0 - (Math.abs(y0) || 1) / 10, y1 + (Math.abs(y1) || 1) / 10];
  const up = log ? decades(y0, y1) : ticks(y0, y1, 5), along = ticks(x0, x1, Math.max(2, Math.floor(width / 110)));
  const labels = up.map(number), left = 14 + 7 * Math.max(1, ...labels.map((text) => text.length));
  const at = log ? (y) => Math.log(y / y0) / Math.log(y1 / y0) : (y) => (y - y0) / (y1 - y0);
  const px = (x) => left + (x - x0) / (x1 - x0) * (width - left - right);
  const py = (y) => height - bottom - Math.max(0, Math.min(1, y > 0 || !log ? at(y) : 0)) * (height - top - bottom);
  const last = curves.map((curve) => `${curve.label}, ${curve.of}: ${number(curve.last?.[1])}`).join("; ");
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Curves of ${metric} against ${curves[0].axis}. Latest: ${last}.` });
  up.forEach((tick, i) => picture.append(
    drawn("line", { class: "grid", x1: left, x2: width - right, y1: py(tick), y2: py(tick) }),
    drawn("text", { x: left - 8, y: py(tick) + 4, "text-anchor": "end" }, labels[i])));
  for (const tick of along) picture.append(drawn("text", { x: px(tick), y: height - bottom + 18, "text-anchor": "middle" }, number(tick)));
  picture.append(
    drawn("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    drawn("text", { x: left, y: 12, "font-weight": 600 }, metric),
    drawn("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle", "font-weight": 600 }, curves[0].axis));
  const way = (points, y = 1) => points.map((point, i) => `${i ? "L" : "M"}${px(point[0]).toFixed(1)},${py(point[y]).toFixed(1)}`).join("");
  for (const { mean, colour } of curves) if (mean.length > 1)
    picture.append(drawn("path", { class: "band", d: `${way(mean, 3)}L${way(mean.toReversed(), 2).slice(1)}Z`, fill: colour }));
  for (const { mean, seeds, colour, dash } of curves) {
    for (const { points } of seeds) picture.append(points.length === 1
      ? drawn("circle", { cx: px(points[0][0]), cy: py(points[0][1]), r: mean.length ? 2 : 3.5, fill: colour })
      : drawn("path", { class: mean.length ? "seed" : "curve", d: way(points), stroke: colour, "stroke-dasharray": mean.length ? "none" : dash }));
    if (mean.length === 1) picture.append(drawn("circle", { cx: px(mean[0][0]), cy: py(mean[0][1]), r: 4.5, fill: colour }));
    else if (mean.length) picture.append(drawn("path", { class: "curve", d: way(mean), stroke: colour, "stroke-dasharray": dash }));
  }
  picture.onpointermove = (event) => point(event, picture, curves, px, py, width);
  picture.onpointerleave = () => document.querySelector(".tip")?.remove();
  $("chart").replaceChildren(picture);
}

const least = (values) => values.reduce((a, b) => Math.min(a, b));
const most = (values) => values.reduce((a, b) => Math.max(a, b));

function legend(curves) {
  $("legend").replaceChildren(...curves.map((curve) => element("li", {},
    drawn("svg", { width: 28, height: 10, "aria-hidden": "true" }, drawn("line", { x1: 1, x2: 27, y1: 5, y2: 5, stroke: curve.colour, "stroke-width": 2.5, "stroke-dasharray": curve.dash })),
    element("span", { textContent: `${curve.label}: ${number(curve.last?.[1])} (${curve.of})` }))));
}

// The value nearest to the pointer.
function point(event, picture, curves, px, py, width) {
  const box = picture.getBoundingClientRect(), scale = width / box.width;
  const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  let best = null;
  const near = (curve, points, seed) => {
    for (const each of points) {
      const far = (px(each[0]) - x) ** 2 + (py(each[1]) - y) ** 2;
      if (far < (best?.far ?? 900)) best = { far, curve, each, seed };
    }
  };
  for (const curve of curves) {
    near(curve, curve.mean, null);
    for (const { seed, points } of curve.seeds) near(curve, points, seed);
  }
  document.querySelector(".tip")?.remove();
  if (!best) return;
  const { curve, each: [at, value, low, high], seed } = best;
  const rows = [["setting", curve.label], seed === null ? ["of", curve.of] : ["seed", String(seed)], [curve.axis, number(at)], [plain(state.metric), number(value)]];
  if (seed === null) rows.push(["95 % interval", `${number(low)} to ${number(high)}`]);
  const tip = element("div", { className: "tip" }, element("dl", {}, ...rows.flatMap(([name, text]) => [element("dt", { textContent: name }), element("dd", { textContent: text })])));
  document.body.append(tip);
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(event.pageX + 14, window.scrollX + room))}px`;
  tip.style.top = `${event.pageY + 16}px`;
}
