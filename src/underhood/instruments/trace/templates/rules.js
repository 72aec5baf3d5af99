"use strict";

// What the outputs of a line are made of, and how gradients come back through it: what parts.py reads off the engine's
// own backward, written out for a browser. Numbers are named by their source and a flat index k.
//
//   made(line, k)      {terms, text, rests, total}: output k as a sum, or as a text that rests on some numbers
//   used(line, i, p)   [{k, slope, by}]: the outputs that number p of input i has a part in; `by` is the number that
//                      the slope is, or a name for it

const product = (shape) => shape.reduce((a, b) => a * b, 1);

function position(shape, k) {
  const at = Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at[axis] = k % shape[axis];
    k = Math.floor(k / shape[axis]);
  }
  return at;
}

const flat = (shape, at) => at.reduce((k, i, axis) => k * shape[axis] + i, 0);
const ref = (line, i, k) => ({ source: line.inputs[i], k });
const read = ({ source, k }) => source.value[k];
const range = (n) => Array.from({ length: n }, (_, i) => i);

function term(refs, weight = 1) {
  return { refs, weight, value: refs.reduce((total, each) => total * read(each), weight) };
}

// Numbers with as many digits as the page is sure of, five at most. How many is known when it opens.
const shown = { digits: 5 };
const signed = (text) => text.replaceAll("-", "−").replace("e+", "e");
const rank = (value) => Math.floor(Math.log10(Math.abs(value)));

function digits(value) {
  const size = Math.abs(value), n = shown.digits;
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return signed(String(value)).replace("Infinity", "∞");
  return signed(size >= 1e5 || size < 1e-4 ? value.toExponential(n - 1) : value.toFixed(Math.max(0, n - 1 - rank(value))));
}

// What somebody typed or counted, 0.5 or class 7, has no digits that are not sure.
const short = (value) => signed(String(Number(value.toPrecision(5))));
const isGiven = (source) => source.value instanceof Int32Array || (source.kind === "constant" && !source.shape.length);
const written = ({ source, k }) => (isGiven(source) ? short : digits)(source.value[k]);

// For numbers that are added up: the same decimals for all, after the largest of them, and the same power of ten.
function alike(values) {
  const most = values.reduce((top, x) => (Number.isFinite(x) ? Math.max(top, Math.abs(x)) : top), 0), n = shown.digits;
  if (most === 0) return digits;
  const power = most >= 1e5 || most < 1e-4 ? rank(most) : 0, decimals = Math.max(0, n - 1 - rank(most) + power);
  return (value) => {
    if (!Number.isFinite(value)) return digits(value);
    const text = (value / 10 ** power).toFixed(decimals), isZero = Number(text) === 0;
    return signed((isZero ? text.replace("-", "") : text) + (power ? `e${power}` : ""));
  };
}

const bracketed = (text) => (text.startsWith("−") ? `(${text})` : text);
const factor = (value) => bracketed(digits(value));

function listed(values) {
  return (values.length > 6 ? [...values.slice(0, 5).map(digits), "…", digits(values.at(-1))] : values.map(digits)).join(", ");
}

// A map from an input's numbers to the outputs that use them, made when it is first asked for.
function inverse(line, pairs) {
  if (!line.inverse) {
    line.inverse = new Map();
    for (const [p, entry] of pairs()) {
      if (!line.inverse.has(p)) line.inverse.set(p, []);
      line.inverse.get(p).push(entry);
    }
  }
  return line.inverse;
}

