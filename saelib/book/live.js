// Figures that move (saelib/book/live.py): a function for each kind, from the settings to a scene, the twin of the one of
// the same name in saelib/book/_scenes.py; below them the drawing (saelib/book/_drawer.py), and the controls and points.
(() => {
  // --- words and numbers, written as Python writes them ------------------------------------------------------------
  const superscript = (n) => String(n).replace(/[-0-9]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  const power = (n) => "10" + superscript(n);

  function fixed(value, digits, sign = "") {
    const text = Math.abs(value).toFixed(digits);
    return (value < 0 && Number(text) ? "−" : sign) + text;
  }

  function short(value, digits = 2) {
    if (value === 0) return "0";
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    const k = Number(exponent);
    if (k > -4 && k < 4) return fixed(value, Math.max(0, digits - 1 - k));
    return `${mantissa} · ${power(k)}`.replace("-", "−");
  }

  // --- vectors and the parts of a scene ----------------------------------------------------------------------------
  const spread = (low, high, count) => Array.from({length: count}, (_, k) => low + (high - low) * k / (count - 1));
  const count = (n) => Array.from({length: n}, (_, k) => k);
  const sum = (v) => v.reduce((a, b) => a + b, 0);
  const dot = (u, v) => sum(u.map((a, i) => a * v[i]));
  const times = (A, B) => A.map((row) => B[0].map((_, j) => sum(row.map((a, k) => a * B[k][j]))));
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));

  const panel = (x, y, labels, marks, size = [440, 280], log = "") => ({x, y, labels, size, log, marks});
  const mark = (kind, tone, x, y, more) => ({mark: kind, tone, x: [x].flat(), y: [y].flat(), ...more});
  const curve = (x, y, tone = "blue", look = "solid") => mark("curve", tone, x, y, {look});
  const text = (x, y, words, tone = "ink") => mark("text", tone, x, y, {words});
  const image = (values, columns, x, y, wide, tall, still = 0) =>
    mark("image", "ink", x, y, {values, columns, wide, tall, still});
  const handle = (at, x, y, label, moves) => ({panel: at, x, y, label, moves});
  const scene = (says, panels, handles = [], lines = []) => ({says, panels, handles, lines});

  // --- one function for each kind of figure ------------------------------------------------------------------------
  function kl(s) {
    const of = (p, q) => p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
    const {rho, rho_hat: at} = s, value = of(rho, at), slope = (at - rho) / (at * (1 - at));
    const z = spread(-12, 12, 241), ends = [0, 1];
    return scene(
      `The divergence is ${fixed(value, 3)}, its slope ${fixed(slope, 2, "+")}.`,
      [panel([0, 1], [-0.2, 2.5], ["ρ̂ⱼ", "KL(ρ ‖ ρ̂ⱼ)"], [
        curve([rho, rho], [-0.2, 2.5], "ink", "dotted"),
        curve(z.map(sigmoid), z.map((v) => of(rho, sigmoid(v)))),
        curve(ends, ends.map((q) => value + slope * (q - at)), "orange", "dashed"),
        mark("dots", "orange", at, value),
        mark("dots", "ink", rho, 0),
      ])],
      [handle(0, rho, 0, "ρ", {across: "rho"}), handle(0, at, value, "ρ̂", {across: "rho_hat"})],
    );
  }

  function bias(s, {rho, weighted}) {
    const {b} = s, name = ["KL divergence", "square", "mean"][s.penalty];
    const of = (q) => rho * Math.log(rho / q) + (1 - rho) * Math.log((1 - rho) / (1 - q));

    function on(b) {
      const a = weighted.map((w) => sigmoid(w + b)), mean = sum(a) / a.length;
      const fade = sum(a.map((v) => v * (1 - v))) / a.length;
      if (name === "KL divergence") return [mean, of(mean), (mean - rho) / (mean * (1 - mean)) * fade];
      return name === "square" ? [mean, (mean - rho) ** 2, 2 * (mean - rho) * fade] : [mean, mean, fade];
    }

    const [mean, value, slope] = on(b), z = spread(-18, 10, 121), line = spread(-16, 6, 121), ends = [-16, 6];
    const penalties = line.map((v) => on(v)[1]), top = Math.max(...penalties), dots = weighted.map((w) => w + b);
    return scene(
      `At the bias ${fixed(b, 1)} the mean activation is ${short(mean)}. The penalty, ${name}, pushes the bias ` +
        `${slope < 0 ? "up" : "down"}, with a slope of ${slope > 0 ? "+" : ""}${short(slope)}.`,
      [
        panel([-18, 10], [-0.05, 1.05], ["zⱼ", "aⱼ"], [
          curve(z, z.map(sigmoid), "gray"),
          mark("dots", "blue", dots, dots.map(sigmoid), {small: 1}),
          curve([-18, 10], [mean, mean], "orange", "dashed"),
        ], [300, 240]),
        panel([-16, 6], [-0.08 * top, 1.05 * top], ["bⱼ", "penalty"], [
          curve(line, penalties),
          curve(ends, ends.map((v) => value + slope * (v - b)), "orange", "dashed"),
          mark("dots", "orange", b, value),
        ], [300, 240]),
      ],
      [handle(1, b, value, "bias", {across: "b"})],
    );
  }

  function losses({z, x}) {
    const a = sigmoid(z), line = spread(-8, 8, 121), ends = [z - 2.5, z + 2.5];
    const kinds = [
      ["squared error", 0.55, (v) => (sigmoid(v) - x) ** 2 / 2, (a - x) * a * (1 - a)],
      ["cross entropy", 8.5, (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))) - x * v, a - x],
    ];
    return scene(
      `Target ${fixed(x, 2)}, z = ${fixed(z, 1)}, output ${fixed(a, 3)}: the delta is ${fixed(kinds[0][3], 3, "+")} for ` +
        `the squared error and ${fixed(kinds[1][3], 3, "+")} for the cross entropy.`,
      kinds.map(([name, top, loss, delta]) => panel([-8, 8], [-0.06 * top, top], ["z⁽³⁾ₖ", name], [
        curve(line, line.map(loss)),
        curve(ends, ends.map((v) => loss(z) + delta * (v - z)), "orange", "dashed"),
        mark("dots", "orange", z, loss(z)),
      ], [300, 240])),
      kinds.map(([name, , loss], k) => handle(k, z, loss(z), `z, on the ${name}`, {across: "z"})),
    );
  }

  const soft = (u, t) => Math.sign(u) * Math.max(Math.abs(u) - t, 0);

  function soft_threshold(s, {bars}) {
    const {t} = s, u = [-3, -t, t, 3], after = bars.map((v) => soft(v, t)), place = bars.map((_, k) => k + 1);
    return scene(
      `With t = ${fixed(t, 2)}, ${after.filter((v) => v).length} of the ${bars.length} coefficients remain; ` +
        `their magnitudes add up to ${fixed(sum(after.map(Math.abs)), 2)}.`,
      [
        panel([-3, 3], [-3, 3], ["u", "Sₜ(u)"], [
          curve([-3, 3], [-3, 3], "soft", "dotted"),
          curve(u, u.map((v) => soft(v, t))),
          mark("dots", "orange", t, 0),
        ], [300, 270]),
        panel([0.4, bars.length + 0.6], [-3, 3], ["coefficient j", ""], [
          mark("bars", "gray", place, bars, {wide: 0.7}),
          mark("bars", "blue", place, after, {wide: 0.7}),
        ], [300, 270]),
      ],
      [handle(0, t, 0, "threshold t", {across: "t"})],
    );
  }

  function ista(s, {D, x}) {
    const {lam} = s, fast = s.fast, step = Math.trunc(s.step);
    const off = (a) => x.map((v, i) => a[0] * D[0][i] + a[1] * D[1][i] - v);
    const cost = (a) => sum(off(a).map((e) => e * e)) / 2 + lam * (Math.abs(a[0]) + Math.abs(a[1]));
    const [a, b, d] = [dot(D[0], D[0]), dot(D[0], D[1]), dot(D[1], D[1])];
    const L = (a + d) / 2 + Math.hypot((a - d) / 2, b);

    function pathOf(start, steps, fast) {
      const path = [start];
      let ahead = start, t = 1;
      for (let k = 0; k < steps; k++) {
        const e = off(ahead);
        path.push(ahead.map((v, j) => soft(v - dot(D[j], e) / L, lam / L)));
        const grown = (1 + Math.sqrt(1 + 4 * t * t)) / 2, [last, now] = path.slice(-2);
        ahead = fast ? now.map((v, j) => v + (t - 1) / grown * (v - last[j])) : now;
        t = grown;
      }
      return path;
    }

    const best = pathOf([0, 0], 300, false).at(-1), path = pathOf([s.a1, s.a2], step, fast), least = cost(best);
    const rays = spread(0, 2 * Math.PI, 73).map((angle) => [Math.cos(angle), Math.sin(angle)]);
    const marks = [0.005, 0.03, 0.1, 0.25, 0.5, 0.9].map((level) => {
      const ring = rays.map((ray) => { // the cost is convex: each ray leaves a level once
        let low = 0, high = 8;
        for (let k = 0; k < 40; k++) {
          const middle = (low + high) / 2;
          if (cost(best.map((v, j) => v + middle * ray[j])) < least + level) low = middle; else high = middle;
        }
        return best.map((v, j) => v + low * ray[j]);
      });
      return curve(ring.map((p) => p[0]), ring.map((p) => p[1]), "gray");
    });
    const [xs, ys] = [0, 1].map((j) => path.map((p) => p[j])), end = path.at(-1);
    marks.push(
      curve([-0.2, 2], [0, 0], "soft", "thin"), curve([0, 0], [-0.3, 1.1], "soft", "thin"),
      curve(xs, ys), mark("dots", "blue", xs.slice(1, -1), ys.slice(1, -1), {small: 1}),
      text(...best, "×"), mark("dots", "soft", s.a1, s.a2), mark("dots", "orange", ...end),
    );
    return scene(
      `${fast ? "FISTA" : "ISTA"} after ${step} step${step === 1 ? "" : "s"}: the code is (` +
        `${end.map((v) => fixed(v, 2)).join(", ")}), and its cost ${fixed(cost(end) - least, 4)} above the least.`,
      [panel([-0.2, 2], [-0.3, 1.1], ["a₁", "a₂"], marks, [440, 300])],
      [handle(0, s.a1, s.a2, "start", {across: "a1", up: "a2"})],
    );
  }

  function latents(s, {count: n}) {
    const z = count(n).map((j) => s[`z${j + 1}`]), place = count(n).map((j) => j + 1), k = Math.trunc(s.k), {theta} = s;
    const first = count(n).sort((i, j) => z[j] - z[i] || i - j).slice(0, k); // ties: the earlier one
    const kept = [z.map((v, j) => first.includes(j) && v > 0), z.map((v) => v > theta)];
    const pick = (values, chosen) => values.filter((_, j) => chosen[j]);
    const names = (chosen) => pick(place, chosen).join(" ") || "none";
    const panels = ["TopK", "JumpReLU"].map((title, i) => panel([0.4, n + 0.6], [-1, 2], [`latent j, ${title}`, "zⱼ"], [
      mark("bars", "gray", place, z, {wide: 0.7}),
      mark("bars", "blue", pick(place, kept[i]), pick(z, kept[i]), {wide: 0.7}),
      ...(i ? [curve([0.4, n + 0.6], [theta, theta], "orange", "dashed"), mark("dots", "orange", n + 0.45, theta)]
        : [mark("dots", "orange", place, z)]),
    ], [300, 240]));
    return scene(
      `TopK with k = ${k} keeps ${names(kept[0])}; JumpReLU at θ = ${fixed(theta, 2)} keeps ${names(kept[1])}.`,
      panels,
      [...z.map((v, j) => handle(0, j + 1, v, `z of latent ${j + 1}`, {up: `z${j + 1}`})),
        handle(1, n + 0.45, theta, "θ", {up: "theta"})],
    );
  }

  function directions(s, data) {
    const W = data.W[s.r][s.S], n = W[0].length, names = count(n).map((j) => String(j + 1));
    const product = (i, j) => W[0][i] * W[0][j] + W[1][i] * W[1][j];
    const length = count(n).map((j) => Math.sqrt(product(j, j))), kept = length.map((l) => l > 0.5);
    const D = length.map((l, i) => l ** 4 / Math.max(sum(count(n).map((j) => product(i, j) ** 2)), 1e-12));
    const falling = D.filter((_, j) => kept[j]).sort((a, b) => b - a);
    const arrows = [mark("arrows", "blue", W[0], W[1])];
    names.forEach((name, j) => {
      const far = 1 + 0.18 / length[j];
      if (length[j] > 0.3) arrows.push(text(W[0][j] * far, W[1][j] * far, name));
    });
    return scene(
      `Sparsity ${data.S[s.S]}: ${kept.filter((k) => k).length} features longer than one half, with dimensionalities ` +
        `${falling.map((v) => fixed(v, 2)).join(", ")}; ‖W‖² = ${fixed(sum(length.map((l) => l * l)), 1)}.`,
      [
        panel([-1.6, 1.6], [-1.6, 1.6], ["W₁ᵢ", "W₂ᵢ"], arrows, [300, 292]),
        panel([0.4, n + 0.6], [0, 1], ["feature i", "Dᵢ"],
          [mark("bars", "blue", count(n).map((j) => j + 1), D.map((v, j) => (kept[j] ? v : 0)), {wide: 0.6})], [300, 292]),
      ],
    );
  }

  function descent(s, data) {
    const {alpha} = s, turn = Math.PI * data.turn / 180, cos = Math.cos(turn), sin = Math.sin(turn);
    const curvature = [data.mu, data.L], path = [[cos * s.c1 + sin * s.c2, -sin * s.c1 + cos * s.c2]];
    for (let k = 0; k < 25; k++) path.push(path.at(-1).map((c, i) => c - alpha * curvature[i] * c));
    const costs = path.map((c) => sum(curvature.map((h, i) => h * c[i] * c[i])) / 2);
    const turned = (points) => [points.map(([a, b]) => cos * a - sin * b), points.map(([a, b]) => sin * a + cos * b)];
    const rings = [0.1, 0.5, 1.5, 4, 9, 16].map((cost) => {
      const [a, b] = curvature.map((h) => Math.sqrt(2 * cost / h));
      return turned(spread(0, 2 * Math.PI, 73).map((angle) => [a * Math.cos(angle), b * Math.sin(angle)]));
    });
    const [x, y] = turned(path);
    return scene(
      `With α = ${fixed(alpha, 3)} the steep direction is multiplied by ${fixed(1 - alpha * data.L, 2, "+")} in each ` +
        `step and the flat one by ${fixed(1 - alpha * data.mu, 3, "+")}; after 25 steps the cost is ${short(costs[25])}.`,
      [
        panel([-5.6, 5.6], [-4, 4], ["θ₁", "θ₂"], [
          ...rings.map((ring) => curve(...ring, "gray")),
          curve(x, y), mark("dots", "blue", x.slice(1), y.slice(1), {small: 1}), text(0, 0, "+"),
          mark("dots", "orange", x[0], y[0]),
        ], [300, 223]),
        panel([0, 25], [1e-4, 1e3], ["step", "J"], [curve(count(26), costs.map((c) => Math.max(c, 1e-12)))], [300, 223], "y"),
      ],
      [handle(0, x[0], y[0], "start", {across: "c1", up: "c2"})],
    );
  }

  function epsilon(s, {w: w0}) {
    const rounded = s.single ? Math.fround : (v) => v;

    function exp(x) { // by its series: the exponential functions of two languages differ in the last digit
      const k = Math.floor(x / 0.6931471805599453 + 0.5);
      const r = x - k * 0.693147180369123816490 - k * 1.90821492927058770002e-10;
      let total = 1;
      for (let n = 18; n > 0; n--) total = 1 + r * total / n;
      return total * 2 ** k;
    }

    function J(w) {
      const a2 = rounded(1 / rounded(1 + rounded(exp(-w))));
      const a3 = rounded(1 / rounded(1 + rounded(exp(rounded(1 - rounded(3 * a2))))));
      const off = rounded(a3 - 1);
      return rounded(rounded(off * off) / 2);
    }

    const one = 1 / (1 + exp(-w0)), out = 1 / (1 + exp(1 - 3 * one));
    const slope = (out - 1) * out * (1 - out) * 3 * one * (1 - one);
    const quotient = (e) => rounded(rounded(J(rounded(w0 + e)) - J(rounded(w0 - e))) / rounded(2 * e));
    const small = (exponent) => rounded(exp(exponent * 2.302585092994046));
    const error = (exponent) => Math.max(Math.abs(quotient(small(exponent)) / slope - 1), 1e-12);
    const e = small(s.exponent), here = error(s.exponent), window = spread(-1.5, 1.5, 121), exponents = spread(-15, 0, 61);
    const rise = window.map((t) => rounded(J(rounded(w0 + rounded(e * t))) - J(rounded(w0))) / e);
    return scene(
      `In ${s.single ? "single" : "double"} precision with ε = ${short(e)} the quotient is ${fixed(quotient(e), 6)}; ` +
        `the slope is ${fixed(slope, 6)}.`,
      [
        panel([-1.5, 1.5], [-0.09, 0.09], ["(weight − w) / ε", "(cost − J(w)) / ε"],
          [curve(window, window.map((t) => slope * t), "ink", "dotted"), curve(window, rise)], [300, 260]),
        panel([1e-15, 1], [1e-12, 2], ["ε", "relative error"], [
          curve(exponents.map((k) => 10 ** k), exponents.map(error), "soft"),
          mark("dots", "orange", 10 ** s.exponent, here),
        ], [300, 260], "xy"),
      ],
      [handle(1, 10 ** s.exponent, here, "ε", {across: "exponent"})],
    );
  }

  function passes(s, {W1, b1, W2, b2}) {
    const x = W1[0].map((_, i) => s[`x${i + 1}`]), low = (k) => "₀₁₂₃₄₅₆₇₈₉"[k];
    const number = (v) => {
      let words = fixed(v, 4);
      if (Math.abs(v - Number(v.toFixed(2))) < 1e-12) words = words.replace(/\.?0+$/, "");
      return Number(words.replace("−", "-")) ? words : "0";
    };
    const factor = (v) => (number(v)[0] === "−" ? `(${number(v)})` : number(v));
    const written = (w, v) => w.map((a, i) => `${factor(a)} · ${factor(v[i])}`).join(" + ");
    const layer = (W, b, v) => W.map((row, k) => dot(row, v) + b[k]);
    const z2 = layer(W1, b1, x), a2 = z2.map(sigmoid), z3 = layer(W2, b2, a2), a3 = z3.map(sigmoid);
    const delta3 = a3.map((a, k) => (a - x[k]) * a * (1 - a));
    const back = a2.map((_, j) => dot(W2.map((row) => row[j]), delta3));
    const delta2 = back.map((v, j) => v * a2[j] * (1 - a2[j]));
    const units = (l, v) => v.map((_, k) => `${l},${k}`), steps = [];
    const step = (title, lines, says, here, edges) => steps.push({title, lines, says, here, edges});

    step("the input", [`x = (${x.map(number).join(", ")})`], `The input is x = (${x.map(number).join(", ")}).`, units(0, x), []);
    [[W1, b1, x, z2, a2, "hidden", "i", "xᵢ", "⁽²⁾", "⁽¹⁾"], [W2, b2, a2, z3, a3, "output", "j", "a⁽²⁾ⱼ", "⁽³⁾", "⁽²⁾"]].forEach(
      ([W, b, from, z, a, kind, index, symbol, upper, own], l) => z.forEach((_, k) => {
        const total = `${written(W[k], from)} + ${factor(b[k])}`, at = low(k + 1), sub = index === "i" ? "ᵢ" : "ⱼ";
        step(
          `forward, ${kind} unit ${k + 1}`,
          [`z${upper}${at} = Σ${sub} W${own}${at}${sub} ${symbol} + b${own}${at}`, `= ${total} = ${number(z[k])}`,
            `a${upper}${at} = f(${number(z[k])}) = ${number(a[k])}`],
          `${kind[0].toUpperCase()}${kind.slice(1)} unit ${k + 1} receives ${total} = ${number(z[k])}; ` +
            `its activation is f(${number(z[k])}) = ${number(a[k])}.`,
          [`${l + 1},${k}`], W[k].map((w, i) => [`${l},${i}`, `${l + 1},${k}`, w]),
        );
      }),
    );
    const squares = a3.map((a, k) => `(${number(a)} − ${number(x[k])})²`).join(" + ");
    const cost = number(sum(a3.map((a, k) => (a - x[k]) ** 2)) / 2);
    step("forward, the cost", ["J = ½ Σₖ (a⁽³⁾ₖ − xₖ)²", `= ½ [${squares}]`, `= ${cost}`],
      `The cost is half the sum of the squared differences of output and input: ½ [${squares}] = ${cost}.`, units(2, a3), []);
    step("backward, the output deltas",
      ["δ⁽³⁾ₖ = (a⁽³⁾ₖ − xₖ) a⁽³⁾ₖ (1 − a⁽³⁾ₖ)", ...a3.map((a, k) => `δ⁽³⁾${low(k + 1)} = (${number(a)} − ${number(x[k])}) ` +
        `· ${number(a)} · (1 − ${number(a)}) = ${number(delta3[k])}`)],
      `Each output's delta is its difference times the slope of the sigmoid: ${delta3.map(number).join(", ")}.`, units(2, a3), []);
    a2.forEach((a, j) => {
      const column = W2.map((row) => row[j]), all = written(column, delta3), slope = `${number(a)} · (1 − ${number(a)})`;
      step(
        `backward, hidden unit ${j + 1}`,
        [`δ⁽²⁾${low(j + 1)} = (Σₖ W⁽²⁾ₖ${low(j + 1)} δ⁽³⁾ₖ) a⁽²⁾${low(j + 1)} (1 − a⁽²⁾${low(j + 1)})`,
          `Σₖ = ${all} = ${number(back[j])}`, `δ⁽²⁾${low(j + 1)} = ${factor(back[j])} · ${slope} = ${number(delta2[j])}`],
        `Hidden unit ${j + 1} collects ${all} = ${number(back[j])}; times the slope, ${slope}, that is its delta, ` +
          `${number(delta2[j])}.`,
        [`1,${j}`], column.map((w, k) => [`1,${j}`, `2,${k}`, w]),
      );
    });
    [[2, delta3, a2, "∂J / ∂W⁽²⁾ₖⱼ = δ⁽³⁾ₖ a⁽²⁾ⱼ", "⁽²⁾"], [1, delta2, x, "∂J / ∂W⁽¹⁾ⱼᵢ = δ⁽²⁾ⱼ xᵢ", "⁽¹⁾"]].forEach(
      ([l, delta, from, formula, name]) => step(
        `backward, the gradient of W${name}`,
        [formula, ...delta.map((d) => from.map((v) => `${factor(d)} · ${number(v)} = ${number(d * v)}`).join(", "))],
        "The derivative by a weight is the delta where it arrives times the activation where it starts: " +
          `${delta.map((d) => from.map((v) => number(d * v)).join(", ")).join("; ")}.`,
        [], from.flatMap((_, i) => delta.map((_, k) => [`${l - 1},${i}`, `${l},${k}`, null])),
      ),
    );

    const at = Math.trunc(s.step) - 1, now = steps[at], backward = (one) => one.title.includes("backward");
    const known = new Set(), told = new Set(), tone = backward(now) ? "orange" : "blue", values = [x, a2, a3];
    steps.slice(0, at + 1).forEach((one) => one.here.forEach((unit) => (backward(one) ? told : known).add(unit)));
    const place = {};
    values.forEach((v, l) => v.forEach((_, k) => { place[`${l},${k}`] = [2.6 * l, (v.length - 1) / 2 - k]; }));
    const edge = (from, to, tone, look) => curve(...[0, 1].map((i) => [place[from][i], place[to][i]]), tone, look);
    const marks = [0, 1].flatMap((l) => values[l].flatMap((_, i) =>
      values[l + 1].map((_, k) => edge(`${l},${i}`, `${l + 1},${k}`, "gray", "thin"))));
    marks.push(...now.edges.map(([from, to]) => edge(from, to, tone)));
    values.forEach((v, l) => v.forEach((value, k) => {
      const unit = `${l},${k}`, here = now.here.includes(unit), [px, py] = place[unit];
      marks.push(mark("circles", here ? tone : "ink", px, py, {bold: Number(here)}));
      marks.push(known.has(unit) ? text(px, py, number(value)) : text(px, py, ["x", "a⁽²⁾", "a⁽³⁾"][l] + low(k + 1), "soft"));
      if (told.has(unit)) marks.push(text(px, py - 0.48, `δ = ${number((l === 1 ? delta2 : delta3)[k])}`, here ? tone : "ink"));
    }));
    now.edges.forEach(([from, to, weight]) => {
      if (weight === null) return; // where the lines are furthest apart: at the many ends
      const [x0, y0] = place[from], [x1, y1] = place[to], along = backward(now) ? 0.66 : 0.34;
      marks.push(text(x0 + along * (x1 - x0), y0 + along * (y1 - y0), number(weight), tone));
    });
    return scene(now.says, [panel([-0.6, 5.8], [-1.75, 1.45], ["", ""], marks, [440, 250], "bare")], [],
      [`${at + 1} of ${steps.length}: ${now.title}`, ...now.lines]);
  }

  function rotation(s, data) {
    const t = Math.PI * s.angle / 180, cos = Math.cos(t), sin = Math.sin(t), {U, mean, example} = data;
    const A = times([[cos, -sin], [sin, cos]], [[1 + 0.4 * s.stretch, 0.6 * s.stretch], [0, 1 - 0.2 * s.stretch]]);
    const [[a, b], [c, d]] = A, det = a * d - b * c, inverse = [[d / det, -b / det], [-c / det, a / det]];
    const P = times(A, inverse), v = data.variances;
    const J = (data.total - 2 * sum(v.map((w, i) => P[i][i] * w)) + sum(P.flatMap((row) => row.map((p, j) => p * p * v[j])))) / 2;
    const centered = example.map((e, i) => e - mean[i]);
    const codes = times(inverse, [0, 1].map((j) => [dot(U.map((row) => row[j]), centered)]));
    const columns = times(U, A), rebuilt = times(columns, codes).map(([r], i) => mean[i] + r);
    const tones = [0, 1].map((j) => {
      const column = columns.map((row) => row[j]), most = Math.max(...column.map(Math.abs));
      return column.map((w) => (w / most + 1) / 2);
    });
    tones.push(example, rebuilt.map((r) => Math.min(Math.max(r, 0), 1)));
    const arrows = [
      mark("arrows", "blue", A[0], A[1], {bold: 1}),
      mark("arrows", "orange", inverse.map((row) => row[0]), inverse.map((row) => row[1])),
      mark("dots", "blue", a, c),
    ];
    for (const j of [0, 1]) {
      arrows.push(text(1.35 * A[0][j], 1.35 * A[1][j], String(j + 1), "blue"));
      arrows.push(text(1.2 * inverse[j][0], 1.2 * inverse[j][1], String(j + 1), "orange"));
    }
    const images = ["column 1", "column 2", "input", "output"].flatMap((name, k) => {
      const left = 1.15 * (k % 2), top = 1.3 * Math.floor(k / 2);
      return [mark("pixels", "ink", left, top, {values: tones[k], columns: 8, wide: 1}), text(left + 0.5, top + 1.14, name)];
    });
    return scene(
      `At ${fixed(s.angle, 0)} degrees the first column of the decoder has a cosine of ${fixed(a / Math.sqrt(a * a + c * c), 2)} ` +
        `with the first principal direction; the cost is ${fixed(J, 3)}.`,
      [
        panel([-2, 2], [-2, 2], ["u₁", "u₂"], arrows, [300, 292]),
        panel([-0.312, 2.462], [2.6, -0.1], ["", ""], images, [300, 292], "bare"),
      ],
      [handle(0, a, c, "column 1", {round: "angle"})],
    );
  }

  function window(s, data) {
    const {photograph, whitened, limit, W1, b1, W2, b2} = data, units = W1.length, side = Math.round(Math.sqrt(W1[0].length));
    const high = photograph.length, wide = photograph[0].length, half = side / 2;
    const [left, up] = [s.across, s.up].map((v) => Math.floor(v + 0.5)), top = high - side - up;
    const cut = (rows, one) => rows.slice(top, top + side).flatMap((row) => row.slice(left, left + side).map((v) => v / one));
    const seen = cut(photograph, 255), p = cut(whitened, 100), mean = sum(p) / p.length;
    const x = p.map((v) => 0.1 + 0.4 * (1 + Math.min(Math.max(v - mean, -limit), limit) / limit));
    const layer = (W, b, v) => W.map((row, k) => sigmoid(dot(row, v) + b[k]));
    const a = layer(W1, b1, x), output = layer(W2, b2, a);
    const [error, even] = [(i) => output[i], () => 0.5].map((of) => sum(x.map((v, i) => (v - of(i)) ** 2)) / 2);
    const square = (x0, y0, x1, y1) => curve([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], "orange");
    const marks = [["photograph", seen], ["input x", x], ["output", output]].flatMap(([name, values], k) =>
      [image(values, side, 10 + 108 * k, 0, 64, 64), text(42 + 108 * k, 75, name)]);
    const columns = Math.ceil(Math.sqrt(units)), across = 300 / columns, down = 205 / Math.ceil(units / columns);
    const size = Math.min(down, 0.75 * across) - 7;
    W1.forEach((w, j) => {
      const x0 = j % columns * across + (across - size - 13) / 2, y0 = 93 + Math.floor(j / columns) * down;
      const x1 = x0 + size, y1 = y0 + size, bar = {wide: 8, base: y1}, most = Math.max(...w.map(Math.abs));
      marks.push(image(w.map((v) => (v / most + 1) / 2), side, x0, y0, size, size));
      if (a[j] > 0.1) marks.push(square(x0, y0, x1, y1));
      marks.push(mark("bars", "gray", x1 + 9, y0, bar), mark("bars", "blue", x1 + 9, y1 - a[j] * size, bar));
    });
    const named = (j) => `unit ${j + 1} (row ${Math.floor(j / columns) + 1}, column ${j % columns + 1})`;
    const [first, second] = count(units).sort((i, j) => a[j] - a[i] || i - j), passing = a.filter((v) => v > 0.1).length;
    return scene(
      `${passing || "No"} unit${passing > 1 ? "s pass" : " passes"} 0.1. The largest activation, ${fixed(a[first], 2)}, ` +
        `is that of ${named(first)}; the next, ${fixed(a[second], 2)}, that of ${named(second)}. The reconstruction error is ` +
        `${fixed(error, 2)}; for an even gray it would be ${fixed(even, 2)}.`,
      [
        panel([-half, wide - half], [-half, high - half], ["", ""], [
          image(photograph.flat().map((v) => v / 255), wide, -half, high - half, wide, -high, 1),
          square(left - half, up - half, left + half, up + half),
        ], [300, 300], "bare"),
        panel([0, 300], [300, 0], ["", ""], marks, [300, 300], "bare"),
      ],
      [handle(0, left, up, "window", {across: "across", up: "up"})],
    );
  }

  const kinds = {kl, bias, losses, soft_threshold, ista, latents, directions, descent, epsilon, passes, rotation, window};

  // --- drawing -----------------------------------------------------------------------------------------------------
  const LEFT = 48, RIGHT = 10, TOP = 10, BOTTOM = 40, FAR = 1e4;
  const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];
  const SIGNS = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"};
  const escape = (words) => words.replace(/[&<>"']/g, (sign) => SIGNS[sign]);
  const px = (v) => String(Math.floor(Math.min(Math.max(v, -FAR), FAR) * 10 + 0.5) / 10);

  function along(value, ends, length, log) {
    if (log) [value, ...ends] = [value, ...ends].map((v) => Math.log10(Math.max(v, 1e-300)));
    return (value - ends[0]) / (ends[1] - ends[0]) * length;
  }

  function ticks([low, high], log) {
    if (log) {
      const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
      const every = Math.ceil((last - first) / 5) || 1;
      return count(last - first + 1).map((k) => k + first).filter((k) => k % every === 0).map((k) => [10 ** k, power(k)]);
    }
    const step = STEPS.find((s) => (high - low) / s <= 6.5), digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
    return count(last - first + 1).map((k) => [(k + first) * step, fixed((k + first) * step, digits)]);
  }

  // Where the marks of a panel are, and which value is where.
  function geometry(panel) {
    const [width, height] = panel.size, bare = panel.log === "bare";
    const [x0, y0, w, h] = bare ? [0, 0, width, height] : [LEFT, TOP, width - LEFT - RIGHT, height - TOP - BOTTOM];
    const logs = ["x", "y"].map((name) => !bare && panel.log.includes(name));
    const at = (x, y) => [along(x, panel.x, w, logs[0]), h - along(y, panel.y, h, logs[1])];
    const value = (share, ends, log) => {
      const [a, b] = log ? ends.map(Math.log10) : ends;
      return a + share * (b - a); // of a logarithmic axis the exponent, which is what its slider holds
    };
    const back = (x, y) => [value((x - x0) / w, panel.x, logs[0]), value(1 - (y - y0) / h, panel.y, logs[1])];
    return {width, height, bare, x0, y0, w, h, at, back};
  }

  function axes(panel, {at, w, h}) {
    const lines = [], words = [];
    for (const [value, word] of ticks(panel.x, panel.log.includes("x"))) {
      const x = px(LEFT + at(value, panel.y[0])[0]);
      lines.push(`M${x} ${TOP}V${TOP + h}`);
      words.push(`<text x="${x}" y="${TOP + h + 16}">${word}</text>`);
    }
    for (const [value, word] of ticks(panel.y, panel.log.includes("y"))) {
      const y = TOP + at(panel.x[0], value)[1];
      lines.push(`M${LEFT} ${px(y)}H${LEFT + w}`);
      words.push(`<text class="live-end" x="${LEFT - 5}" y="${px(y + 4)}">${word}</text>`);
    }
    const [across, up] = panel.labels.map(escape);
    words.push(`<text class="live-label" x="${px(LEFT + w / 2)}" y="${TOP + h + 34}">${across}</text>`);
    words.push(`<text class="live-label" transform="translate(11 ${px(TOP + h / 2)}) rotate(-90)">${up}</text>`);
    const frame = `<path class="live-frame" d="M${LEFT} ${TOP}V${TOP + h}H${LEFT + w}"/>`;
    return `<path class="live-grid" d="${lines.join("")}"/>${frame}<g class="live-ticks">${words.join("")}</g>`;
  }

  // What may be cut off at the axes goes to `clipped`, the rest to `free`.
  const shapes = {
    curve(m, points, clipped) {
      const d = points.map(([x, y]) => `${px(x)} ${px(y)}`).join(" ");
      clipped.push(`<path class="live-curve live-${m.tone} live-${m.look}" d="M${d}"/>`);
    },
    dots(m, points, clipped, free) {
      for (const [x, y] of points) {
        free.push(`<circle class="live-dot live-${m.tone}" cx="${px(x)}" cy="${px(y)}" r="${m.small ? 2.5 : 5}"/>`);
      }
    },
    circles(m, points, clipped, free) {
      for (const [x, y] of points) {
        free.push(`<circle class="live-circle live-${m.tone}${m.bold ? " live-bold" : ""}" cx="${px(x)}" cy="${px(y)}" r="24"/>`);
      }
    },
    bars(m, points, clipped, free, at) {
      m.x.forEach((x, k) => {
        const [left, base] = at(x - m.wide / 2, m.base ?? 0), [right] = at(x + m.wide / 2, 0), [, y] = points[k];
        clipped.push(`<rect class="live-bar live-${m.tone}" x="${px(left)}" y="${px(Math.min(y, base))}" ` +
          `width="${px(right - left)}" height="${px(Math.abs(y - base))}"/>`);
      });
    },
    arrows(m, points, clipped, free, at) {
      const [x0, y0] = at(0, 0);
      for (const [x, y] of points) {
        const length = Math.hypot(x - x0, y - y0);
        if (length < 1) continue;
        const ux = (x - x0) / length, uy = (y - y0) / length, tip = `${px(x)} ${px(y)}`;
        const [left, right] = [4, -4].map((side) => `${px(x - 9 * ux - side * uy)} ${px(y - 9 * uy + side * ux)}`);
        clipped.push(`<path class="live-arrow live-${m.tone}${m.bold ? " live-bold" : ""}" ` +
          `d="M${px(x0)} ${px(y0)} ${tip}M${left} ${tip} ${right}"/>`);
      }
    },
    text(m, points, clipped, free) {
      for (const [x, y] of points) {
        free.push(`<text class="live-text live-${m.tone}" x="${px(x)}" y="${px(y + 4.5)}">${escape(m.words)}</text>`);
      }
    },
    pixels(m, [[x, y]], clipped, free, at) {
      const n = m.columns, side = (at(m.x[0] + m.wide, m.y[0])[0] - x) / n, shades = {};
      m.values.forEach((value, k) => {
        const level = Math.floor(Math.min(Math.max(value, 0), 1) * 15 + 0.5);
        (shades[level] ??= []).push(
          `M${px(x + k % n * side)} ${px(y + Math.floor(k / n) * side)}h${px(side)}v${px(side)}h-${px(side)}z`);
      });
      for (const [level, d] of Object.entries(shades)) {
        const gray = Number(level).toString(16).repeat(3);
        clipped.push(`<path class="live-pixel" fill="#${gray}" d="${d.join("")}"/>`);
      }
    },
    // As `pixels`, but for many: neighbors of one gray level in a row are one piece; just below a tie counts as one.
    image(m, [[x, y]], clipped, free, at, stays) {
      const n = m.columns, [right, bottom] = at(m.x[0] + m.wide, m.y[0] + m.tall), shades = {};
      const values = m.still && stays ? [] : m.values;
      const levels = values.map((value) => Math.floor(Math.min(Math.max(value, 0), 1) * 15 + 0.500001));
      for (let k = 1, start = 0; k <= levels.length; k++) {
        if (k % n && levels[k] === levels[start]) continue;
        const d = `M${start % n} ${Math.floor(start / n)}h${k - start}v1h-${k - start}z`;
        shades[levels[start]] = (shades[levels[start]] ?? "") + d;
        start = k;
      }
      const size = [(right - x) / n, (bottom - y) * n / m.values.length].map((v) => Math.floor(v * 1e4 + 0.5) / 1e4);
      const where = `translate(${px(x)} ${px(y)}) scale(${size.join(" ")})`;
      const paths = Object.entries(shades).map(([level, d]) => {
        const gray = Number(level).toString(16).repeat(3);
        return `<path fill="#${gray}" d="${d}"/>`;
      });
      clipped.push(`<g class="live-pixel${m.still ? " live-still" : ""}" transform="${where}">${paths.join("")}</g>`);
    },
  };

  function svg(panel, label = "", stays = null) {
    const g = geometry(panel), clipped = [], free = [];
    const inside = ([x, y]) => x >= -1 && x <= g.w + 1 && y >= -1 && y <= g.h + 1;
    for (const m of panel.marks) {
      const points = m.x.map((x, k) => g.at(x, m.y[k]));
      shapes[m.mark](m, ["dots", "text"].includes(m.mark) ? points.filter(inside) : points, clipped, free, g.at, stays);
    }
    const about = label ? `role="img" aria-label="${escape(label)}"` : 'aria-hidden="true"';
    return `<svg viewBox="0 0 ${g.width} ${g.height}" ${about}>${g.bare ? "" : axes(panel, g)}` +
      `<svg x="${g.x0}" y="${g.y0}" width="${g.w}" height="${g.h}">${clipped.join("")}</svg>` +
      `<g transform="translate(${g.x0} ${g.y0})">${free.join("")}</g></svg>`;
  }

  // --- controls and points -----------------------------------------------------------------------------------------
  function enliven(figure) {
    if (figure.alive) return;
    figure.alive = true;
    const find = (selector) => [...figure.querySelectorAll(selector)];
    const make = kinds[figure.dataset.live], data = JSON.parse(figure.dataset.with);
    const settings = {};
    find(".live-setting").forEach((element) => {
      settings[element.dataset.name] = {
        element, inputs: [...element.querySelectorAll("input")], ...JSON.parse(element.dataset.written),
      };
    });
    const panels = find(".live-panel"), [says] = find(".live-says"), [lines] = find(".live-lines");
    const [play] = find("[data-play]"), [first] = Object.values(settings);
    const value = ({inputs}) => Number((inputs.find((input) => input.checked) ?? inputs[0]).value);
    const word = (s, v) => (s.words.length ? s.words[Math.round(v - s.inputs[0].min)]
      : (s.log ? short(10 ** v) : fixed(v, s.digits)) + s.unit);
    const handles = [];
    let shown = null, waiting = 0, timer = null, longest = "";

    function show() {
      waiting = 0;
      const state = {};
      for (const [name, setting] of Object.entries(settings)) state[name] = value(setting);
      shown = make(state, data);
      const label = `${figure.dataset.alt} ${shown.says}`;
      shown.panels.forEach((panel, k) => {
        const stays = panels[k].querySelector(".live-still");
        panels[k].querySelector("svg").outerHTML = svg(panel, k ? "" : label, stays);
        if (stays) panels[k].querySelector(".live-still").replaceWith(stays);
      });
      tell(shown.says);
      lines?.replaceChildren(...shown.lines.map((line) => {
        const p = document.createElement("p");
        p.textContent = line;
        return p;
      }));
      for (const [name, setting] of Object.entries(settings)) {
        const [now] = setting.element.querySelectorAll(".live-value");
        if (!now) continue;
        now.textContent = word(setting, state[name]);
        setting.inputs[0].setAttribute("aria-valuetext", now.textContent);
      }
      shown.handles.forEach((h, k) => place(handles[k] ??= point(h, k), h, state));
    }

    // Room for the longest sentence, so that nothing below moves.
    function tell(sentence) {
      if (sentence.length > longest.length) longest = sentence;
      const [said, room] = says.children;
      said.textContent = sentence;
      room.textContent = longest;
    }

    // The sentences where one setting is moved from end to end, or each of its few values.
    function sample() {
      const state = {};
      for (const [name, setting] of Object.entries(settings)) state[name] = value(setting);
      for (const [name, {inputs}] of Object.entries(settings)) {
        const low = Number(inputs[0].min), high = Number(inputs[0].max), whole = Number(inputs[0].step) === 1;
        for (const v of spread(low, high, whole ? Math.min(high - low + 1, 13) : 2)) {
          const {says: sentence} = make({...state, [name]: whole ? Math.round(v) : v}, data);
          if (sentence.length > longest.length) longest = sentence;
        }
      }
    }

    // A picture for each frame of the screen, however fast the settings come.
    const soon = () => { waiting ||= requestAnimationFrame(show); };

    function set(name, v) {
      const {inputs: [input]} = settings[name];
      input.value = Math.min(Math.max(v, Number(input.min)), Number(input.max));
    }

    function place(element, h, state) {
      const {width, height, x0, y0, w, h: high, at} = geometry(shown.panels[h.panel]), [x, y] = at(h.x, h.y);
      element.style.left = `${100 * (x0 + Math.min(Math.max(x, 0), w)) / width}%`;
      element.style.top = `${100 * (y0 + Math.min(Math.max(y, 0), high)) / height}%`;
      const names = Object.values(h.moves), [main] = names;
      const {inputs: [input]} = settings[main];
      element.setAttribute("aria-valuemin", input.min);
      element.setAttribute("aria-valuemax", input.max);
      element.setAttribute("aria-valuenow", state[main]);
      element.setAttribute("aria-valuetext", names.map((name) => word(settings[name], state[name])).join(", "));
    }

    function point(h, k) {
      const element = document.createElement("span");
      element.className = "live-handle";
      element.tabIndex = 0;
      element.setAttribute("role", "slider");
      element.setAttribute("aria-label", h.label);
      panels[h.panel].append(element);
      let from = null;

      element.addEventListener("pointerdown", (event) => {
        stop();
        element.setPointerCapture(event.pointerId);
        const box = element.getBoundingClientRect();
        from = [event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2];
        says.setAttribute("aria-busy", "true");
        event.preventDefault();
        element.focus();
      });
      element.addEventListener("pointermove", (event) => {
        if (!from) return;
        const {panel, moves} = shown.handles[k], box = panels[panel].getBoundingClientRect();
        const {width, height, back} = geometry(shown.panels[panel]);
        const [x, y] = back(
          (event.clientX - from[0] - box.x) / box.width * width, (event.clientY - from[1] - box.y) / box.height * height);
        if (moves.across) set(moves.across, x);
        if (moves.up) set(moves.up, y);
        if (moves.round) set(moves.round, (Math.atan2(y, x) * 180 / Math.PI + 360) % 360);
        soon();
      });
      for (const end of ["pointerup", "pointercancel"]) {
        element.addEventListener(end, () => { from = null; says.removeAttribute("aria-busy"); });
      }
      element.addEventListener("keydown", (event) => {
        const {moves} = shown.handles[k], across = moves.across ?? moves.round ?? moves.up, up = moves.up ?? across;
        const [name, by] = {
          ArrowRight: [across, 1], ArrowLeft: [across, -1], ArrowUp: [up, 1], ArrowDown: [up, -1],
          PageUp: [up, 10], PageDown: [up, -10], Home: [across, -1e9], End: [across, 1e9],
        }[event.key] ?? [];
        if (!name) return;
        event.preventDefault();
        stop();
        const {inputs: [input]} = settings[name], step = Number(input.step) || (input.max - input.min) / 100;
        set(name, Number(input.value) + by * step);
        soon();
      });
      return element;
    }

    function step(by) {
      const [slider] = first.inputs, before = slider.value;
      slider.value = Number(before) + by * slider.step; // the browser keeps it within its range
      show();
      return slider.value !== before;
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      if (play) play.textContent = "Play";
    }

    function start() {
      if (!step(1)) step(-1e9); // from the end to the beginning
      timer = setInterval(() => step(1) || stop(), 1000 * Number(play.dataset.play));
      play.textContent = "Pause";
    }

    figure.addEventListener("input", () => { stop(); soon(); });
    find("[data-step]").forEach((button) => button.addEventListener("click", () => {
      stop();
      step(Number(button.dataset.step));
    }));
    play?.addEventListener("click", () => (timer ? stop() : start()));
    find(".live-controls")[0].hidden = false;
    const [said, room] = ["live-said", "live-room"].map((name) => {
      const span = document.createElement("span");
      span.className = name;
      return span;
    });
    room.setAttribute("aria-hidden", "true");
    says.replaceChildren(said, room);
    sample();
    show();
  }

  globalThis.saelibLive = {kinds, svg};
  if (typeof document === "undefined") return; // a test asks for the numbers
  const all = () => document.querySelectorAll("figure.live").forEach(enliven);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all); else all();
})();
