"""Seeing inside: what a kernel is, and why it is as fast as it is.

origins.py   which loop each line of LLVM IR comes from, and which of those lines each instruction does
"""
