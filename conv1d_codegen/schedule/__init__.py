"""How a problem is computed: the plan, and who chooses it.

plan.py              `Plan`, one line of text
fits.py              which plans fit which problems
cost_model.py        the plan for a problem and a target
cook_toom_model.py   whether Cook–Toom pays, and with which numbers
details.py           the rest of a plan, which follows from its algorithm and tiles
registers.py         what a machine's registers hold
code_size.py         plans that make less code
tuned_plans.py       what `tune` found, from one process to the next
"""
