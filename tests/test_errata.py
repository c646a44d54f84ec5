"""Each entry of the errata once more, on other networks than on the page and with other tools.

The page `appendices/errata` shows each wrong line with what it gives; here the same line is written out in index loops
and compared with differences in 30 digits, with SymPy or with another library. What has no line to compute is named.
"""

import json
import math
import re
import sys

import nbformat
import numpy as np
import pytest
import sympy
from mpmath import mp
from scipy.integrate import quad
from scipy.optimize import minimize
from sklearn.decomposition import PCA, sparse_encode

import saelib
from saelib import nets
from tests import reference
from tests.equations import ROOT, cost_of_all, cost_of_one, error, example, f, network, pages, slopes, slopes_by

NOTHING_TO_COMPUTE = {
    "b7": "a claim about what a paper compared",
    "b10": "settings that are not printed",
    "b11": "a letter",
}
SIZES = [(6, 4, 3), (5, 3, 4), (7, 2, 5)]  # examples m, inputs n, units k


def test_every_entry_has_a_test_and_every_test_an_entry():
    cells = nbformat.read(ROOT / "appendices" / "errata.ipynb", as_version=4).cells
    entries = re.findall(r"^\(errata-([abul]\d+)\)=$", "\n".join(c.source for c in cells), re.M)
    tests = {match[1] for name in dir(sys.modules[__name__]) if (match := re.match(r"test_([abul]\d+)_", name))}
    assert len(entries) == len(set(entries))
    assert tests | set(NOTHING_TO_COMPUTE) == set(entries)
    assert not tests & set(NOTHING_TO_COMPUTE)


# --- notes A: W has a column for each unit, h(x) = g(W^T x + b) --------------------------------------------------


class Slides:
    """A random network as notes A write it, with its means and its penalty by loops over the indices."""

    def __init__(self, m, n, k):
        rng = np.random.default_rng([m, n, k])
        self.m, self.n, self.k, self.rho = m, n, k, 0.05
        self.X, self.W, self.b = rng.uniform(0, 1, (m, n)), rng.normal(size=(n, k)), rng.normal(size=k)
        self.rho_hat = np.array([float(self.mean(self.W, self.b, l)) for l in range(k)])
        self.c = -self.rho / self.rho_hat + (1 - self.rho) / (1 - self.rho_hat)
        self.slope = np.array([[float(mp.diff(f, self.z(self.W, self.b, x, l))) for l in range(k)] for x in self.X])

    def z(self, W, b, x, l):
        return sum(W[j, l] * x[j] for j in range(self.n)) + b[l]

    def mean(self, W, b, l):
        return sum(f(self.z(W, b, x, l)) for x in self.X) / self.m

    def omega(self, W, b):
        return sum(reference.kl(self.rho, self.mean(W, b, l), mp) for l in range(self.k))


@pytest.fixture(params=SIZES, ids=str)
def slides(request):
    return Slides(*request.param)


def distance(found, right):
    return np.linalg.norm(found - right) / np.linalg.norm(right)


def test_a1_the_right_side_is_plus_omega():
    p, q = sympy.symbols("p q", positive=True)
    term = p * sympy.log(p / q) + (1 - p) * sympy.log((1 - p) / (1 - q))
    printed = p * sympy.log(p) - p * sympy.log(q) + (1 - p) * sympy.log(1 - p) - (1 - p) * sympy.log(1 - q)
    for values in ({p: 0.05, q: 0.3}, {p: 0.5, q: 0.01}):
        assert abs((term - printed).subs(values).evalf(30)) < 1e-15 < abs((term + printed).subs(values).evalf(30))
    assert sympy.simplify(sympy.diff(term - printed, q)) == 0


def test_a2_without_brackets_the_second_term_counts_once(slides):
    first = [slides.rho * math.log(slides.rho / r) for r in slides.rho_hat]
    second = [(1 - slides.rho) * math.log((1 - slides.rho) / (1 - r)) for r in slides.rho_hat]
    omega = float(slides.omega(slides.W, slides.b))
    assert math.isclose(sum(a + b for a, b in zip(first, second, strict=True)), omega)
    assert sum(first) + second[-1] < 0.6 * omega


