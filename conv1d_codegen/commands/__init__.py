"""The commands of the command line, a file each: `add` names its arguments, `run` does what they say. They load what they
need when they run.

arguments.py   what several commands take
dump.py        a kernel at any stage
explain.py     why it is as it is, in words and numbers
explore.py     a page about a kernel
tune.py        plans by measurement
bench.py       measurements of a user's own layers
targets.py     the machines there is code for
selftest.py    random layers
demo.py        heartbeats in an ECG
"""
