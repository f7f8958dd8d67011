"""How a problem is computed: the plan, and who chooses it.

plan.py              `Plan`, one line of text
fits.py              which plans fit which problems
cost_model.py        the plan for a problem and a target
direct_plans.py      the direct plan: what lies in the lanes, tiles and blocks
tile_cycles.py       how many register tiles there are, and how long their products take
direct_cycles.py     how long direct takes
cook_toom_cycles.py  how long Cook–Toom takes
cook_toom_model.py   whether it pays, and with which numbers
window_forms.py      which forms of it there are, and how large their errors
alternatives.py      what was compared, and why it was not taken
details.py           the rest of a plan, which follows from its algorithm and tiles
registers.py         what a machine's registers hold
code_size.py         plans that make less code
tuned_plans.py       what `tune` found, from one process to the next

Beside a constant stand the times that chose it. `conv1d-codegen explain PROBLEM@BATCHxLENGTH --measure` prints them, of the
whole call on one thread, for the plan that is taken, and with `--plan` for the same plan with the word in question changed;
`conv1d-codegen bench … --threads 2` those of two threads, `python -m bench compile` how long code takes to compile, and
`explain` how many vectors are spilled. Unless another one is named, the processor is a virtual machine's Xeon with AVX-512
and AMX, of 48 KiB of L1 and 2 MiB of L2 a core.
"""
