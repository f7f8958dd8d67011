"""The command line: `conv1d-codegen dump | explain | explore | tune | bench | targets | selftest | demo`, or
`python -m conv1d_codegen …`.

What is wrong with the arguments is said in one line on standard error, with exit code 2.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import knobs
from .commands import explore
from .commands.arguments import EXAMPLE, USUAL_LENGTH, add_choice, is_network, options_of, problem_of
from .errors import CompileError
from .knobs import STAGES
from .machine.host import host, resolve, runs_here
from .machine.target import TARGETS
from .number_types import TYPES
from .problem import parse_case
from .version import __version__

if TYPE_CHECKING:
    from .inspection.explanation import Explanations

_PROGRAM = "conv1d-codegen"


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
        epilog=f"Example: {_PROGRAM} dump {EXAMPLE} --stage loop --stage asm --target neon",
    )
    dump.add_argument(
        "descriptor",
        metavar="DESCRIPTOR",
        help=f"the problem's text form, such as {EXAMPLE}: channels, filters and taps; stride (s), dilation (d), groups (g) where above "
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
        "--passes",
        action="store_true",
        help="stage `scheduled`: the loops after each pass that changed them, and a table of all passes with their times; on a "
        "terminal, what each changed",
    )
    dump.add_argument(
        "--diff",
        action=argparse.BooleanOptionalAction,
        help="of --passes: only the lines that a pass changed, or all loops (default: whether it goes to a terminal)",
    )
    dump.add_argument(
        "--stop-after", metavar="PASS", help="stage `scheduled`: the loops after this pass, and none behind it"
    )
    dump.add_argument(
        "--run-interpreted",
        action="store_true",
        help="run the interpreter after each pass, on random data of a size that does not take long, or of @BATCHxLENGTH",
    )
    add_choice(dump)
    dump.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead of standard output")
    dump.set_defaults(run=_dump)

    explain = commands.add_parser(
        "explain",
        help="say what a kernel does, by which plan and why, and what bounds its speed",
        description="Explains the kernel of one convolution, or of a layer of a saved network: its plan and those that were not taken, "
        "registers, the innermost loop and its least cycles, padding, sizes and errors. In colours on a terminal with "
        "`conv1d-codegen[inspect]`.",
        epilog=f"Example: {_PROGRAM} explain {EXAMPLE}@8x1000 --measure",
    )
    explain.add_argument(
        "descriptor",
        metavar="DESCRIPTOR",
        help="the problem's text form, as of `dump`, with `@BATCHxLENGTH` for inputs of that size; or the file of a saved network",
    )
    explain.add_argument("--layer", metavar="NAME", help="of a network: which of its layers")
    explain.add_argument(
        "--length", type=int, metavar="STEPS", help=f"of a network's input, if not fixed (default: {USUAL_LENGTH})"
    )
    add_choice(explain)
    explain.add_argument(
        "--measure", action="store_true", help="also call it, and time it on one thread beside the limits of the core"
    )
    explain.set_defaults(run=_explain)

    explore.add(commands)
    tune = commands.add_parser(
        "tune",
        help="search the fastest plan for a convolution on this machine",
        description="Measures plans on this machine. With a directory, the best one is kept in a file there, and layers compiled with "
        "CONV1D_CODEGEN_CACHE_DIR set to it use it.",
        epilog=f"Example: {_PROGRAM} tune {EXAMPLE}@8x1000 --directory ~/.cache/conv1d_codegen",
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

    bench = commands.add_parser(
        "bench",
        add_help=False,  # its own parsers read what stands behind it
        help="time your own layers against the generic kernel and other libraries; what each constant is worth",
    )
    bench.set_defaults(run=_bench)

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


def _dump(arguments: argparse.Namespace) -> int:
    from .compiler import compile_problem
    from .inspection import command

    stages: list[str] = arguments.stage or ["scheduled"]
    if "all" in stages:
        stages = list(STAGES)
    of_passes = {"--passes": arguments.passes, "--stop-after": arguments.stop_after, "--diff": arguments.diff}
    given = [name for name, value in {**of_passes, "--run-interpreted": arguments.run_interpreted}.items() if value]
    if given and "scheduled" not in stages:
        raise ValueError(
            f"{given[0]} is about how the stage `scheduled` came about: add --stage scheduled, or leave {given[0]} out."
        )
    length = parse_case(arguments.descriptor)[2] if "@" in arguments.descriptor else None
    compilation = compile_problem(problem_of(arguments.descriptor), options_of(arguments), length)
    with contextlib.ExitStack() as stack:
        output = arguments.output
        file = sys.stdout if output is None else stack.enter_context(output.open("w", encoding="utf-8"))
        for number, stage in enumerate(stages):
            if len(stages) > 1:
                file.write(f"{chr(10) if number else ''}--- {stage}\n")
            if stage == "scheduled" and given:
                passes = arguments.passes or arguments.diff
                command.dump_passes(compilation.program, file, passes, arguments.diff, arguments.stop_after)
            else:
                file.write(compilation.dump(stage))
    if not arguments.run_interpreted:
        return 0
    sizes = parse_case(arguments.descriptor)[1:] if "@" in arguments.descriptor else None
    return command.run_interpreted(compilation, sizes, arguments.stop_after)


def _explain(arguments: argparse.Namespace) -> int:
    from .inspection.explain import explain
    from .inspection.terminal import show
    from .inspection.wording import sections

    if is_network(arguments.descriptor, arguments.layer, arguments.length):
        for each in _explained_layer(arguments):
            show(sections(each))
        return 0
    from .compiler import compile_problem

    problem = problem_of(arguments.descriptor)
    batch, length = parse_case(arguments.descriptor)[1:] if "@" in arguments.descriptor else (1, None)
    options = options_of(arguments)
    made = compile_problem(problem, options, length)
    show(sections(explain(made, batch, length, options.accuracy, arguments.measure)))
    return 0


def _explained_layer(arguments: argparse.Namespace) -> Explanations:
    """The kernels of a layer of the network that a file holds. Raises ValueError, with its layers, where none is named."""
    from .network import load

    if arguments.measure:
        raise ValueError("--measure is for one convolution: a network's kernels take more than one has.")
    network = load(arguments.descriptor, options=options_of(arguments, network=True))
    if arguments.layer is None:
        names = ", ".join(node.name for node in network.graph.nodes)
        raise ValueError(f"Name a layer of the network with --layer. It has {names}.")
    return network.explain(arguments.layer, USUAL_LENGTH if arguments.length is None else arguments.length)


def _tune(arguments: argparse.Namespace) -> int:
    from .tuning import Workbench, keep, search

    problem_of(arguments.case)
    problem, batch, length = parse_case(arguments.case)
    bench = Workbench(problem, resolve(arguments.target or knobs.target(TARGETS)), batch, length, arguments.threads)
    result = search(bench, arguments.seconds)
    print(f"{arguments.case}, {bench.target}, {arguments.threads} thread(s), {result.tried} plans tried")
    print(f"cost model {result.seconds * result.speedup * 1e6:10.1f} µs  {result.chosen}")
    print(f"best found {result.seconds * 1e6:10.1f} µs  {result.best}", flush=True)
    file = keep(bench, result, arguments.directory)
    print("kept in no file: name a --directory, or set CONV1D_CODEGEN_CACHE_DIR" if file is None else f"kept in {file}")
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from .benchmark import own

    return own.main(arguments.behind)


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
    words = list(sys.argv[1:] if argv is None else argv)
    bench = words[:1] == ["bench"]
    arguments = _parser().parse_args(words[:1] if bench else words, argparse.Namespace(behind=words[1:]))
    try:
        code: int = arguments.run(arguments)
    except (ValueError, CompileError, ImportError, OSError) as error:
        print(f"{_PROGRAM} {arguments.command}: {error}", file=sys.stderr)
        return 2
    return code


def command_line() -> NoReturn:
    """Run the command of this process, and end it with the exit code."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly when `| head` has read enough
    sys.exit(main())


if __name__ == "__main__":
    command_line()
