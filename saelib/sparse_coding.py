"""Sparse coding: describe each sample by a few atoms of a dictionary, and learn the dictionary.

Codes ``A`` are (m, k), a code per row; the dictionary ``D`` is (k, n), an atom per row; ``A @ D`` is to come close to
``X``, which is (m, n).
"""

import math

import numpy as np

from ._checks import as_floats, as_matrix, exponent, generator, nonnegative, positive, whole_number
from ._workplace import map_blocks, one_blas_thread, quickest


def soft_threshold(u, t):
    """Move every entry of ``u`` towards zero by ``t >= 0``, and stop there: ``sign(u) max(|u| - t, 0)``.

    It is the proximal map of ``t |.|``: the ``v`` that makes ``(v - u)^2 / 2 + t |v|`` smallest.
    """
    u, t = as_floats(u, "u"), nonnegative(t, "t")
    return u - np.clip(u, -t, t)  # (eq-soft-threshold)


def lasso_cost(A, X, D, lam):
    """Return ``1/2 ||X - A D||^2 + lam ||A||_1``, summed over samples, as a float; A is (m, k), X (m, n), D (k, n)."""
    A, X, D, lam = _check_codes(A, *_check_problem(X, D, lam))
    return float(np.sum((X - A @ D) ** 2, dtype=float) / 2 + lam * np.sum(np.abs(A), dtype=float))  # (eq-lasso)


def lipschitz(D):
    """Return L, the largest eigenvalue of ``D D^T``: the Lipschitz constant of the squared error's gradient in A."""
    D = as_matrix(D, "D").astype(float)
    if not D.any():
        raise ValueError("D must have at least one atom that is not zero")
    largest = float(np.linalg.norm(D, 2))
    L = largest * largest  # (eq-lipschitz)
    if not 0 < L < math.inf:
        raise ValueError(f"D must have a largest singular value whose square is a number, got {largest:.4g}")
    return L


def ista_step(A, X, D, lam):
    """Take one step of ISTA from the codes ``A``: down the squared error's gradient by 1/L, then soft-threshold.

    Parameters
    ----------
    A, X, D : arrays of shape (m, k), (m, n) and (k, n)
    lam : float, >= 0

    Returns
    -------
    array of shape (m, k)
        Codes whose `lasso_cost` is not higher; codes that the step leaves where they are minimize it.

    References
    ----------
    Chapter "Sparse coding"; Daubechies, Defrise and De Mol (2004).
    """
    A, X, D, lam = _check_codes(A, *_check_problem(X, D, lam))
    return _step(A, X, D, lam, lipschitz(D))


def ista(X, D, lam, n_iter, *, callback=None):
    """Minimize `lasso_cost` over the codes by ``n_iter`` steps of ISTA, from zero.

    After k steps the cost is above its minimum by at most ``L ||A*||^2 / (2 k)``, where ``A*`` are codes of least cost.

    Parameters
    ----------
    X, D : arrays of shape (m, n) and (k, n)
    lam : float, >= 0
    n_iter : int, >= 0
    callback : callable, optional
        Called as ``callback(iteration, A)`` from iteration 0 on. To follow the cost, for example:
        ``callback=lambda iteration, A: costs.append(lasso_cost(A, X, D, lam))``.

    Returns
    -------
    array of shape (m, k)

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, or every atom is zero.

    References
    ----------
    Chapter "Sparse coding"; Beck and Teboulle (2009), Theorem 3.1.
    """
    X, D, lam = _check_problem(X, D, lam)
    n_iter, L, callback = whole_number(n_iter, "n_iter", least=0), lipschitz(D), callback or _ignore
    A = _zero_codes(X, D)
    callback(0, A)
    for iteration in range(1, n_iter + 1):
        A = _step(A, X, D, lam, L)
        callback(iteration, A)
    return A


def fista(X, D, lam, n_iter, *, callback=None):
    """Minimize `lasso_cost` like `ista`, but step from a point ahead of the codes, where momentum carries them.

    After k steps the cost is above its minimum by at most ``2 L ||A*||^2 / (k + 1)^2``; it need not fall at every step.
    Parameters, result and errors are those of `ista`. For many samples, or codes of a given accuracy: `lasso_codes`.

    References
    ----------
    Chapter "Sparse coding"; Beck and Teboulle (2009), Theorem 4.4.
    """
    X, D, lam = _check_problem(X, D, lam)
    n_iter, L, callback = whole_number(n_iter, "n_iter", least=0), lipschitz(D), callback or _ignore
    A = ahead = _zero_codes(X, D)
    t = 1.0
    callback(0, A)
    for iteration in range(1, n_iter + 1):
        last_A, last_t = A, t
        A = _step(ahead, X, D, lam, L)
        t = (1 + math.sqrt(1 + 4 * last_t**2)) / 2
        ahead = A + (last_t - 1) / t * (A - last_A)  # (eq-fista-momentum)
        callback(iteration, A)
    return A


