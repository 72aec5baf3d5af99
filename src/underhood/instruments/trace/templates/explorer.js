"use strict";

// The page: the network line by line with its numbers as maps, and beside it the equation of whatever was picked.

const shownFirst = { maps: 16, filters: 24, cells: 40, terms: 8 };
const state = { gradients: false, picked: null, outlines: new Map() };
let sources = [];

// ---- the numbers

async function unpack() {
  const header = JSON.parse(document.getElementById("header").textContent);
  const zipped = Uint8Array.from(atob(document.getElementById("numbers").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer()), count = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let rank = 0; rank < 4; rank++) for (let i = 0; i < count; i++) bytes[4 * i + rank] = planes[rank * count + i];
  let at = 0;
  const arrays = header.arrays.map(({ size, type }) => {
    const found = type === "float" ? new Float32Array(bytes.buffer, 4 * at, size) : new Int32Array(bytes.buffer, 4 * at, size);
    if (type === "int") for (let i = 1; i < size; i++) found[i] += found[i - 1];
    at += size;
    return found;
  });
  sources = header.sources.map((source, id) => ({ ...source, id, value: arrays[source.value], uses: [] }));
  for (const source of sources) {
    source.gradient = source.gradient === null ? undefined : arrays[source.gradient];
    for (const key of ["map", "slope", "where", "weights", "starts", "chosen"])
      if (key in source.rule) source.rule[key] = arrays[source.rule[key]];
    source.inputs = source.inputs.map((i) => (i < 0 ? null : sources[i]));
    source.inputs.forEach((input, i) => input?.uses.push({ line: source, i }));
  }
  return header;
}

const numbersOf = (source) => (state.gradients ? gradientOf(source) : source.value);

// ---- elements

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data = {}, ...others } = properties;
  for (const [name, value] of Object.entries(others)) name in element ? (element[name] = value) : element.setAttribute(name, value);
  Object.assign(element.dataset, data);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const times = (shape) => shape.join("×") || "one number";

// ---- maps: how a source is laid out as tiles of pixels

function tiling(source) {
  const shape = source.shape;
  if (source.kind === "weight" && shape.length === 4) return { tiles: shape[0] * shape[1], high: shape[2], wide: shape[3], first: shownFirst.filters };
  if (shape.length === 4) return { tiles: shape[0] * shape[1], high: shape[2], wide: shape[3], first: shownFirst.maps };
  if (shape.length === 3) return { tiles: shape[0], high: shape[1], wide: shape[2], first: shownFirst.maps };
  if (shape.length === 2 && shape[0] > 1) return { tiles: 1, high: shape[0], wide: shape[1], first: 1 };
  return { tiles: product(shape), high: 1, wide: 1, first: shownFirst.cells };
}

function colour(fraction, sign) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const paper = dark ? [22, 27, 34] : [255, 255, 255], ink = sign < 0 ? [0, 114, 178] : [213, 94, 0];
  return paper.map((p, i) => Math.round(p + (ink[i] - p) * fraction));
}

class Maps {
  constructor(source) {
    this.source = source;
    this.plan = tiling(source);
    this.all = this.plan.tiles <= this.plan.first;
    this.canvas = make("canvas", { tabIndex: 0, role: "application", className: "maps" });
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.more = make("button", { type: "button", className: "more", hidden: this.all });
    this.more.append(`Show all ${this.plan.tiles.toLocaleString("en")}`);
    this.more.addEventListener("click", () => {
      this.all = true;
      this.more.hidden = true;
      this.draw();
    });
    this.said = make("span", { className: "said" });
    this.element = make("div", {}, this.canvas, make("div", { className: "under" }, this.said, this.more));
    this.cursor = 0;
  }

  get tiles() {
    return this.all ? this.plan.tiles : this.plan.first;
  }

  // Pixels of the page for one number, and how many tiles stand side by side.
  layout() {
    const room = Math.max(this.element.clientWidth, 120), { high, wide } = this.plan;
    const cell = high === 1 && wide === 1;
    const whole = Math.max(1, Math.min(Math.floor(room / (wide + 1)), Math.floor(64 / Math.max(high, wide)) || 1));
    const scale = cell ? 12 : Math.min(whole, room / wide); // a wide matrix is drawn smaller, a pixel for several numbers
    const gap = cell ? 1 : 4, columns = Math.max(1, Math.min(this.tiles, Math.floor((room + gap) / (wide * scale + gap))));
    return { scale, gap, columns, step: [wide * scale + gap, high * scale + gap], rows: Math.ceil(this.tiles / columns) };
  }

