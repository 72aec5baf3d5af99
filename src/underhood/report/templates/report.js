"use strict";

// Tables: a header sorts its column, up, down, and back to the order of the study.
for (const table of document.querySelectorAll(".uh-table table")) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
  };
  const rank = (value) => value === "" ? 2 : Number.isNaN(Number(value)) ? 1 : 0; // numbers, texts, what is missing
  const compare = (a, b, sign) => rank(a) - rank(b) || sign * (rank(a) ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return; // a button needs a name
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { undefined: "ascending", ascending: "descending" }[head.getAttribute("aria-sort") ?? undefined];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (next) head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      body.append(...(next ? rows.toSorted((a, b) => compare(key(a, column), key(b, column), sign)) : rows));
    });
  });
}

// The command: no line of it ends within --scale.
for (const code of document.querySelectorAll(".command code")) {
  const words = code.textContent.split(" ").map((text) => {
    const word = document.createElement("span");
    word.className = "word";
    word.textContent = text;
    return word;
  });
  code.replaceChildren(...words.flatMap((word, i) => (i ? [" ", word] : [word])));
}

// And for the clipboard.
for (const button of document.querySelectorAll(".copy")) {
  const code = button.parentElement.querySelector("code");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch { // not allowed here: select it, so that one key copies it
      getSelection().selectAllChildren(code);
      button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
      return;
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

// Text with a formula that is too wide for the page scrolls: the keyboard must reach it.
const reach = () => {
  for (const text of document.querySelectorAll(":is(p, ul):has(math)")) {
    if (text.scrollWidth > text.clientWidth) text.tabIndex = 0;
    else text.removeAttribute("tabindex");
  }
};
window.addEventListener("resize", reach);
document.addEventListener("toggle", reach, { capture: true }); // a folded part has no width
reach();

window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));

// Figures: where the browser can, Vega draws them again, as wide as the page and answering to the pointer.
async function loadVega() {
  const packed = Uint8Array.from(atob(document.getElementById("vega").textContent), (c) => c.charCodeAt(0));
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.type = "module";
  script.textContent = await new Response(plain).text() + "\nwindow.dispatchEvent(new Event('vega-ready'));";
  const ready = new Promise((resolve) => window.addEventListener("vega-ready", resolve, { once: true }));
  document.head.append(script);
  await ready;
  return window.vegaEmbed;
}

function tooltip(handler, event, item, value) {
  document.querySelector(".tip")?.remove();
  if (!value || typeof value !== "object") return;
  const tip = document.createElement("div"), list = document.createElement("dl");
  tip.className = "tip";
  for (const [name, text] of Object.entries(value)) {
    const term = document.createElement("dt"), detail = document.createElement("dd");
    term.textContent = name;
    detail.textContent = text;
    list.append(term, detail);
  }
  tip.append(list);
  document.body.append(tip);
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(event.pageX + 14, window.scrollX + room))}px`;
  tip.style.top = `${event.pageY + 16}px`;
}

async function draw(figure, embed) {
  const { spec, parse } = JSON.parse(figure.querySelector("script").textContent);
  const link = figure.querySelector(".download a").href;
  const data = spec.data.find((each) => each.name === "figure");
  data.values = decodeURIComponent(link.slice(link.indexOf(",") + 1));
  data.format = { type: "csv", parse };
  const live = figure.querySelector(".live"), still = figure.querySelector(".still");
  live.hidden = false;
  still.style.display = "none";
  try {
    await embed(live.appendChild(document.createElement("div")), spec, { mode: "vega", renderer: "svg", actions: false, tooltip });
  } catch (error) { // the still drawing says the same
    console.error(error);
    live.hidden = true;
    still.style.display = "";
  }
}

// One at a time, those in sight, and none while one scrolls: a drawing takes longer than a frame, and until then the
// still one says the same.
let scrolled = -Infinity;
window.addEventListener("scroll", () => { scrolled = performance.now(); }, { passive: true, capture: true });
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let loading;
async function drawAll(waiting) {
  while (waiting.size) {
    while (performance.now() - scrolled < 150) await pause(50);
    const [figure] = waiting;
    if (!figure) break; // it went out of sight
    const embed = await (loading ??= loadVega());
    waiting.delete(figure);
    seen.unobserve(figure);
    await draw(figure, embed);
    await pause(0);
  }
}

const waiting = new Set();
let drawing = null;
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) waiting[isIntersecting ? "add" : "delete"](target);
  drawing ??= drawAll(waiting).finally(() => { drawing = null; });
}, { rootMargin: "600px" });
if (document.getElementById("vega") && "DecompressionStream" in window)
  document.querySelectorAll("figure.figure:has(.live)").forEach((figure) => seen.observe(figure));