def lasso_codes(X, D, lam, *, tol=1e-3, max_iter=10_000, n_jobs=None):
    """Minimize `lasso_cost` like `fista`, but fast, and only until every sample's cost is near enough to its minimum.

    Blocks of samples go through the iterations together. The momentum of a sample that runs uphill starts afresh
    (O'Donoghue and Candès, 2015), and samples that have arrived leave the block. Arrived is what can be proved: the
    cost is at most ``1 + tol`` times a bound from below, the dual cost. In practice it is a hundred times nearer.

    Parameters
    ----------
    X, D : arrays of shape (m, n) and (k, n)
        float32 is computed in float32, twice as fast.
    lam, tol : float, > 0
        Of ``tol``, below some 1e-4 in float32, or 1e-12 in float64, rounding hides whether a sample has arrived.
    max_iter : int, >= 1
        Largest number of iterations; samples that have not arrived by then are left where they are.
    n_jobs : int, optional
        Number of threads, as for `saelib.Objective`. The result is the same.

    Returns
    -------
    array of shape (m, k)

    Raises
    ------
    ValueError
        If a shape does not fit, a number is out of range, or every atom is zero.
    """
    X, D, _ = _check_problem(X, D, 0)
    lam, tol, max_iter = positive(lam, "lam"), positive(tol, "tol"), whole_number(max_iter, "max_iter")
    with one_blas_thread():  # or its other threads would go on looking for work while the blocks need the processors
        L = lipschitz(D)
    size = int(max(exponent(X), exponent(lam)))
    X, lam, code = np.ldexp(X, -size), math.ldexp(lam, -size), quickest(_code)
    return np.ldexp(map_blocks(lambda rows: code(X[rows], D, lam, L, tol, max_iter), len(X), n_jobs), size)


def matching_pursuit(X, D, n_nonzero):
    """Code each sample greedily: take the atom that fits the residual best, subtract its share, ``n_nonzero`` times.

    Parameters
    ----------
    X, D : arrays of shape (m, n) and (k, n)
        The atoms (rows of ``D``) must have norm 1.
    n_nonzero : int, >= 1
        Number of steps. An atom may be taken again, so a code has at most so many entries that are not zero.

    Returns
    -------
    array of shape (m, k)

    References
    ----------
    Mallat and Zhang (1993), Matching pursuits with time-frequency dictionaries.
    """
    X, D = _check_pursuit(X, D)
    A, residual, sample = _zero_codes(X, D), X, np.arange(len(X))
    for _ in range(whole_number(n_nonzero, "n_nonzero")):
        C = residual @ D.T
        best = np.abs(C).argmax(axis=1)
        share = C[sample, best]
        A[sample, best] += share  # (eq-matching-pursuit)
        residual = residual - share[:, np.newaxis] * D[best]
    return A


def orthogonal_matching_pursuit(X, D, n_nonzero, *, n_jobs=None):
    """Code each sample greedily like `matching_pursuit`, but fit all atoms taken so far anew after each choice.

    Parameters
    ----------
    X, D : arrays of shape (m, n) and (k, n)
        The atoms (rows of ``D``) must have norm 1.
    n_nonzero : int, from 1 to min(k, n)
        Atoms per sample; fewer are taken where fewer give the sample exactly.
    n_jobs : int, optional
        Number of threads, as for `saelib.Objective`. The result is the same.

    Returns
    -------
    array of shape (m, k)

    References
    ----------
    Pati, Rezaiifar and Krishnaprasad (1993); Rubinstein, Zibulevsky and Elad (2008), Batch-OMP.
    """
    X, D = _check_pursuit(X, D)
    s_max = whole_number(n_nonzero, "n_nonzero", most=min(D.shape))
    with one_blas_thread():
        G = D @ D.T
    return map_blocks(lambda rows: _pursue(X[rows], D, G, s_max), len(X), n_jobs)


def update_dictionary(D, AA, AX):
    """Make each atom in turn the best one of norm 1 for fixed codes, given the other atoms.

    Parameters
    ----------
    D : array of shape (k, n)
        Atoms of norm 1.
    AA, AX : arrays of shape (k, k) and (k, n)
        ``A.T @ A`` and ``A.T @ X``: all that the squared error ``||X - A D||^2`` needs to know of codes and samples.

    Returns
    -------
    array of shape (k, n)
        A dictionary whose squared error is not larger. Atoms that no sample uses stay as they are.

    References
    ----------
    Mairal, Bach, Ponce and Sapiro (2009), Algorithm 2; with norm 1 instead of at most 1 an atom's minimum is exact too.
    """
    D = as_matrix(D, "D").copy()
    AA, AX = as_matrix(AA, "AA", columns=len(D)), as_matrix(AX, "AX", columns=D.shape[1])
    if not len(AA) == len(AX) == len(D):
        raise ValueError(
            f"AA and AX must have a row for each of the {len(D)} atoms in D, got shapes {AA.shape} and {AX.shape}"
        )
    for j in range(len(D)):
        direction = AX[j] - AA[j] @ D + AA[j, j] * D[j]
        direction = np.ldexp(direction, -exponent(direction))
        norm = np.linalg.norm(direction)
        if norm > 0:
            D[j] = direction / norm  # (eq-dictionary-update)
    return D


