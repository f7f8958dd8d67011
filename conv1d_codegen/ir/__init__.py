"""The loop IR: a small grammar of loops, statements and values, with a text form.

nodes.py     the nodes and their text
packing.py   how the packed weights lie, described and carried out
rewrite.py   walks, substitutions and what the passes share
"""

from .nodes import (
    Activate,
    Alloc,
    Binary,
    Bind,
    Block,
    Buffer,
    Const,
    Fma,
    For,
    Kernel,
    Let,
    Load,
    Prefetch,
    Ref,
    Select,
    Statement,
    Store,
    Unary,
    Value,
    buffer,
    first_line,
    load,
    loop,
    store,
    value,
)

__all__ = [
    "Activate",
    "Alloc",
    "Binary",
    "Bind",
    "Block",
    "Buffer",
    "Const",
    "Fma",
    "For",
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
    "buffer",
    "first_line",
    "load",
    "loop",
    "store",
    "value",
]
