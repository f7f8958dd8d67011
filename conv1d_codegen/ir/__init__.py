"""The loop IR: a small grammar of loops, statements and values, with a text form.

axes.py        what loops run over, and in what pieces
nodes.py       the grammar: loops, statements and kernels, and their text
values.py      buffers and values
expression.py  what is made of each number of a tensor
rows.py        rows of a larger array
views.py       parts of arrays, seen with the indices of the whole
packing.py     how the packed weights lie, described and carried out
rewrite.py     walks, substitutions and what the passes share
"""

from .axes import Axis, Level, Part
from .expression import STORED, SUM, Expression, Operand, also_names, input_names, weight_names
from .nodes import (
    Accumulate,
    Alloc,
    Bind,
    Block,
    Call,
    Compound,
    For,
    If,
    Instruction,
    Kernel,
    Let,
    Nest,
    Prefetch,
    Statement,
    Store,
    accumulate,
    first_line,
    lanes,
    loop,
    store,
    written_out,
)
from .rows import Rows
from .values import (
    Access,
    Activate,
    Binary,
    Buffer,
    Const,
    Fma,
    Load,
    Ref,
    Select,
    Storage,
    Unary,
    Value,
    buffer,
    load,
    value,
)
from .views import View

__all__ = [
    "STORED",
    "SUM",
    "Access",
    "Accumulate",
    "Activate",
    "Alloc",
    "Axis",
    "Binary",
    "Bind",
    "Block",
    "Buffer",
    "Call",
    "Compound",
    "Const",
    "Expression",
    "Fma",
    "For",
    "If",
    "Instruction",
    "Kernel",
    "Let",
    "Level",
    "Load",
    "Nest",
    "Operand",
    "Part",
    "Prefetch",
    "Ref",
    "Rows",
    "Select",
    "Statement",
    "Storage",
    "Store",
    "Unary",
    "Value",
    "View",
    "accumulate",
    "also_names",
    "buffer",
    "first_line",
    "input_names",
    "lanes",
    "load",
    "loop",
    "store",
    "value",
    "weight_names",
    "written_out",
]