const ONE = {
  relu: [(x) => `max(${digits(x)}, 0)`, (x) => Math.max(x, 0)],
  sigmoid: [(x) => `1 / (1 + e^${factor(-x)})`, (x) => 1 / (1 + Math.exp(-x))],
  tanh: [(x) => `tanh(${digits(x)})`, Math.tanh],
  exp: [(x) => `e^${factor(x)}`, Math.exp],
  log: [(x) => `ln ${factor(x)}`, Math.log],
  sqrt: [(x) => `√${factor(x)}`, Math.sqrt],
  square: [(x) => `${factor(x)}²`, (x) => x * x],
  abs: [(x) => `|${digits(x)}|`, Math.abs],
  silu: [(x) => `${digits(x)} / (1 + e^${factor(-x)})`, (x) => x / (1 + Math.exp(-x))],
};

// ---- numbers that move, functions of one number, sums

// Positions of a pick count on from input to input.
const pick = {
  made(line, k) {
    let p = line.rule.map[k];
    if (p < 0) return { text: digits(line.value[k]), total: line.value[k], rests: [] };
    const i = line.rule.of.find((each) => {
      const size = product(line.inputs[each].shape);
      if (p >= size) p -= size;
      else return true;
      return false;
    });
    return { terms: [term([ref(line, i, p)])] };
  },
  used(line, i, p) {
    const before = line.rule.of.slice(0, line.rule.of.indexOf(i)).reduce((sum, each) => sum + product(line.inputs[each].shape), 0);
    const known = inverse(line, () => [...line.rule.map].map((from, k) => [from, { k, slope: 1, by: "" }]));
    return known.get(before + p) ?? [];
  },
};

const local = {
  made(line, k) {
    const here = ref(line, line.rule.input ?? 0, k), x = read(here);
    const [text, f] = ONE[line.operation] ?? [(value) => `${line.operation}(${digits(value)})`, () => line.value[k]];
    return { text: text(x), total: f(x), rests: [here] };
  },
  used(line, i, p) {
    const slope = line.rule.slope ? line.rule.slope[p] : Number(line.inputs[0].value[p] > 0);
    return [{ k: p, slope, by: `${line.operation}′(${label(line.inputs[i], p)})` }];
  },
};

const sums = {
  made(line, k) {
    const { where, weights, starts, input } = line.rule;
    return { terms: range(starts[k + 1] - starts[k]).map((j) => term([ref(line, input, where[starts[k] + j])], weights[starts[k] + j])) };
  },
  used(line, i, p) {
    const { where, weights, starts } = line.rule;
    const known = inverse(line, () => range(starts.length - 1).flatMap((k) =>
      range(starts[k + 1] - starts[k]).map((j) => [where[starts[k] + j], { k, slope: weights[starts[k] + j], by: "" }])));
    return known.get(p) ?? [];
  },
};

// ---- layers with weights

const linear = {
  made(line, k) {
    const [outputs, inputs] = line.inputs[1].shape, row = Math.floor(k / outputs), o = k % outputs;
    const terms = range(inputs).map((d) => term([ref(line, 0, row * inputs + d), ref(line, 1, o * inputs + d)]));
    return { terms: line.inputs[2] ? [...terms, term([ref(line, 2, o)])] : terms };
  },
  used(line, i, p) {
    const [outputs, inputs] = line.inputs[1].shape, rows = range(product(line.shape) / outputs);
    if (i === 2) return rows.map((row) => ({ k: row * outputs + p, slope: 1, by: "" }));
    const d = p % inputs, other = Math.floor(p / inputs); // a row of a, or an output of w
    const entry = (k, by) => ({ k, slope: read(by), by });
    return i === 0
      ? range(outputs).map((o) => entry(other * outputs + o, ref(line, 1, o * inputs + d)))
      : rows.map((row) => entry(row * outputs + other, ref(line, 0, row * inputs + d)));
  },
};

