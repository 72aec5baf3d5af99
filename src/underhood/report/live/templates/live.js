"use strict";

// Everything that comes from the server is set as text, never as HTML.
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const PAGE = 50; // rows of a table at once

function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key in made) made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Words

const plain = (name) => name.replaceAll("_", " ");
const headed = (name) => plain(name).replace(/^./, (letter) => letter.toUpperCase());

function number(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(3) : String(Number(value.toPrecision(4)));
}

function duration(seconds) {
  if (!seconds) return "–";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

const moment = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

async function ask(path, parameters) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  return answer.json();
}

// A table in pages: the server sorts, finds and counts; what is here is a window.

class PagedTable {
  constructor(box, title, columns, load, words) {
    Object.assign(this, { box, title, columns, load, words, sort: "", descending: false, start: 0, asked: 0 });
    this.body = element("tbody");
    this.heads = columns.map((column) => this.head(column));
    const table = element("table", {}, element("caption", {}, element("span", { textContent: title })),
      element("thead", {}, element("tr", {}, ...this.heads)), this.body);
    const scroll = element("div", { className: "uh-scroll", tabIndex: 0, role: "region", "aria-label": title }, table);
    this.before = element("button", { type: "button", textContent: "Before", onclick: () => this.turn(-PAGE) });
    this.after = element("button", { type: "button", textContent: "Next", onclick: () => this.turn(PAGE) });
    this.where = element("span", { role: "status" });
    this.pager = element("div", { className: "pager" }, this.before, this.where, this.after);
    box.replaceChildren(element("div", { className: "uh-table" }, scroll), this.pager);
    words.oninput = () => { this.start = 0; this.refresh(); };
  }

  head(column) {
    const head = element("th", { scope: "col", className: column.number ? "uh-number" : "uh-text" });
    if (!column.sort) { head.append(element("span", { className: "unseen", textContent: column.title })); return head; }
    const button = element("button", { type: "button", textContent: column.title });
    button.onclick = () => {
      if (this.sort !== column.sort) [this.sort, this.descending] = [column.sort, false];
      else if (!this.descending) this.descending = true;
      else [this.sort, this.descending] = ["", false];
      for (const other of this.heads) other.removeAttribute("aria-sort");
      if (this.sort) head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      this.start = 0;
      this.refresh();
    };
    head.append(button);
    return head;
  }

  retitle(i, title) {
    const button = this.heads[i].querySelector("button");
    if (button.textContent !== title) button.textContent = title;
  }

  turn(by) {
    this.start = Math.max(0, this.start + by);
    this.refresh();
  }

  // One question at a time; what changes meanwhile is asked for once more.
  async refresh() {
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    try {
      do {
        this.again = false;
        const found = await this.load({
          sort: this.sort, descending: this.descending ? 1 : 0, words: this.words.value, start: this.start, count: PAGE,
        });
        if (found.rows) this.show(found);
      } while (this.again);
    } catch { // the stream says that the server is gone
    } finally {
      this.busy = false;
    }
  }

  show({ rows, total, start }) {
    if (start >= total && start > 0) { this.start = Math.max(0, PAGE * Math.floor((total - 1) / PAGE)); this.again = true; return; }
    const focused = document.activeElement?.dataset?.key;
    this.body.replaceChildren(...rows.map((row) => {
      const cells = this.columns.map((column, i) => {
        const cell = element(i === this.first ? "th" : "td", { className: column.number ? "uh-number" : "uh-text" });
        if (column.name) cell.classList.add(column.name);
        cell.append(column.cell(row));
        return cell;
      });
      return element("tr", { "data-state": row.state }, ...cells);
    }));
    if (focused) [...this.body.querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused)?.focus();
    if (!rows.length) this.body.append(element("tr", {}, element("td", { colSpan: this.columns.length, className: "nothing", textContent: "Nothing here." })));
    const text = total ? `${(start + 1).toLocaleString("en")} to ${(start + rows.length).toLocaleString("en")} of ${total.toLocaleString("en")}` : "none";
    if (this.where.textContent !== text) this.where.textContent = text;
    this.before.disabled = start === 0;
    this.after.disabled = start + rows.length >= total;
    this.pager.hidden = total <= PAGE && start === 0;
  }
}

function bar(fraction, label) {
  if (fraction === null || fraction === undefined) return "–";
  return element("progress", { max: 1, value: fraction, "aria-label": label });
}

