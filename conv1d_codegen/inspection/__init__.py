"""Kernels explained: what one computes, by which plan and why, and what bounds its speed.

assembly.py             instructions by what they do, and the innermost loop
microarchitectures.py   what some processors do in a cycle, and the least cycles of a loop
census.py               how often a kernel's statements run, for sizes that are known
origins.py              which loop each line of LLVM IR comes from, and each instruction
page.py                 a page of HTML about a kernel, or two beside each other
page_data.py            what it shows, as plain data
page_tiles.py           the tiles of the output, by going through the loops
page_roofline.py        the limits of a core, and where a kernel lies under them
"""