const conv2d = {
  made(line, k) {
    const [a, w] = line.inputs, [n, o, y, x] = position(line.shape, k), [outputs, each, high, wide] = w.shape;
    const { stride, padding, dilation, groups } = line.rule, from = Math.floor(o / (outputs / groups)) * each, terms = [];
    for (let j = 0; j < each; j++) for (let r = 0; r < high; r++) for (let c = 0; c < wide; c++) {
      const v = y * stride[0] - padding[0] + dilation[0] * r, u = x * stride[1] - padding[1] + dilation[1] * c;
      if (v < 0 || u < 0 || v >= a.shape[2] || u >= a.shape[3]) continue;
      terms.push(term([ref(line, 0, flat(a.shape, [n, from + j, v, u])), ref(line, 1, flat(w.shape, [o, j, r, c]))]));
    }
    return { terms: line.inputs[2] ? [...terms, term([ref(line, 2, o)])] : terms };
  },
  used(line, i, p) {
    const [a, w] = line.inputs, [N, O, H, W] = line.shape, [outputs, each, high, wide] = w.shape, found = [];
    const { stride, padding, dilation, groups } = line.rule, many = outputs / groups;
    const entry = (at, by) => found.push({ k: flat(line.shape, at), slope: by ? read(by) : 1, by: by ?? "" });
    if (i === 0) {
      const [n, channel, v, u] = position(a.shape, p), group = Math.floor(channel / each), j = channel % each;
      for (let o = group * many; o < (group + 1) * many; o++) for (let r = 0; r < high; r++) for (let c = 0; c < wide; c++) {
        const y = (v + padding[0] - dilation[0] * r) / stride[0], x = (u + padding[1] - dilation[1] * c) / stride[1];
        if (Number.isInteger(y) && Number.isInteger(x) && y >= 0 && x >= 0 && y < H && x < W)
          entry([n, o, y, x], ref(line, 1, flat(w.shape, [o, j, r, c])));
      }
      return found;
    }
    const [o, j, r, c] = i === 1 ? position(w.shape, p) : [p];
    for (let n = 0; n < N; n++) for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) {
      if (i === 2) { entry([n, o, y, x]); continue; }
      const v = y * stride[0] - padding[0] + dilation[0] * r, u = x * stride[1] - padding[1] + dilation[1] * c;
      if (v >= 0 && u >= 0 && v < a.shape[2] && u < a.shape[3])
        entry([n, o, y, x], ref(line, 0, flat(a.shape, [n, Math.floor(o / many) * each + j, v, u])));
    }
    return found;
  },
};

const matmul = {
  made(line, k) {
    const [n, p] = line.shape.slice(-2), m = line.inputs[0].shape.at(-1);
    const block = Math.floor(k / (n * p)), row = Math.floor((k % (n * p)) / p), column = k % p;
    return { terms: range(m).map((j) => term([ref(line, 0, (block * n + row) * m + j), ref(line, 1, (block * m + j) * p + column)])) };
  },
  used(line, i, q) {
    const [n, p] = line.shape.slice(-2), m = line.inputs[0].shape.at(-1);
    const entry = (k, by) => ({ k, slope: read(by), by });
    if (i === 0) {
      const row = Math.floor(q / m), block = Math.floor(row / n), j = q % m;
      return range(p).map((column) => entry(row * p + column, ref(line, 1, (block * m + j) * p + column)));
    }
    const block = Math.floor(q / (m * p)), j = Math.floor((q % (m * p)) / p), column = q % p;
    return range(n).map((row) => entry((block * n + row) * p + column, ref(line, 0, (block * n + row) * m + j)));
  },
};

// ---- of two inputs, number by number; smaller ones are repeated

function repeated(line, i, k) {
  const { shape } = line.inputs[i];
  const at = position(line.shape, k).slice(line.shape.length - shape.length);
  return flat(shape, at.map((index, axis) => (shape[axis] === 1 ? 0 : index)));
}

function outputsOf(line, i, p) {
  return product(line.inputs[i].shape) === product(line.shape) ? [p] : range(product(line.shape)).filter((k) => repeated(line, i, k) === p);
}