const runs = new PagedTable($("runs"), "Runs", [
  { title: "Run", sort: "name", name: "named", cell: (row) => element("a", { href: `#run=${encodeURIComponent(row.name)}`, textContent: row.name, "data-key": row.name }) },
  { title: "State", sort: "state", name: "state", cell: (row) => row.state },
  { title: "Trials", sort: "trials", number: true, cell: (row) => `${row.ended.toLocaleString("en")} of ${row.trials.toLocaleString("en")}` },
  { title: "Done", sort: "fraction", cell: (row) => bar(row.fraction, `Of ${row.name} ended`) },
  { title: "Computing time", sort: "seconds", number: true, cell: (row) => duration(row.seconds) },
  { title: "Begun", sort: "began", cell: (row) => (row.began ? new Date(row.began).toLocaleString() : "–") },
  { title: "Study", sort: "study", cell: (row) => `${row.study}, ${row.scale}` },
], (asked) => ask("api/runs", asked), $("run-words"));

const trials = new PagedTable($("trials"), "Trials of the run", [
  { title: "Curve", cell: (row) => curveBox(row) },
  { title: "Trial", sort: "label", name: "named", cell: (row) => element("span", { textContent: row.label, title: row.id }) },
  { title: "Seed", sort: "seed", number: true, cell: (row) => String(row.seed) },
  { title: "State", sort: "state", name: "state", cell: (row) => row.state },
  { title: "Done", sort: "fraction", cell: (row) => bar(row.fraction, `Of ${row.label}, seed ${row.seed} done`) },
  { title: "Step", sort: "step", number: true, cell: (row) => number(row.step) },
  { title: "Value", sort: "value", number: true, cell: (row) => number(row.value) },
  { title: "Time", sort: "seconds", number: true, cell: (row) => duration(row.seconds) },
  { title: "Reason", sort: "reason", name: "why", cell: (row) => row.reason || "" },
], (asked) => ask("api/trials", { run: state.run, metric: state.metric, ...asked }), $("trial-words"));
runs.first = 0;
trials.first = 1;

function curveBox(row) {
  const box = element("input", { type: "checkbox", checked: state.shown.includes(row.id), "data-key": row.id, "aria-label": `Curve of ${row.label}, seed ${row.seed}` });
  box.disabled = !box.checked && state.shown.length >= LOOKS.colours.length;
  box.onchange = () => {
    state.chosen = true;
    state.shown = box.checked ? [...state.shown, row.id] : state.shown.filter((id) => id !== row.id);
    state.names.set(row.id, `${row.label}, seed ${row.seed}`);
    listLogs();
    draw();
    trials.refresh();
    listen();
  };
  return box;
}

// What is looked at

const state = { run: "", metric: "", shown: [], chosen: false, log: "", names: new Map(), curves: new Map(), metrics: [] };
let stream = null;

function route() {
  const run = new URLSearchParams(location.hash.slice(1)).get("run") ?? "";
  Object.assign(state, { run, metric: "", shown: [], chosen: false, log: "", names: new Map(), curves: new Map(), metrics: [] });
  $("list").hidden = run !== "";
  $("run").hidden = run === "";
  $("title").textContent = run || "Runs";
  $("about").textContent = run ? "Reading the run." : "Every run of this folder.";
  document.title = `${run || "Runs"} – underhood`;
  for (const id of ["log", "events", "legend", "chart", "thinned", "metric", "log-of"]) $(id).replaceChildren();
  if (run) { trials.start = 0; trials.words.value = ""; } else runs.refresh();
  listen();
}

// The stream: opened anew when something else is looked at, closed while nobody looks.
function listen() {
  stream?.close();
  if (document.hidden) return;
  const asked = { run: state.run, metric: state.metric, trials: state.shown.join(","), log: state.log };
  const mine = stream = new EventSource(`events?${new URLSearchParams(asked)}`);
  const on = (kind, use) => mine.addEventListener(kind, (event) => { if (mine === stream) use(JSON.parse(event.data)); });
  mine.onopen = () => { state.curves.clear(); tell("live", "live"); };
  mine.onerror = () => tell("lost", "not connected; trying again");
  on("list", (news) => { if (!news.loaded) $("about").textContent = `Reading the folder: ${news.reading}`; else $("about").textContent = "Every run of this folder."; runs.refresh(); });
  on("gone", (news) => { $("about").textContent = news.loaded ? "There is no such run in this folder." : `Reading the folder: ${news.reading}`; });
  on("head", showHead);
  on("points", showPoints);
  on("log", showLog);
}

function tell(kind, text) {
  $("link").dataset.state = kind;
  if ($("link").textContent !== text) $("link").textContent = text;
}

