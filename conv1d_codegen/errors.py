"""The errors that are this package's own; everything a Keras user expects is Keras's ValueError or TypeError."""


class CompileError(RuntimeError):
    """A kernel can't be made or run: an unknown target, a plan that fits neither problem nor machine, or a fault of the compiler."""
