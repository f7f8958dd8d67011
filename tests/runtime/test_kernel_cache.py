"""Which compilations are remembered: those that somebody holds, and of the others the last ones, up
to a number of bytes.
"""

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from llvmlite.binding.orcjit import ResourceTracker
from numpy.typing import ArrayLike
from support.helpers import exact_data, expected, python
from support.kernel_helpers import call
from support.layer_helpers import held
from support.natives import make_fast_code
from support.type_helpers import Array

from conv1d_codegen import Conv1D, compiler
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.knobs import STAGES
from conv1d_codegen.machine import jit
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.kernel_cache import KernelCache


class Item:
    def __init__(self, size: int) -> None:
        self.size = size

    def memory(self) -> int:
        return self.size


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that remembers nothing, and whose cache keeps nothing alive."""
    monkeypatch.setattr(compiler, "KEPT", KernelCache(most_bytes=0))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels for which machine code is made."""
    make_fast_code()
    names, link = [], jit.link

    def noted(image: bytes, symbol: str, *imports: Any) -> jit.Code:
        names.append(symbol)
        return link(image, symbol, *imports)

    monkeypatch.setattr(jit, "link", noted)
    return names


def test_what_was_not_used_for_long_is_forgotten() -> None:
    cache: KernelCache[Item] = KernelCache(most_bytes=10)
    made: dict[object, Item] = {}

    def get(key: object, size: int = 5) -> Item:
        return cache.get(key, lambda: made.setdefault(key, Item(size)))

    a, b = get("a"), get("b")
    assert get("a") is a  # used again, so b is now the oldest
    get("c")
    get("d")  # 15 bytes were too many
    assert list(cache._kept) == ["a", "c", "d"]
    assert get("b") is b, "who holds an item finds it again"
    gone = weakref.ref(b)
    made.clear()
    del b
    get("e")
    get("f", size=100)
    get("g")
    get("h")
    assert gone() is None
    assert list(cache._kept) == ["g", "h"], "one that is larger than all of the room goes, and all before it"


def test_sizes_are_those_of_the_moment() -> None:
    cache: KernelCache[Item] = KernelCache(most_bytes=10)
    items = [cache.get(key, lambda: Item(0)) for key in range(5)]
    items[0].size, items[1].size, items[2].size = 6, 5, 5
    cache.get(5, lambda: Item(0))
    assert list(cache._kept) == [1, 2, 3, 4, 5]
    assert cache.memory() == 10


@pytest.mark.usefixtures("empty")
def test_a_kernel_that_a_layer_holds_is_not_compiled_again(loads: list[str]) -> None:
    layers = [Conv1D(filters, 2, padding="same", name=f"f{filters}") for filters in range(1, 9)]
    x = np.ones((1, 100, 3), np.float32)
    for layer in layers:
        layer(x)
    assert len(loads) == len(layers)
    kernels = [held(layer)[0] for layer in layers]
    for layer, kernel in zip(layers, kernels, strict=True):
        layer.set_weights([weight + 1 for weight in layer.weights])
        layer(x)
        layer(np.ones((2, 101, 3), np.float32))  # another length, the same plan
        assert held(layer)[0] is kernel
        same = Conv1D.from_config(layer.get_config())
        same(x)
    # New weights are laid out by a kernel of their own, which is made once.
    again = [name for name in loads[len(layers) :] if not name.startswith("pack_")]
    assert not again, f"compiled again: {again}"
    assert len(loads) <= 2 * len(layers)


@pytest.mark.usefixtures("empty")
def test_a_layer_with_a_convolution_op_of_its_own_holds_its_kernel(loads: list[str]) -> None:
    class Doubled(Conv1D):
        def convolution_op(self, inputs: ArrayLike, kernel: ArrayLike) -> Array:
            return super().convolution_op(inputs, 2 * np.asarray(kernel))

    layer, x = Doubled(4, 2), np.ones((1, 9, 3), np.float32)
    y = layer(x)
    compile_problem(Problem.parse("c1_f1_k1_valid_linear_f32"))
    layer.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x), y)
    assert len(loads) == 1


@pytest.mark.usefixtures("empty")
def test_kernels_that_nobody_holds_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what other tests left
    freed, dispose = [], ResourceTracker._dispose

    def noted(self: ResourceTracker) -> None:
        freed.append(self.name)
        dispose(self)

    monkeypatch.setattr(ResourceTracker, "_dispose", noted)
    for kernel_size in (1, 2, 3):  # of sizes that no other test has, whose layers may hold them
        compile_problem(Problem.parse(f"c7_f11_k{kernel_size}_same_relu_f32")).kernel  # noqa: B018  # made here
    compile_problem(Problem.parse("c7_f11_k4_same_relu_f32"))
    gc.collect()
    assert len(freed) == 3


@pytest.mark.usefixtures("empty")
def test_a_kernel_outlives_its_compilation() -> None:
    problem = Problem.parse("c4_f8_k3_same_relu_f32")
    kernel = compile_problem(problem).kernel
    compile_problem(Problem.parse("c1_f1_k1_valid_linear_f32"))
    gc.collect()
    x, w, b = exact_data(problem, 1, 9)
    np.testing.assert_array_equal(call(kernel, kernel.pack(w, b), x), expected(problem, x, w, b))


def test_the_stages_of_a_compiled_program_are_released_and_made_again() -> None:
    compilation = compile_problem(Problem.parse("c4_f8_k9_same_relu_f32"))
    before = {stage: compilation.dump(stage) for stage in STAGES}
    assert compilation.memory() > 2 * len(before["llvm"])
    compilation.kernel  # noqa: B018  # made here
    assert compilation.memory() < 200_000
    assert {stage: compilation.dump(stage) for stage in STAGES} == before


GROWTH = """
import ctypes, gc
import numpy as np
from conv1d_codegen import Conv1D, compiler
def resident():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free again, as stages are, is not taken
    return int(open("/proc/self/statm").read().split()[1]) * 4
def layer(filters):
    made = Conv1D(filters, 3, padding="same", activation="relu")
    made(np.ones((1, 40, 16), np.float32))
    return made
held = [layer(f) for f in range(1, 9)]
before = resident()
held += [layer(f) for f in range(9, 49)]
print((resident() - before) // 40, compiler.KEPT.memory() // 1024 // len(compiler.KEPT))
"""


@pytest.mark.slow
def test_how_much_memory_a_layer_takes() -> None:
    """Whole programs took 0.7 MiB each; what is counted must be near what is taken."""
    code, out, err = python(GROWTH)
    assert code == 0, err
    taken, counted = map(int, out.split())
    assert taken < 250, f"{taken} KiB a layer"
    assert taken / 3 < counted < 3 * taken
