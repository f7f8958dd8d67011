"""The config of a Keras model, as JSON → its layers, and which tensors each call of a layer takes.

Read are Sequential models, a dict or the list of old ones, and functional ones, with Keras 2's lists of calls and with
Keras 3's dicts. A model may be a layer of another.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...layers import legacy_config
from ..graph import free_name, plain_name
from ..layers import Bidirectional
from . import keras_layers, keras_planes
from .keras_layers import Layer, Operator
from .keras_planes import Plane

MODELS = ("Functional", "Model", "Sequential")
_DEEPEST = 256  # lists and dicts of a config within each other
_SHORT = 200  # characters of a config in a message
#: Arguments of a call that ask for nothing, at these values.
_IDLE = (None, False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A tensor: one of those that a call of a layer made."""

    layer: str
    call: int
    output: int = 0


@dataclass(eq=False)
class Described:
    """A layer of a model: an input, a layer of this package, or a model."""

    name: str
    class_name: str
    config: Mapping[str, Any]
    trainable: bool = True
    layer: Layer | Operator | Plane | None = None
    model: Model | None = None
    #: For each call, the tensors that it takes.
    calls: list[list[Reference]] = field(default_factory=list)

    @property
    def outputs(self) -> int:
        """How many tensors a call makes."""
        if self.model is not None:
            return len(self.model.outputs)
        return 2 if isinstance(self.layer, Bidirectional) and self.layer.merge_mode is None else 1

    @property
    def is_input(self) -> bool:
        """Whether it stands for an input."""
        return self.layer is None and self.model is None


@dataclass(eq=False)
class Model:
    """Layers in the file's order, with the tensors that go in and come out."""

    layers: list[Described]
    inputs: list[Reference]
    outputs: list[Reference]
    #: Whether it has one output by itself, and not a list of outputs.
    single: bool
    #: All calls, each a layer and the number of its call, after those whose tensors it takes.
    order: list[tuple[Described, int]] = field(default_factory=list)

    def all_layers(self) -> Iterator[Described]:
        """Its layers, and those of the models among them."""
        for described in self.layers:
            yield described
            if described.model is not None:
                yield from described.model.all_layers()


def parsed(text: bytes | str, keras: int) -> Model:
    """The model of a config of this major version of Keras. Raises ValueError for what is no config of a model, and, in
    one message, for all layers that no network has.
    """
    reader = _Reader(keras)
    description = _json(text, "The model's config")
    model = reader.model(_described(description, "the model"), "")
    if reader.refused:
        raise ValueError(f"{len(reader.refused)} of the model's layers can not be read:\n" + "\n".join(reader.refused))
    if model is None:
        raise ValueError("The file holds no model, but a layer alone.")
    return model


def version(text: bytes) -> str:
    """The version of Keras that the metadata of a `.keras` file say."""
    metadata = _json(text, "The file's metadata.json")
    return str(metadata.get("keras_version")) if isinstance(metadata, dict) else ""


def is_old(text: bytes) -> bool:
    """Whether the config in what `to_json` makes is of a Keras before 3, which say their version."""
    config = _json(text, "The model's config")
    return isinstance(config, dict) and not str(config.get("keras_version", 3)).startswith("3")


def _json(text: bytes | str, what: str) -> Any:
    try:
        value = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{what} is no JSON, or too deep: {error}") from error
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(f"{what} has more than {_DEEPEST} lists and dicts within each other.")
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return value


def _described(value: Any, what: str) -> dict[str, Any]:
    """A dict that says of which class something is, and its config."""
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        raise ValueError(f"The config says of {what} no class: {_short(value)}.")
    if not isinstance(value.get("config"), dict | list):
        raise ValueError(f"The config of {what}, a {_short(value['class_name'])}, is missing.")
    return value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def _listed(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"The config has no list of {what}: {_short(value)}.")
    return value