function showHead(head) {
  $("about").textContent = `${head.title || head.study} · ${head.scale} scale · ${head.state}`;
  $("progress").value = head.fraction;
  const counts = Object.entries(head.counts).map(([name, count]) => `${count.toLocaleString("en")} ${name}`).join(", ");
  $("counts").textContent = `${head.ended.toLocaleString("en")} of ${head.trials.toLocaleString("en")} trials ended · ${counts} · computing time ${duration(head.seconds)}`;
  $("warnings").hidden = !head.warnings?.length;
  $("warnings").replaceChildren(...(head.warnings ?? []).map((text) => element("li", { textContent: text })));
  $("command").textContent = head.command;
  for (const event of head.events) state.names.set(event.trial, `${event.label}, seed ${event.seed}`);
  showEvents(head.events);
  const metric = state.metric || head.metric;
  let changed = metric !== state.metric;
  state.metric = metric;
  if (state.metrics.join() !== head.metrics.join()) {
    state.metrics = head.metrics;
    $("metric").replaceChildren(...head.metrics.map((name) => element("option", { value: name, textContent: plain(name), selected: name === metric })));
  }
  if (!state.chosen) { // the curves of what runs; where nothing does, of what ended last
    const last = [...new Set(head.events.map((event) => event.trial).reverse())].slice(0, 3);
    const shown = head.running.length ? head.running : state.shown.length ? state.shown : last;
    if (shown.join() !== state.shown.join()) [state.shown, changed] = [shown, true];
  }
  if (!state.log) {
    state.log = head.running[0] ?? head.events.findLast((event) => event.state === "failed")?.trial ?? head.events.at(-1)?.trial ?? head.first ?? "";
    changed = true;
  }
  listLogs();
  trials.retitle(6, headed(state.metric) || "Value");
  trials.refresh();
  if (changed) listen();
}

function listLogs() {
  const known = [...new Set([state.log, ...state.shown, ...state.names.keys()])].filter(Boolean).slice(0, 60);
  const key = known.map((id) => state.names.get(id)).join();
  if ($("log-of").dataset.known !== key || $("log-of").childElementCount === 0) {
    $("log-of").dataset.known = key;
    $("log-of").replaceChildren(...known.map((id) => element("option", { value: id, textContent: state.names.get(id) ?? id })));
  }
  $("log-of").value = state.log;
}

function showEvents(events) {
  $("events").replaceChildren(...events.toReversed().map((event) => {
    const said = `${event.label}, seed ${event.seed}: ${event.state}${event.reason ? `: ${event.reason}` : ""}`;
    return element("li", {}, element("time", { textContent: event.at ? moment(event.at) : "" }), said);
  }));
}

function showLog({ anew, text }) {
  const box = $("log");
  if (anew) box.replaceChildren();
  box.append(text);
  if (box.textContent.length > 200_000) box.textContent = box.textContent.slice(-100_000);
  if ($("follow").checked) box.scrollTop = box.scrollHeight;
}

// Curves

function showPoints(news) {
  for (const [id, found] of Object.entries(news)) {
    const known = state.curves.get(id);
    state.names.set(id, `${found.label}, seed ${found.seed}`);
    if (found.anew || !known) state.curves.set(id, { axis: found.axis, points: found.points, of: found.of });
    else { known.points.push(...found.points); known.of += found.of; }
  }
  draw();
}

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

