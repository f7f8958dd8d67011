"""The command line: `conv1d-codegen dump | explore | tune | targets | selftest | demo`, or `python -m conv1d_codegen …`.

What is wrong with the arguments is said in one line on standard error, with exit code 2.
"""

from __future__ import annotations

import argparse
import inspect
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from . import knobs
from .errors import CompileError
from .knobs import STAGES
from .machine.host import host, resolve, runs_here
from .machine.target import TARGETS
from .number_types import TYPES
from .options import CompileOptions
from .problem import Problem, parse_case
from .schedule.plan import ALGORITHMS, Plan
from .schedule.window_forms import ACCURACIES
from .version import __version__

_PROGRAM = "conv1d-codegen"
_EXAMPLE = "c16_f32_k3_d2_causal_gelu_f32"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (`{self.prog} --help` shows the usage)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=_PROGRAM, description="Compiles Conv1D layers to native code and shows every step of how.")
    parser.add_argument("--version", action="version", version=f"conv1d_codegen {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    dump = commands.add_parser(
        "dump",
        help="show a kernel at any stage of its compilation",
        description="Shows what the compiler makes of one convolution, from the formula to the assembly.",
        epilog=f"Example: {_PROGRAM} dump {_EXAMPLE} --stage loop --stage asm --target neon",
    )
    dump.add_argument(
        "descriptor",
        metavar="DESCRIPTOR",
        help=f"the problem's text form, such as {_EXAMPLE}: channels, filters and taps; stride (s), dilation (d), groups (g) where above "
        f"1; padding (valid, same, causal or pad2x1); activation; dtype ({', '.join(TYPES)}); `first` and `nobias` where they hold; with "
        "`@BATCHxLENGTH` behind it the kernel for inputs of that length, else for long ones",
    )
    dump.add_argument(
        "--stage",
        action="append",
        choices=[*STAGES, "all"],
        help="which stage (default: scheduled); may be given several times",
    )
    dump.add_argument(
        "--passes", action="store_true", help="show the loops after each pass that changed them (stage `scheduled`)"
    )
    dump.add_argument("--target", choices=["host", *TARGETS], help="the machine to compile for (default: this one)")
    dump.add_argument(
        "--algorithm", choices=("auto", *ALGORITHMS), default="auto", help="default: the one that the cost model picks"
    )
    dump.add_argument(
        "--accuracy",
        choices=ACCURACIES,
        default="",
        help="how exact Cook–Toom must be to be picked (default: strict, so never)",
    )
    dump.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead of standard output")
    dump.set_defaults(run=_dump)

    _add_explore(commands)
    tune = commands.add_parser(
        "tune",
        help="search the fastest plan for a convolution on this machine",
        description="Measures plans on this machine. With a directory, the best one is kept in a file there, and layers compiled with "
        "CONV1D_CODEGEN_CACHE_DIR set to it use it.",
        epilog=f"Example: {_PROGRAM} tune {_EXAMPLE}@8x1000 --directory ~/.cache/conv1d_codegen",
    )
    tune.add_argument(
        "case",
        metavar="DESCRIPTOR@BATCHxLENGTH",
        help="the problem, as of `dump`, and the size of the inputs to measure with",
    )
    tune.add_argument("--seconds", type=float, default=10.0, help="about how long to search (default: %(default)s)")
    tune.add_argument("--threads", type=int, default=1, help="threads of a call (default: %(default)s)")
    tune.add_argument(
        "--target", choices=["host", *TARGETS], help="the machine to compile for, as far as this one can run it"
    )
    tune.add_argument(
        "--directory",
        type=Path,
        metavar="PATH",
        help="default: CONV1D_CODEGEN_CACHE_DIR; without either no file is written",
    )
    tune.set_defaults(run=_tune)

    targets = commands.add_parser(
        "targets", help="list the machines there is code for, and which of them fits this one"
    )
    targets.set_defaults(run=_targets)

    selftest = commands.add_parser(
        "selftest",
        help="check random layers on this machine, and write a report",
        description="Checks random layers on this machine against a float64 reference, between guard pages, bit by bit for threads, "
        "batches and lengths. What fails is printed with a line that reproduces it; the exit code is 1 then.",
        epilog=f"Example: {_PROGRAM} selftest --seconds 3600 --jobs 2 --seed 7",
    )
    selftest.add_argument("--seconds", type=float, default=10.0, help="how long to run (default: %(default)s)")
    selftest.add_argument("--layers", type=int, help="at most so many layers (default: as many as there is time for)")
    selftest.add_argument("--seed", type=int, default=0, help="another one draws others (default: %(default)s)")
    selftest.add_argument(
        "--target",
        action="append",
        choices=["host", *TARGETS],
        help="default: all that run here; may be given several times",
    )
    selftest.add_argument("--jobs", type=int, default=1, help="processes at a time (default: %(default)s)")
    selftest.add_argument("--case", metavar="LINE", help="run one case, of a report's lines, and nothing else")
    selftest.set_defaults(run=_selftest)

    demo = commands.add_parser(
        "demo",
        help="find the heartbeats in a recorded ECG with compiled layers",
        description="Finds the heartbeats in a recorded ECG with compiled Conv1D layers, checks and times them, and saves a picture.",
    )
    demo.add_argument(
        "--output", type=Path, metavar="PICTURE", default=Path("conv1d_codegen_demo.png"), help="default: %(default)s"
    )
    demo.add_argument("--no-picture", action="store_true", help="print only; does not need matplotlib")
    demo.set_defaults(run=_demo)
    return parser


