"""The formulas of the sparse autoencoder, transcribed loop by loop from the lecture notes, as an independent reference.

One sample, one unit and one index at a time, on plain lists of Python numbers, and slow.  ``lib`` supplies ``exp`` and
``log``: `math`, or `mpmath.mp` for as many digits as one likes.
"""

import math


def activation(z, lib=math):
    return 1 / (1 + lib.exp(-z))


def feedforward(params, x, output, lib=math):
    """a(2) and a(3) of one sample x."""
    W1, b1, W2, b2 = params
    a2 = []
    for j in range(len(W1)):
        z = b1[j]
        for k in range(len(x)):
            z = z + W1[j][k] * x[k]
        a2.append(activation(z, lib))
    a3 = []
    for k in range(len(W2)):
        z = b2[k]
        for j in range(len(a2)):
            z = z + W2[k][j] * a2[j]
        a3.append(activation(z, lib) if output == "sigmoid" else z)
    return a2, a3


def mean_activations(params, X, output, lib=math):
    """rho_hat_j = 1/m sum_i a_j(2)(x(i))."""
    sums = [0] * len(params[0])
    for x in X:
        a2, _ = feedforward(params, x, output, lib)
        for j in range(len(sums)):
            sums[j] = sums[j] + a2[j]
    return [s / len(X) for s in sums]


def kl(rho, rho_hat, lib=math):
    return rho * lib.log(rho / rho_hat) + (1 - rho) * lib.log((1 - rho) / (1 - rho_hat))


def cost_terms(params, X, *, lam, rho, beta, output, lib=math):
    """The three terms of J_sparse: reconstruction, weight decay, sparsity."""
    W1, _, W2, _ = params
    reconstruction = 0
    for x in X:
        _, a3 = feedforward(params, x, output, lib)
        squared = 0
        for k in range(len(x)):
            squared = squared + (a3[k] - x[k]) ** 2
        reconstruction = reconstruction + squared / 2
    decay = 0
    for W in (W1, W2):
        for row in W:
            for w in row:
                decay = decay + w**2
    sparsity = 0
    for rho_hat in mean_activations(params, X, output, lib):
        sparsity = sparsity + kl(rho, rho_hat, lib)
    return reconstruction / len(X), lam * decay / 2, beta * sparsity


def gradient(params, X, *, lam, rho, beta, output, lib=math):
    """The partial derivatives of J_sparse as nested lists W1, b1, W2, b2, by the algorithm of the notes."""
    W1, b1, W2, b2 = params
    m, s1, s2, s3 = len(X), len(W1[0]), len(W1), len(W2)
    rho_hat = mean_activations(params, X, output, lib)
    D_W1, D_b1 = [[0] * s1 for _ in range(s2)], [0] * s2
    D_W2, D_b2 = [[0] * s2 for _ in range(s3)], [0] * s3
    for x in X:
        a2, a3 = feedforward(params, x, output, lib)
        delta3 = []
        for k in range(s3):
            slope = a3[k] * (1 - a3[k]) if output == "sigmoid" else 1
            delta3.append(-(x[k] - a3[k]) * slope)
        delta2 = []
        for j in range(s2):
            back = 0
            for k in range(s3):
                back = back + W2[k][j] * delta3[k]
            pull = beta * (-rho / rho_hat[j] + (1 - rho) / (1 - rho_hat[j]))
            delta2.append((back + pull) * a2[j] * (1 - a2[j]))
        for j in range(s2):
            D_b1[j] = D_b1[j] + delta2[j]
            for k in range(s1):
                D_W1[j][k] = D_W1[j][k] + delta2[j] * x[k]
        for k in range(s3):
            D_b2[k] = D_b2[k] + delta3[k]
            for j in range(s2):
                D_W2[k][j] = D_W2[k][j] + delta3[k] * a2[j]
    for j in range(s2):
        D_b1[j] = D_b1[j] / m
        for k in range(s1):
            D_W1[j][k] = D_W1[j][k] / m + lam * W1[j][k]
    for k in range(s3):
        D_b2[k] = D_b2[k] / m
        for j in range(s2):
            D_W2[k][j] = D_W2[k][j] / m + lam * W2[k][j]
    return D_W1, D_b1, D_W2, D_b2


def descend(params, X, *, alpha, lam, rho, beta, output):
    """One step of the notes' gradient descent: W := W - alpha (1/m DeltaW + lam W), b := b - alpha (1/m Deltab)."""

    def step(P, D):
        return [step(p, d) for p, d in zip(P, D, strict=True)] if isinstance(P, list) else P - alpha * D

    return tuple(
        step(P, D) for P, D in zip(params, gradient(params, X, lam=lam, rho=rho, beta=beta, output=output), strict=True)
    )


def as_lists(arrays, number=float):
    """NumPy arrays as nested lists of Python numbers, for instance of mpmath's."""

    def convert(entry):
        return [convert(e) for e in entry] if isinstance(entry, list) else number(entry)

    return tuple(convert(a.tolist()) for a in arrays)
