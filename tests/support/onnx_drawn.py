"""ONNX models drawn at random: operators one after another on an array whose axes are turned, split and merged in between."""

from typing import Any

import numpy as np
from onnx import helper
from support.onnx_models import Array, model_of

SIZES = {"N": 2, "C": 4, "T": 12}


class Drawing:
    """A chain of nodes; `axes` says what each axis of the last one is: N, C, T, 1, or NT and CT, which are merged."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.axes = [["N", "C", "T"], ["N", "T", "C"]][self.pick(2)]
        self.sizes = dict(SIZES)
        self.known = bool(self.pick(2))
        self.start = list(self.axes)
        self.last = "x"

    def pick(self, count: int) -> int:
        return int(self.rng.integers(count))

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def weight(self, *shape: int) -> str:
        return self.constant(self.rng.normal(size=shape).astype(np.float32) * 0.5)

    def add(self, op_type: str, *inputs: str, first: str | None = None, **attributes: Any) -> str:
        name = f"h{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, [first or self.last, *inputs], [name], **attributes))
        self.last = name
        return name

    def shape(self) -> list[int]:
        return [int(np.prod([self.sizes.get(letter, 1) for letter in axis])) for axis in self.axes]

    # steps

    def turned(self) -> None:
        perm = [int(i) for i in self.rng.permutation(len(self.axes))]
        self.add("Transpose", perm=perm)
        self.axes = [self.axes[i] for i in perm]

    def widened(self) -> None:
        if len(self.axes) < 5:
            at = self.pick(len(self.axes) + 1)
            self.add("Unsqueeze", self.constant(np.array([at])))
            self.axes.insert(at, "1")

    def narrowed(self) -> None:
        if "1" in self.axes:
            at = self.axes.index("1")
            self.add("Squeeze", self.constant(np.array([at])))
            self.axes.pop(at)

    def merged(self) -> None:
        """Batch and steps as one axis, a product, and back; or the same through the shape that the graph has."""
        if self.axes == ["N", "T", "C"]:
            source = self.last
            self.add("Shape")
            self.add("Slice", self.constant(np.array([0])), self.constant(np.array([2])))
            filters = 3 + self.pick(3)
            back = self.add("Concat", self.constant(np.array([filters])), axis=0)
            self.add("Reshape", self.constant(np.array([-1, self.sizes["C"]])), first=source)
            self.add("MatMul", self.weight(self.sizes["C"], filters))
            self.add("Reshape", back)
            self.sizes["C"] = filters

    def convolved(self) -> None:
        if self.axes[:2] == ["N", "C"] and sorted(self.axes[2:]) in (["T"], ["1", "T"]):
            size, filters = 1 + self.pick(3), 2 + self.pick(4)
            spatial = [size if axis == "T" else 1 for axis in self.axes[2:]]
            pads = [size // 2 if axis == "T" else 0 for axis in self.axes[2:]]
            self.add("Conv", self.weight(filters, self.sizes["C"], *spatial), self.weight(filters), pads=[*pads, *pads])
            self.sizes["C"] = filters
            self.sizes["T"] += 2 * (size // 2) - size + 1

    def multiplied(self) -> None:
        if self.axes[-1] == "C" and len(self.axes) > 1:
            filters = 2 + self.pick(4)
            self.add("MatMul", self.weight(self.sizes["C"], filters))
            self.sizes["C"] = filters

    def shifted(self) -> None:
        """By a constant for each channel, or one."""
        shape = [size if axis == "C" else 1 for axis, size in zip(self.axes, self.shape(), strict=True)]
        first = next((i for i, size in enumerate(shape) if size > 1), len(shape))
        value = self.weight(*(shape[first:] if self.pick(2) else shape)) if self.pick(3) else self.weight()
        self.add(["Add", "Sub", "Mul", "Div"][self.pick(4)], value)

    def bent(self) -> None:
        match self.pick(5):
            case 0:
                self.add("Relu")
            case 1:
                before = self.last
                self.add("Sigmoid")
                self.add("Mul", before)
            case 2:
                before = self.last
                self.add("Tanh")
                self.add("Add", before)
            case 3:
                self.add("Softmax", axis=self.pick(len(self.axes)))
            case 4:
                axis = self.constant(np.array([self.pick(len(self.axes))]))
                before = self.last
                mean = self.add("ReduceMean", axis)
                centred = self.add("Sub", mean, first=before)
                self.add("Mul", centred)
                self.add("ReduceMean", axis)
                self.add("Add", self.constant(np.float32(1e-3)))
                root = self.add("Sqrt")
                self.add("Div", root, first=centred)

    def reduced(self) -> None:
        at = self.pick(len(self.axes))
        if self.axes[at] in ("C", "T") and len(self.axes) > 2 and self.pick(2):
            letter = self.axes[at]
            keep = self.pick(2)
            self.add(["ReduceMean", "ReduceSum"][self.pick(2)], self.constant(np.array([at])), keepdims=keep)
            self.axes[at : at + 1] = ["1"] if keep else []
            self.sizes[letter] = 1

    def cut(self) -> None:
        at = self.pick(len(self.axes))
        size = self.shape()[at]
        if self.axes[at] in ("C", "T") and size > 4:
            start, end = self.pick(2), -self.pick(2) or 1 << 62
            self.add("Slice", *(self.constant(np.array([v])) for v in (start, end, at)))
            self.sizes[self.axes[at]] = len(range(size)[start:end])

    def padded(self) -> None:
        if "T" in self.axes:
            at, rank = self.axes.index("T"), len(self.axes)
            pads = [0] * (2 * rank)
            pads[at], pads[rank + at] = self.pick(3), self.pick(3)
            mode = ["constant", "edge"][self.pick(2)]
            self.add("Pad", self.constant(np.array(pads)), mode=mode)
            self.sizes["T"] += pads[at] + pads[rank + at]

    def doubled(self) -> None:
        at = self.pick(len(self.axes))
        if self.axes[at] in ("C", "T"):
            before = self.last
            self.add("Neg")
            self.add("Concat", before, axis=at)
            self.sizes[self.axes[at]] *= 2

    def flattened(self) -> None:
        """The channels split and brought together in the other order, or the same."""
        if "C" in self.axes and self.sizes["C"] % 2 == 0:
            at = self.axes.index("C")
            shape = [0] * len(self.axes)
            split = [*shape[:at], 2, self.sizes["C"] // 2]
            ends = [s if a != "T" else -1 for s, a in zip(self.shape()[at + 1 :], self.axes[at + 1 :], strict=True)]
            if "N" in self.axes[at + 1 :]:
                return
            self.add("Reshape", self.constant(np.array([*split, *ends])))
            if self.pick(2):
                perm = list(range(len(self.axes) + 1))
                perm[at], perm[at + 1] = at + 1, at
                self.add("Transpose", perm=perm)
            self.add("Reshape", self.constant(np.array([*shape[:at], self.sizes["C"], *ends])))

    def model(self) -> tuple[Any, dict[str, Array]]:
        """The model, and an input for it."""
        steps = [
            *(self.turned, self.turned, self.widened, self.narrowed, self.merged, self.convolved, self.convolved),
            *(self.multiplied, self.shifted, self.bent, self.bent, self.reduced, self.cut, self.padded, self.doubled),
            self.flattened,
        ]
        while len(self.nodes) < 12:
            steps[self.pick(len(steps))]()
        self.nodes[-1].output[0] = "y"
        shape = [SIZES[axis] for axis in self.start]
        given = [
            size if axis == "C" or (self.known and axis == "T") else axis
            for axis, size in zip(self.start, shape, strict=True)
        ]
        model = model_of(self.nodes, {"x": given}, constants=self.constants)
        return model, {"x": self.rng.normal(size=shape).astype(np.float32)}
