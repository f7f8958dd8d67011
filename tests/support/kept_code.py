"""Object code in files: kernels as a new process makes them."""

from pathlib import Path

import numpy as np
from support.helpers import exact_data, expected

from conv1d_codegen import CompileOptions, Problem
from conv1d_codegen.compiler import Compilation, Program, compile_problem
from conv1d_codegen.ir import Expression
from conv1d_codegen.lower import Placement

PROBLEM = Problem.parse("c1_f2_k2_valid_linear_f32")
ROWS = Placement(3, 20, -20)


def program(problem: Problem = PROBLEM, algorithm: str = "auto", epilogue: Expression | None = None) -> Program:
    """One that nobody else has, as in a new process."""
    found = compile_problem(problem, CompileOptions(algorithm=algorithm), epilogue=epilogue)
    return Program(found.program.problem, found.plan, found.target, epilogue=epilogue)


def check(problem: Problem = PROBLEM, algorithm: str = "auto") -> None:
    """Run a kernel as a new process does."""
    x, w, b = exact_data(problem, 2, 50)
    kernel = Compilation(problem, program(problem, algorithm)).kernel
    y = np.empty(problem.output_shape(2, 50), np.float32)
    kernel(x, kernel.pack(w, b), y)
    np.testing.assert_array_equal(y, expected(problem, x, w, b))


def only(folder: Path) -> Path:
    (file,) = folder.glob("*.code")
    return file
