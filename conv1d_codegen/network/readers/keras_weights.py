"""Which arrays of a file belong to which layer.

    .keras   layers/<class in snake case, numbered>/vars/0, 1, …; a model's layers lie in `layers` of its own, and a layer
             that several models share lies where the first of them has it
    .h5      model_weights/<layer>, whose attribute `weight_names` lists the datasets; those of a model are all its
             trainable weights, then the others; Keras 2's files of weights alone have these groups at the root

The order within a layer is Keras's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...layers.registry import snake_case
from ...symbolic.index import index
from ..layers import NetworkLayer
from ..ops import Shape
from .hdf5 import Hdf5
from .keras_config import Described, Model
from .keras_layers import Layer, Operator, weight_shapes
from .keras_planes import Plane

#: The datasets of a layer, not yet read.
Datasets = list[Any]
_ANY = Shape(index(1), 1)
_NOT_TRAINED = ("mean", "variance")
_OLD_ROOT = "_layer_checkpoint_dependencies"  # of `layers`, in Keras 2.12


def of_keras3(model: Model, file: Hdf5) -> dict[Layer, Datasets]:
    """The datasets of each layer with weights, in the HDF5 file within a `.keras` file. Raises ValueError where there
    are others than the layers have.
    """
    found: dict[Layer, Datasets] = {}
    root = _OLD_ROOT if file.group([_OLD_ROOT]) and not file.group(["layers"]) else "layers"
    _find(model, [root], found, set(), file)
    return found


def _find(model: Model, path: list[str], found: dict[Layer, Datasets], seen: set[Model], file: Hdf5) -> None:
    """The datasets of a model's layers, and at their place those of the models among them: the first place counts."""
    if model in seen:
        return
    seen.add(model)
    for name, described in _named(model):
        if described.model is not None:
            _find(described.model, [*path, name, path[0]], found, seen, file)
        else:
            for folders, layer in owners(described.layer):
                _assign(found, layer, described.name, [*path, name, *folders, "vars"], file)


def _assign(found: dict[Layer, Datasets], layer: Layer, name: str, path: list[str], file: Hdf5) -> None:
    count = len(_weights(layer, name))
    if not count or layer in found:
        return
    if not file.group(path):
        raise ValueError(f"The file has no weights of layer {name!r}, which has {count}: {'/'.join(path)} is missing.")
    extra = file.object([*path, str(count)])
    if extra is not None:
        raise ValueError(f"Layer {name!r} has {count} weights, and the file has more: {'/'.join(path)}/{count}.")
    found[layer] = [file.dataset([*path, str(number)]) for number in range(count)]


def _named(model: Model) -> Iterator[tuple[str, Described]]:
    """The layers of a model under the names that Keras 3 gives them in the file."""
    used: dict[str, int] = {}
    for described in model.layers:
        if isinstance(described.layer, Operator):
            continue
        name = snake_case(described.class_name)
        number = used[name] = used.get(name, -1) + 1
        yield (f"{name}_{number}" if number else name), described


def owners(layer: Layer | Operator | Plane | None) -> Sequence[tuple[tuple[str, ...], Any]]:
    """The layers that have the weights of one, with the folders within its own that a `.keras` file has them in."""
    if layer is None or isinstance(layer, Operator):
        return []
    own = layer.layer if isinstance(layer, Plane) else layer
    return own.owners() if isinstance(own, NetworkLayer) else [((), own)]


def of_weights(model: Model, file: Hdf5) -> dict[Layer, Datasets]:
    """The same for an HDF5 file of weights beside a model's config, of any version, or of a whole model."""
    if file.group(["model_weights"]):
        return of_legacy(model, file)
    return of_keras3(model, file) if file.attribute([], "layer_names") is None else of_legacy(model, file, [])


def of_legacy(model: Model, file: Hdf5, root: Sequence[str] = ("model_weights",)) -> dict[Layer, Datasets]:
    """The same for an HDF5 file of a whole model, or of weights as Keras 2 writes them, which lie at the root."""
    found: dict[Layer, Datasets] = {}
    for described in model.layers:
        trained, others = _in_order(described, set())
        layers = trained + others
        if not layers:
            continue
        path = [*root, *described.name.split("/")]  # Keras 2 allowed slashes
        names = file.attribute(path, "weight_names")
        if names is None:
            raise ValueError(
                f"The file has no weights of layer {described.name!r}, which has {len(layers)}: {'/'.join(path)} is missing."
            )
        if len(names) != len(layers):
            raise ValueError(f"Layer {described.name!r} has {len(layers)} weights. The file has {len(names)} of it.")
        if len(set(names)) < len(names):
            raise ValueError(f"The weights of layer {described.name!r} have names that repeat: {', '.join(names)}.")
        datasets: dict[Layer, dict[str, Any]] = {}
        for (layer, weight), name in zip(layers, names, strict=True):
            datasets.setdefault(layer, {})[weight] = file.dataset([*path, *name.split("/")])
        for layer, own in datasets.items():
            found[layer] = [own[weight] for weight in _weights(layer, described.name)]
    return found


Owned = list[tuple[Layer, str]]


def _in_order(described: Described, seen: set[Layer]) -> tuple[Owned, Owned]:
    """The weights of a layer, or of all layers of a model: those that training changes, and the others."""
    trained: Owned = []
    others: Owned = []
    if described.model is not None:
        for inner in described.model.layers:
            more, fixed = _in_order(inner, seen)
            trained += more
            others += fixed
    for _, layer in owners(described.layer) if described.model is None else ():
        if layer not in seen:
            seen.add(layer)
            for weight in _weights(layer, described.name):
                (others if weight in _NOT_TRAINED else trained).append((layer, weight))
    return (trained, others) if described.trainable else ([], trained + others)


def _weights(layer: Layer, name: str) -> Mapping[str, tuple[int, ...]]:
    """The weights of a layer by name, in Keras's order."""
    try:
        return weight_shapes(layer, [_ANY])
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(f"Layer {name!r}: {error}") from error
