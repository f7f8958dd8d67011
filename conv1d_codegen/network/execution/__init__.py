"""How a network runs: kernels for its nodes, called one after another in memory that is planned beforehand.

tasks.py     nodes as kernels
beside.py    what is written where a concatenation has it
parts.py     which tensors are part of another's memory
arena.py     where tensors lie
launch.py    all that a call with inputs of certain sizes needs
program.py   a graph, ready to run
"""

from .program import Program

__all__ = ["Program"]
