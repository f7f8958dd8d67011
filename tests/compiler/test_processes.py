"""Processes and their ends: forks during calls, layers sent to other processes, and interpreters that end with
everything still at work.
"""

import concurrent.futures
import multiprocessing
import os
import pickle
import signal

import pytest
from support.helpers import bits, python
from support.layer_helpers import built, integers
from support.teams import RUNTIMES
from support.type_helpers import Array

from conv1d_codegen import Conv1D

linux = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

# --- forks ------------------------------------------------------------------------------------------------------------

FORKS = """
import os, signal, sys, threading, time
import numpy as np
from conv1d_codegen import Conv1D
from conv1d_codegen.runtime import threads

os.sched_getaffinity = lambda process: range(4)  # a machine of four
layer = Conv1D(64, 9, padding="same", activation="tanh", options={"num_threads": 3, "algorithm": "direct"})
large = Conv1D(512, 2, options={"num_threads": 3})  # whose kernel wants memory of each thread
x, z = np.ones((8, 4000, 64), "float32"), np.ones((4, 130, 512), "float32")
right, also = layer(x), large(z)

def check(seconds):
    signal.alarm(seconds)  # a process that hangs dies of this
    assert np.array_equal(layer(x), right) and np.array_equal(large(z), also)
    new = Conv1D(3, 2, activation="relu", options={"num_threads": 2})
    assert new(np.zeros((1, 4, os.getpid() % 50 + 1), "float32")).shape == (1, 3, 3)
    signal.alarm(0)

stop = threading.Event()
def work(layer, x, right):
    while not stop.is_set():
        assert np.array_equal(layer(x), right)
callers = [threading.Thread(target=work, args=arguments) for arguments in ((layer, x, right), (large, z, also), (layer, x, right))]
for caller in callers:
    caller.start()
for round in range(int(sys.argv[1])):
    time.sleep(0.013 * (round % 4))
    child = os.fork()
    if child == 0:
        if round % 2:
            check(30)
            os._exit(0)
        grandchild = os.fork()  # before anything was used here
        check(30)
        if grandchild == 0:
            os._exit(0)
        assert os.waitpid(grandchild, 0)[1] == 0
        stop.set()
        sys.exit(0)  # an ordinary end, with all that is done there
    assert os.waitpid(child, 0)[1] == 0, f"round {round}"
stop.set()
for caller in callers:
    caller.join()
check(30)
print(threads.runtime().name)
"""


@linux
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_forks_while_others_are_inside_calls(runtime: str) -> None:
    """Of a process with a team of threads; the child calls the same layers with threads of its own, compiles, and forks
    again.
    """
    code, out, err = python(FORKS, 4, PYTHONWARNINGS="ignore", CONV1D_CODEGEN_RUNTIME=runtime)
    assert (code, out) == (0, f"{runtime}\n"), err[-3000:]


# --- layers sent to other processes -----------------------------------------------------------------------------------


def layers() -> list[Conv1D]:
    """Of different kinds, called and not, built and not."""
    many = [
        built((2, 20, 3), 5, 3, padding="causal", activation="gelu"),
        built((2, 20, 3), 3, 3, groups=3, dilation_rate=2, options={"num_threads": 2, "accuracy": "strict"}),
        built((2, 20, 3), 4, 2, activation="softmax", dtype="float64"),
        Conv1D(4, 3, kernel_initializer="ones"),
    ]
    many[0](inputs())
    return many


def inputs() -> Array:
    return integers((2, 20, 3))


def work(layer: Conv1D, x: Array) -> tuple[int, bytes, Conv1D]:
    """In the other process."""
    return os.getpid(), bits(layer(x)), layer


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process that has threads
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_pool_of_processes(method: str) -> None:
    context = multiprocessing.get_context(method)
    mine = layers()
    wanted = [bits(layer(inputs())) for layer in mine]
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        results = list(pool.map(work, mine, [inputs()] * len(mine), timeout=120))
    for (process, found, back), right, layer in zip(results, wanted, mine, strict=True):
        assert process != os.getpid()
        assert found == right
        assert bits(back(inputs())) == right  # as it comes back, built there
        assert back.get_config() == layer.get_config()