def test_a3_a_mean_depends_on_one_column(slides):
    for l in range(slides.k):
        right = np.zeros((slides.n, slides.k))
        for x, slope in zip(slides.X, slides.slope, strict=True):
            right += np.outer(x, slope[l] * np.eye(slides.k)[l]) / slides.m
        wanted = slopes(lambda W, l=l: slides.mean(W, slides.b, l), slides.W).astype(float)
        assert error(right, wanted) < 1e-12
        literal = [distance(np.outer(x, slope), wanted) for x, slope in zip(slides.X, slides.slope, strict=True)]
        assert min(literal) > 0.5
        restored = slides.X.T @ slides.slope / slides.m
        others = np.delete(restored, l, axis=1)
        assert math.isclose(distance(restored, wanted), np.linalg.norm(others) / np.linalg.norm(right))
        assert error((slides.X.T @ slides.slope)[:, l], slides.m * wanted[:, l]) < 1e-12


def test_a3_the_error_is_about_the_root_of_the_number_of_other_columns():
    equal = np.ones((4, 3))  # columns of one length
    wanted = equal * [1, 0, 0]
    assert math.isclose(distance(equal, wanted), math.sqrt(2))


def test_a4_each_matrix_has_its_own_factor(slides):
    wanted = slopes(lambda W: slides.omega(W, slides.b), slides.W).astype(float)
    pairs = zip(slides.X, slides.slope, strict=True)
    assert error(sum(np.outer(x, slides.c * slope) for x, slope in pairs) / slides.m, wanted) < 1e-12
    same = slides.X.T @ slides.slope / slides.m
    assert distance(sum(slides.c) * same, wanted) > 0.5


def test_a5_the_derivative_has_three_indices(slides):
    block = [slopes(lambda W, l=l: slides.mean(W, slides.b, l), slides.W) for l in range(slides.k)]
    block = np.array(block).astype(float)
    assert block.shape == (slides.k, slides.n, slides.k)
    for l, j, r in np.ndindex(block.shape):
        assert (block[l, j, r] == 0) == (l != r)


def test_a6_the_derivative_with_respect_to_the_means_is_a_vector(slides):
    wanted = slopes(lambda r: sum(reference.kl(slides.rho, r_l, mp) for r_l in r), slides.rho_hat)
    assert error(slides.c, wanted) < 1e-12
    assert slides.m > slides.n  # so the examples' index leaves the matrix


def test_a7_the_missing_line(slides):
    wanted = slopes(lambda W: slides.omega(W, slides.b), slides.W)
    assert error(slides.X.T @ slides.slope @ np.diag(slides.c) / slides.m, wanted) < 1e-12


def test_a8_the_biases_and_the_second_layer(slides):
    wanted = slopes(lambda b: slides.omega(slides.W, b), slides.b)
    assert error(slides.c * slides.slope.mean(axis=0), wanted) < 1e-12
    rng = np.random.default_rng(0)
    penalties = set()
    for _ in range(3):
        W2, b2 = rng.normal(size=(slides.n, slides.k)), rng.normal(size=slides.n)
        params = slides.W.T, slides.b, W2, b2
        penalties.add(reference.cost_terms(params, slides.X, lam=0, rho=0.05, beta=1, output="sigmoid")[2])
    assert len(penalties) == 1


def test_a9_the_slides_are_the_case_beta_1(slides):
    params = slides.W.T, slides.b, slides.W, np.zeros(slides.n)
    terms = {
        beta: reference.cost_terms(params, slides.X, lam=0, rho=0.05, beta=beta, output="sigmoid") for beta in (1, 3)
    }
    assert math.isclose(terms[1][2], slides.omega(slides.W, slides.b)) and terms[1][0] == terms[3][0]
    assert math.isclose(terms[3][2], 3 * terms[1][2])


@pytest.mark.parametrize("m", [20, 200, 2000])
def test_a10_the_mean_of_a_sparse_unit_is_small_and_stays(m):
    rare, constant = [float(i % 20 == 0) for i in range(m)], [0.05] * m
    assert math.isclose(sum(rare) / m, 0.05) and math.isclose(sum(constant) / m, 0.05)
    assert sum(a > 0.5 for a in rare) == m // 20 and not any(a > 0.5 for a in constant)