class _Reader:
    """Makes layers of what a file says; collects those that it can't make."""

    def __init__(self, keras: int) -> None:
        self.refused: list[str] = []
        self._keras = keras
        self._shared: dict[int, Described] = {}
        self._taken: set[str] = set()

    def model(self, description: dict[str, Any], path: str) -> Model | None:
        """The model that a description is of; None where that was refused."""
        config = description["config"]
        if description["class_name"] not in MODELS or not keras_layers.is_kerass(description):
            self._refuse(path or "the model itself", description, "is no Sequential or functional model of Keras's")
            return None
        if description["class_name"] == "Sequential":
            return self._sequential(config, path)
        if not isinstance(config, dict) or "layers" not in config:
            self._refuse(
                path or "the model itself", description, "is a model of its own class, or has no list of layers"
            )
            return None
        return self._functional(config, path)

    def _refuse(self, name: str, description: dict[str, Any], reason: str) -> None:
        self.refused.append(f"  {name} ({description['class_name']}) {reason}: {_short(description['config'])}")

    def _sequential(self, config: Any, path: str) -> Model:
        listed = _listed(config if isinstance(config, list) else config.get("layers"), "layers")
        layers = [
            self._layer(_described(item, f"layer {n} of {path or 'the model'}"), path) for n, item in enumerate(listed)
        ]
        if not layers:
            raise ValueError(f"The model {path or 'itself'} has no layers.")
        if not layers[0].is_input:
            own = layers[0].config
            given = {key: own[key] for key in ("batch_input_shape", "batch_shape", "dtype") if key in own}
            if isinstance(config, dict) and "build_input_shape" in config:
                given.setdefault("batch_shape", config["build_input_shape"])
            layers.insert(0, Described(f"{layers[0].name}_input", "InputLayer", _plain(given, layers[0].name)))
        names = [described.name for described in layers]
        if len(set(names)) < len(names):
            raise ValueError(f"The layers of {path or 'the model'} have names that repeat: {_short(names)}.")
        for before, described in itertools.pairwise(layers):
            if described.is_input:
                raise ValueError(f"The model {path or 'itself'} has an input after its first layer: {described.name}.")
            described.calls = [[Reference(before.name, 0)]]
        order = [(described, 0) for described in layers[1:]]
        return Model(layers, [Reference(names[0], 0)], [Reference(names[-1], 0)], True, order)

    def _functional(self, config: dict[str, Any], path: str) -> Model:
        layers: dict[str, Described] = {}
        calls: dict[str, list[Any]] = {}
        for number, item in enumerate(_listed(config["layers"], "layers")):
            what = f"layer {number} of {path or 'the model'}"
            described = self._layer(_described(item, what), path)
            if described.name in layers:
                raise ValueError(f"Two layers of {path or 'the model'} have the name {described.name!r}.")
            layers[described.name] = described
            calls[described.name] = _listed(item.get("inbound_nodes", []), f"calls of {what}")
        old = not any(isinstance(call, dict) for each in calls.values() for call in each)
        taken = {name: [_tensors(call, name) for call in each] for name, each in calls.items()}
        inputs, outputs = (_ends(config.get(key), key) for key in ("input_layers", "output_layers"))
        numbering = _Numbering(
            layers, calls, [*(t for each in taken.values() for call in each for t in call), *outputs], old
        )
        for name, each in taken.items():
            layers[name].calls = [[numbering.within(tensor) for tensor in call] for call in each]
        single = isinstance(config["output_layers"], list) and len(outputs) == 1
        made = Model(
            list(layers.values()), [numbering.end(t) for t in inputs], [numbering.end(t) for t in outputs], single
        )
        for reference in made.inputs:
            if not layers[reference.layer].is_input:
                raise ValueError(f"The input {reference.layer!r} of {path or 'the model'} is no InputLayer.")
        made.order = _ordered(made, path or "the model")
        return made

    def _layer(self, description: dict[str, Any], path: str) -> Described:
        config = description["config"]
        name = description.get("name") or (config.get("name") if isinstance(config, dict) else None)
        if not isinstance(name, str) or not name:
            raise ValueError(f"A layer of {path or 'the model'} has no name: {_short(description)}.")
        trainable = not isinstance(config, dict) or config.get("trainable", True) is not False
        found = Described(name, description["class_name"], config, trainable)
        identity = description.get("shared_object_id")
        again = self._shared.get(identity) if isinstance(identity, int) else None
        if again is not None and again.class_name == found.class_name:
            found.layer, found.model = again.layer, again.model
            return found
        where = f"{path}/{name}" if path else name
        if found.class_name in MODELS:
            found.model = self.model(description, where)
        elif not isinstance(config, dict):
            raise ValueError(f"The config of layer {where} is no dict: {_short(config)}.")
        elif found.class_name == "InputLayer" and keras_layers.is_kerass(description):
            found.config = _plain(config, where)
        else:
            try:
                free = free_name(plain_name(where), self._taken)
                found.layer = keras_planes.made(description, free, self._keras)
                self._taken.add(free)
            except ValueError as error:
                self._refuse(where, description, str(error))
        if found.model is None and found.layer is None and found.class_name != "InputLayer":
            found.layer = keras_layers.Operator("add", name)  # in the place of what was refused
        if isinstance(identity, int):
            self._shared[identity] = found
        return found