def learn_dictionary(
    X, n_atoms, lam, *, n_iter=50, batch_size=None, n_code_iter=100, rng, progress=False, callback=None
):
    """Learn a dictionary by taking turns: the best codes for the dictionary, then a better dictionary for the codes.

    Each turn codes a batch with `fista`, adds its products to running sums (which forget at the rate of one pass
    through the data; at once, where the batch is all the data), and changes the dictionary by `update_dictionary`. An
    atom that no sample has used for a whole pass gives way to a sample that is badly reconstructed.

    Parameters
    ----------
    X : array of shape (m, n)
    n_atoms : int, >= 1
    lam : float, >= 0
    n_iter : int, >= 1
        Number of changes of the dictionary.
    batch_size : int, from 1 to m, optional
        Samples per turn, drawn anew each time; all of them when not given.
    n_code_iter : int, >= 1
        Iterations of `fista` per turn.
    rng : numpy.random.Generator
        Draws the first dictionary (Gaussian noise) and the batches.
    progress : bool
        Whether to show a progress bar.
    callback : callable, optional
        Called as ``callback(iteration, D, cost)`` from iteration 0 on; the learning stops when it returns True.

    Returns
    -------
    D : array of shape (n_atoms, n)
        Atoms of norm 1; after a keyboard interrupt, the last whose cost is known.
    costs : array of shape (n_iter + 1,)
        ``costs[i]`` is the `lasso_cost` per sample, in that turn's batch, after i changes.

    References
    ----------
    Chapter "Sparse coding"; Olshausen and Field (1996); Mairal, Bach, Ponce and Sapiro (2009).
    """
    from .progress import progress_bar

    X, k, lam = as_matrix(X), whole_number(n_atoms, "n_atoms"), nonnegative(lam, "lam")
    (m, n), n_iter = X.shape, whole_number(n_iter, "n_iter")
    size = m if batch_size is None else whole_number(batch_size, "batch_size", most=m)
    n_code_iter, rng, callback = whole_number(n_code_iter, "n_code_iter"), generator(rng), callback or _ignore
    D = rng.standard_normal((k, n))
    D = (D / np.linalg.norm(D, axis=1, keepdims=True)).astype(X.dtype)
    AA, AX, idle, costs, reached = np.zeros((k, k)), np.zeros((k, n)), np.zeros(k), [], D
    with progress_bar(n_iter, "dictionary", progress) as bar:
        try:
            for iteration in range(n_iter + 1):
                batch = X if size == m else X[rng.choice(m, size, replace=False)]
                A = fista(batch, D, lam, n_code_iter)
                cost = lasso_cost(A, batch, D, lam) / size
                reached, costs = D, [*costs, cost]  # at once, so that they belong together after an interrupt
                if callback(iteration, D, cost) or iteration == n_iter:
                    break
                AA = (1 - size / m) * AA + A.T @ A
                AX = (1 - size / m) * AX + A.T @ batch
                idle = np.where(A.any(axis=0), 0, idle + size)
                dead = idle >= m
                AA[dead], AA[:, dead], AX[dead], idle[dead] = 0, 0, 0, 0
                D = _replace_atoms(update_dictionary(D, AA, AX), dead, batch, batch - A @ D)
                bar.update(1)
                bar.set_postfix_str(f"cost {cost:.4g}")
        except KeyboardInterrupt:
            pass
    return reached, np.array(costs)


def _step(A, X, D, lam, L):
    gradient = (A @ D - X) @ D.T  # (eq-code-gradient)
    return soft_threshold(A - gradient / L, lam / L)  # (eq-ista)