@pytest.mark.parametrize("rho", [0.005, 0.05, 0.2])
def test_a11_the_least_value_is_zero(rho):
    def omega(z):  # through a sigmoid, so that no bounds are needed
        return sum(reference.kl(rho, 1 / (1 + math.exp(-v))) for v in z)

    least = minimize(omega, [0.3, -1, 2], method="BFGS", options={"gtol": 1e-9})
    assert abs(least.fun) < 1e-10 and np.allclose(1 / (1 + np.exp(-least.x)), rho, atol=1e-5)
    assert reference.kl(mp.mpf(rho), mp.mpf(rho), mp) == 0


def test_a12_their_matrix_is_ours_transposed(slides):
    for x in slides.X:
        ours, _ = reference.feedforward((slides.W.T, slides.b, slides.W, np.zeros(slides.n)), x, "sigmoid")
        assert error(ours, [f(slides.z(slides.W, slides.b, x, l)) for l in range(slides.k)]) < 1e-12


# --- notes B -----------------------------------------------------------------------------------------------------


def rounds(params, X, *, zeroed, count):
    """The algorithm by loops, with the sums set to zero in every round or never."""
    sums = [np.zeros_like(P) for P in params]
    for _ in range(count):
        means = reference.gradient(params, X, lam=0, rho=0.1, beta=0.1, output="sigmoid")
        sums = [np.asarray(G) if zeroed else S + G for S, G in zip(sums, means, strict=True)]
        params = [P - S for P, S in zip(params, sums, strict=True)]
    return params


def test_b1_sums_that_are_kept_take_every_step_again():
    for seed in range(5):
        params, X = network(np.random.default_rng(seed))
        after_one = rounds(params, X, zeroed=True, count=1)
        for P, Q in zip(after_one, rounds(params, X, zeroed=False, count=1), strict=True):
            assert np.array_equal(P, Q)
        first = [P - Q for P, Q in zip(after_one, params, strict=True)]
        right, kept = (rounds(params, X, zeroed=zeroed, count=2) for zeroed in (True, False))
        for P, Q, step in zip(right, kept, first, strict=True):
            assert error(Q - P, step) < 1e-12


@pytest.mark.parametrize("alpha_h", [0.1, 0.5, 1.9])
def test_b1_sums_that_are_kept_never_settle_in_a_bowl(alpha_h):
    kept = np.array([[1 - alpha_h, -1], [alpha_h, 1]])  # of the point and alpha times the sum, at the cost h x^2 / 2
    assert np.allclose(np.abs(np.linalg.eigvals(kept)), 1)
    assert abs(1 - alpha_h) < 1  # with sums that begin at zero in every round it does


def test_b1_from_zero_all_units_stay_alike():
    params, X = network(np.random.default_rng(1))
    W1, b1, W2, _ = rounds([np.zeros_like(P) for P in params], X, zeroed=True, count=5)
    assert np.ptp(W1, axis=0).max() == 0 == np.ptp(b1) and np.ptp(W2, axis=1).max() == 0
    assert np.abs(W1).max() > 0


def test_b1_means_of_one_example_are_the_gradient_of_another_cost():
    params, X = network(np.random.default_rng(2))
    settings = {"lam": 0, "rho": 0.1, "beta": 3}
    alone = np.mean([saelib.sparse_gradient(params, x[np.newaxis], **settings).W1 for x in X], axis=0)
    each = [slopes_by("W1", params, x[np.newaxis], **settings).astype(float) for x in X]
    assert error(alone, np.mean(each, axis=0)) < 1e-9
    assert distance(alone, slopes_by("W1", params, X, **settings).astype(float)) > 0.02


def test_b2_of_what_the_per_example_line_is_the_gradient():
    e = example(np.random.default_rng(3))
    c, beta = np.array([3.0, -2.0, 1.0]), 2
    with_penalty = e.delta2 + beta * c * e.a2 * (1 - e.a2)

    def surrogate(W1):
        new = e._replace(W1=W1)
        a2, _ = reference.feedforward(new[:4], e.x, "sigmoid", mp)
        return cost_of_one(new) + beta * sum(c_j * a_j for c_j, a_j in zip(c, a2, strict=True))

    plain = slopes(lambda W1: cost_of_one(e._replace(W1=W1)), e.W1).astype(float)
    assert error(np.outer(e.delta2, e.x), plain) < 1e-12
    assert error(np.outer(with_penalty, e.x), slopes(surrogate, e.W1)) < 1e-12
    assert distance(np.outer(with_penalty, e.x), plain) > 1


