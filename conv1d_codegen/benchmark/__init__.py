"""Measuring kernels: against the generic kernel, the limits of the machine and other libraries.

    run.py            the run: some cases, each beside the others, as a table, JSON and a picture
    own.py            `conv1d-codegen bench`: cases of a user's, by descriptors or from the file of a network
    constants.py      what knowing each size of a kernel is worth; constants_plot.py, its picture
    compare.py        two runs' JSON
    cases.py          one case: a problem, its batch and its length
    convolutions.py   those of a network, with the shapes that it gives them
    arguments.py      arguments that commands share
    command.py        what runs of layers and of networks share
    measure.py        checks and times the cases, in the process that `process.py` starts by `child.py`
    check.py          is it right, before it is fast
    bandwidth.py      the limits of memory
    machine.py        which machine, which versions
    record.py         what was found, as data
    targets.py        what bounds a case, and how close to it the project wants it
    table.py cells.py plot.py style.py progress.py      how it is shown
    peers/            other libraries, one file each
    translations/     networks in their words

The lists of cases that the project itself is measured by are in `bench/`, at the top of its repository.
"""