function draw() {
  const log = $("log-scale").checked;
  const curves = state.shown.filter((id) => state.curves.has(id)).map((id) => {
    const curve = state.curves.get(id);
    const i = state.shown.indexOf(id);
    return {
      id, name: state.names.get(id) ?? id, axis: curve.axis, of: curve.of, all: curve.points.length,
      points: curve.points.filter(([x, y]) => x !== null && y !== null && (!log || y > 0)),
      colour: LOOKS.colours[i % LOOKS.colours.length], dash: LOOKS.dashes[i % LOOKS.dashes.length].join(" "),
    };
  });
  const every = curves.flatMap((curve) => curve.points);
  const metric = plain(state.metric);
  legend(curves);
  const thin = curves.filter((curve) => curve.all < curve.of).length;
  $("thinned").textContent = thin ? `Long curves are thinned to what a screen shows, lowest and highest points kept: ${thin} of these.` : "";
  $("csv").href = `data:text/csv;charset=utf-8,${encodeURIComponent(`trial,x,${state.metric}\n${curves.flatMap((curve) => curve.points.map(([x, y]) => `"${curve.name.replaceAll('"', '""')}",${x},${y}`)).join("\n")}\n`)}`;
  if (!every.length) { $("chart").replaceChildren(element("p", { className: "nothing", textContent: metric ? `No trial that is chosen below has measured ${metric} yet.` : "Nothing was measured yet." })); return; }
  const width = Math.max(260, $("chart").clientWidth), height = 288, top = 26, bottom = 40, right = 12;
  const xs = every.map(([x]) => x), ys = every.map(([, y]) => y);
  let [x0, x1] = [Math.min(...xs), Math.max(...xs)], [y0, y1] = [Math.min(...ys), Math.max(...ys)];
  if (x0 === x1) [x0, x1] = [x0 - 0.5, x1 + 0.5];
  if (y0 === y1) [y0, y1] = log ? [y0 / 2, y1 * 2] : [y0 - (Math.abs(y0) || 1) / 10, y1 + (Math.abs(y1) || 1) / 10];
  const up = log ? decades(y0, y1) : ticks(y0, y1, 5), along = ticks(x0, x1, Math.max(2, Math.floor(width / 110)));
  const labels = up.map(number), left = 14 + 7 * Math.max(1, ...labels.map((text) => text.length));
  const at = log ? (y) => Math.log(y / y0) / Math.log(y1 / y0) : (y) => (y - y0) / (y1 - y0);
  const px = (x) => left + (x - x0) / (x1 - x0) * (width - left - right);
  const py = (y) => height - bottom - at(y) * (height - top - bottom);
  const last = curves.map((curve) => `${curve.name} ${number(curve.points.at(-1)?.[1])}`).join("; ");
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Curves of ${metric} against ${curves[0].axis}. Latest: ${last}.` });
  up.forEach((tick, i) => picture.append(
    drawn("line", { class: "grid", x1: left, x2: width - right, y1: py(tick), y2: py(tick) }),
    drawn("text", { x: left - 8, y: py(tick) + 4, "text-anchor": "end" }, labels[i])));
  for (const tick of along) picture.append(drawn("text", { x: px(tick), y: height - bottom + 18, "text-anchor": "middle" }, number(tick)));
  picture.append(
    drawn("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    drawn("text", { x: left, y: 12, "font-weight": 600 }, metric),
    drawn("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle", "font-weight": 600 }, curves[0].axis));
  for (const curve of curves) {
    const way = curve.points.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)},${py(y).toFixed(1)}`).join("");
    picture.append(curve.points.length === 1
      ? drawn("circle", { cx: px(curve.points[0][0]), cy: py(curve.points[0][1]), r: 3.5, fill: curve.colour })
      : drawn("path", { class: "curve", d: way, fill: "none", stroke: curve.colour, "stroke-width": 2, "stroke-linejoin": "round", "stroke-dasharray": curve.dash === "1 0" ? "none" : curve.dash }));
  }
  picture.onpointermove = (event) => point(event, picture, curves, px, py, width);
  picture.onpointerleave = () => document.querySelector(".tip")?.remove();
  $("chart").replaceChildren(picture);
}

function legend(curves) {
  $("legend").replaceChildren(...curves.map((curve) => element("li", {},
    drawn("svg", { width: 28, height: 10, "aria-hidden": "true" }, drawn("line", { x1: 1, x2: 27, y1: 5, y2: 5, stroke: curve.colour, "stroke-width": 2.5, "stroke-dasharray": curve.dash === "1 0" ? "none" : curve.dash })),
    element("span", { textContent: `${curve.name}: ${number(curve.points.at(-1)?.[1])}` }))));
}

// The value nearest to the pointer.
function point(event, picture, curves, px, py, width) {
  const box = picture.getBoundingClientRect(), scale = width / box.width;
  const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  let best = null;
  for (const curve of curves) for (const each of curve.points) {
    const far = (px(each[0]) - x) ** 2 + (py(each[1]) - y) ** 2;
    if (far < (best?.far ?? 900)) best = { far, curve, each };
  }
  document.querySelector(".tip")?.remove();
  if (!best) return;
  const rows = [["trial", best.curve.name], [best.curve.axis, number(best.each[0])], [plain(state.metric), number(best.each[1])]];
  const tip = element("div", { className: "tip" }, element("dl", {}, ...rows.flatMap(([name, text]) => [element("dt", { textContent: name }), element("dd", { textContent: text })])));
  document.body.append(tip);
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(event.pageX + 14, window.scrollX + room))}px`;
  tip.style.top = `${event.pageY + 16}px`;
}

// What a person sets

$("metric").onchange = () => { state.metric = $("metric").value; state.curves.clear(); trials.retitle(6, headed(state.metric)); trials.refresh(); listen(); };
$("log-of").onchange = () => { state.log = $("log-of").value; listen(); };
$("log-scale").onchange = draw;
$("theme").onchange = () => { const theme = $("theme").value; document.documentElement.dataset.theme = theme; try { localStorage.setItem("underhood-theme", theme); } catch { /* not kept */ } };
try { $("theme").value = localStorage.getItem("underhood-theme") ?? ""; } catch { /* as the system */ }
document.documentElement.dataset.theme = $("theme").value;
new ResizeObserver(() => { if (state.run) draw(); }).observe($("chart"));
document.addEventListener("visibilitychange", listen);
window.addEventListener("hashchange", () => { route(); $("title").focus(); });
route();
