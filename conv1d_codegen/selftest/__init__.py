"""The self-test: random layers, held against a reference that shares no code with the compiler. `python -m
conv1d_codegen selftest`.

    parameters ─► covering ─► sampler ─► Case ─► worker (a child process: guards, oracle, checks) ─► driver ─► shrink, report

It ships with the package and needs nothing beside it. The package itself never imports it.
"""
