"""Every kernel is verified before it runs; one that is not proved safe gives its place to another, with a warning."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.helpers import exact_data, expected
from support.natives import make_fast_code
from support.type_helpers import known

import conv1d_codegen
from conv1d_codegen import CompileError, CompileOptions, Conv1D, Plan, Problem, UnprovedWarning, compiler, executable
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.executable import Executable
from conv1d_codegen.ir import SUM, Block, Expression, Kernel, Statement, Store
from conv1d_codegen.ir.rewrite import map_leaves, walk
from conv1d_codegen.machine import jit
from conv1d_codegen.passes import Context, collapse_loops
from conv1d_codegen.symbolic.index import index
from conv1d_codegen.verify import InvalidKernel, verify

_WAYS = ("read", "write", "write_parts")
PACKAGE = Path(conv1d_codegen.__file__).parent


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The kernels that were made machine code of."""
    make_fast_code()
    symbols, link = [], jit.link

    def noted(image: bytes, symbol: str, *imports: Any) -> jit.Code:
        symbols.append(symbol)
        return link(image, symbol, *imports)

    monkeypatch.setattr(jit, "link", noted)
    compiler.KEPT.clear()
    yield symbols
    compiler.KEPT.clear()


def shifted(body: Block) -> Block:
    """The body with the first store of an output one step further on."""
    done: list[Store] = []

    def moved(s: Statement) -> Statement:
        if isinstance(s, Store) and not s.buffer.is_local and not done:
            done.append(s)
            return Store(s.buffer, tuple(i + 1 if axis == 1 else i for axis, i in enumerate(s.index)), s.value)
        return s

    return map_leaves(body, moved)


@pytest.fixture
def faulty_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in the last pass: kernels with tiles of more than one row store one of them a step too far."""
    run = collapse_loops.run

    def pass_(kernel: Kernel, context: Context) -> Kernel:
        kernel = run(kernel, context)
        return kernel.with_body(shifted(kernel.body)) if context.plan.rows[0] > 1 else kernel

    monkeypatch.setattr(
        "conv1d_codegen.passes.PIPELINE", (*conv1d_codegen.passes.PIPELINE[:-1], ("collapse_loops", pass_, ""))
    )


def test_a_kernel_that_is_not_proved_is_not_made_machine_code_of(loaded: list[str], faulty_tiles: None) -> None:
    problem = Problem.parse("c8_f16_k3_valid_linear_f32")
    plan = Plan("direct", "filters", 8, 2, (6, 5, 4, 1), block=102, unroll=4)
    compilation = compile_problem(problem, CompileOptions(plan=plan, target="avx2"))
    assert "y[n, " in compilation.dump("scheduled")  # it can be looked at
    with pytest.raises(InvalidKernel, match="may be T - 2 or more"):
        compilation.kernel  # noqa: B018
    assert loaded == []
    assert issubclass(InvalidKernel, CompileError)


def test_the_next_plan_takes_its_place_and_a_warning_says_so(loaded: list[str], faulty_tiles: None) -> None:
    layer = Conv1D(16, 3, activation="relu")
    layer.build((None, None, 8))
    problem = layer.problem
    x, w, b = exact_data(problem, 2, 50)
    layer.set_weights([w, known(b)])
    with pytest.warns(UnprovedWarning) as caught:
        y = layer(x)
    text = str(caught[0].message)
    assert "c8_f16_k3_valid_relu_f32" in text
    assert "may be T - 2 or more" in text
    assert "Please report this line." in text
    np.testing.assert_array_equal(y, expected(problem, x, w, b))
    assert len(loaded) == 1
    assert Plan.parse(layer.dump("plan").strip()).rows == (1,)
    np.testing.assert_array_equal(layer(x), y)  # and without another warning


def test_what_takes_its_place_has_the_epilogue_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generic kernel has none, and would give the sums themselves."""

    def refused(kernel: Kernel, scheduled: bool = False) -> None:
        raise InvalidKernel("for the test")

    monkeypatch.setattr(executable, "verify", refused)
    compilation = compile_problem(Problem.parse("c8_f16_k3_valid_linear_f32"), epilogue=Expression(SUM * 2.0))
    with pytest.warns(UnprovedWarning), pytest.raises(InvalidKernel):
        _ = compilation.native
    assert compilation.plan.algorithm == "direct"