  draw() {
    const values = numbersOf(this.source), { high, wide } = this.plan, { scale, gap, columns, step, rows } = this.layout();
    const sharp = window.devicePixelRatio || 1, width = columns * step[0] - gap, height = rows * step[1] - gap;
    Object.assign(this.canvas, { width: Math.round(width * sharp), height: Math.round(height * sharp) });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    this.describe(values);
    if (!values) return;
    const context = this.canvas.getContext("2d"), area = high * wide;
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.imageSmoothingEnabled = false;
    const most = values.reduce((top, x) => Math.max(top, Number.isFinite(x) ? Math.abs(x) : 0), 0) || 1;
    const small = new OffscreenCanvas(wide, high), inner = small.getContext("2d"), image = inner.createImageData(wide, high);
    for (let tile = 0; tile < this.tiles; tile++) {
      for (let i = 0; i < area; i++) {
        const x = values[tile * area + i];
        const [r, g, b] = Number.isNaN(x) ? [200, 0, 200] : colour(Math.sqrt(Math.min(1, Math.abs(x) / most)), x);
        image.data.set([r, g, b, 255], 4 * i);
      }
      inner.putImageData(image, 0, 0);
      const [x, y] = this.corner(tile, columns, step);
      context.drawImage(small, x, y, wide * scale, high * scale);
      context.strokeStyle = "rgba(128,128,128,.35)";
      context.lineWidth = 1;
      if (area > 1) context.strokeRect(x + 0.5, y + 0.5, wide * scale - 1, high * scale - 1);
    }
    this.outline(context, scale, columns, step);
  }

  corner(tile, columns, step) {
    return [(tile % columns) * step[0], Math.floor(tile / columns) * step[1]];
  }

  // What the picked number is, and what it looks at: a frame around it on every tile where it does.
  outline(context, scale, columns, step) {
    const { wide, high } = this.plan, area = wide * high;
    for (const [positions, strong] of state.outlines.get(this.source.id) ?? []) {
      const boxes = new Map();
      for (const k of positions) {
        const tile = Math.floor(k / area), y = Math.floor((k % area) / wide), x = k % wide;
        const [left, top, right, bottom] = boxes.get(tile) ?? [x, y, x, y];
        boxes.set(tile, [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)]);
      }
      context.strokeStyle = getComputedStyle(document.body).color;
      context.lineWidth = (strong ? 2.5 : 1.5) / (area > 1 ? 1 : 1.5);
      for (const [tile, [left, top, right, bottom]] of boxes) {
        if (tile >= this.tiles) continue;
        const [x, y] = this.corner(tile, columns, step);
        context.strokeRect(x + left * scale, y + top * scale, (right - left + 1) * scale, (bottom - top + 1) * scale);
      }
    }
  }

  describe(values) {
    const what = state.gradients ? `∂E/∂${this.source.name}` : this.source.name;
    if (!values) {
      this.said.textContent = "no gradient comes here";
      this.canvas.setAttribute("aria-label", `${what}: no gradient comes here`);
      return;
    }
    let low = Infinity, high = -Infinity, lost = 0;
    for (const x of values) {
      if (Number.isNaN(x)) lost += 1;
      else [low, high] = [Math.min(low, x), Math.max(high, x)];
    }
    const write = !state.gradients && isGiven(this.source) ? short : alike([low, high]);
    const range = low > high ? "" : low === high ? write(low) : `${write(low)} … ${write(high)}`;
    const gone = lost ? `NaN: ${lost.toLocaleString("en")} of ${values.length.toLocaleString("en")}` : "";
    this.said.textContent = [range, gone].filter(Boolean).join("; ");
    this.canvas.setAttribute("aria-label", `${what}, ${times(this.source.shape)}, ${this.said.textContent.replace("…", "to")}; arrow keys move, Enter picks a number`);
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect(), { scale, columns, step } = this.layout(), { wide, high } = this.plan;
    const px = event.clientX - box.left, py = event.clientY - box.top;
    const column = Math.floor(px / step[0]), row = Math.floor(py / step[1]), tile = row * columns + column;
    const x = Math.floor((px - column * step[0]) / scale), y = Math.floor((py - row * step[1]) / scale);
    if (column >= columns || tile >= this.tiles || x < 0 || y < 0 || x >= wide || y >= high) return null;
    return tile * wide * high + y * wide + x;
  }

  click(event) {
    const k = this.at(event);
    if (k !== null) choose(this.source, k);
  }

  point(event) {
    const k = this.at(event), values = numbersOf(this.source);
    this.canvas.title = k === null || !values ? "" : `${label(this.source, k)} = ${state.gradients ? digits(values[k]) : written({ source: this.source, k })}`;
  }

  key(event) {
    const { wide, high } = this.plan, area = wide * high, steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide };
    if (event.key === "Enter") choose(this.source, this.cursor);
    else if (event.key in steps) {
      const next = this.cursor + (area > 1 ? steps[event.key] : Math.sign(steps[event.key]));
      if (next >= 0 && next < this.tiles * area) this.cursor = next;
      state.outlines.set(this.source.id, [[[this.cursor], true]]);
      this.draw();
      this.canvas.setAttribute("aria-label", `${label(this.source, this.cursor)} = ${digits((numbersOf(this.source) ?? this.source.value)[this.cursor])}`);
    } else return;
    event.preventDefault();
  }
}

