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
  const box = element("input", { type: "checkbox", checked: state.shown.includes(row.group), "data-key": row.id, "aria-label": `Curves of ${row.label}, ticked at seed ${row.seed}` });
  box.disabled = !box.checked && state.shown.length >= LOOKS.colours.length;
  box.onchange = () => {
    state.chosen = true;
    state.shown = box.checked ? [...state.shown, row.group] : state.shown.filter((group) => group !== row.group);
    state.names.set(row.id, `${row.label}, seed ${row.seed}`);
    listLogs();
    draw();
    trials.refresh();
    listen();
  };
  return box;
}

// What is looked at

// `shown` are settings; `curves` holds of each its seeds' points and those of their mean.
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
  const asked = { run: state.run, metric: state.metric, groups: state.shown.join(","), log: state.log };
  const mine = stream = new EventSource(`events?${new URLSearchParams(asked)}`);
  const on = (kind, use) => mine.addEventListener(kind, (event) => { if (mine === stream) use(JSON.parse(event.data)); });
  mine.onopen = () => { state.curves.clear(); tell("live", "live"); };
  mine.onerror = () => tell("lost", "not connected; trying again");
  on("list", (news) => { if (!news.loaded) $("about").textContent = `Reading the folder: ${news.reading}`; else $("about").textContent = "Every run of this folder."; runs.refresh(); });
  on("gone", (news) => { $("about").textContent = news.loaded ? "There is no such run in this folder." : `Reading the folder: ${news.reading}`; });
  on("head", showHead);
  on("curves", showCurves);
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
  if ($("command").textContent !== head.command) {
    const words = head.command.split(" ").map((textContent) => element("span", { className: "word", textContent }));
    $("command").replaceChildren(...words.flatMap((word, i) => i ? [" ", word] : [word]));
  }
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
    const last = [...new Set(head.events.map((event) => event.group).reverse())].slice(0, 3);
    const shown = head.at_work.length ? head.at_work : state.shown.length ? state.shown : last;
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
  const known = [...new Set([state.log, ...state.names.keys()])].filter(Boolean).slice(0, 60);
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