const added = (sign) => ({
  made: (line, k) => ({ terms: [term([ref(line, 0, repeated(line, 0, k))]), term([ref(line, 1, repeated(line, 1, k))], sign)] }),
  used: (line, i, p) => outputsOf(line, i, p).map((k) => ({ k, slope: i ? sign : 1, by: "" })),
});

const mul = {
  made: (line, k) => ({ terms: [term([0, 1].map((i) => ref(line, i, repeated(line, i, k))))] }),
  used: (line, i, p) => outputsOf(line, i, p).map((k) => {
    const by = ref(line, 1 - i, repeated(line, 1 - i, k));
    return { k, slope: read(by), by };
  }),
};

const div = {
  made(line, k) {
    const rests = [0, 1].map((i) => ref(line, i, repeated(line, i, k))), [x, y] = rests.map(read);
    return { text: `${written(rests[0])} / ${bracketed(written(rests[1]))}`, total: x / y, rests };
  },
  used: (line, i, p) => outputsOf(line, i, p).map((k) => {
    const x = read(ref(line, 0, repeated(line, 0, k))), y = read(ref(line, 1, repeated(line, 1, k)));
    return i === 0 ? { k, slope: 1 / y, by: `1 / ${factor(y)}` } : { k, slope: -x / (y * y), by: `−${factor(x)} / ${factor(y)}²` };
  }),
};

// ---- normalisations

// `scale` and `shift` are undefined where the layer has none.
function scaled(x, mean, variance, eps, scale, shift) {
  const text = `(${digits(x)} − ${factor(mean)}) / √(${digits(variance)} + ${short(eps)})`;
  const before = scale === undefined ? "" : `${digits(scale)}·`, after = shift === undefined ? "" : ` + ${factor(shift)}`;
  return { text: before + text + after, total: ((scale ?? 1) * (x - mean)) / Math.sqrt(variance + eps) + (shift ?? 0) };
}

const batch_norm = {
  made(line, k) {
    const [, w, b, mean, variance] = line.inputs, c = position(line.shape, k)[1];
    const found = scaled(line.inputs[0].value[k], mean.value[c], variance.value[c], line.rule.eps, w?.value[c], b?.value[c]);
    return { ...found, rests: [ref(line, 0, k), ...[1, 2].filter((i) => line.inputs[i]).map((i) => ref(line, i, c))] };
  },
  used(line, i, p) {
    const [a, w, , mean, variance] = line.inputs, inner = product(line.shape.slice(2));
    const c = i ? p : Math.floor(p / inner) % line.shape[1], root = Math.sqrt(variance.value[c] + line.rule.eps);
    if (i === 0) return [{ k: p, slope: (w ? w.value[c] : 1) / root, by: "γ / √(σ² + ε)" }];
    const outputs = range(product(line.shape)).filter((k) => Math.floor(k / inner) % line.shape[1] === p);
    return outputs.map((k) => i === 1 ? { k, slope: (a.value[k] - mean.value[c]) / root, by: `â of ${label(a, k)}` } : { k, slope: 1, by: "" });
  },
};

function statistics(line, row, n) {
  const x = line.inputs[0].value.subarray(row * n, (row + 1) * n), mean = x.reduce((a, b) => a + b, 0) / n;
  return [x, mean, x.reduce((sum, each) => sum + (each - mean) ** 2, 0) / n];
}