// ---- the network

function link(source) {
  const found = make("a", { href: `#source-${source.id}` });
  found.append(source.name);
  return found;
}

function card(source, classes) {
  const parts = [make("h2", {}, source.name), make("span", { className: "shape" }, times(source.shape))];
  if (source.operation) parts.splice(1, 0, make("code", {}, source.operation));
  const from = source.inputs.filter((input) => input && input.kind !== "weight" && input.kind !== "constant");
  const head = make("div", { className: "head" }, ...parts);
  if (from.length) head.append(make("span", { className: "from" }, "from ", ...from.flatMap((input, i) => (i ? [", ", link(input)] : [link(input)]))));
  const section = make("section", { id: `source-${source.id}`, className: source.kind }, head);
  if (!RULES[source.rule.kind] && source.kind === "line")
    section.append(make("p", { className: "note" }, `This page has no rule for ${source.operation}: its numbers are here; "underhood trace … --unit" in the terminal unfolds what it can.`));
  for (const each of [source, ...source.inputs.filter((input) => input && (input.kind === "weight" || input.kind === "constant"))]) {
    if (each !== source && each.drawn) continue;
    each.drawn = true;
    const maps = new Maps(each);
    each.maps = maps;
    if (each !== source) section.append(make("div", { className: "own" }, make("code", {}, each.name), ` ${times(each.shape)}`));
    section.append(maps.element);
  }
  const named = classes.some((each, i) => each !== String(i));
  if (named && source.shape.length === 2 && source.shape[1] === classes.length && source.shape[0] === 1)
    section.append(make("ol", { className: "classes", start: 0 }, ...classes.map((name) => make("li", {}, name))));
  return section;
}

const redraw = () => sources.forEach((source) => source.maps?.draw());

// ---- what is picked

function positionsBy(references) {
  const found = new Map();
  for (const { source, k } of references) found.set(source, [...(found.get(source) ?? []), k]);
  return found;
}

function outlines(source, k, equation) {
  state.outlines = new Map([[source.id, [[[k], true]]]]);
  if (!equation) return;
  const looked = state.gradients
    ? equation.terms.map(({ line, output }) => ({ source: line, k: output }))
    : [...equation.terms.flatMap((each) => each.refs), ...equation.rests];
  for (const [each, positions] of positionsBy(looked))
    state.outlines.set(each.id, [...(state.outlines.get(each.id) ?? []), [positions, false]]);
}

const equationOf = (source, k) => (state.gradients ? gradient(source, k) : activation(source, k));

function choose(source, k) {
  state.picked = { source, k };
  outlines(source, k, equationOf(source, k));
  redraw();
  document.getElementById("equation").replaceChildren(block(source, k, true));
  document.getElementById("unit").value = label(source, k);
  history.replaceState(null, "", `#${encodeURIComponent((state.gradients ? "∂E/∂" : "") + label(source, k))}`);
}

