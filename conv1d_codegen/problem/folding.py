"""Folding: a long filter of one channel as a short one of many channels, which are steps that lie beside each other.

With P steps a row, output step P*o + a and tap j of

    y[P*o + a] = sum over j of x[P*o + a + j] * w[j]                                                a < P

meet at step P*(o + q) + b of the input, where P*q + b = a + j. So

    y[o, a] = sum over q and b of x[o + q, b] * w[P*q + b - a]              zero where P*q + b - a is no tap

is a convolution of P channels, P filters and (k + P - 1) / P taps, rounded up: hardly more products than before, where k
is several times P. Channels and filters can share Cook–Toom's transforms, which one channel can't. Its weights are those
of 2*P - 1 *diagonals*, f - c of channel c and filter f, for each tap.

Source: polyphase matrices of filters, in Vaidyanathan, Multirate Systems and Filter Banks, 1993, are of this form; block
filters, in Burrus, Block Implementation of Digital Filters, 1971.
"""

from __future__ import annotations

from .problem import Problem


def folded_taps(kernel_size: int, steps: int) -> int:
    """Taps of a filter with so many `steps` a row."""
    return -(-(kernel_size + steps - 1) // steps)


def folded(problem: Problem, steps: int) -> Problem:
    """The convolution of rows of so many `steps`, each of which is a channel of its group, of those outputs that have all
    taps; with one step, the problem itself. Raises ValueError for several channels or filters of a group, a stride or a
    dilation.
    """
    if steps == 1:
        return problem
    if not folds(problem):
        raise ValueError(
            f"Steps are folded of problems with one channel and one filter of each group, beside each other, and no stride or "
            f"dilation. Received: {problem}."
        )
    return problem.with_(
        channels=problem.groups * steps,
        filters=problem.groups * steps,
        kernel_size=folded_taps(problem.kernel_size, steps),
        padding="valid",
        channels_first=False,
    )


def weights_of_tap(problem: Problem, steps: int) -> int:
    """Numbers that are the weights of one tap of a group: of each channel and filter, or of each diagonal."""
    return 2 * steps - 1 if steps > 1 else problem.group_channels * problem.group_filters


def folds(problem: Problem) -> bool:
    """Whether a problem's steps can be channels: where they lie beside each other, and no filter leaves any out."""
    single = problem.group_channels == problem.group_filters == problem.stride == problem.dilation == 1
    return single and (problem.groups == 1 or problem.channels_first)
