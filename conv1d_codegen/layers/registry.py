"""Objects by name: what a string, a dict, a class or a callable stands for, in the way Keras reads and writes them.

A dict has Keras 3's form or Keras 2.9's; both are read, the first is written:

    {"module": "keras.initializers", "class_name": "HeNormal", "config": {"seed": 7}, "registered_name": None}
    {"class_name": "HeNormal", "config": {"seed": 7}}

`custom_objects` maps names to the user's own classes and functions, which no table here can know.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

Config = Mapping[str, Any]


class Configurable:
    """An object that is its constructor's arguments: `type(obj).from_config(obj.get_config())` is its equal."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as values that JSON can hold."""
        return {}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The inverse of `get_config`. Raises TypeError for arguments that the constructor doesn't take."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_config().items())})"


@dataclass(frozen=True, slots=True)
class Registry:
    """The classes of one kind ("initializer", "regularizer", "constraint") by every name that Keras gives them."""

    kind: str
    classes: Mapping[str, Callable[..., Any]]

    @classmethod
    def of(cls, kind: str, classes: Iterable[type], aliases: Mapping[str, Callable[..., Any]]) -> Registry:
        """A registry that knows each class by its own name and in snake case (`HeNormal`,
        `he_normal`), and the aliases.
        """
        named = {name: item for item in classes for name in (item.__name__, snake_case(item.__name__))}
        return cls(kind, {**named, **aliases})

    def get(self, identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """None → None; a name, a class → an instance with default arguments; a dict → `deserialize`; a callable →
        itself.

        Raises ValueError for anything else, TypeError for a dict that names an unknown class.
        """
        if identifier is None:
            return None
        if isinstance(identifier, Mapping):
            found = self.deserialize(identifier, custom_objects)
        elif isinstance(identifier, str):
            found = {**self.classes, **(custom_objects or {})}.get(identifier)
            # An alias such as `l1_l2` is a function that makes an instance; the user's own functions are used as they
            # are.
            if identifier in self.classes and found is self.classes[identifier]:
                found = found()
        else:
            found = identifier
        if inspect.isclass(found):
            found = found()
        if not callable(found):
            raise ValueError(f"Could not interpret {self.kind} identifier: {identifier}")
        return found

    def deserialize(self, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The object that a Keras 2.9 or Keras 3 dict describes. Raises TypeError where its class is unknown."""
        found, arguments = locate(config, self.classes, custom_objects, self.kind)
        if arguments is None:
            return found
        from_config = getattr(found, "from_config", None)
        return from_config(arguments) if from_config else found(**arguments)

    def serialize(self, item: Any) -> dict[str, Any] | None:
        """The inverse of `get`: a dict of Keras 3's form, None for None. Raises TypeError for an instance without
        `get_config`.
        """
        known = self.classes.get(type(item).__name__) is type(item)
        return serialize(item, f"keras.{self.kind}s" if known else None)


def locate(
    config: Config, known: Mapping[str, Any], custom_objects: Mapping[str, Any] | None, kind: str
) -> tuple[Any, dict[str, Any] | None]:
    """The class or function that a dict names, and the arguments in it (None where it names a
    function and nothing more).
    """
    name, arguments = config.get("class_name"), config.get("config")
    is_function = name == "function" and isinstance(arguments, str)
    wanted = (config.get("registered_name"), arguments if is_function else name)
    for table in (custom_objects or {}, known):
        for key in wanted:
            if isinstance(key, str) and key in table:
                return table[key], None if is_function else dict(arguments or {})
    raise TypeError(
        f"Could not locate {'function' if is_function else 'class'} '{wanted[1]}' among the {kind}s. "
        f"If it is your own, pass it in `custom_objects`. Full object config: {dict(config)}"
    )


def serialize(item: Any, module: str | None = None) -> dict[str, Any] | None:
    """A dict of Keras 3's form for an object or a function; `module` is given for the built-in ones."""
    if item is None:
        return None
    if inspect.isfunction(item) or inspect.isbuiltin(item):
        return {"module": "builtins", "class_name": "function", "config": item.__name__, "registered_name": "function"}
    if not hasattr(item, "get_config"):
        raise TypeError(
            f"Cannot serialize object {item} of type {type(item)}. To be serializable, a class must implement the `get_config()` method."
        )
    own = type(item)
    return {
        "module": module or own.__module__,
        "class_name": own.__name__,
        "config": item.get_config(),
        "registered_name": None if module else own.__name__,
    }


def snake_case(name: str) -> str:
    """`GlorotUniform` → `glorot_uniform`, `Conv1D` → `conv1d`, `L1L2` → `l1l2`."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name) if not re.fullmatch(r"(?:[A-Z]\d)+", name) else name
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