const layer_norm = {
  made(line, k) {
    const [a, w, b] = line.inputs, n = product(a.shape.slice(a.shape.length - line.rule.axes)), j = k % n;
    const [x, mean, variance] = statistics(line, Math.floor(k / n), n);
    const found = scaled(x[j], mean, variance, line.rule.eps, w?.value[j], b?.value[j]);
    return { ...found, rests: [ref(line, 0, k), ...[1, 2].filter((i) => line.inputs[i]).map((i) => ref(line, i, j))] };
  },
  used(line, i, p) {
    const [a, w] = line.inputs, n = product(a.shape.slice(a.shape.length - line.rule.axes)), rows = range(product(a.shape) / n);
    if (i === 2) return rows.map((row) => ({ k: row * n + p, slope: 1, by: "" }));
    const unit = (row) => {
      const [x, mean, variance] = statistics(line, row, n), root = Math.sqrt(variance + line.rule.eps);
      return [(j) => (x[j] - mean) / root, root];
    };
    if (i === 1) return rows.map((row) => ({ k: row * n + p, slope: unit(row)[0](p), by: `â of ${label(a, row * n + p)}` }));
    const row = Math.floor(p / n), own = p % n, [hat, root] = unit(row);
    return range(n).map((j) => ({
      k: row * n + j,
      slope: ((w ? w.value[j] : 1) / root) * (Number(j === own) - 1 / n - (hat(j) * hat(own)) / n),
      by: `∂${label(line, row * n + j)}/∂${label(a, p)}`,
    }));
  },
};

// ---- along a line: softmax, the loss, a maximum

function along(line, k) {
  const { dim } = line.rule, shape = line.inputs[0].shape, step = product(shape.slice(dim + 1)), n = shape[dim];
  const first = k - (Math.floor(k / step) % n) * step;
  return range(n).map((j) => first + j * step);
}

function exponentials(values) {
  const top = Math.max(...values), e = values.map((x) => Math.exp(x - top)), total = e.reduce((a, b) => a + b, 0);
  return [e.map((x) => x / total), top + Math.log(total)];
}

const softened = (logarithm) => ({
  made(line, k) {
    const positions = along(line, k), x = positions.map((p) => line.inputs[0].value[p]), own = line.inputs[0].value[k];
    const [o, log] = exponentials(x), rests = [k, ...positions.filter((p) => p !== k)].map((p) => ref(line, 0, p));
    return logarithm
      ? { text: `${digits(own)} − ln Σ e^(${listed(x)})`, total: own - log, rests }
      : { text: `e^${factor(own)} / Σ e^(${listed(x)})`, total: o[positions.indexOf(k)], rests };
  },
  used(line, i, p) {
    const positions = along(line, p), [o] = exponentials(positions.map((q) => line.inputs[0].value[q])), j = positions.indexOf(p);
    return positions.map((k, index) => ({
      k,
      slope: logarithm ? Number(k === p) - o[j] : o[index] * (Number(k === p) - o[j]),
      by: `∂${label(line, k)}/∂${label(line.inputs[0], p)}`,
    }));
  },
});

const cross_entropy = {
  made(line) {
    const [x, t] = line.inputs, [rows, classes] = x.shape;
    const row = (n) => [...x.value.subarray(n * classes, (n + 1) * classes)];
    const losses = range(rows).map((n) => exponentials(row(n))[1] - row(n)[t.value[n]]);
    const texts = range(rows).map((n) => `ln Σ e^(${listed(row(n))}) − ${factor(row(n)[t.value[n]])}`);
    const text = rows === 1 ? texts[0] : `[(${texts.slice(0, 2).join(") + (")})${rows > 2 ? " + …" : ""}]${line.rule.divisor > 1 ? ` / ${rows}` : ""}`;
    const rests = range(rows).flatMap((n) => [t.value[n], ...range(classes).filter((c) => c !== t.value[n])].map((c) => ref(line, 0, n * classes + c)));
    return { text, total: losses.reduce((a, b) => a + b, 0) / line.rule.divisor, rests };
  },
  used(line, i, p) {
    const [x, t] = line.inputs, classes = x.shape[1], n = Math.floor(p / classes), c = p % classes;
    const [o] = exponentials([...x.value.subarray(n * classes, (n + 1) * classes)]), hit = Number(c === t.value[n]);
    const by = `${digits(o[c])} − ${hit}${line.rule.divisor > 1 ? `, over ${line.rule.divisor}` : ""}`;
    return [{ k: 0, slope: (o[c] - hit) / line.rule.divisor, by }];
  },
};

