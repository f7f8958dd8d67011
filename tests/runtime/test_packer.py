"""Packer: weights by machine code are those of NumPy's, wherever the arrays come from; what has none; what is refused."""

import warnings

import numpy as np
import pytest
from support.helpers import bits, compiled, empty_output, in_threads, real_data
from support.toom_helpers import plan_of
from support.type_helpers import Array, known

from conv1d_codegen import UnprovedWarning, compiler
from conv1d_codegen.compiler import Compilation
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.kernel import PackedWeights
from conv1d_codegen.verify import InvalidKernel

TEXT = "c7_f37_k3_same_relu_f32"


def output(compilation: Compilation, packed: PackedWeights) -> Array:
    x, _, _ = real_data(compilation.problem, 2, 50)
    y = empty_output(compilation.problem, 2, 50)
    compilation.kernel(x, packed, y)
    return y


@pytest.mark.parametrize(
    ("text", "toom"),
    [(TEXT, ()), ("c7_f20_k3_g1_same_linear_f32_nobias", ()), ("c8_f9_k4_causal_linear_f32", (6, 4, 2))],
)
def test_a_call_gives_the_same_bits(text: str, toom: tuple[int, ...]) -> None:
    problem = Problem.parse(text)
    plan = plan_of(toom) if toom else None
    compilation = compiled(problem, None, "cook_toom" if toom else "auto", plan)
    _, w, b = real_data(problem, 1, 1, seed=3)
    usual = compilation.pack(w, b)
    again = compilation.pack(w, b, again=True)
    assert all(at % 64 == 0 for at in again.addresses)
    assert bits(output(compilation, again)) == bits(output(compilation, usual))


def test_code_is_made_when_weights_come_again_and_used_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem.parse("c7_f36_k3_same_relu_f32")
    compilation = compiled(problem)
    _, w, b = real_data(problem, 1, 1)
    compilation.pack(w, b)
    assert "packer" not in vars(compilation)
    compilation.pack(w, b, again=True)
    monkeypatch.setattr(compilation.native, "pack", None)  # NumPy's
    compilation.pack(w, b)


def test_arrays_of_any_layout() -> None:
    compilation = compiled(Problem.parse(TEXT))
    _, w, b = real_data(compilation.problem, 1, 1, seed=4)
    right = output(compilation, compilation.pack(w, b))
    packer = known(compilation.packer)
    unaligned = np.zeros(w.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(w.shape)
    unaligned[...] = w
    frozen = w.copy()
    frozen.flags.writeable = False
    for given in (np.asfortranarray(w), np.repeat(w, 2, axis=2)[:, :, ::2], w.astype(np.float64), unaligned, frozen):
        assert bits(output(compilation, packer(given, b))) == bits(right)


def test_weights_of_other_shapes_are_refused_before_memory_is_touched() -> None:
    compilation = compiled(Problem.parse(TEXT))
    _, w, b = real_data(compilation.problem, 1, 1)
    packer = known(compilation.packer)
    for kernel, bias in ((w[:2], b), (w, None), (w, known(b)[:5]), (w[..., :5], b), (w.reshape(-1), b)):
        with pytest.raises(ValueError, match=r"Received: "):
            packer(kernel, bias)


def test_threads_at_once() -> None:
    compilation = compiled(Problem.parse(TEXT))
    packer = known(compilation.packer)
    data = [real_data(compilation.problem, 1, 1, seed=seed) for seed in range(4)]
    right = [output(compilation, compilation.kernel.pack(w, b)) for _, w, b in data]

    def work(number: int) -> None:
        _, w, b = data[number]
        for _ in range(200):
            packed = packer(w, b)
        assert bits(output(compilation, packed)) == bits(right[number])

    in_threads(4, work)


def test_large_weights_begin_a_large_page() -> None:
    problem = Problem.parse("c512_f512_k3_same_linear_f32")
    compilation = compiled(problem)
    _, w, b = real_data(problem, 1, 1)
    packed = known(compilation.packer)(w, b)
    assert packed.addresses[0] % (2 << 20) == 0


def test_a_generic_kernel_has_numpys() -> None:
    compilation = compiled(Problem.parse("c7_f35_k3_same_relu_f32"), None, "generic")
    _, w, b = real_data(compilation.problem, 1, 1)
    assert compilation.packer is None
    usual, again = (output(compilation, compilation.pack(w, b, again)) for again in (False, True))
    assert bits(again) == bits(usual)


def test_what_is_not_proved_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    compilation = compiled(Problem.parse("c7_f34_k3_same_relu_f32"))
    _, w, b = real_data(compilation.problem, 1, 1)
    right = output(compilation, compilation.pack(w, b))

    def refused(kernel: object, scheduled: bool = False) -> None:
        raise InvalidKernel("not today")

    monkeypatch.setattr("conv1d_codegen.executable.verify", refused)
    compiler.KEPT_OPERATIONS.clear()
    with pytest.warns(UnprovedWarning, match="not today"):
        packed = compilation.pack(w, b, again=True)
    assert bits(output(compilation, packed)) == bits(right)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compilation.pack(w, b, again=True)  # said once
