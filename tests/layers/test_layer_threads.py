"""Layers whose weights change in one thread while others read them; and children that are forked meanwhile."""

import copy
import os
import pickle
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike
from support.helpers import FORKING, python
from support.type_helpers import Array, known

from conv1d_codegen import Conv1D


class Twice(Conv1D):
    """Goes through `convolution_op`, which gives other threads time."""

    def convolution_op(self, inputs: ArrayLike, kernel: ArrayLike) -> Array:
        return super().convolution_op(inputs, kernel)


def first(kernel: Array) -> float:
    return float(kernel.flat[0])


def quarter(bias: Array) -> float:
    return float(bias[0]) / 4


X = np.ones((1, 30, 4), np.float32)


def of_one_set(weights: list[Array]) -> bool:
    """Whether kernel and bias belong to one set: number `n` is all `n`, its bias `-4n`."""
    kernel, bias = weights
    return len({float(value) for value in [*kernel.ravel(), *(bias / -4)]}) == 1


def output_is_zero(layer: Conv1D) -> bool:
    """A layer of one tap and 4 channels, of set `n`: 4 products of `n`, and `-4n`."""
    return not layer(X).any()


READERS: dict[str, Callable[[Conv1D], bool]] = {
    "get_weights": lambda layer: of_one_set(layer.get_weights()),
    "weights": lambda layer: of_one_set(layer.weights),
    "deepcopy": lambda layer: of_one_set(copy.deepcopy(layer).weights),
    "copy": lambda layer: of_one_set(copy.copy(layer).weights),
    "pickle": lambda layer: of_one_set(pickle.loads(pickle.dumps(layer)).weights),
    "call": output_is_zero,
    "copied call": lambda layer: output_is_zero(copy.deepcopy(layer)),
    "losses": lambda layer: sum(layer.losses) == 0,
}


@pytest.mark.parametrize("kind", [Conv1D, Twice])
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_sees_one_set_of_weights(reader: str, kind: type[Conv1D]) -> None:
    layer = kind(64, 1, kernel_regularizer=first, bias_regularizer=quarter)
    layer.build((None, None, 4))
    sets = [[np.full((1, 4, 64), n, np.float32), np.full(64, -4 * n, np.float32)] for n in range(8)]
    layer.set_weights(sets[0])
    layer(X)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            for weights in sets:
                layer.set_weights(weights)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        torn = sum(not READERS[reader](layer) for _ in range(150))
    finally:
        done.set()
        writer.join()
        sys.setswitchinterval(interval)
    assert torn == 0, f"{kind.__name__}: {reader} mixed two sets in {torn} of 150 reads"


