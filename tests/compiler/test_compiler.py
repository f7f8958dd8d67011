"""The compiler as a whole: every stage can be seen, kernels are kept, switches work, and threads, forks and endings are
survived.
"""

import re
import threading
from typing import Any

import numpy as np
import pytest
from support.helpers import FORKING, LENGTHS, RUNNABLE, compiled, exact_data, expected, python, run_compiled

from conv1d_codegen import compiler
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.errors import CompileError
from conv1d_codegen.knobs import STAGES
from conv1d_codegen.machine.host import host, resolve, runs_here
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.passes import PIPELINE
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime import processors
from conv1d_codegen.schedule.plan import Plan

PROBLEM = Problem.parse("c4_f8_k3_same_relu_f32")


# --- stages -----------------------------------------------------------------------------------------------------------


def test_every_stage_can_be_seen() -> None:
    compilation = compiled(PROBLEM, "avx2")
    text = {stage: compilation.dump(stage) for stage in STAGES}
    assert text["problem"] == "c4_f8_k3_same_relu_f32\n"
    assert text["plan"].startswith("direct lanes=filters 8x1 rows=")
    for stage in ("loop", "scheduled"):
        assert text[stage].startswith(f"kernel direct_{PROBLEM}(\n")
    assert ":= relu(" in text["loop"]
    assert "relu(" not in text["scheduled"]
    assert f"define void @direct_{PROBLEM}(" in text["llvm"]
    assert " = phi <8 x float> " in text["llvm"]
    assert "define" in text["optimized"]
    # the edges' sums are in memory, no tile is
    assert set(re.findall(r"%(\w+)\.\d+ = alloca", text["optimized"])) == {"acc_of_step"}
    assert re.search(r"\tvfmadd\d+ps\t", text["asm"])
    assert text == {stage: compilation.dump(stage) for stage in STAGES}


def test_stages_do_not_depend_on_what_was_asked_before() -> None:
    for stage in STAGES:
        fresh = compiler.Program(PROBLEM, compiled(PROBLEM, "avx2").plan, TARGETS["avx2"])
        assert fresh.dump(stage) == compiled(PROBLEM, "avx2").dump(stage)


def test_every_pass_can_be_seen() -> None:
    """Each by its name, with the reason for its place and what it made of the loops, or among those
    that changed nothing.
    """
    for text in (str(PROBLEM), "c4_f8_k3_valid_linear_f32"):
        compilation = compiled(Problem.parse(text), "avx2")
        log = compilation.dump("scheduled", passes=True)
        headings = re.findall(r"^# (?:unchanged by ([\w, ]+)|(\w+): .{20,})$", log, re.MULTILINE)
        assert [name for idle, changed in headings for name in (changed or idle).split(", ")] == [
            name for name, _, _ in PIPELINE
        ]
        changed = dict(compilation.program.passes)
        for _, name in headings:
            assert not name or f"\n{changed[name]}" in log
        assert log.count("\nkernel ") == sum(bool(name) for _, name in headings) < len(PIPELINE)


def test_a_stage_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"no stage 'machine'.*problem, plan, loop, scheduled, llvm, optimized, asm"):
        compiled(PROBLEM).dump("machine")


def test_a_name_never_reaches_the_code() -> None:
    """What is printed into LLVM IR is the problem, in letters, digits and underscores."""
    problem = Problem.parse("c4_f8_k3_pad1x2_leaky_relu(negative_slope=0.1)_f32_first_nobias")
    assert re.fullmatch(r"[a-z][A-Za-z0-9_]*", compiled(problem).program.scheduled.name)