def test_b3_a_mean_below_zero_has_no_logarithm_and_a_sigmoid_never_reaches_minus_one():
    with pytest.raises(ValueError, match="math domain error|positive input"):
        reference.kl(0.05, math.tanh(-0.5))
    assert min((float(f(mp.mpf(z))) + 1) ** 2 / 2 for z in range(-50, 51)) >= 0.5


@pytest.mark.parametrize("rho", [0.005, 0.05, 0.2])
def test_b4_the_divergence_grows_on_either_side(rho):
    for q in np.linspace(0.001, 0.999, 40):
        if abs(q - rho) > 1e-6:
            assert mp.sign(mp.diff(lambda v: reference.kl(mp.mpf(rho), v, mp), mp.mpf(q))) == np.sign(q - rho)


def test_b5_the_decay_belongs_outside_the_mean_or_its_cost_inside():
    params, X = network(np.random.default_rng(4))
    m, lam = len(X), 0.1
    sums = m * slopes_by("W1", params, X).astype(float)
    outside, inside = sums / m + lam * params.W1, (sums + lam * params.W1) / m
    assert error(outside, slopes_by("W1", params, X, lam=lam)) < 1e-12
    assert error(inside, slopes_by("W1", params, X, lam=lam / m)) < 1e-12
    assert distance(inside, outside) > 0.3


def test_b6_any_basis_of_the_principal_subspace_does():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(50, 6)) * [3, 2, 1.5, 1, 0.5, 0.1]
    model = PCA(3).fit(X)
    by_pca = model.inverse_transform(model.transform(X))
    for _ in range(5):
        A = rng.normal(size=(3, 3))
        codes = (X - X.mean(axis=0)) @ (A @ model.components_).T
        assert error(X.mean(axis=0) + codes @ np.linalg.inv(A).T @ model.components_, by_pca) < 1e-9
    directions = A @ model.components_ / np.linalg.norm(A, axis=1, keepdims=True)
    assert np.abs(directions @ model.components_.T).max(axis=1).min() < 0.95


def test_b8_the_penalty_does_not_see_how_many_are_active_at_once():
    spread, together = [[i % 20 == j for j in range(20)] for i in range(100)], [[i % 20 == 0] * 20 for i in range(100)]
    for code, most in ((spread, 1), (together, 20)):
        means = [sum(row[j] for row in code) / 100 for j in range(20)]
        assert sum(abs(reference.kl(0.05, r)) for r in means) < 1e-12 and max(map(sum, code)) == most


def test_b9_sentences_use_most_letters_and_few_words():
    text = "\n\n".join(pages()[f"{chapter}.ipynb"] for chapter in ("backpropagation", "kl-divergence"))
    sentences = re.findall(r"[A-Z][a-z, ]{60,}[.:;]", text)
    words = [set(re.findall(r"[a-z]+", s.lower())) for s in sentences]
    letters = [set("".join(used)) for used in words]
    assert len(sentences) > 40

    def share(parts):
        return np.median([len(part) for part in parts]) / len(set.union(*parts))

    some = len(sentences) // 8  # the alphabet is complete and the vocabulary is not
    assert len(set.union(*letters)) <= 26 and min(len(part) for part in letters) >= 10
    assert share(letters[:some]) > 0.5 and share(letters) > 0.5
    assert share(words) < 0.1 and share(words) < share(words[:some]) / 2


def test_b9_a_code_has_no_order():
    def strengths(word):
        return [word.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]

    assert strengths("listen") == strengths("silent") != strengths("tinsel" + "s")


@pytest.mark.parametrize("wish", [0.005, 0.05, 0.2])
def test_b12_at_the_minimum_the_mean_misses_rho_for_every_weight(wish):
    rho, pull, gaps = mp.mpf(wish), mp.mpf("0.5"), []  # the error, (q - pull)^2 / 2, would have the mean at 0.5
    for beta in (1, 10, 100, 1000):
        q = mp.findroot(
            lambda q, beta=beta: q - pull + beta * (-rho / q + (1 - rho) / (1 - q)), (rho, pull), solver="anderson"
        )
        gaps.append(q - rho)
    assert all(gap > 0 for gap in gaps) and gaps == sorted(gaps, reverse=True)
    assert mp.almosteq(1000 * gaps[-1], rho * (1 - rho) * (pull - rho), rel_eps=0.02)


