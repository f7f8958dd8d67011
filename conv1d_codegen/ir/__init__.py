"""The loop IR: a small grammar of loops, statements and values, with a text form.

nodes.py     the grammar: loops, statements and kernels, and their text
values.py    buffers and values
packing.py   how the packed weights lie, described and carried out
rewrite.py   walks, substitutions and what the passes share
"""

from .nodes import (
    Accumulate,
    Alloc,
    Bind,
    Block,
    For,
    If,
    Kernel,
    Let,
    Prefetch,
    Statement,
    Store,
    accumulate,
    first_line,
    loop,
    store,
)
from .values import Activate, Binary, Buffer, Const, Fma, Load, Ref, Select, Unary, Value, buffer, load, value

__all__ = [
    "Accumulate",
    "Activate",
    "Alloc",
    "Binary",
    "Bind",
    "Block",
    "Buffer",
    "Const",
    "Fma",
    "For",
    "If",
    "Kernel",
    "Let",
    "Load",
    "Prefetch",
    "Ref",
    "Select",
    "Statement",
    "Store",
    "Unary",
    "Value",
    "accumulate",
    "buffer",
    "first_line",
    "load",
    "loop",
    "store",
    "value",
]