def _add_explore(commands: argparse._SubParsersAction[_Parser]) -> None:
    explore = commands.add_parser(
        "explore",
        help="make a page of HTML that shows a kernel from the loops to the assembly",
        description="Makes one page of HTML, which needs no network: loops, LLVM IR and assembly linked line by line, the loops after each "
        "pass, the tiles of the output, and the roofline. With --against, of two kernels beside each other.",
        epilog=f"Example: {_PROGRAM} explore {_EXAMPLE}@1x1000 --against generic --output page.html",
    )
    explore.add_argument(
        "what",
        metavar="DESCRIPTOR",
        help="the problem, as of `dump`; or with --layer the file of a network: one of our own, of Keras or ONNX",
    )
    explore.add_argument("--layer", metavar="NAME", help="the layer of the network whose kernel to show")
    explore.add_argument(
        "--kernel",
        type=int,
        metavar="N",
        default=1,
        help="which of the layer's kernels, if it has several (default: 1)",
    )
    explore.add_argument(
        "--length", type=int, metavar="STEPS", default=1000, help="of a network's input (default: 1000)"
    )
    explore.add_argument("--target", choices=["host", *TARGETS], help="the machine to compile for (default: this one)")
    explore.add_argument("--algorithm", choices=("auto", *ALGORITHMS), default="auto", help="as of `dump`")
    explore.add_argument("--accuracy", choices=ACCURACIES, default="", help="as of `dump`")
    explore.add_argument("--plan", metavar="PLAN", help="the schedule, as `dump --stage plan` prints it")
    explore.add_argument(
        "--against",
        metavar="PLAN",
        help=f"a second kernel of the same problem: {', '.join(('auto', *ALGORITHMS))}, or a plan",
    )
    explore.add_argument("--against-target", choices=["host", *TARGETS], help="the machine of the second kernel")
    explore.add_argument(
        "-o", "--output", type=Path, metavar="PAGE", default=Path("kernel.html"), help="default: %(default)s"
    )
    explore.set_defaults(run=_explore)


def _problem(descriptor: str) -> Problem:
    """The problem that a descriptor, or a case (`PROBLEM@BATCHxLENGTH`), names. Raises ValueError
    where it names none.
    """
    from .reference import activations

    try:
        problem = parse_case(descriptor)[0] if "@" in descriptor else Problem.parse(descriptor)
        activations.evaluate(problem.activation, 0.0)
    except ValueError as error:
        raise ValueError(str(error) if descriptor in str(error) else f"{descriptor}: {error}") from error
    except TypeError as error:
        name = problem.activation.name
        known = list(inspect.signature(activations.ELEMENTWISE[name]).parameters)[1:]
        raise ValueError(
            f"The parameters of {name} are {', '.join(known) or 'none'}. Received: {problem.activation}."
        ) from error
    return problem


def _dump(arguments: argparse.Namespace) -> int:
    from .compiler import compile_problem

    stages: list[str] = arguments.stage or ["scheduled"]
    if "all" in stages:
        stages = list(STAGES)
    if arguments.passes and "scheduled" not in stages:
        raise ValueError(
            "--passes shows how the stage `scheduled` came about: add --stage scheduled, or leave --passes out."
        )
    options = CompileOptions(algorithm=arguments.algorithm, accuracy=arguments.accuracy, target=arguments.target)
    length = parse_case(arguments.descriptor)[2] if "@" in arguments.descriptor else None
    compilation = compile_problem(_problem(arguments.descriptor), options, length)
    texts = {stage: compilation.dump(stage, passes=arguments.passes) for stage in stages}
    text = (
        next(iter(texts.values()))
        if len(texts) == 1
        else "\n".join(f"--- {stage}\n{text}" for stage, text in texts.items())
    )
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    return 0


