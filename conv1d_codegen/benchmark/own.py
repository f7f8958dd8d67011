"""`conv1d-codegen bench`: the run for a user's own layers, given as descriptors or by the file of a network."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from ..errors import CompileError
from ..network import Network, from_torch, load
from ..network.readers import SUFFIXES
from ..parser import Parser
from ..problem import parse_case
from . import arguments as shared
from .cases import Case
from .convolutions import convolutions
from .run import add_arguments, check_arguments, run

PROGRAM = "conv1d-codegen bench"
#: Commands beside the run, and the module of each, which has `main(argv, program)`.
COMMANDS = {"compare": "compare", "constants": "constants"}
_EXAMPLE = "c16_f32_k3_d2_causal_gelu_f32@8x1000"


def main(argv: Sequence[str]) -> int:
    """Runs what the first argument names, else measures the cases. Gives the exit code: 1 where one of our results was
    wrong or the measuring failed. Raises SystemExit for arguments that argparse refuses, and after --help.
    """
    if argv and argv[0] in COMMANDS:
        code: int = import_module(f".{COMMANDS[argv[0]]}", __package__).main(argv[1:], f"{PROGRAM} {argv[0]}")
        return code
    parser = Parser(
        prog=PROGRAM,
        description="Times your own layers: the specialised kernel beside the direct and the generic one, the limits of this machine, and "
        "other libraries. Each row is a convolution.",
        epilog=f"Examples: {PROGRAM} {_EXAMPLE} | {PROGRAM} model.onnx --batch 1 --length 16000 --peers all. "
        f"Other commands: {PROGRAM} compare OLD NEW | {PROGRAM} constants {_EXAMPLE}, each with --help.",
    )
    add_cases(parser)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    check_arguments(parser, arguments)
    cases = cases_of(parser, arguments)
    for case in cases:
        if case.name != str(case):  # one of a network, which the table names by its number
            print(f"{case.name:12} {case}")
    return run(cases, arguments, "float32" if {c.problem.dtype for c in cases} == {"f32"} else "dtypes as given")


def add_cases(parser: argparse.ArgumentParser) -> None:
    """What to measure, for `cases_of`."""
    parser.add_argument(
        "what",
        nargs="+",
        metavar="CASE",
        help=f"DESCRIPTOR@BATCHxLENGTH, such as {_EXAMPLE}; or the file of a network, whose convolutions are taken: .keras, .h5, .onnx, "
        "one of this package's, or .pt2, as torch.export.save writes it",
    )
    parser.add_argument("--batch", type=shared.count, default=1, help="of a network's input (default: %(default)s)")
    parser.add_argument(
        "--length", type=shared.count, metavar="STEPS", help="of a network's input, where its file does not fix it"
    )


def cases_of(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> list[Case]:
    """The cases that arguments name, those with `--filter`'s text. Ends with the parser's error where one is none, and where
    there are none.
    """
    found: list[Case] = []
    for text in arguments.what:
        try:
            found += [Case.parse(text)] if _is_case(text) else _of_file(Path(text), arguments.batch, arguments.length)
        except (ValueError, CompileError, ImportError, OSError) as error:
            parser.error(str(error) if text in str(error) else f"{text}: {error}")
    kept = [case for case in found if arguments.filter in f"{case.name} {case.kind} {case.problem}"]
    if not kept:
        parser.error(f"argument --filter: none of {len(found)} cases contains {arguments.filter!r}")
    return kept


def _is_case(text: str) -> bool:
    """Whether it is meant as a case, right or wrong: everything that is no file, and looks like none."""
    if Path(text).exists() or Path(text).suffix in (*SUFFIXES, ".pt2"):
        return False
    if "@" not in text:
        raise ValueError(f"{text} is no file, and a descriptor needs the size of its inputs: {text}@BATCHxLENGTH.")
    parse_case(text)
    return True


def _of_file(path: Path, batch: int, length: int | None) -> Iterator[Case]:
    """The convolutions of a network, each once, with how often it is there, named by the file and their number."""
    if path.suffix == ".pt2":
        network, exported_with = _exported(path)
        steps = {exported_with}
    else:
        network = load(path)
        steps = {source.length for source in network.graph.sources if source.length is not None}
    if length is None and len(steps) != 1:
        raise ValueError(f"{path} takes inputs of any length: say of which, such as --length 1000.")
    found = convolutions(network, batch, length if length is not None else steps.pop())
    if not found:
        raise ValueError(f"{path} has no convolutions.")
    for number, ((problem, count, size), times) in enumerate(found.items(), 1):
        often = f" ×{times}" if times > 1 else ""
        yield Case(f"{path.stem}/{number}{often}", path.stem, count, size, problem)


def _exported(path: Path) -> tuple[Network, int]:
    """The network of an exported program, and the steps of the first input that it was exported with: of axes (batch,
    channels, steps), or (batch, steps).
    """
    import torch

    program = torch.export.load(path)
    positional, _ = program.example_inputs
    module = program.module(check_guards=False)  # of any batch, where its operations are
    for part in module.modules():  # which take no eval(): the mode that they were exported in is in their operations
        part.training = False
    shape = positional[0].shape
    return from_torch(module, positional), int(shape[min(2, len(shape) - 1)])
