"""Cook–Toom: the algorithms are exact, the programs short and right, and the error model agrees
with measured errors.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from support.type_helpers import Array, known

from conv1d_codegen.errors import CompileError
from conv1d_codegen.problem.summation import window_chunk_shape
from conv1d_codegen.toom import LARGEST, transforms
from conv1d_codegen.toom.algorithm import Algorithm, algorithm, from_points, in_float32
from conv1d_codegen.toom.error import amplification, at_least, deviations, predicted
from conv1d_codegen.toom.nested import USUAL, algorithm_of
from conv1d_codegen.toom.program import Program, Step, program

Form = tuple[int, int] | tuple[int, int, tuple[int, ...]]
SHAPES = [(m, n + 1 - m) for n in range(1, LARGEST + 1) for m in range(1, n + 1)]
every_shape = pytest.mark.parametrize(("m", "r"), SHAPES, ids=lambda number: str(number))


@every_shape
def test_exact(m: int, r: int) -> None:
    """As y is linear in x and in w, the unit vectors say all: x[u] * w[i] belongs to y[a] where u = a + i, and nowhere
    else.
    """
    toom = algorithm(m, r)
    n = toom.multiplications
    for a, i, u in itertools.product(range(m), range(r), range(n)):
        product = sum(toom.results[a][p] * toom.weights[p][i] * toom.inputs[p][u] for p in range(n))
        assert product == (u == a + i), f"{toom} {a=} {i=} {u=}"


@every_shape
def test_float32_has_the_numbers_of_inputs_and_results(m: int, r: int) -> None:
    toom = algorithm(m, r)
    for matrix in (toom.inputs, toom.results):
        factors = [c for row in matrix for c in row] + [step.factor for step in program(matrix).steps]
        assert all(map(in_float32, factors)), str(toom)


@every_shape
def test_programs_compute_their_matrix(m: int, r: int) -> None:
    toom = algorithm(m, r)
    for matrix in (toom.inputs, toom.weights, toom.results):
        made = program(matrix)
        for u in range(made.inputs):
            unit = [Fraction(k == u) for k in range(made.inputs)]
            assert made.evaluate(unit) == [row[u] for row in matrix], f"{toom} {u=}"
        for k, step in enumerate(made.steps):
            assert all(o < made.inputs + k for o in (step.a, step.b) if o is not None), f"{toom} {k=}"


@pytest.mark.parametrize(
    ("m", "r", "inputs", "results"),
    [
        (2, 2, 2, 2),
        (2, 3, 4, 4),
        (3, 2, 4, 4),
        (3, 3, 10, 9),
        (4, 3, 12, 12),
        (4, 4, 21, 17),
        (5, 3, 21, 20),
        (4, 5, 24, 16),
        (6, 3, 24, 20),
    ],
)
def test_steps(m: int, r: int, inputs: int, results: int) -> None:
    toom = algorithm(m, r)
    assert (program(toom.inputs).operations, program(toom.results).operations) == (inputs, results), str(toom)


def test_steps_with_the_usual_points() -> None:
    """What a person writes for F(4,3): even and odd parts of ±1 and ±2, and no multiplication by itself."""
    toom = from_points(4, 3, [Fraction(a) for a in (0, 1, -1, 2, -2)])
    programs = [program(toom.inputs), program(toom.results)]
    assert [made.operations for made in programs] == [12, 10]
    assert all(step.a is not None for made in programs for step in made.steps)


def test_the_inputs_depend_on_the_multiplications_alone() -> None:
    """So algorithms with as many of them have one program for B."""
    for n in range(3, LARGEST + 1):
        assert len({program(algorithm(m, n + 1 - m).inputs) for m in range(2, n)}) == 1, n


def test_few_values_are_alive_at_a_time() -> None:
    """Sums and differences take the place of what they are made of: a program needs two registers more than it has
    inputs at most.
    """
    for m, r in SHAPES:
        for matrix in (algorithm(m, r).inputs, algorithm(m, r).results):
            made = program(matrix)
            last = {
                operand: k for k, step in enumerate(made.steps) for operand in (step.a, step.b) if operand is not None
            }
            alive = [
                sum(o < made.inputs + k and last.get(o, -1) >= k for o in range(made.inputs + k))
                for k in range(len(made.steps))
            ]
            assert max(alive, default=0) <= made.inputs + 2, f"F({m},{r}): {alive}"


def test_rows_without_terms_and_without_a_one() -> None:
    half, zero, one = Fraction(1, 2), Fraction(0), Fraction(1)
    assert program(((zero, zero), (zero, one), (half, zero))) == Program(2, (Step(None, half, 0),), (None, 1, 2))
    assert program(((zero, zero), (zero, one))).evaluate([3.0, 4.0]) == [0.0, 4.0]
    assert str(program(((-one, half),))) == "s2 = 1/2 * x1\ns3 = s2 - x0\nresults: s3\n"


@pytest.mark.parametrize(("m", "r"), [(0, 3), (3, 0), (9, 3)])
def test_refused(m: int, r: int) -> None:
    with pytest.raises(CompileError, match=rf"Received: m={m}, r={r}, that is {m + r - 1}"):
        algorithm(m, r)


def test_text() -> None:
    assert algorithm(2, 3).describe() == (
        "F(2,3): 4 multiplications instead of 6\n"
        "points: 0, 1, -1, infinity\n"
        "inputs B:\n"
        "  -1   0   1   0\n"
        "   0   1   1   0\n"
        "   0  -1   1   0\n"
        "   0  -1   0   1\n"
        "weights G:\n"
        "    -1     0     0\n"
        "   1/2   1/2   1/2\n"
        "   1/2  -1/2   1/2\n"
        "     0     0     1\n"
        "results A:\n"
        "   1   1   1   0\n"
        "   0   1  -1   1\n"
    )
    assert "points: none, no product is saved" in algorithm(3, 1).describe()


def measured(toom: Algorithm, kernel_size: int, channels: int, terms: int, samples: int) -> Array:
    """The standard deviation of each output's error in unit roundoffs of float32, by doing what the kernel does.

    A fused multiply-add is computed in float64, where the product is exact, and rounded: twice, which changes next to
    nothing.
    """
    rng = np.random.default_rng(5)
    n, m, r = toom.multiplications, toom.outputs, toom.taps
    x = rng.standard_normal((m + terms * r - 1, channels, samples)).astype(np.float32)
    w = rng.standard_normal((terms * r, channels, samples)).astype(np.float32)
    w[kernel_size:] = 0
    exact = [np.einsum("jcs,jcs->s", x[a : a + terms * r], w, dtype=np.float64) for a in range(m)]
    weights = np.array(toom.weights, dtype=np.float64)
    u = np.einsum("pi,qics->pqcs", weights, w.reshape(terms, r, channels, samples)).astype(np.float32)

    def run(made: Program, values: Array) -> Array:
        operands = list(values)
        for step in made.steps:
            product = operands[step.b] * np.float64(step.factor)
            operands.append((product if step.a is None else operands[step.a] + product).astype(np.float32))
        return np.array([operands[known(result)] for result in made.results])

    v = np.array([run(transforms.inputs(toom), x[q * r : q * r + toom.reach]) for q in range(terms)])
    some_terms, some_channels = window_chunk_shape(terms, channels)
    total = np.zeros((n, samples), np.float32)
    for first, channel in itertools.product(range(0, terms, some_terms), range(0, channels, some_channels)):
        acc = np.zeros((n, samples), np.float32)
        for q in range(first, min(first + some_terms, terms)):
            for c in range(channel, min(channel + some_channels, channels)):
                acc = (np.float64(1) * v[q, :, c] * u[:, q, c] + acc).astype(np.float32)
        total = total + acc
    deviation: Array = np.std(run(transforms.results(toom), total) - exact, axis=1)
    return deviation * 2.0**24


@pytest.mark.parametrize(
    ("form", "kernel_size", "channels", "samples"),
    [
        ((2, 2), 2, 1, 20000),
        ((2, 3), 3, 8, 10000),
        ((4, 3), 3, 1, 20000),
        ((4, 3), 3, 32, 4000),
        ((4, 3), 9, 128, 500),
        ((4, 4), 11, 16, 4000),
        ((2, 3), 3, 300, 1000),
        ((6, 3), 3, 64, 2000),
        ((4, 5), 5, 128, 1000),
        ((6, 5), 5, 16, 2000),
        ((3, 1), 1, 64, 4000),
        ((1, 3), 3, 16, 4000),
        ((12, 9, (3,)), 9, 32, 1000),
        ((12, 12, (3,)), 11, 16, 1000),
        ((9, 12, (3,)), 20, 8, 1000),
        ((12, 8, (4,)), 8, 64, 500),
        ((8, 8, (2, 2)), 8, 16, 1000),
    ],
)
def test_error_model_agrees_with_measurement(form: Form, kernel_size: int, channels: int, samples: int) -> None:
    toom, terms = algorithm_of(*form), -(-kernel_size // form[1])
    expected = deviations(toom, kernel_size, channels, terms)
    actual = measured(toom, kernel_size, channels, terms, samples)
    np.testing.assert_allclose(actual, expected, rtol=0.15, err_msg=f"{toom} {kernel_size=} {channels=}")


def test_predicted_error_grows_with_the_multiplications() -> None:
    """And shrinks with more channels, as errors cancel, but not as slowly as the direct algorithm's
    bound allows for.
    """
    shares = [predicted(algorithm(m, 3), 3, 64, 1) for m in range(1, 9)]
    assert shares == sorted(shares)
    assert shares[1] < 0.3 < shares[3] < 0.6 < 1 < shares[5]
    assert (
        predicted(algorithm(4, 3), 3, 8, 1)
        > predicted(algorithm(4, 3), 3, 64, 1)
        > predicted(algorithm(4, 3), 3, 1024, 1)
    )


@pytest.mark.parametrize("channels", [32, 64, 256])
@pytest.mark.parametrize("form", [(4, 3, ()), (3, 5, ()), (6, 3, ()), *USUAL], ids=str)
def test_the_error_is_at_least_what_sums_make_of_it(form: Form, channels: int) -> None:
    for kernel_size in (form[1] - 1, form[1], 2 * form[1] + 1):
        question = algorithm_of(*form), kernel_size, channels, -(-kernel_size // form[1])
        assert 0.7 * predicted(*question) < at_least(*question) < predicted(*question), question


def test_the_points_amplify_less_than_the_usual_ones() -> None:
    usual = from_points(4, 3, [Fraction(a) for a in (0, 1, -1, 2, -2)])
    assert predicted(algorithm(4, 3), 3, 64, 1) < 0.5 * predicted(usual, 3, 64, 1)
    assert amplification(algorithm(4, 3)) < 0.6 * amplification(usual)
    assert amplification(algorithm(1, 3)) == 3  # a sum of three products, of numbers of size 1
