// Train a sparse autoencoder on the page: the cost of the book, eq-sparse-cost, its gradient by backpropagation, and
// L-BFGS. Between two evaluations (some 20 ms) the page has its turn, so nothing ever blocks.
(() => {
  const HIDDEN = 25, ITERATIONS = 300, MEMORY = 10;
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));

  function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  }

  // Numbers between 0 and 1 from a seed (mulberry32).
  const random = (seed) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  // The parameters lie in one array: W1 (a row for each hidden unit), b1, W2 (a row for each output), b2.
  function start(n, s2, seed) {
    const r = Math.sqrt(6 / (n + s2 + 1)), next = random(seed), theta = new Float64Array(2 * n * s2 + s2 + n);
    const weight = (i) => { theta[i] = (2 * next() - 1) * r; };
    for (let i = 0; i < n * s2; i++) { weight(i); weight(n * s2 + s2 + i); }
    return theta;
  }

  // J and its gradient for m examples of n numbers, the rows of X; two passes, because the price needs all examples.
  function costAndGradient(theta, X, n, s2, { lam, rho, beta }) {
    const m = X.length / n, gradient = new Float64Array(theta.length);
    const at = { W1: 0, b1: n * s2, W2: n * s2 + s2, b2: 2 * n * s2 + s2 };
    const A2 = new Float64Array(m * s2), rhoHat = new Float64Array(s2), price = new Float64Array(s2);
    for (let i = 0; i < m; i++)
      for (let j = 0; j < s2; j++) {
        let z = theta[at.b1 + j];
        for (let k = 0, w = j * n, x = i * n; k < n; k++) z += theta[w + k] * X[x + k];
        rhoHat[j] += (A2[i * s2 + j] = sigmoid(z)) / m;
      }
    let J = 0;
    for (let j = 0; j < s2; j++) {
      J += beta * (rho * Math.log(rho / rhoHat[j]) + (1 - rho) * Math.log((1 - rho) / (1 - rhoHat[j])));
      price[j] = beta * (-rho / rhoHat[j] + (1 - rho) / (1 - rhoHat[j]));
    }
    const sums = new Float64Array(s2);
    for (let i = 0; i < m; i++) {
      sums.set(price);
      for (let k = 0; k < n; k++) {
        let z = theta[at.b2 + k];
        const w = at.W2 + k * s2;
        for (let j = 0; j < s2; j++) z += theta[w + j] * A2[i * s2 + j];
        const a = sigmoid(z), error = a - X[i * n + k], delta3 = error * a * (1 - a);
        J += error * error / (2 * m);
        gradient[at.b2 + k] += delta3 / m;
        for (let j = 0; j < s2; j++) {
          gradient[w + j] += delta3 * A2[i * s2 + j] / m;
          sums[j] += delta3 * theta[w + j];
        }
      }
      for (let j = 0; j < s2; j++) {
        const a = A2[i * s2 + j], delta2 = sums[j] * a * (1 - a) / m;
        gradient[at.b1 + j] += delta2;
        for (let k = 0, w = j * n, x = i * n; k < n; k++) gradient[w + k] += delta2 * X[x + k];
      }
    }
    for (const from of [at.W1, at.W2])
      for (let i = from; i < from + n * s2; i++) {
        J += lam / 2 * theta[i] * theta[i];
        gradient[i] += lam * theta[i];
      }
    return [J, gradient];
  }

  // L-BFGS with steps halved until the cost falls enough; it yields after each evaluation.
  function* lbfgs(objective, theta, iterations) {
    let [J, g] = objective(theta);
    const pairs = [];
    for (let iteration = 1; iteration <= iterations; iteration++) {
      const d = g.slice(), used = [];
      for (const [s, y, tau] of pairs.toReversed()) {
        const a = tau * dot(s, d);
        used.push(a);
        for (let i = 0; i < d.length; i++) d[i] -= a * y[i];
      }
      const [s0, y0] = pairs.at(-1) ?? [], scale = s0 ? dot(s0, y0) / dot(y0, y0) : 1 / Math.sqrt(dot(g, g));
      for (let i = 0; i < d.length; i++) d[i] *= scale;
      for (const [s, y, tau] of pairs) {
        const c = used.pop() - tau * dot(y, d);
        for (let i = 0; i < d.length; i++) d[i] += c * s[i];
      }
      const slope = -dot(g, d);
      for (let step = 1; ; step /= 2) {
        const next = theta.map((t, i) => t - step * d[i]), [newJ, newG] = objective(next);
        if (newJ <= J + 1e-4 * step * slope) {
          const s = next.map((t, i) => t - theta[i]), y = newG.map((t, i) => t - g[i]), curvature = dot(s, y);
          if (curvature > 0) pairs.push([s, y, 1 / curvature]);
          if (pairs.length > MEMORY) pairs.shift();
          [theta, J, g] = [next, newJ, newG];
          yield { theta, J, iteration };
          break;
        }
        if (step < 1e-10) return;
        yield null;
      }
    }
  }

  // The patches lie in a file of their own, which is read when they are needed.
  function patches(address) {
    return window.saelibPatches ? Promise.resolve() : new Promise((done, failed) => {
      const script = document.createElement("script");
      [script.src, script.onload, script.onerror] = [address, done, failed];
      document.head.append(script);
    });
  }
  function numbers({ bytes, scale }) {
    return Float64Array.from(atob(bytes), (c) => c.charCodeAt(0) * scale);
  }

  // Each unit's weights as a square of gray pixels, without their mean, from its own darkest to its lightest. What is
  // between the squares has the color that it has in the book's other figures (GAP in saelib/book/plots.py).
  function draw(canvas, theta, n) {
    const side = Math.sqrt(n), across = Math.sqrt(HIDDEN), size = across * (side + 1) + 1;
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d"), image = context.createImageData(size, size);
    for (let pixel = 0; pixel < image.data.length; pixel += 4) image.data.set([77, 128, 179, 77], pixel);
    for (let j = 0; j < HIDDEN; j++) {
      const w = theta.subarray(j * n, (j + 1) * n), mean = w.reduce((a, b) => a + b) / n;
      const most = Math.max(...w.map((v) => Math.abs(v - mean))) || 1;
      for (let k = 0; k < n; k++) {
        const row = 1 + Math.floor(j / across) * (side + 1) + Math.floor(k / side);
        const pixel = 4 * (row * size + 1 + (j % across) * (side + 1) + k % side);
        image.data.fill(127.5 * (1 + (w[k] - mean) / most), pixel, pixel + 3);
        image.data[pixel + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }

  function curve(path, costs) {
    const low = Math.log(Math.min(...costs)), high = Math.log(costs[0]);
    const points = costs.map((J, i) => `${(100 * i / ITERATIONS).toFixed(2)},${(38 - 36 * (Math.log(J) - low) / (high - low || 1)).toFixed(2)}`);
    path.setAttribute("d", `M${points.join("L")}`);
  }

  function install(figure) {
    const part = (name) => figure.querySelector(name), canvas = part("canvas"), says = part(".train-says");
    let run = 0, seed = 0;

    async function train() {
      const mine = ++run, setting = {};
      figure.querySelectorAll("input").forEach((e) => { setting[e.name] = Number(e.dataset.values.split(" ")[e.value]); });
      part("button").textContent = "Stop";
      try {
        await patches(figure.dataset.patches);
      } catch {
        says.textContent = "The patches of photographs could not be read: the file train-patches.js is not beside the page.";
        return stop();
      }
      const { n } = window.saelibPatches, X = numbers(window.saelibPatches), costs = [];
      figure.classList.add("begun");
      const theta = start(n, HIDDEN, ++seed);
      draw(canvas, theta, n);
      for (const state of lbfgs((t) => costAndGradient(t, X, n, HIDDEN, setting), theta, ITERATIONS)) {
        if (state) {
          costs.push(state.J);
          draw(canvas, state.theta, n);
          curve(part("path"), costs);
          if (state.iteration % 25 === 0) says.textContent = `Iteration ${state.iteration} of ${ITERATIONS}, cost ${state.J.toFixed(3)}.`;
          figure.theta = state.theta;
        }
        await new Promise((done) => setTimeout(done));
        if (mine !== run) return;
      }
      says.textContent = `Trained: ${costs.length} iterations, cost ${costs.at(-1).toFixed(3)}.`;
      stop();
    }
    function stop() {
      run++;
      part("button").textContent = "Train from new weights";
    }
    part("button").addEventListener("click", () => (part("button").textContent === "Stop" ? stop() : train()));
    figure.querySelectorAll("input").forEach((e) => {
      const tell = () => { e.setAttribute("aria-valuetext", e.nextElementSibling.textContent = e.dataset.values.split(" ")[e.value]); };
      e.addEventListener("input", tell);
      tell();
    });
  }

  window.saelibTrain = { costAndGradient, lbfgs, numbers, patches, start };
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("figure.train").forEach(install));
})();