def _plain(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A config without the dicts that stand for tuples."""
    try:
        plain = legacy_config.plain(config)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"The config of {name!r} has a dict that stands for nothing: {_short(config)}.") from error
    return plain if isinstance(plain, dict) else {}


def _ordered(model: Model, name: str) -> list[tuple[Described, int]]:
    """All calls, each after those that it needs. Raises ValueError where some need each other."""
    missing: dict[tuple[str, int], int] = {}
    readers: dict[tuple[str, int], list[tuple[Described, int]]] = {}
    for described in model.layers:
        for call, takes in enumerate(described.calls):
            if not takes or described.is_input:
                raise ValueError(f"Layer {described.name!r} of {name} is called on nothing, or is an input and called.")
            needs = {(taken.layer, taken.call) for taken in takes}
            missing[described.name, call] = len(needs)
            for need in needs:
                readers.setdefault(need, []).append((described, call))
    ready = [(reference.layer, 0) for reference in dict.fromkeys(model.inputs)]
    order = []
    for made in ready:  # which grows
        for described, call in readers.get(made, ()):
            missing[described.name, call] -= 1
            if not missing[described.name, call]:
                order.append((described, call))
                ready.append((described.name, call))
    if len(order) < len(missing):
        left = ", ".join(dict.fromkeys(layer for (layer, _), count in missing.items() if count))
        raise ValueError(f"Layers of {name} need each other, or tensors that nothing makes: {left[:500]}.")
    return order


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What a config says of a tensor: the layer, the number of its call, as the file counts, and of its output."""

    layer: str
    call: int
    output: int


def _tensor(value: Any, of: str) -> _Tensor:
    if isinstance(value, list) and len(value) >= 3:
        layer, call, output = value[:3]
        if isinstance(layer, str) and type(call) is int and type(output) is int:
            return _Tensor(layer, call, output)
    raise ValueError(f"The config has no tensor where {of} takes one: {_short(value)}.")


def _ends(value: Any, of: str) -> list[_Tensor]:
    """The tensors of `input_layers` or `output_layers`: one, a list of them, or a dict."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return [_tensor(value, of)]
    if isinstance(value, dict):
        return [tensor for key in sorted(value) for tensor in _ends(value[key], of)]
    if not isinstance(value, list) or not value:
        raise ValueError(f"The config has no {of}: {_short(value)}.")
    return [tensor for item in value for tensor in _ends(item, of)]


def _tensors(call: Any, of: str) -> list[_Tensor]:
    """The tensors that a call takes. Raises ValueError for arguments that change what it computes."""
    if isinstance(call, dict):  # of Keras 3
        _check_idle(call.get("kwargs", {}), of)
        return list(_of_arguments(call.get("args"), of))
    if isinstance(call, list) and len(call) >= 3 and isinstance(call[0], str):
        call = [call]
    found = []
    for item in _listed(call, f"tensors of {of}"):
        found.append(_tensor(item, of))
        _check_idle(item[3] if len(item) > 3 else {}, of)
    return found


def _of_arguments(value: Any, of: str) -> Iterator[_Tensor]:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        yield _tensor(config.get("keras_history") if isinstance(config, dict) else None, of)
    elif isinstance(value, dict) and "class_name" not in value:
        for key in sorted(value):
            yield from _of_arguments(value[key], of)
    elif isinstance(value, list):
        for item in value:
            yield from _of_arguments(item, of)
    elif value is not None:
        raise ValueError(f"Layer {of} is called on something other than tensors: {_short(value)}.")


def _check_idle(arguments: Any, of: str) -> None:
    if not isinstance(arguments, dict):
        raise ValueError(f"Layer {of} is called with arguments that are no dict: {_short(arguments)}.")
    asked = {name: value for name, value in arguments.items() if not any(value is idle for idle in _IDLE)}
    if asked:
        raise ValueError(f"Layer {of} is called with arguments that no network knows: {_short(asked)}.")


class _Numbering:
    """How a file counts the calls of models that are layers: Keras 2 counts from 1, as a model is called once where it
    is made, but for a Sequential that was made without an input; Keras 3 does so among the outputs of a functional model
    alone.
    """

    def __init__(
        self, layers: Mapping[str, Described], calls: Mapping[str, list[Any]], used: list[_Tensor], old: bool
    ) -> None:
        self._layers, self._old = layers, old
        self._calls = {name: len(each) for name, each in calls.items()}
        self._from_one = {name for name, item in layers.items() if item.model is not None} - {
            tensor.layer for tensor in used if tensor.call == 0
        }

    def within(self, tensor: _Tensor) -> Reference:
        """A tensor that a call takes."""
        return self._reference(tensor, self._old and tensor.layer in self._from_one)

    def end(self, tensor: _Tensor) -> Reference:
        """A tensor that goes in or comes out."""
        layer = self._layers.get(tensor.layer)
        if self._old:
            return self.within(tensor)
        functional = layer is not None and layer.class_name in ("Functional", "Model")
        return self._reference(tensor, functional and tensor.call > 0)

    def _reference(self, tensor: _Tensor, from_one: bool) -> Reference:
        layer = self._layers.get(tensor.layer)
        if layer is None:
            raise ValueError(f"The config needs a layer {tensor.layer!r}, which it has not.")
        call = tensor.call - from_one
        outputs = layer.outputs
        if not 0 <= call < (1 if layer.is_input else self._calls[tensor.layer]) or not 0 <= tensor.output < outputs:
            raise ValueError(
                f"The config needs output {tensor.output} of call {tensor.call} of layer {tensor.layer!r}, which has "
                f"{self._calls[tensor.layer]} calls, of {outputs} outputs."
            )
        return Reference(tensor.layer, call, tensor.output)