def test_assignments_of_kernel_and_bias_in_two_threads_are_both_kept() -> None:
    layer = Conv1D(64, 1)
    layer.build((None, None, 4))
    kernel, bias = np.ones((1, 4, 64), np.float32), np.ones(64, np.float32)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def assign(name: str, value: Array) -> None:
        for n in range(300):
            setattr(layer, name, n * value)

    threads = [threading.Thread(target=assign, args=pair) for pair in (("kernel", kernel), ("bias", bias))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert (layer.kernel == 299).all()
    assert (known(layer.bias) == 299).all()


def test_the_first_calls_of_many_threads_build_once() -> None:
    built, outputs = [], []

    def initializer(shape: tuple[int, ...], dtype: str) -> Array:
        built.append(shape)
        return np.random.default_rng(len(built)).standard_normal(shape).astype(dtype)

    layer = Conv1D(8, 3, kernel_initializer=initializer)
    threads = [threading.Thread(target=lambda: outputs.append(layer(X))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert len({y.tobytes() for y in outputs}) == 1


FORK = (
    FORKING
    + """
import sys, threading, time
import numpy as np
import conv1d_codegen
from conv1d_codegen import Conv1D

x = np.ones((1, 30, 4), np.float32)

class Slow:
    '''Numbers that take a while to make: `begun` is set when somebody waits for them.'''
    def __init__(self, shape, seconds=0.3):
        self.shape, self.seconds, self.begun = shape, seconds, threading.Event()
    def __array__(self, dtype=None, copy=None):
        self.begun.set()
        time.sleep(self.seconds)
        return np.ones(self.shape, dtype)
    def __call__(self, shape, dtype=None):
        return self.__array__(dtype)

def meanwhile(work, child, begun=None, seconds=0.0):
    thread = threading.Thread(target=work)
    thread.start()
    if begun is not None:
        begun.wait()
    time.sleep(seconds)
    fork(child)
    thread.join()
"""
)

FORKS = {
    "build": """
slow = Slow((3, 4, 8))
layer = Conv1D(8, 3, kernel_initializer=slow)
def child():
    assert not layer.built
    slow.seconds = 0
    layer.build((None, None, 4))
    assert (layer(x) == 12).all()
meanwhile(lambda: layer.build((None, None, 4)), child, slow.begun)
assert (layer(x) == 12).all()
""",
    "first call": """
slow = Slow((3, 4, 8))
layer = Conv1D(8, 3, kernel_initializer=slow)
def child():
    slow.seconds = 0
    assert (layer(x) == 12).all()
meanwhile(lambda: layer(x), child, slow.begun)
assert (layer(x) == 12).all()
""",
    "initial weights": """
slow = Slow((3, 4, 8))
layer = Conv1D(8, 3, weights=[slow, np.zeros(8)])
def child():
    slow.seconds = 0
    assert (layer(x) == 12).all()
meanwhile(lambda: layer(x), child, slow.begun)
assert (layer(x) == 12).all()
""",
    "set_weights": """
slow = Slow((3, 4, 8))
layer = Conv1D(8, 3, kernel_initializer="zeros")
layer.build((None, None, 4))
def child():
    assert not layer(x).any()
    layer.set_weights([np.full((3, 4, 8), 2), np.zeros(8)])
    assert (layer(x) == 24).all()
meanwhile(lambda: layer.set_weights([slow, np.zeros(8)]), child, slow.begun)
assert (layer(x) == 12).all()
""",
    # Modules that are imported when they are first needed.
    **{
        module: f"""
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            begun.set()
            time.sleep(0.3)
begun = threading.Event()
sys.meta_path.insert(0, Slow())
def child():
    assert Conv1D(8, 3, dtype="bfloat16", use_bias=False)(x).shape == (1, 28, 8)
meanwhile(child, child, begun)
"""
        for module in (
            "numpy.random",
            "ml_dtypes",
            "conv1d_codegen.compiler",
            "conv1d_codegen.machine.jit",
            "llvmlite.binding",
            "jinja2",
        )
    },
    # The first compilation of the process, with its imports, at any moment of it.
    "compile": """
layer = Conv1D(8, 3, activation="tanh", kernel_initializer="ones")
def child():
    assert (layer(x) == np.tanh(np.float32(12))).all()
    layer.kernel = np.zeros((3, 4, 8))
    assert not layer(x).any()
    assert Conv1D(9, 2)(x).shape == (1, 29, 9)
meanwhile(lambda: layer(x), child, seconds=float(sys.argv[1]))
assert (layer(x) == np.tanh(np.float32(12))).all()
""",
    # A child of the thread that builds goes on building; so does the parent.
    "fork in an initializer": """
def initializer(shape, dtype=None):
    if inner:
        fork(lambda: Conv1D(8, 3)(x))
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            forked.append(True)
        else:
            assert os.waitpid(pid, 0)[1] == 0
    return np.ones(shape, dtype)
inner, forked = True, []
layer = Conv1D(8, 3, kernel_initializer=initializer)
y = layer(x)
assert (y == 12).all()
layer.kernel = np.zeros((3, 4, 8))
assert not layer(x).any()
if forked:
    os._exit(0)
""",
    # Many threads that set weights, copy and call, and a fork of a fork.
    "many": """
layer = Conv1D(8, 3)
layer(x)
stop = threading.Event()
def work():
    import copy
    while not stop.is_set():
        layer.set_weights([np.ones((3, 4, 8)), np.zeros(8)])
        copy.deepcopy(layer)(x)
def child():
    layer.set_weights([np.ones((3, 4, 8)), np.zeros(8)])
    assert (layer(x) == 12).all()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(10):
    fork(lambda: (child(), fork(child)))
stop.set()
for thread in threads:
    thread.join()
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("when", FORKS)
def test_a_child_that_is_forked_meanwhile_builds_and_calls(when: str) -> None:
    for delay in (0.0, 0.02, 0.06, 0.15, 0.3) if when == "compile" else (0.0,):
        code, out, err = python(FORK + FORKS[when] + "\nprint('done')", delay, timeout=60, PYTHONWARNINGS="ignore")
        assert (code, out.splitlines()[-1:]) == (0, ["done"]), f"{when}, {delay} s: {err[-2000:]}"


def test_no_lock_of_the_package_is_left_to_a_fork() -> None:
    """Every lock is COMPILING, a ProcessLock, one that is replaced in the child, or one that is used under COMPILING
    only; so a new one must be thought about.
    """
    from pathlib import Path

    import conv1d_codegen

    package = Path(conv1d_codegen.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for word in ("Lock(", "Condition(", "Semaphore(", "Event(", "cached_property", "Queue(")
        if word in path.read_text().replace("ProcessLock(", "")
    }
    assert found == {"locks.py", "runtime/pool.py", "machine/shelter.py"}
