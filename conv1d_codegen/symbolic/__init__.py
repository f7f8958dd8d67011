"""Integers that are known only at run time, as expressions, and what can be proved about them.

index.py        expressions over named integers, in one form, with a text
scope.py        `Scope.proves(e)`: whether `e >= 0` wherever the loops around run
polynomial.py   expressions as polynomials over numbered integers
search.py       the search for a proof, by bounds put in place of integers
guards.py       what follows from the fact that the loops around run
"""