def _explore(arguments: argparse.Namespace) -> int:
    from .inspection.page import page

    algorithm: str = arguments.algorithm
    plan = None if arguments.plan is None else Plan.parse(arguments.plan)
    options = CompileOptions(algorithm=algorithm, accuracy=arguments.accuracy, target=arguments.target, plan=plan)
    chosen = [options]
    if arguments.against is not None or arguments.against_target is not None:
        other: str | None = arguments.against
        target = arguments.against_target or arguments.target
        if other is None:
            chosen.append(replace(options, target=target))
        elif other in ("auto", *ALGORITHMS):
            chosen.append(CompileOptions(algorithm=other, accuracy=arguments.accuracy, target=target))
        else:
            chosen.append(CompileOptions(plan=Plan.parse(other), accuracy=arguments.accuracy, target=target))
    sides = [_side(arguments, each) for each in chosen]
    title = arguments.what if arguments.layer is None else f"{arguments.layer} of {Path(arguments.what).name}"
    arguments.output.write_text(page(title, sides), encoding="utf-8")
    print(f"wrote {arguments.output}")
    return 0


def _side(arguments: argparse.Namespace, options: CompileOptions) -> dict[str, Any]:
    """One kernel of a page: a problem's, or one of those of a network's layer."""
    from .compiler import compile_problem
    from .inspection.page_data import side

    if arguments.layer is None:
        problem = _problem(arguments.what)
        _, batch, length = parse_case(arguments.what) if "@" in arguments.what else (problem, 1, None)
        return side(compile_problem(problem, options, length), batch, length)

    from .network import load

    layer, length, number = arguments.layer, arguments.length, arguments.kernel
    tasks = load(arguments.what, options=options).tasks(layer, length)
    if not 1 <= number <= len(tasks):
        raise ValueError(f"{layer} has {len(tasks)} kernel(s): --kernel is 1 to {len(tasks)}. Received: {number}.")
    task = tasks[number - 1]
    return side(task.kernel, 1, task.sizes["T"], lambda steps: {**task.sizes, "T": steps})


def _tune(arguments: argparse.Namespace) -> int:
    from .tuning import Workbench, keep, search

    _problem(arguments.case)
    problem, batch, length = parse_case(arguments.case)
    bench = Workbench(problem, resolve(arguments.target or knobs.target(TARGETS)), batch, length, arguments.threads)
    result = search(bench, arguments.seconds)
    print(f"{arguments.case}, {bench.target}, {arguments.threads} thread(s), {result.tried} plans tried")
    print(f"cost model {result.seconds * result.speedup * 1e6:10.1f} µs  {result.chosen}")
    print(f"best found {result.seconds * 1e6:10.1f} µs  {result.best}", flush=True)
    file = keep(bench, result, arguments.directory)
    print("kept in no file: name a --directory, or set CONV1D_CODEGEN_CACHE_DIR" if file is None else f"kept in {file}")
    return 0


def _targets(_: argparse.Namespace) -> int:
    try:
        chosen, here = resolve(knobs.target(TARGETS)).name, str(host())
    except CompileError as error:
        chosen, here = "", str(error)
    print(f"{'name':8} {'vectors':>8} {'registers':>10} {'FMA':>4}  {'LLVM CPU':12} on this machine")
    for name, target in TARGETS.items():
        use = (
            "is what layers are compiled for"
            if name == chosen
            else "runs"
            if runs_here(target)
            else "can be dumped, does not run"
        )
        fma = "yes" if target.fma else "no"
        print(f"{name:8} {target.vector_bytes * 8:>4} bit {target.registers:>10} {fma:>4}  {target.cpu:12} {use}")
    print(f"\nhost: {here}")
    return 0


def _selftest(arguments: argparse.Namespace) -> int:
    from .selftest.run import run, run_case

    if arguments.case is not None:
        return run_case(arguments.case)
    if arguments.jobs < 1 or (arguments.layers or 1) < 1:
        raise ValueError(f"--jobs and --layers are 1 or more. Received: {arguments.jobs}, {arguments.layers}.")
    return run(arguments.seconds, arguments.seed, arguments.target or (), arguments.jobs, arguments.layers)


def _demo(arguments: argparse.Namespace) -> int:
    from .demo.run import run

    return run(None if arguments.no_picture else arguments.output)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. Raises SystemExit for arguments that argparse
    refuses, and after --help.
    """
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except (ValueError, CompileError, ImportError, OSError) as error:
        print(f"{_PROGRAM} {arguments.command}: {error}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly when `| head` has read enough
    sys.exit(main())