def _code(X, D, lam, L, tol, max_iter):
    """Return the `lasso_codes` of a block of samples."""
    codes, moving, t = _zero_codes(X, D), np.arange(len(X)), np.ones(len(X), X.dtype)
    A, ahead, gradient_step = codes.copy(), codes.copy(), (D / L).T
    new, U, R = np.empty_like(A), np.empty_like(A), np.empty((len(X), D.shape[1]), codes.dtype)
    for iteration in range(1, max_iter + 1):
        # As `fista`, but in memory that is there already: threads that ask for memory wait for each other.
        np.subtract(X, np.matmul(ahead, D, out=R), out=R)
        np.add(ahead, np.matmul(R, gradient_step, out=U), out=U)
        np.subtract(U, np.clip(U, -lam / L, lam / L, out=new), out=new)
        step, back = np.subtract(new, A, out=U), np.subtract(ahead, new, out=ahead)
        t[np.einsum("ij,ij->i", back, step) > 0] = 1  # uphill: the gradient and the step agree
        last_t, t = t, (1 + np.sqrt(1 + 4 * t**2)) / 2
        np.add(new, np.multiply(step, ((last_t - 1) / t)[:, np.newaxis], out=ahead), out=ahead)
        A, new = new, A
        if iteration % 10 == 0 or iteration == max_iter:
            arrived = _is_within(tol, A, X, D, lam)
            codes[moving] = A
            if arrived.all():
                break
            moving, A, ahead, t, X = (values[~arrived] for values in (moving, A, ahead, t, X))
            new, U, R = new[: len(A)], U[: len(A)], R[: len(A)]
    return codes


def _is_within(tol, A, X, D, lam):
    """Say of which samples the cost is at most ``1 + tol`` times the dual cost, which no codes can undercut.

    For every vector y with ``|D y| <= lam`` the dual cost is ``x . y - ||y||^2 / 2``; here y is the residual, shrunk.
    """
    R = X - A @ D
    square, correlation = np.einsum("ij,ij->i", R, R), np.abs(R @ D.T).max(axis=1)
    shrink = lam / np.maximum(correlation, lam)
    dual = shrink * np.einsum("ij,ij->i", X, R) - shrink**2 * square / 2
    return square / 2 + lam * np.abs(A).sum(axis=1) <= (1 + tol) * dual


def _pursue(X, D, G, s_max):
    """Return the codes of a block of samples by orthogonal matching pursuit; ``G`` is ``D @ D.T``.

    All samples advance together. For each of them, row s of ``T`` is a direction orthonormal to those of the rows
    above, written in the atoms taken: T is the inverse of the Cholesky factor of their Gram matrix, and grows by a row
    with every choice.
    """
    m, sample = len(X), np.arange(len(X))
    size = exponent(X, axis=1)
    X, A = np.ldexp(X, -size), _zero_codes(X, D)
    T, taken = np.zeros((m, s_max, s_max), dtype=A.dtype), np.zeros((m, s_max), dtype=int)
    rounding = D.shape[1] * float(np.finfo(A.dtype).eps)
    smallest, going_on = rounding * np.linalg.norm(X, axis=1), np.ones(m, dtype=bool)
    for s in range(s_max):
        C = (X - A @ D) @ D.T
        best = taken[:, s] = np.abs(C).argmax(axis=1)
        c = C[sample, best]
        w = np.einsum("mij,mj->mi", T[:, :s, :s], G[taken[:, :s], best[:, np.newaxis]])
        height2 = 1 - np.sum(w**2, axis=1)
        # With nothing left to explain, or an atom within the span of the others, there is only rounding to fit.
        going_on &= (np.abs(c) > smallest) & (height2 > rounding)
        scale = going_on / np.sqrt(np.where(going_on, height2, 1))
        T[:, s, :s] = -scale[:, np.newaxis] * np.einsum("mi,mij->mj", w, T[:, :s, :s])
        T[:, s, s] = scale
        A[sample[:, np.newaxis], taken[:, : s + 1]] += (c * scale)[:, np.newaxis] * T[:, s, : s + 1]
    return np.ldexp(A, size)


def _replace_atoms(D, dead, X, residual):
    """Put the samples of largest residual, each scaled to norm 1, in the places of the dead atoms."""
    worst = np.argsort(-np.sum(residual**2, axis=1), kind="stable")
    for j, i in zip(np.flatnonzero(dead), worst, strict=False):
        norm = np.linalg.norm(X[i])
        if norm > 0:
            D[j] = X[i] / norm
    return D


def _zero_codes(X, D):
    return np.zeros((len(X), len(D)), dtype=np.result_type(X, D))


def _check_problem(X, D, lam):
    X = as_matrix(X)
    return X, as_matrix(D, "D", columns=X.shape[1]), nonnegative(lam, "lam")


def _check_codes(A, X, D, lam):
    A = as_matrix(A, "A", columns=len(D))
    if len(A) != len(X):
        raise ValueError(f"A must have a row for each of the {len(X)} samples in X, got shape {A.shape}")
    return A, X, D, lam


def _check_pursuit(X, D):
    X, D, _ = _check_problem(X, D, 0)
    norms = np.linalg.norm(D, axis=1)
    worst = np.abs(norms - 1).argmax()
    if abs(norms[worst] - 1) > 1e-4:
        raise ValueError(f"D must have atoms (rows) of norm 1, but row {worst} has norm {norms[worst]:.4g}")
    return X, D


def _ignore(*_):
    """Stand in for a callback that was not given."""