def test_a_plan_by_hand_is_not_replaced(loaded: list[str], faulty_tiles: None) -> None:
    layer = Conv1D(16, 3, options=CompileOptions(plan=Plan("direct", "filters", 8, 1, (2, 1), block=64, unroll=1)))
    with pytest.raises(InvalidKernel):
        layer(np.zeros((1, 50, 8), np.float32))
    assert loaded == []


def test_every_kernel_is_verified(loaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    verified = []

    def noted(kernel: Kernel, scheduled: bool = False) -> None:
        verified.append((kernel.name, scheduled))
        verify(kernel, scheduled)

    monkeypatch.setattr(executable, "verify", noted)
    for algorithm in ("direct", "generic", "cook_toom"):
        layer = Conv1D(8, 3, options={"algorithm": algorithm})
        layer(np.zeros((1, 90, 8), np.float32))
    assert verified == [(symbol, True) for symbol in loaded]
    assert len(loaded) == 3


def test_there_is_no_way_around_it() -> None:
    """Kernels become machine code that runs in one place, which takes what was made in the line after it was verified, or
    what was kept of that. The driver, the team, and what Python calls, are no kernels.
    """
    calls = ("library.link(", "jit.load(", "jit.link(", "object_code(", *(f"kept_code.{name}(" for name in _WAYS))
    places: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                own = [ast.unparse(s) for s in function.body if not isinstance(s, ast.FunctionDef)]
                for line in "\n".join(own).splitlines():
                    for call in calls:
                        if call in line:
                            places.setdefault(call, []).append(
                                f"{path.relative_to(PACKAGE)}:{function.name}: {line.strip()}"
                            )
    read = "kept_code.read(self._file)"
    assert places == {
        "library.link(": ["machine/jit.py:_link: tracker = library.link(linker, f'conv1d_codegen.{serial}')"],
        # no kernel: a loop that measures the processor
        "jit.load(": [
            "machine/peak.py:__init__: self._code = jit.load(loop_ir(target, dtype, iterations), 'peak', target)"
        ],
        "jit.link(": [
            "executable.py:native: code = jit.link(image.code, image.kernel.name)",
            "runtime/driver.py:__init__: self._code = jit.link(image, 'drive')",
            "runtime/python_function.py:_code: return jit.link(image, 'fast_call', addresses)",
            "runtime/team.py:__init__: codes = [jit.link(image(), symbol) for symbol in ('call', 'member')]",
        ],
        "object_code(": [
            "executable.py:ended: code = jit.object_code(ir, self.target, self.known_strides)",
            # whose sections are measured, and which nothing links
            "inspection/explain.py:_size: image = jit.in_llvm(lambda: jit.object_code(program.llvm, "
            "program.target, program.known_strides))",
            "machine/jit.py:load: return link(in_llvm(lambda: object_code(ir, target, known_strides)), symbol)",
            "runtime/fixed_code.py:image: code = jit.in_llvm(lambda: jit.object_code(text, target, True, level))",
        ],
        "kept_code.write(": ["executable.py:ended: kept_code.write(file, self._image)"],
        "kept_code.write_parts(": ["runtime/fixed_code.py:image: kept_code.write_parts(file, b'', code)"],
        "kept_code.read(": [
            f"executable.py:native: image = self._image or {read} or jit.in_llvm(self._begun())",
            f"executable.py:is_to_be_made: self._image = {read}",
        ],
    }
    begun = [line.strip() for line in inspect.getsource(Executable._begun).splitlines()]
    at = begun.index("file, kernel = self._file, self.scheduled")
    assert begun[at + 1].startswith("verify(kernel, scheduled=True)")
    assert begun[at + 2].startswith("ir, called = self.llvm, ")
    assert "kernel =" not in "".join(begun[at + 1 :])


def test_the_helper_shifts_one_store() -> None:
    kernel = compile_problem(
        Problem.parse("c8_f16_k3_valid_linear_f32"), CompileOptions(target="avx2")
    ).program.scheduled
    stores = [
        [s for s in walk(body) if isinstance(s, Store) and not s.buffer.is_local]
        for body in (kernel.body, shifted(kernel.body))
    ]
    changed = [(a, b) for a, b in zip(*stores, strict=True) if a != b]
    assert len(changed) == 1
    assert changed[0][1].index[1] - changed[0][0].index[1] == index(1)
