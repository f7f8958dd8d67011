"""How a network runs: kernels for its nodes, called one after another in memory that is planned beforehand.

tasks.py     nodes as kernels
parts.py     those of a transposed convolution
stores.py    where kernels store
beside.py    what is written where a concatenation has it
along.py     what is stored by the kernel of another node
arena.py     where tensors lie
groups.py    how many sequences go through it together
launch.py    all that a call with inputs of certain sizes needs
program.py   a graph, ready to run
"""

from .program import Program

__all__ = ["Program"]
