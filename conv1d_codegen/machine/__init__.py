"""The machine that code is made for, and LLVM, which makes it.

target.py              the table of targets: registers, vectors, caches
host.py                the machine at hand
microarchitectures.py  what the cores of some do in a cycle
jit.py                 LLVM IR → optimised IR → assembly or machine code in memory
peak.py                the limit of its arithmetic, measured
timing.py              clocks, and calls that take turns
shelter.py             work that no signal's handler may interrupt
executable_memory.py   what to say where a system forbids it
"""
