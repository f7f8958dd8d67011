"""Calling machine code: arguments, memory and threads.

native.py         machine code, and its weights as it takes them
kernel.py         machine code of a convolution behind a checked call
packer.py         weights laid out by machine code
kernel_cache.py   the kernels that are kept for the next layer
kept_code.py      object code that is kept for the next process
header.py         what is kept with it: how it is called
workspace.py      memory for large scratch arrays
fast_calls.py     calls from Python to machine code at once, for shapes that were given before
python_function.py   the function of Python's that does these
driver.py         one call that runs the kernels of a network
threads.py        the number of threads, and who runs a call that several share
team.py, openmp.py, pool.py   who runs it: threads of our own, of OpenMP, of Python's pool
work.py           what they run
processors.py     how many processors there are for it
fixed_code.py     machine code that a template says in full: that function's, the driver's, the team's
"""
