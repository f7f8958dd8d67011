"""Activations as straight-line programs of the IR's values: no branches, no tables, no calls, so that they run in
vector lanes.

A formula is a function of a `Program`, which binds what is used more than once, and of x; its keywords are Keras's
parameters with Keras's defaults. NaN gives NaN (but for `threshold`), and signed zeros, subnormal numbers and
infinities come out as in exact arithmetic; `softsign` of an infinity, and `squareplus` and `hard_silu` of -inf are NaN,
as in Keras.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from ..ir import Binary, Bind, Const, Fma, Ref, Unary, Value
from ..ir.rewrite import nodes, rewrite_value
from ..problem import Activation
from .functions import FUNCTIONS
from .polynomials import GELU, TANH_SHRINK
from .programs import Program, clamp, high_of, horner, low_of, select

# --- made of straight lines -------------------------------------------------------------------------------------------


def linear(p: Program, x: Ref) -> Value:
    return x


def relu(p: Program, x: Ref, negative_slope: float = 0.0, max_value: float = math.inf, threshold: float = 0.0) -> Value:
    y = high_of(0.0, x) if threshold == 0 else select(x, "le", threshold, 0.0, x)
    if negative_slope and threshold == 0 and max_value == math.inf:
        return leaky_relu(p, x, negative_slope)
    if max_value < math.inf:
        y = clamp(y, 0.0, max_value) if threshold else low_of(max_value, y)
    return y - high_of(0.0, threshold - x) * negative_slope if negative_slope else y


def relu6(p: Program, x: Ref) -> Value:
    return clamp(x, 0.0, 6.0)


def leaky_relu(p: Program, x: Ref, negative_slope: float = 0.2) -> Value:
    if 0 < negative_slope <= 1:
        return Binary("max", x * negative_slope, x)
    return select(x, "gt", 0.0, x, x * negative_slope)


def softsign(p: Program, x: Ref) -> Value:
    return x / (Unary("abs", x) + 1.0)


def squareplus(p: Program, x: Ref, b: float = 4.0) -> Value:
    return (x + Unary("sqrt", x * x + b)) * 0.5


def soft_shrink(p: Program, x: Ref, threshold: float = 0.5) -> Value:
    if threshold < 0:
        return select(x, "gt", threshold, x - threshold, x + threshold)
    return x - clamp(x, -threshold, threshold)


def hard_shrink(p: Program, x: Ref, threshold: float = 0.5) -> Value:
    return select(Unary("abs", x), "le", threshold, 0.0, x)


def sparse_plus(p: Program, x: Ref) -> Value:
    y = p.bind("sparse_y", x + 1.0)
    return select(x, "lt", 1.0, select(x, "le", -1.0, 0.0, y * y * 0.25), x)


def sparse_sigmoid(p: Program, x: Ref) -> Value:
    return clamp((x + 1.0) * 0.5, 0.0, 1.0)


def hard_sigmoid(p: Program, x: Ref) -> Value:
    return clamp(x + 3.0, 0.0, 6.0) * (1 / 6)


def hard_silu(p: Program, x: Ref) -> Value:
    return x * hard_sigmoid(p, x)


def hard_tanh(p: Program, x: Ref) -> Value:
    return clamp(x, -1.0, 1.0)


def threshold(p: Program, x: Ref, threshold: float, default_value: float) -> Value:
    return select(x, "gt", threshold, x, default_value)


# --- made of exponentials ---------------------------------------------------------------------------------------------


def exponential(p: Program, x: Ref) -> Value:
    return p.exponential(x)


def sigmoid(p: Program, x: Ref) -> Value:
    """`1 / (1 + exp(-x))`."""
    return p.over_one_plus_exp(2.0**-p.format.shift, p.bind("exp_x", clamp(x, p.format.exp[0], p.format.one)))


def silu(p: Program, x: Ref) -> Value:
    """`x * sigmoid(x)`; x itself where the sigmoid rounds to 1; -0 at -inf, its limit."""
    near = p.bind("exp_x", clamp(x, p.format.product, p.format.one))
    return select(x, "gt", p.format.one, x, near * p.over_one_plus_exp(1.0, near) * 2.0**-p.format.shift)


def tanh(p: Program, x: Ref) -> Value:
    """`h / (h + 1)` of |x|, with h = (exp(2 |x|) - 1) / 2."""
    a = p.bind("tanh_a", low_of(p.format.one / 2 + 1, Unary("abs", x)))
    h = p.bind("tanh_h", p.expm1(a, 2.0))
    return Binary("copysign", h / (h + 1.0), x)


def tanh_shrink(p: Program, x: Ref) -> Value:
    """`x - tanh(x)`: a series where they cancel, `|x| - 1 + 2 / (exp(2 |x|) + 1)` elsewhere."""
    a = p.bind("tanh_a", Unary("abs", x))
    v = p.bind("tanh_v", a * a)
    near = a * v * horner(TANH_SHRINK[p.compute], v)
    _, r, power = p.reduce(p.bind("exp_x", low_of(p.format.one / 2 + 1, a)), 2.0)
    far = (a - 1.0) + 2.0 / Fma(p.exp(r, 2.0), power(0), Const(1.0))
    return Binary("copysign", select(a, "lt", 1.0, near, far), x)


def elu(p: Program, x: Ref, alpha: float = 1.0) -> Value:
    y = p.expm1(p.bind("exp_x", clamp(x, -p.format.one, 0.0)))
    return select(x, "ge", 0.0, x, y if alpha == 1 else y * alpha)


def celu(p: Program, x: Ref, alpha: float = 1.0) -> Value:
    if not alpha > 0:
        raise ValueError(f"celu's alpha must be positive. Received: alpha={alpha}.")
    y = p.expm1(p.bind("exp_x", clamp(x if alpha == 1 else x / alpha, -p.format.one, 0.0)))
    return select(x, "ge", 0.0, x, y if alpha == 1 else y * alpha)


def selu(p: Program, x: Ref) -> Value:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    y = p.expm1(p.bind("exp_x", clamp(x, -p.format.one, 0.0)))
    return select(x, "ge", 0.0, x * scale, y * (scale * alpha))


def softplus(p: Program, x: Ref) -> Value:
    return high_of(0.0, x) + p.log1p_exp(x)


def log_sigmoid(p: Program, x: Ref) -> Value:
    return low_of(0.0, x) - p.log1p_exp(x)


def mish(p: Program, x: Ref) -> Value:
    """`x * tanh(log(1 + u)) = x * u (u + 2) / (u (u + 2) + 2)` with u = exp(x), the numerator times 2**shift.

    It is x itself where the quotient rounds to 1.
    """
    shift, one = p.format.shift, p.format.one / 2 + 1
    near = p.bind("exp_x", clamp(x, p.format.product, one))
    _, r, power = p.reduce(near)
    scaled = p.bind("mish_scaled", p.exp(r) * power(shift))
    u = p.bind("mish_u", scaled * 2.0**-shift)
    v = p.bind("mish_v", u + 2.0)
    return select(x, "gt", one, x, near * (scaled * v / Fma(u, v, Const(2.0))) * 2.0**-shift)


def gelu(p: Program, x: Ref, approximate: float = 0.0) -> Value:
    """`x * (1 + erf(x / sqrt 2)) / 2 = max(x, 0) - |x| / 2 * erfc(|x| / sqrt 2)`.

    With `approximate`, Keras's other form, `x * (1 + tanh(z / 2)) / 2 = x * sigmoid(z)` with z = sqrt(8 / pi) * (x +
    0.044715 x**3).

    The eighth root of this erfc is flat enough for a short polynomial, and the power makes its error in the tail
    vanish: neither an exponential nor a division is needed.
    """
    if approximate:
        z = x * Fma(x * x, Const(math.sqrt(8 / math.pi) * 0.044715), Const(math.sqrt(8 / math.pi)))
        # a bound below which it is 0: -inf * 0 is NaN
        return high_of(p.format.product, x) * sigmoid(p, p.bind("gelu_z", z))
    a = p.bind("gelu_a", Unary("abs", x))
    root = p.bind("gelu_root", horner([1.0, *GELU[p.compute]], a))
    square = p.bind("gelu_square", root * root)
    fourth = p.bind("gelu_fourth", square * square)
    return high_of(0.0, x) - select(a, "lt", p.format.gelu, a * 0.5 * (fourth * fourth), 0.0)


FORMULAS: dict[str, Callable[..., Value]] = {
    "linear": linear,
    "relu": relu,
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "softsign": softsign,
    "squareplus": squareplus,
    "soft_shrink": soft_shrink,
    "hard_shrink": hard_shrink,
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": sparse_sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "hard_tanh": hard_tanh,
    "threshold": threshold,
    "exponential": exponential,
    "sigmoid": sigmoid,
    "silu": silu,
    "tanh": tanh,
    "tanh_shrink": tanh_shrink,
    "elu": elu,
    "celu": celu,
    "selu": selu,
    "softplus": softplus,
    "log_sigmoid": log_sigmoid,
    "mish": mish,
    "gelu": gelu,
}


def expand(activation: Activation, x: Value, compute: str, fresh: Callable[[str], str]) -> tuple[list[Bind], Value]:
    """The statements that come first, and the value of the activation, or of one of the `FUNCTIONS`, of x. `fresh` makes a
    new name from a hint.

    Raises ValueError for one that is not known, or not with these parameters.
    """
    formula = FORMULAS.get(activation.name) or FUNCTIONS.get(activation.name)
    if formula is None:
        raise ValueError(f"No element-wise activation is called {activation.name!r}.")
    program = Program(compute, fresh)
    argument = Ref(fresh("act_x"))
    try:
        result = formula(program, argument, **dict(activation.parameters))
    except TypeError as error:
        raise ValueError(f"The activation {activation} has wrong or missing parameters: {error}") from error
    uses = sum(node == argument for root in (*(b.value for b in program.binds), result) for node in nodes(root))
    if uses > 1 and not isinstance(x, Ref):
        return [Bind(argument.name, x), *program.binds], result

    def put_x(node: Value) -> Value:
        return x if node == argument else node

    return [Bind(b.name, rewrite_value(b.value, put_x)) for b in program.binds], rewrite_value(result, put_x)


def cost(activation: Activation) -> int:
    """The number of operations on numbers that the activation takes."""
    count = itertools.count()
    binds, result = expand(activation, Ref("x"), "f32", lambda hint: f"{hint}_{next(count)}")
    return sum(bool(node.operands) for root in (*(b.value for b in binds), result) for node in nodes(root))
