"""The errors that are this package's own; everything a Keras user expects is Keras's ValueError or TypeError."""


class CompileError(RuntimeError):
    """A kernel can't be made or run: an unknown target, a plan that fits neither problem nor machine, or a fault of the
    compiler.
    """


class UnprovedWarning(RuntimeWarning):
    """A kernel was not proved safe, a fault of the compiler, so that a slower one runs: worth a report, with the line
    that it carries.
    """


class RedZoneError(RuntimeError):
    """A kernel has written beside one of its scratch arrays, a fault of the compiler: only seen with
    CONV1D_CODEGEN_RED_ZONES=1.
    """