def test_b12_at_a_stationary_point_the_two_derivatives_cancel():
    params, X = network(np.random.default_rng(10))
    settings = {"lam": 1e-4, "rho": 0.1, "beta": 0.1}
    params, _ = saelib.lbfgs(saelib.nets.Sigmoid(**settings), params, X, max_iter=5000, tol=0)
    whole, of_error = (slopes_by("b1", params, X, **settings | {"beta": beta}).astype(float) for beta in (0.1, 0))
    means = np.array([float(r) for r in reference.mean_activations(params, X, "sigmoid", mp)])
    assert np.abs(whole).max() < 1e-4 < 1e-3 < np.abs(of_error).max()
    assert np.all(np.sign(means - 0.1)[np.abs(of_error) > 1e-3] == -np.sign(of_error)[np.abs(of_error) > 1e-3])


def test_b13_a_sigmoid_is_never_zero_and_a_lasso_code_often():
    assert min(f(mp.mpf(z)) for z in range(-500, 501)) > 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        D = rng.normal(size=(12, 8))
        codes = sparse_encode(rng.normal(size=(30, 8)), D / np.linalg.norm(D, axis=1, keepdims=True), alpha=0.5)
        assert np.mean(codes == 0) > 0.3


def test_b14_few_patterns_for_each_input_are_not_few_in_all():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        D, A = rng.normal(size=(40, 20)), np.zeros((500, 40))
        for i, code in enumerate(A):
            code[rng.permutation(40)[:2]] = 1 + i % 3
        X = A @ D
        values = np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2
        assert values[2:].sum() > 0.5 * values.sum()  # what the best two leave
        assert np.count_nonzero(A, axis=1).max() == 2 and np.linalg.matrix_rank(X) == 20


def test_b15_the_error_is_zero_only_where_the_output_is_the_input():
    e = example(np.random.default_rng(11))
    _, output = reference.feedforward(e[:4], e.x, "sigmoid", mp)  # the output of an untrained network, from its input
    gaps = [o - x for o, x in zip(output, e.x, strict=True)]
    assert math.isclose(cost_of_one(e), sum(gap**2 for gap in gaps) / 2, rel_tol=1e-12)
    assert max(abs(gap) for gap in gaps) > 0.1 and cost_of_one(e) > 0


# --- UFLDL -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("s2", "s3"), [(3, 5), (5, 3)])
def test_u1_the_sum_runs_over_the_outputs(s2, s3):
    rng = np.random.default_rng(6)
    W2, delta3 = rng.normal(size=(s3, s2)), rng.normal(size=s3)

    def collected(most):
        return [sum(W2[j, i] * delta3[j] for j in range(most)) for i in range(s2)]

    assert error(collected(s3), W2.T @ delta3) < 1e-12
    if s2 > s3:
        with pytest.raises(IndexError):
            collected(s2)
    else:
        assert distance(np.array(collected(s2)), W2.T @ delta3) > 0.1


def test_u2_the_weights_have_a_row_for_each_unit():
    params, X = network(np.random.default_rng(7), s1=4, s2=3)
    z2 = [sum(params.W1[j, i] * X[0, i] for i in range(4)) + params.b1[j] for j in range(3)]
    assert params.W1.shape == (3, 4) and error(saelib.forward(params, X).Z2[0], z2) < 1e-12
    with pytest.raises(ValueError, match="shape|mismatch|matmul"):
        params.W1.T @ X[0]


def test_u3_the_derivative_of_tanh_is_another():
    for z in (-2, -0.5, 0, 1):
        a, slope = math.tanh(z), float(mp.diff(mp.tanh, z))
        assert math.isclose(1 - a**2, slope, rel_tol=1e-9) and not math.isclose(a * (1 - a), slope, rel_tol=0.1)


def test_u4_a_vector_has_one_column():
    delta3 = np.ones((4, 1))
    delta3[:, 0]
    with pytest.raises(IndexError):
        delta3[:, 1]


def test_u5_the_root_is_of_a_sum_of_squares():
    rng = np.random.default_rng(8)
    V, s = np.array([[1, 1, 0], [0, 1, 1]]), rng.normal(size=(3, 4))
    sums = [[sum(V[r, c] * s[c, i] ** 2 for c in range(3)) for i in range(4)] for r in range(2)]
    assert error(V @ (s * s), sums) < 1e-12
    assert (V @ s @ s.T).shape == (2, 3) != np.shape(sums)
    assert any((V @ t @ t.T).min() < 0 for t in rng.normal(size=(20, 3, 4)))