// A number's name: it unfolds below, where it has an equation of its own.
function name(source, k, below) {
  const own = source.kind === "line" || (state.gradients && source.uses.length);
  const text = (state.gradients && below ? "∂E/∂" : "") + label(source, k);
  if (!own || !below) return make("span", { className: "name" }, text);
  const button = make("button", { type: "button", className: "name" }, text);
  button.addEventListener("click", () => {
    const open = below.querySelector(`:scope > details[data-unit="${CSS.escape(text)}"]`);
    if (open) open.remove();
    else below.append(block(source, k, false));
    outlines(source, k, equationOf(source, k));
    redraw();
    source.maps?.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
  return button;
}

// The numbers that are multiplied, as they stand; none for a number that is added as it is.
function factors(term) {
  if (term.delta !== undefined) return `= ${digits(term.delta)}·${factor(term.slope)}`;
  const weight = term.weight === 1 && term.refs.length ? [] : [short(term.weight)];
  const all = [...weight, ...term.refs.map(written)];
  return all.length > 1 ? `= ${[all[0], ...all.slice(1).map(bracketed)].join("·")}` : "";
}

function names(term, below) {
  if (term.refs) return term.refs.flatMap((each, i) => [i ? " · " : "", name(each.source, each.k, below)]);
  const by = typeof term.by === "string" ? term.by : name(term.by.source, term.by.k, null);
  return [name(term.line, term.output, below), by ? " · " : "", by];
}

function row(term, write, below) {
  return make("tr", {}, ...[[write(term.value)], [factors(term)], names(term, below)].map((cell) => make("td", {}, ...cell)));
}

function table(equation, write, below) {
  const body = make("tbody"), terms = equation.terms;
  let shown = 0;
  const rest = make("tr");
  const more = make("button", { type: "button" }, "Show more");
  const grow = (count) => {
    terms.slice(shown, shown + count).forEach((each) => rest.before(row(each, write, below)));
    shown = Math.min(terms.length, shown + count);
    const left = terms.slice(shown);
    rest.hidden = !left.length;
    rest.replaceChildren(
      make("td", {}, write(left.reduce((sum, each) => sum + each.value, 0))), make("td", {}, more),
      make("td", {}, `${left.length.toLocaleString("en")} smaller one${left.length === 1 ? "" : "s"} together`));
  };
  more.addEventListener("click", () => grow(40));
  body.append(rest);
  grow(shownFirst.terms);
  const sum = make("tr", { className: "sum" }, make("td", {}, write(equation.total)), make("td"), make("td", {}, terms.length > 1 ? `the sum of ${terms.length.toLocaleString("en")}` : ""));
  return make("div", { className: "wide", tabIndex: 0, role: "region", ariaLabel: `Summands of ${equation.name}` }, make("table", {}, body, make("tfoot", {}, sum)));
}

// How the numbers of an equation are written that its sum is made of, and the sum itself.
function writer(equation, source) {
  if (!equation?.law) return !state.gradients && isGiven(source) ? short : digits;
  return equation.terms.length ? alike([equation.value, equation.total, ...equation.terms.map((each) => each.value)]) : digits;
}

function block(source, k, isOpen) {
  const equation = equationOf(source, k), values = numbersOf(source);
  const text = (state.gradients ? "∂E/∂" : "") + label(source, k);
  const below = make("div", { className: "below" });
  const write = writer(equation, source);
  const details = make("details", { open: true, data: { unit: text } }, make("summary", {}, make("code", {}, text), values ? ` = ${write(values[k])}` : ": no gradient comes here"));
  if (!isOpen) details.className = "inner";
  if (!equation) {
    details.append(make("p", { className: "note" }, values ? "This page has no rule for what it is made by." : ""));
    return details;
  }
  if (equation.law) details.append(make("p", { className: "law" }, `${equation.operation}: `, make("code", {}, equation.law)));
  if (equation.text) details.append(make("p", { className: "filled" }, `= ${equation.text}`));
  if (equation.rests.length) details.append(make("p", {}, "of ", ...equation.rests.slice(0, 12).flatMap((each, i) => [i ? ", " : "", name(each.source, each.k, below)]), equation.rests.length > 12 ? " …" : ""));
  if (equation.terms.length) details.append(table(equation, write, below));
  if (equation.law) details.append(verdict(equation, write));
  if (!equation.law && !state.gradients) details.append(make("p", {}, { weight: "A weight.", input: "A number of the input.", constant: "Given." }[source.kind] ?? ""), uses(source, k, below));
  details.append(below);
  return details;
}

// Where a number goes: the way up from a pixel or a weight.
function uses(source, k, below) {
  const lines = source.uses.filter(({ line }) => RULES[line.rule.kind]);
  if (!lines.length) return "";
  const found = lines.flatMap(({ line, i }) => RULES[line.rule.kind].used(line, i, k).map((each) => ({ source: line, k: each.k })));
  return make("p", {}, "It goes into ", ...found.slice(0, 6).flatMap((each, i) => [i ? ", " : "", name(each.source, each.k, below)]), found.length > 6 ? ` … (${found.length.toLocaleString("en")})` : "");
}

// The sum of the page's numbers beside the engine's: they may part by what thinning took, and no more.
function verdict(equation, write) {
  const size = Math.max(Math.abs(equation.value), ...equation.terms.map((each) => Math.abs(each.value)).slice(0, 1));
  const most = equation.terms.reduce((sum, each) => sum + Math.abs(each.value), Math.abs(equation.value));
  const off = Math.abs(equation.total - equation.value), allowed = most * window.explorer.precision * 4 + 1e-30;
  const agrees = off <= allowed || Object.is(equation.total, equation.value);
  const said = agrees ? `the engine's number is ${write(equation.value)}` : `the engine's number is ${write(equation.value)}: this does not add up`;
  const rounded = off && size ? `, ${signed(String(Number(((100 * off) / size).toPrecision(1))))} % apart by rounding` : "";
  return make("p", { className: agrees ? "check" : "check wrong" }, said + (agrees ? rounded : ""));
}

// ---- going to a unit by its name

function find(text) {
  const found = text.trim().match(/^(∂E\/∂)?([^[\]]+?)\s*(?:\[([-\d,\s]*)\])?$/);
  const source = found && sources.find((each) => each.name === found[2]);
  if (!source) return `there is no unit "${text}"`;
  let at = (found[3] ?? "").split(",").filter((n) => n.trim()).map(Number);
  if (at.length === source.shape.length - 1 && source.shape[0] === 1) at = [0, ...at];
  const fits = at.length === source.shape.length && at.every((i, axis) => Number.isInteger(i) && i >= 0 && i < source.shape[axis]);
  if (!fits) return `${source.name} is ${times(source.shape)}: say which number of it, as ${source.name}[${source.shape.map(() => 0).join(",")}]`;
  return { source, k: flat(source.shape, at), gradients: Boolean(found[1]) };
}

function go(text, scrolls = true) {
  const found = find(text), said = document.getElementById("wrong");
  said.textContent = typeof found === "string" ? found : "";
  if (typeof found === "string") return;
  if (found.gradients) turn(true);
  choose(found.source, found.k);
  if (scrolls) found.source.maps?.element.scrollIntoView({ block: "center" });
}

function turn(gradients) {
  state.gradients = gradients;
  document.getElementById("values").setAttribute("aria-pressed", String(!gradients));
  document.getElementById("gradients").setAttribute("aria-pressed", String(gradients));
  document.body.classList.toggle("gradients", gradients);
  if (state.picked) choose(state.picked.source, state.picked.k);
  else redraw();
}

async function start() {
  const header = await unpack(), network = document.getElementById("network");
  shown.digits = Math.min(5, header.digits);
  window.explorer = { precision: 2 ** -(header.bits + 1), find, go, turn, activation, gradient, sources };
  const drawn = sources.filter((source) => source.kind === "line" || source.kind === "input");
  network.replaceChildren(...drawn.map((source) => card(source, header.classes)));
  document.getElementById("names").append(...sources.map((source) => make("option", { value: source.shape.length ? `${source.name}[${source.shape.map(() => 0).join(",")}]` : source.name })));
  document.getElementById("go").addEventListener("submit", (event) => {
    event.preventDefault();
    go(document.getElementById("unit").value);
  });
  document.getElementById("values").addEventListener("click", () => turn(false));
  document.getElementById("gradients").addEventListener("click", () => turn(true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = network.clientWidth;
  new ResizeObserver(() => {
    if (network.clientWidth !== width) redraw();
    width = network.clientWidth;
  }).observe(network);
  redraw();
  const asked = decodeURIComponent(location.hash.slice(1));
  if (asked && !asked.startsWith("source-")) go(asked);
  else go(header.first, false);
  document.body.dataset.ready = "yes";
}

start();
