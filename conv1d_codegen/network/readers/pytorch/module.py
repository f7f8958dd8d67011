"""A module of torch's as a network."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from ....number_types import TYPES
from ....symbolic.index import Index, index
from ...network import Network, Options
from ...stored import Imported
from . import activations, arithmetic, convolutions, norms, recurrent, shapes, windows
from .builder import BATCH_AXIS, BATCH_SIZE, Builder, check, described
from .call import Call, Fill, Handler, Refused
from .ends import layouts_of, output
from .export import checked, exported, torch_module
from .held import Held, constant, normed
from .layout import Axis, Tensor, channels, time

_OPERATIONS: Mapping[str, Handler] = {
    **convolutions.OPERATIONS,
    **norms.OPERATIONS,
    **activations.OPERATIONS,
    **arithmetic.OPERATIONS,
    **shapes.OPERATIONS,
    **windows.OPERATIONS,
    **recurrent.OPERATIONS,
}
_DTYPES = {row.keras: row.name for row in TYPES.values()}
_FILLED: Mapping[str, float] = {
    f"{name}.default": value
    for value, word in enumerate(("zeros", "ones"))
    for name in (word, f"new_{word}", f"{word}_like")
}
_FULL = ("full.default", "full_like.default", "scalar_tensor.default")
_SIZES: Mapping[Any, Any] = {
    operator.add: operator.add,
    operator.sub: operator.sub,
    operator.mul: operator.mul,
    operator.floordiv: operator.floordiv,
    operator.neg: operator.neg,
}


def from_torch(
    module: Any, example: Any, layout: str | Sequence[str] | None = None, options: Options = None
) -> Network:
    """The network of a `torch.nn.Module` in evaluation mode, with copies of its weights as they are now.

        network = cc.from_torch(module, torch.zeros(1, 16, 1000))
        y = network(np.zeros((4, 500, 16), "float32"))        # (batch, steps, channels)

    `example` is an input that the module takes, or a tuple of several; only its shape and dtype count, which is the
    network's: float32, float64, float16 or bfloat16. The batch is any, and lengths are if `torch.export` finds the
    module to be one of any length; else they are the example's.

    The network's inputs and outputs are `(batch, steps, channels)`, or `(batch, channels)` for outputs without steps,
    whatever the order of axes in torch. `layout` says what the axes of an input, or of each of several, are: n the
    batch, c the channels, t the steps, 1 an axis of length 1. Without it they are "nct", "nt" of two axes, which is one
    channel, and "nct1" of four; without t there is one step. An output of three axes that has no steps of the input has
    them in its last.

    Weights have the names that they have in torch, for `Network.load_weights`. `options` are those of `Network`.

    Raises ImportError without torch, TypeError for what is no module, and ValueError for a module in training mode, for
    one that `torch.export` refuses, and for operations that no network has: all of them in one message, with their
    names, targets and the paths of their modules.
    """
    torch = torch_module()
    checked(module, torch)
    examples = list(example) if isinstance(example, list | tuple) else [example]
    layouts = layouts_of(examples, layout, torch)
    dtypes = {str(x.dtype).removeprefix("torch.") for x in examples}
    if len(dtypes) != 1 or not dtypes <= _DTYPES.keys():
        raise ValueError(f"Examples have one dtype, {', '.join(_DTYPES)}. Received: {', '.join(sorted(dtypes))}.")
    dtype = _DTYPES[dtypes.pop()]
    try:
        return _Reader(exported(module, examples, layouts, True, torch), layouts, dtype, torch).network(options)
    except ValueError as error:
        if not any("t" in axes for axes in layouts):
            raise
        first = error
    try:  # of the example's length, more is known
        return _Reader(exported(module, examples, layouts, False, torch), layouts, dtype, torch).network(options)
    except ValueError as error:
        raise error from first


class _Reader:
    """One walk over the operations of a program."""

    def __init__(self, program: Any, layouts: Sequence[str], dtype: str, torch: Any) -> None:
        self._program, self._layouts, self._torch = program, layouts, torch
        self._builder = Builder(dtype)
        self._values: dict[Any, Any] = {}
        self._lengths: dict[str, int] = {}
        self._problems: list[str] = []

    def network(self, options: Options) -> Network:
        """The network of the program. Raises ValueError, with all that can't be read."""
        b, outputs = self._builder, []
        self._inputs()
        changed = list(self._program.graph_signature.buffers_to_mutate.values())
        if changed:
            raise ValueError(
                f"The module changes its buffers {', '.join(changed)} as it runs, and a network has no state."
            )
        needed = _needed(self._program.graph)
        for node in self._program.graph.nodes:
            if node.op == "call_function" and node in needed:
                self._values[node] = self._read(node)
            elif node.op == "output":
                b.place = "output"
                outputs = [self._finished(x) for x in node.args[0]]
        if self._problems:
            many = (
                f"{len(self._problems)} of the module's operations"
                if len(self._problems) > 1
                else "An operation of the module"
            )
            raise ValueError(f"{many} can not be read:\n" + "\n".join(f"  {line}" for line in self._problems))
        graph = b.graph(outputs)
        used = {name for row in b.stored.values() for name in (*row.names, *row.derived)}
        stored = {name: b.stored[name] for name in graph.weight_shapes()}
        return Network.of(graph, b.weights, options, Imported(stored, frozenset(self._parameters.values()) - used))

    # What goes in

    def _inputs(self) -> None:
        signature = self._program.graph_signature
        self._parameters: dict[str, str] = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        constants = {**self._program.constants, **self._program.state_dict}
        lifted = dict(signature.inputs_to_lifted_tensor_constants)
        users = list(signature.user_inputs)
        for node in self._program.graph.nodes:
            if node.op != "placeholder":
                continue
            name = node.name
            if name in users:
                number = users.index(name)
                if number < len(self._layouts):
                    self._values[node] = self._input(node, self._layouts[number], len(self._layouts) > 1)
            elif name in self._parameters:
                full = self._parameters[name]
                self._values[node] = Held(constants[full], full)
            elif name in lifted:
                self._values[node] = Held(constants[lifted[name]])

    def _input(self, node: Any, layout: str, several: bool) -> Tensor:
        sizes = dict(zip(layout, node.meta["val"].shape, strict=True))
        batch, length = _known(sizes["n"]), _known(sizes.get("t", 1))
        if batch is not None:
            raise ValueError(
                f"The module takes {batch} sequences at once, and a network any number. Its code takes the batch for a constant."
            )
        name = self._builder.source(node.name, int(sizes.get("c", 1)), length, several)
        if length is None:
            self._lengths[str(self._builder.shapes[name].steps)] = sizes["t"].node.hint
        self._lengths[str(BATCH_SIZE)] = sizes["n"].node.hint
        axis: dict[str, Axis] = {
            "n": BATCH_AXIS,
            "c": channels(int(sizes.get("c", 1))),
            "t": time(self._builder.shapes[name].steps),
            "1": (),
        }
        return Tensor(name, tuple(axis[kind] for kind in layout))

    # Operations

    def _read(self, node: Any) -> Any:
        target = str(node.target).removeprefix("aten.").removeprefix("conv1d_codegen.")
        arguments = self._arguments(node)
        known = [self._value(v) for v in _flat(list(arguments.values()))]
        failed = next((v for v in known if isinstance(v, _Failed)), None)
        if failed is not None:
            return failed
        path = self._path(node)
        self._builder.place = self._place(node, path)
        try:
            made = self._made(node, target, {name: self._filled(v) for name, v in arguments.items()}, known)
            self._check_shape(node, made)
            return made
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            where = f" in {path} ({self._class(node)})" if path else ""
            self._problems.append(f"{node.name} ({node.target}){where}: {error}")
            return _Failed()

    def _made(self, node: Any, target: str, arguments: dict[str, Any], known: list[Any]) -> Any:
        if node.target is operator.getitem and not isinstance(arguments["0"], Held):
            return arguments["0"][arguments["1"]]
        if target == "sym_size.int":
            return arguments["self"].sizes[arguments["dim"]]
        if node.target in _SIZES:
            return _SIZES[node.target](*(index(v) for v in arguments.values()))
        of_input = any(isinstance(v, Index | Tensor) for v in known)
        if of_input and (target in _FILLED or target in _FULL):
            value = _FILLED.get(target, arguments.get("fill_value"))
            return Fill(float(value or 0), tuple(arguments.get("size") or ()))
        if not any(isinstance(v, Index | Tensor | Fill | shapes.States | Refused) for v in known):
            return self._folded(node, known)
        if target in ("_to_copy.default", "to.dtype", "to.dtype_layout", "type_as.default"):
            own = next(iter(node.all_input_nodes))
            check(
                node.meta["val"].dtype == own.meta["val"].dtype,
                f"makes {node.meta['val'].dtype} of {own.meta['val'].dtype}",
            )
            return arguments["self"]
        handler = _OPERATIONS.get(target)
        check(handler is not None, "no network has it")
        assert handler is not None
        names = {name: constant(v) for name, v in arguments.items()}
        states = names.get("self")
        if isinstance(states, shapes.States) and not (target == "select.int" and names["dim"] == 0):
            names["self"] = states.tensor(self._builder)
        return handler(self._builder, Call(target, names))

    def _folded(self, node: Any, known: list[Any]) -> Held:
        """What is computed from weights alone, with torch."""
        tags = getattr(node.target, "tags", ())
        check(self._torch.Tag.nondeterministic_seeded not in tags, "makes random numbers")
        fill = self._torch.fx.node.map_arg
        with self._torch.no_grad():
            value = node.target(*fill(node.args, self._plain), **fill(node.kwargs, self._plain))
        names = sorted({name for v in known if isinstance(v, Held) for name in v.all_names})
        return Held(value, normed(str(node.target), names), tuple(names))

    def _plain(self, node: Any) -> Any:
        value = self._values[node]
        return value.value if isinstance(value, Held) else value

    def _arguments(self, node: Any) -> dict[str, Any]:
        """The arguments by the names of the schema, defaults too."""
        schema = getattr(node.target, "_schema", None)
        if schema is None:
            return {str(number): value for number, value in enumerate(node.args)}
        names = [argument.name for argument in schema.arguments]
        given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
        return {
            argument.name: given.get(argument.name, argument.default_value if argument.has_default_value() else None)
            for argument in schema.arguments
        }

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self._filled(v) for v in value]
        return self._value(value)

    def _value(self, value: Any) -> Any:
        return self._values[value] if isinstance(value, self._torch.fx.Node) else value

    def _check_shape(self, node: Any, made: Any) -> None:
        """Raises ValueError where torch has another shape: what was read is not what the module computes."""
        seen = node.meta.get("val")
        if not isinstance(made, Tensor) or not hasattr(seen, "shape"):
            return
        wanted = tuple(n if isinstance(n, int) else n.node.hint for n in seen.shape)
        found = tuple(n.evaluate(self._lengths) for n in made.sizes)
        check(wanted == found, f"makes {described(made)}, that is {found}, where torch makes {wanted}")

    def _path(self, node: Any) -> str:
        """The path of the module whose code an operation is."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        return str(stack[-1][0]) if stack and isinstance(stack[-1], tuple) and "hook" not in str(stack[-1][0]) else ""

    def _class(self, node: Any) -> str:
        return str(list(node.meta["nn_module_stack"].values())[-1][1]).rpartition(".")[2]

    def _place(self, node: Any, path: str) -> str:
        """The name of what is read: a module of torch's own, or an operation in the code of another."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        own = path and str(stack[-1][1]).startswith("torch.nn.modules.")
        return path if own else f"{path}.{node.name}" if path else str(node.name)

    # What comes out

    def _finished(self, given: Any) -> str:
        value = self._value(given)
        if isinstance(value, _Failed):
            return ""
        try:
            check(isinstance(value, Tensor), "is no tensor that depends on the input")
            return output(self._builder, value)
        except ValueError as error:
            self._problems.append(f"{given} (output): {error}")
            return ""


class _Failed:
    """What could not be read, or needs what could not be: it has been told."""


def _needed(graph: Any) -> set[Any]:
    """The operations that the outputs need."""
    needed: set[Any] = set()
    for node in reversed(graph.nodes):
        if node.op == "output" or node in needed:
            needed.update(node.all_input_nodes)
    return needed


def _known(size: Any) -> int | None:
    """A size that torch has found to be a constant; None for another."""
    return size if isinstance(size, int) else size.node.maybe_as_int()


def _flat(values: Any) -> list[Any]:
    """The items of lists in lists."""
    return [x for v in values for x in (_flat(v) if isinstance(v, list | tuple) else [v])]