def test_u6_the_factor_of_the_logarithm_becomes_an_exponent():
    a, beta = sympy.symbols("a beta", positive=True)
    penalty = beta * sympy.log(1 + a**2)
    assert sympy.simplify(sympy.exp(-penalty) - (1 + a**2) ** -beta) == 0
    assert sympy.simplify(sympy.diff(-sympy.log(beta / (1 + a**2)), a) - sympy.diff(penalty, a)) != 0
    for value, area in ((1, math.pi), (2, math.pi / 2)):  # that of 1 is Cauchy's
        assert math.isclose(quad(lambda t, v=value: (1 + t * t) ** -v, -np.inf, np.inf)[0], area, rel_tol=1e-6)


def test_u7_nine_features_of_which_eight_are_there():
    printed = ["11", "12", "13", "21", "22", "32", "31", "32", "33"]
    assert {r + c for r in "123" for c in "123"} - set(printed) == {"23"}


# --- where libraries differ: SAELens' stored numbers, by loops over the samples and the latents -------------------

SAELENS = json.loads((ROOT / "tests" / "data" / "saelens.json").read_text())


def sample_costs(case, price, half, *, weighted=True, c=1.0):
    """The mean cost and the codes of a standard SAE, with data and biases times c, in index loops."""
    v = {name: np.array(value, float) for name, value in case["params"].items()}
    (n, k), costs, codes = v["W_enc"].shape, [], []
    for x in c * np.array(case["X"]):
        at = [x[i] - c * v["b_dec"][i] for i in range(n)]
        z = [sum(at[i] * v["W_enc"][i, j] for i in range(n)) + c * v["b_enc"][j] for j in range(k)]
        a = [max(value, 0) for value in z]
        out = [sum(a[j] * v["W_dec"][j, i] for j in range(k)) + c * v["b_dec"][i] for i in range(n)]
        length = [math.hypot(*v["W_dec"][j]) if weighted else 1 for j in range(k)]
        costs.append(half * math.dist(out, x) ** 2 + price * sum(map(math.prod, zip(a, length, strict=True))))
        codes.append(a)
    return sum(costs) / len(costs), np.array(codes)


def test_l1_the_half_doubles_the_price():
    case = SAELENS["cases"]["standard"]
    cost, codes = sample_costs(case, 0.6, 1)
    assert cost == pytest.approx(case["loss"], rel=1e-10) and error(codes, np.array(case["feature_acts"])) < 1e-10
    assert 2 * sample_costs(case, 0.3, 0.5)[0] == pytest.approx(cost, rel=1e-12)
    assert abs(2 * sample_costs(case, 0.6, 0.5)[0] / cost - 1) > 0.01


def test_l2_the_bias_moves_into_the_other():
    rng = np.random.default_rng(11)
    W, b1, b2, X = rng.normal(size=(7, 5)), rng.normal(size=7), rng.normal(size=5), rng.normal(size=(6, 5))
    theirs = np.array([[max(sum(W[j, i] * x[i] for i in range(5)) + b1[j], 0) for j in range(7)] for x in X])
    net, zero = nets.ReluL1(0.0), np.zeros((5, 7))
    assert error(net.encode(saelib.Params(W, b1 + W @ b2, zero, b2), X).A, theirs) < 1e-12
    assert error(net.encode(saelib.Params(W, b1, zero, b2), X).A, theirs) > 0.1


def test_l3_the_weighted_charge_does_not_see_the_lengths():
    case = SAELENS["cases"]["standard"]
    other = {name: np.array(value) for name, value in case["params"].items()}
    c = np.linspace(0.5, 2, other["W_dec"].shape[0])
    other |= {"W_enc": other["W_enc"] * c, "b_enc": other["b_enc"] * c, "W_dec": other["W_dec"] / c[:, None]}
    moved = case | {"params": other}
    assert sample_costs(moved, 0.6, 1)[0] == pytest.approx(sample_costs(case, 0.6, 1)[0], rel=1e-12)
    plain = [sample_costs(one, 0.6, 1, weighted=False)[0] for one in (case, moved)]
    assert abs(plain[1] / plain[0] - 1) > 0.01


