"""Calling machine code: arguments, memory and threads.

kernel.py         machine code and what calls it
kernel_cache.py   the kernels that are kept for the next layer
workspace.py      memory for large scratch arrays
threads.py        the number of threads, and the team that shares a call
openmp.py, pool.py, work.py   what a team is made of
"""