const max_pool2d = {
  made(line, k) {
    const { shape } = line.inputs[0], [n, c, y, x] = position(line.shape, k), { kernel, stride, padding, dilation, chosen } = line.rule;
    const positions = [];
    for (let r = 0; r < kernel[0]; r++) for (let s = 0; s < kernel[1]; s++) {
      const v = y * stride[0] - padding[0] + dilation[0] * r, u = x * stride[1] - padding[1] + dilation[1] * s;
      if (v >= 0 && u >= 0 && v < shape[2] && u < shape[3]) positions.push(flat(shape, [n, c, v, u]));
    }
    const rests = [chosen[k], ...positions.filter((p) => p !== chosen[k])].map((p) => ref(line, 0, p));
    return { text: `max(${listed(positions.map((p) => line.inputs[0].value[p]))})`, total: line.inputs[0].value[chosen[k]], rests };
  },
  used(line, i, p) {
    return inverse(line, () => [...line.rule.chosen].map((from, k) => [from, { k, slope: 1, by: "" }])).get(p) ?? [];
  },
};

const RULES = {
  pick, local, relu: local, sums, linear, conv2d, matmul, add: added(1), sub: added(-1), mul, div, batch_norm, layer_norm,
  softmax: softened(false), log_softmax: softened(true), cross_entropy, max_pool2d,
};

// ---- equations

function label(source, k) {
  return source.shape.length ? `${source.name}[${position(source.shape, k).join(",")}]` : source.name;
}

// ∂E/∂ the numbers of a source. That of a linear layer's weight is δ·a of one row, made where it is asked for.
function gradientOf(source) {
  if (source.gradient === undefined && source.rule.gradient === "outer") {
    const { line } = source.uses[0], [outputs, inputs] = source.shape, delta = gradientOf(line), a = line.inputs[0].value;
    source.gradient = Float32Array.from({ length: outputs * inputs }, (_, p) => delta[Math.floor(p / inputs)] * a[p % inputs]);
  }
  return source.gradient ?? null;
}

const bySize = (a, b) => Math.abs(b.value) - Math.abs(a.value);

// How a number was made: {name, value, operation, law, text, terms, rests, total}, or null where there is no rule.
function activation(source, k) {
  const head = { source, k, name: label(source, k), value: source.value[k], operation: source.operation, law: source.law };
  if (source.kind !== "line") return { ...head, operation: "", law: "", terms: [], rests: [], text: "", total: head.value };
  const rule = RULES[source.rule.kind];
  if (!rule) return null;
  const { terms = [], rests = [], text = "", total } = rule.made(source, k);
  const found = total ?? terms.reduce((sum, each) => sum + each.value, 0);
  return { ...head, text, rests, terms: terms.sort(bySize), total: found };
}

// How ∂E/∂ a number was made: Σ δ·slope over all that it goes into; null where one of its lines has no rule.
function gradient(source, k) {
  const values = gradientOf(source);
  if (!values || source.uses.some(({ line }) => !RULES[line.rule.kind])) return null;
  const head = { source, k, name: `∂E/∂${label(source, k)}`, value: values[k], text: "", rests: [] };
  if (!source.uses.length) return { ...head, operation: "", law: "", terms: [], total: values[k] };
  const terms = source.uses.flatMap(({ line, i }) => RULES[line.rule.kind].used(line, i, k).map(({ k: output, slope, by }) => ({
    line, output, by, slope, delta: gradientOf(line)[output], value: slope * gradientOf(line)[output],
  })));
  const names = (list) => [...new Set(list)].join("; ");
  return {
    ...head,
    operation: names(source.uses.map(({ line }) => line.operation)),
    law: names(source.uses.map(({ line, i }) => line.laws[i])),
    terms: terms.sort(bySize),
    total: terms.reduce((sum, each) => sum + each.value, 0),
  };
}