@pytest.mark.parametrize("k", [1, 3, 5])
def test_l4_the_order_of_topk_and_relu_is_free(k):
    for z in np.random.default_rng(12).normal(-0.5, 1, (200, 6)):
        chosen = sorted(range(6), key=lambda j, z=z: -z[j])[:k]
        before = [max(z[j], 0) if j in chosen else 0 for j in range(6)]
        positive = [max(value, 0) for value in z]
        chosen = sorted(range(6), key=lambda j, z=positive: -z[j])[:k]
        assert before == [positive[j] if j in chosen else 0 for j in range(6)]


def test_l5_prices_scale_with_the_data():
    case = SAELENS["cases"]["standard"]
    once, codes = sample_costs(case, 0.6, 1)
    cost, larger = sample_costs(case, 3 * 0.6, 1, c=3)
    assert cost == pytest.approx(9 * once, rel=1e-12) and error(larger, 3 * codes) < 1e-12
    assert abs(sample_costs(case, 0.6, 1, c=3)[0] / (9 * once) - 1) > 0.01


def pre_activations(case, v, bias="b_enc"):
    """z of each sample and latent, in index loops."""
    (n, k), X = v["W_enc"].shape, case["X"]
    return [
        [sum((x[i] - v["b_dec"][i]) * v["W_enc"][i, j] for i in range(n)) + v[bias][j] for j in range(k)] for x in X
    ]


def decoded(a, W_dec, b_dec=None, upto=None):
    """The sum of the first rows of W_dec, each times its activation, and the bias if there is one."""
    chosen = range(len(a) if upto is None else upto)
    start = np.zeros(W_dec.shape[1]) if b_dec is None else b_dec
    return [start[i] + sum(a[j] * W_dec[j, i] for j in chosen) for i in range(W_dec.shape[1])]


def arrays(case):
    return {name: np.array(value, float) for name, value in case["params"].items()}


def test_l6_the_step_of_an_activation_sees_half_of_the_window():
    case = SAELENS["cases"]["jumprelu wide"]
    v, eps, price = arrays(case), case["config"]["jumprelu_bandwidth"], case["config"]["l0_coefficient"]
    stored, m = np.array(case["gradient"]["threshold"]), len(case["X"])
    found = {True: np.zeros(len(stored)), False: np.zeros(len(stored))}
    for x, z in zip(case["X"], pre_activations(case, v), strict=True):
        a = [z[j] if z[j] > v["threshold"][j] else 0 for j in range(len(z))]
        e = np.subtract(decoded(a, v["W_dec"], v["b_dec"]), x)
        for j, limit in enumerate(v["threshold"]):
            for both, total in found.items():
                if abs(z[j] - limit) < eps / 2:
                    total[j] -= limit / eps * 2 * sum(e[i] * v["W_dec"][j, i] for i in range(len(x))) / m
                    total[j] -= price / eps / m if both or z[j] > limit else 0
    assert error(found[True], stored) < 1e-9 and error(found[False], stored) > 0.01


def gated_cost(case, v, fixed, at):
    """SAELens' cost of a Gated SAE with the entry ``at`` of W_dec moved; in the third term only if it is not fixed."""
    moved = v["W_dec"].copy()
    moved[at[0], at[1]] += at[2]
    third, total = v["W_dec"] if fixed else moved, 0
    gates = pre_activations(case, v, "b_gate")
    for x, z in zip(case["X"], gates, strict=True):
        u = [z[j] - v["b_gate"][j] for j in range(len(z))]
        a = [max(u[j] * math.exp(v["r_mag"][j]) + v["b_mag"][j], 0) if z[j] > 0 else 0 for j in range(len(z))]
        G = [max(value, 0) for value in z]
        total += math.dist(decoded(a, moved, v["b_dec"]), x) ** 2 + math.dist(decoded(G, third, v["b_dec"]), x) ** 2
        total += case["config"]["l1_coefficient"] * sum(G[j] * math.hypot(*moved[j]) for j in range(len(z)))
    return total / len(case["X"])