# --- what can't be compiled -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "options", "message"),
    [
        (PROBLEM, {"algorithm": "depthwise"}, "as many groups as channels.*c4_f8_k3_same_relu_f32"),
        (PROBLEM, {"target": "z80"}, f"No target is named 'z80'. Known: host, {', '.join(TARGETS)}"),
        (PROBLEM.with_(dtype="f16"), {"target": "sse2"}, "float16"),
    ],
)
def test_options_that_do_not_fit(problem: Problem, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        compile_problem(problem, CompileOptions(**options))


@pytest.mark.parametrize(
    "fields",
    [
        ("fast", "filters", 8, 1, (1,), 1, 1),
        ("direct", "rows", 8, 1, (1,), 1, 1),
        ("direct", "filters", 8, 1, (), 1, 1),
        ("direct", "filters", 8, 1, (4,), 1, 1),
        ("direct", "time", 8, 1, (4, 1), 1, 1),
        ("direct", "filters", 8, 1, (4, 0), 1, 1),
        ("direct", "filters", 8, 1, (4, None, 1), 1, 1),
        ("direct", "filters", 8, 1, (1, 4), 1, 1),
        ("direct", "filters", 8, 1, (4, 4, 1), 1, 1),
        ("direct", "filters", 0, 1, (1,), 1, 1),
        ("direct", "filters", 8.0, 1, (1,), 1, 1),
        ("direct", "filters", True, 1, (1,), 1, 1),
        ("direct", "filters", 8, 1, (6.0, 1), 1, 1),
        ("direct", "filters", 8, 1, (1,), 10**30, 1),
        ("generic", "time", 8, 1, (1,), 1, 1),
        ("generic", "channels", 8, 1, (1,), 1, 1),
        ("direct", "channels", 8, 1, (9, 1), 1, 1),
        ("direct", "filters", 8, 1, (1,), 0, 1),
        ("direct", "filters", 8, 1, (1,), 1, -1),
    ],
)
def test_plans_that_make_no_sense(fields: tuple[Any, ...]) -> None:
    with pytest.raises(CompileError, match=r"(?i)plan.*Received"):
        Plan(*fields)


def test_a_plan_that_does_not_fit_the_problem() -> None:
    depthwise = Plan("depthwise", "channels", 8, 1, (1,), 64, 4)
    with pytest.raises(CompileError, match="as many groups as channels"):
        compile_problem(PROBLEM, CompileOptions(plan=depthwise))
    sums = Plan("direct", "channels", 16, 1, (4, 1), 64, 4)
    for text in (
        "c24_f2_k3_same_relu_f32",
        "c16_f2_k257_same_relu_f32",
        "c16_f2_k3_same_relu_f32_first",
        "c1_f2_k3_same_relu_f32",
    ):
        with pytest.raises(
            CompileError, match=r"a multiple of its 16 lanes.*up to 256 products a lane.*put filters in the lanes"
        ):
            compile_problem(Problem.parse(text), CompileOptions(plan=sums))
    with pytest.raises(ValueError, match="Received: algorithm='generic'"):
        CompileOptions(plan=depthwise, algorithm="generic")


def test_a_target_that_is_not_here_can_be_looked_at() -> None:
    for name, target in TARGETS.items():
        compilation = compiled(PROBLEM, name)
        assert compilation.dump("asm")
        if runs_here(target):
            assert compilation.kernel is compilation.kernel
        else:
            with pytest.raises(CompileError, match="can't run on this machine"):
                _ = compilation.kernel
    assert not all(runs_here(target) for target in TARGETS.values())


def test_the_host_is_a_row_of_the_table() -> None:
    assert resolve(None) is resolve("host") is host()
    assert runs_here(host())
    assert host().name in TARGETS
    assert resolve(TARGETS["neon"]) is resolve("neon") is TARGETS["neon"]


# --- the cache --------------------------------------------------------------------------------------------------------


def test_the_same_problem_is_compiled_once() -> None:
    first = compile_problem(PROBLEM)
    again = compile_problem(Problem.parse(str(PROBLEM)), CompileOptions(num_threads=2))
    assert again is first
    assert again.kernel is first.kernel
    others = [
        compile_problem(PROBLEM.with_(use_bias=False)),
        compile_problem(PROBLEM, CompileOptions(algorithm="generic")),
        compile_problem(PROBLEM, CompileOptions(target="sse2")),
        compile_problem(PROBLEM, CompileOptions(plan=Plan("direct", "filters", 4, 1, (1,), 9, 1))),
    ]
    assert len({id(c.program) for c in [first, *others]}) == 5


def test_generic_problems_share_their_code() -> None:
    one = compile_problem(PROBLEM, CompileOptions(algorithm="generic"))
    other = compile_problem(
        PROBLEM.with_(kernel_size=9, channels=6, padding="causal"), CompileOptions(algorithm="generic")
    )
    assert other is not one
    assert other.program is one.program
    assert (
        compile_problem(PROBLEM.with_(use_bias=False), CompileOptions(algorithm="generic")).program is not one.program
    )


# --- switches ---------------------------------------------------------------------------------------------------------

COMPILE = """
import numpy as np
from support.helpers import *
problem = Problem.parse("c4_f8_k3_same_relu_f32")
compilation = compile_problem(problem)
x, w, b = exact_data(problem, 2, 20)
y = run_compiled(problem, x, w, b)
assert (y == expected(problem, x, w, b)).all()
print(compilation.program.target.name)
"""


def test_switch_target() -> None:
    for name in RUNNABLE:
        assert python(COMPILE, CONV1D_CODEGEN_TARGET=name)[:2] == (0, f"{name}\n")
    code, _, err = python(COMPILE, CONV1D_CODEGEN_TARGET="z80")
    assert code == 1
    assert "CONV1D_CODEGEN_TARGET must be host or one of sse2, avx2, avx512, neon. Received: 'z80'" in err
    code, out, _ = python(
        COMPILE + "print(compiled(problem, 'sse2').program.target.name)", CONV1D_CODEGEN_TARGET="avx2"
    )
    assert (code, out) == (0, "avx2\nsse2\n") or "avx2" not in RUNNABLE  # what the caller names comes first


def test_switch_log() -> None:
    code, _, err = python(COMPILE, CONV1D_CODEGEN_LOG="plan,loop")
    assert code == 0
    assert re.findall(r"^--- (.*)$", err, re.MULTILINE) == [f"{PROBLEM}: plan", f"{PROBLEM}: loop"]
    _, _, err = python(COMPILE, CONV1D_CODEGEN_LOG="all")
    assert re.findall(r"^--- .*: (\w+)$", err, re.MULTILINE) == list(STAGES)
    _, out, err = python(COMPILE)
    assert err == ""
    assert "---" not in out


def test_switch_verify() -> None:
    """With the switch, a pass that goes wrong is found where it happens."""
    broken = """
from conv1d_codegen import passes
from dataclasses import replace
from conv1d_codegen.ir import For
def run(kernel, context):
    def longer(body):
        loops = lambda s: isinstance(s, For) and s.kind != "lanes"
        return tuple(replace(s, hi=s.hi + 1, body=longer(s.body)) if loops(s) else s for s in body)
    return kernel.with_body(longer(kernel.body))
passes.PIPELINE = (("wrong", run, ""), *passes.PIPELINE)
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.problem import Problem
compile_problem(Problem.parse("c4_f8_k3_same_relu_f32")).program.scheduled
print("scheduled")
"""
    code, _, err = python(broken, CONV1D_CODEGEN_VERIFY="1")
    assert code == 1
    assert "InvalidKernel" in err
    assert python(broken, CONV1D_CODEGEN_VERIFY="0")[:2] == (0, "scheduled\n")
    assert python(COMPILE, CONV1D_CODEGEN_VERIFY="1")[0] == 0


def test_switch_threads() -> None:
    show = "from conv1d_codegen.runtime import threads as t; print(t.get_num_threads()); t.set_num_threads(2); print(t.get_num_threads())"
    assert python(show, CONV1D_CODEGEN_THREADS="")[1] == f"{processors.sensible()}\n2\n"
    assert python(show, CONV1D_CODEGEN_THREADS="5")[1] == "5\n2\n"
    for wrong in ("0", "-1", "many", "1.5"):
        code, _, err = python(show, CONV1D_CODEGEN_THREADS=wrong)
        assert code == 1
        assert f"CONV1D_CODEGEN_THREADS must be a whole number of 1 or more. Received: {wrong!r}" in err


# --- threads, forks, endings ------------------------------------------------------------------------------------------


def test_many_threads_compile_and_call() -> None:
    problems = [PROBLEM.with_(kernel_size=k, channels=c) for k in (1, 2, 5) for c in (2, 3)]
    errors = []
    start = threading.Barrier(6)

    def work(seed: int) -> None:
        try:
            start.wait()
            for problem in np.random.default_rng(seed).permutation(np.array(problems, object)):
                for length in LENGTHS:
                    x, w, b = exact_data(problem, 2, length, seed)
                    np.testing.assert_array_equal(
                        run_compiled(problem, x, w, b, num_threads=1 + seed % 3), expected(problem, x, w, b)
                    )
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


FORK = (
    FORKING
    + """
import sys, threading, time
from support.helpers import *

def check(text, threads=1):
    problem = Problem.parse(text)
    x, w, b = exact_data(problem, 3, 30)
    assert (run_compiled(problem, x, w, b, num_threads=threads) == expected(problem, x, w, b)).all()

# A child uses what was compiled before, with threads too, and compiles on its own.
check("c4_f8_k3_same_relu_f32", 2)
def child():
    check("c4_f8_k3_same_relu_f32")
    check("c4_f8_k3_same_relu_f32", 2)
    check("c4_f8_k2_same_relu_f32", 2)
fork(child, "after compiling")
check("c4_f8_k3_same_relu_f32", 2)

# A child forked at any moment of a compilation in another thread compiles the same problem and another one.
for round in range(int(sys.argv[1])):
    text = f"c{round + 5}_f8_k3_same_tanh_f32"
    def compile_it(text=text):
        compile_problem(Problem.parse(text)).kernel
    thread = threading.Thread(target=compile_it)
    thread.start()
    time.sleep(0.011 * round)
    def child():
        compile_it()
        check(f"c{round + 5}_f9_k2_causal_relu_f32", 2)
    fork(child, f"in round {round}")
    thread.join()
print("done")
"""
)


def test_forks() -> None:
    code, out, err = python(FORK, 12, timeout=240, PYTHONWARNINGS="ignore")
    assert (code, out) == (0, "done\n"), err[-3000:]


def test_the_interpreter_ends_with_live_kernels() -> None:
    ending = (
        COMPILE
        + """
import threading, sys
kernel = compilation.kernel
sys.kept = kernel
packed = kernel.pack(w, b)
class Late:
    def __del__(self):
        kernel(x, packed, y)
late = Late()
run_compiled(problem, x, w, b, num_threads=2)
"""
    )
    code, _, err = python(ending)
    assert (code, err) == (0, "")


@pytest.mark.slow
def test_memory_stays_bounded_over_many_compilations() -> None:
    grow = """
import sys
from support.helpers import *
from conv1d_codegen import compiler
from conv1d_codegen.runtime import threads
compiler.KEPT.most_bytes = 1 << 19
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4 // 1024
def compile_some(first, last):
    for size in range(first, last):
        problem = Problem(1 + size % 3, 4, 1 + size, activation=Activation("linear"))
        x, w, b = exact_data(problem, 1, size + 3)
        run_compiled(problem, x, w, b, target="sse2")
from conv1d_codegen.problem import Activation
compile_some(1, 30)
before = resident()
compile_some(30, 130)
print(resident() - before)
"""
    code, out, err = python(grow, timeout=200)
    assert code == 0, err
    assert int(out) < 48, f"{out.strip()} MiB more after 100 compilations"


def test_importing_the_package_does_not_load_llvm() -> None:
    code, out, _ = python("import sys, conv1d_codegen; print('llvmlite' in sys.modules, 'jinja2' in sys.modules)")
    assert (code, out) == (0, "False False\n")


@pytest.mark.parametrize(
    ("switch", "value"),
    [("TARGET", "foo"), ("VERIFY", "no"), ("LOG", "nonsense"), ("THREADS", "abc"), ("RUNTIME", "gpu")],
)
def test_a_switch_that_makes_no_sense_is_named(switch: str, value: str) -> None:
    call = "Conv1D(2, 2, options={'num_threads': 2})" if switch == "RUNTIME" else "Conv1D(2, 2)"
    code = f"import numpy as np\nfrom conv1d_codegen import Conv1D\n{call}(np.ones((1, 4, 1), 'float32'))"
    environment: dict[str, Any] = {f"CONV1D_CODEGEN_{switch}": value}
    status, _, err = python(code, **environment)
    assert status == 1
    assert f"ValueError: CONV1D_CODEGEN_{switch}" in err
    assert repr(value) in err