def test_a_pickle_from_another_process() -> None:
    make = """
import pickle, sys
import test_processes as t
made = t.layers()
sys.stdout.buffer.write(pickle.dumps([(layer, t.bits(layer(t.inputs()))) for layer in made]).hex().encode())
"""
    code, out, err = python(make)
    assert code == 0, err
    for layer, right in pickle.loads(bytes.fromhex(out)):
        assert bits(layer(inputs())) == right


def test_a_pool_of_threads() -> None:
    mine = layers()
    wanted = [bits(layer(inputs())) for layer in mine]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for which, found in enumerate(pool.map(lambda number: bits(mine[number % 4](inputs())), range(200))):
            assert found == wanted[which % 4]


# --- the ends of interpreters -----------------------------------------------------------------------------------------

DAEMONS = """
import os, sys, threading, time
import numpy as np
from conv1d_codegen import Conv1D
from conv1d_codegen.runtime import threads

os.sched_getaffinity = lambda process: range(4)  # a machine of four
count = int(sys.argv[1])
layer = Conv1D(64, 9, padding="same", activation="tanh", options={"num_threads": count})
x = np.ones((8, 4000, 64), "float32")
layer(x)
started = threading.Barrier(4)

def call():
    started.wait()
    while True:
        layer(x)

def compile_others():
    started.wait()
    for filters in range(1, 1000):
        Conv1D(filters, 2)(x[:1, :9, :3])

for work in (call, call, compile_others):
    threading.Thread(target=work, daemon=True).start()
started.wait()
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("count", "seconds"), [(1, 0.05), (3, 0.05), (3, 0.13)])
def test_daemon_threads_inside_calls_and_compilations(runtime: str, count: int, seconds: float) -> None:
    code, out, err = python(DAEMONS, count, seconds, CONV1D_CODEGEN_RUNTIME=runtime)
    assert (code, out, err) == (0, "", "")


AT_EXIT = """
import atexit, os, sys
import numpy as np

def last(which):
    assert np.array_equal(layer(x), right), which
    new = Conv1D(5 + which, 2, kernel_initializer="ones", options={"num_threads": 2})
    assert new(x[:1, :9, :3])[0, 0, 0] == 6, which
    print(which)

atexit.register(last, 1)  # before the package, the pool and OpenMP are there
from conv1d_codegen import Conv1D
from conv1d_codegen.runtime import threads
import conv1d_codegen.compiler, conv1d_codegen.machine.jit

os.sched_getaffinity = lambda process: range(4)  # a machine of four
layer = Conv1D(64, 9, padding="same", kernel_initializer="ones", options={"num_threads": 3})
x = np.ones((8, 4000, 64), "float32")
right = layer(x)
atexit.register(last, 2)

class Late:
    def __init__(self):
        self.layer, self.x, self.right, self.equal, self.print = layer, x, right, np.array_equal, print

    def __del__(self):
        assert self.equal(self.layer(self.x), self.right)
        self.print("late")

sys.kept = Late()
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_calls_and_compilations_as_the_interpreter_ends(runtime: str) -> None:
    """What runs at exit may use a layer, and compile one; what is finalised after that may still call."""
    code, out, err = python(AT_EXIT, CONV1D_CODEGEN_RUNTIME=runtime)
    assert (code, err) == (0, "")
    assert out in ("2\n1\nlate\n", "2\n1\n")  # what `sys` holds may never be finalised


def test_a_signal_that_ends_the_process_during_a_call() -> None:
    """SIGTERM's default: no handler runs, nothing hangs."""
    end = DAEMONS.replace(
        "time.sleep(float(sys.argv[2]))", "import os, signal; os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)"
    )
    code, _, _ = python(end, 3, 0)
    assert code == -signal.SIGTERM