def test_l7_the_cost_is_the_same_and_the_decoders_gradient_is_not():
    case = SAELENS["cases"]["gated"]
    v, h = arrays(case), 1e-5
    stored = np.array(case["gradient"]["W_dec"])
    for fixed in (True, False):
        assert gated_cost(case, v, fixed, (0, 0, 0)) == pytest.approx(case["loss"], rel=1e-10)
        by_nudging = [
            [
                (gated_cost(case, v, fixed, (j, i, h)) - gated_cost(case, v, fixed, (j, i, -h))) / (2 * h)
                for i in range(stored.shape[1])
            ]
            for j in range(stored.shape[0])
        ]
        assert (error(np.array(by_nudging), stored) < 1e-7) != fixed


@pytest.mark.parametrize("name", ["topk aux one dead", "topk aux", "topk aux many dead"])
def test_l8_saelens_scales_by_the_share_of_the_dead(name):
    case = SAELENS["cases"][name]
    v, dead, k_aux, k = arrays(case), case["dead"], len(case["X"][0]) // 2, case["config"]["k"]
    answers = []
    for x, z in zip(case["X"], pre_activations(case, v), strict=True):
        chosen = sorted(range(len(z)), key=lambda j, z=z: -z[j])
        a = [max(z[j], 0) if j in chosen[:k] else 0 for j in range(len(z))]
        residual = np.subtract(x, decoded(a, v["W_dec"], v["b_dec"]))
        some = [j for j in chosen if j in dead][:k_aux]
        answer = [z[j] if j in some else 0 for j in range(len(z))]
        answers.append(math.dist(decoded(answer, v["W_dec"]), residual) ** 2)
    scale = case["config"].get("aux_loss_coefficient", 1.0) * min(len(dead) / k_aux, 1)
    stored = case["losses"]["auxiliary_reconstruction_loss"]
    assert scale * sum(answers) / len(answers) == pytest.approx(stored, rel=1e-10)


def test_l9_saelens_adds_up_the_prefixes():
    case = SAELENS["cases"]["matryoshka"]
    v, widths = arrays(case), case["config"]["matryoshka_widths"]
    errors = [
        np.mean(
            [
                math.dist(decoded(a, v["W_dec"], v["b_dec"], w), x) ** 2
                for a, x in zip(case["feature_acts"], case["X"], strict=True)
            ]
        )
        for w in widths
    ]
    assert sum(errors) == pytest.approx(case["loss"], rel=1e-10) and len(errors) == 3
    weighted = np.mean([error / len(widths) for error in errors])
    assert weighted * len(widths) ** 2 == pytest.approx(case["loss"], rel=1e-10)


def test_l10_four_ratios_of_which_one_sees_the_origin():
    rng = np.random.default_rng(13)
    X = rng.normal(size=(40, 5)) * [1, 2, 3, 4, 5]
    X_hat = X + rng.normal(size=X.shape)

    def four(X, X_hat):
        m, n = X.shape
        mean = [sum(X[r, i] for r in range(m)) / m for i in range(n)]
        left = [[(X[r, i] - X_hat[r, i]) ** 2 for i in range(n)] for r in range(m)]
        around = [[(X[r, i] - mean[i]) ** 2 for i in range(n)] for r in range(m)]
        by_input = [sum(left[r][i] for r in range(m)) / sum(around[r][i] for r in range(m)) for i in range(n)]
        return [
            sum(map(sum, left)) / sum(map(sum, around)),
            sum(sum(left[r]) / sum(around[r]) for r in range(m)) / m,
            sum(sum(left[r]) / sum(X[r, i] ** 2 for i in range(n)) for r in range(m)) / m,
            sum(by_input) / n,
        ]

    here, there = four(X, X_hat), four(X + 10, X_hat + 10)
    assert saelib.metrics.fvu(X, X_hat) == pytest.approx(here[0], rel=1e-12)
    assert [abs(a / b - 1) < 1e-9 for a, b in zip(here, there, strict=True)] == [True, True, False, True]
    assert len({round(value, 3) for value in here}) == 4


def test_the_tools_of_this_file_see_a_wrong_line():
    params, X = network(np.random.default_rng(9))
    assert error(saelib.sparse_gradient(params, X, lam=0, rho=0.5, beta=0).W1, slopes_by("W1", params, X)) < 1e-9
    assert cost_of_all(params, X, beta=1, rho=0.1) > cost_of_all(params, X)
    assert distance(np.ones(3), np.ones(3)) == 0 < distance(np.ones(3), 2 * np.ones(3))
