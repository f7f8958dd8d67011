"""How many products are added up in one chain, and how longer sums are cut: what a result's rounding errors, and its
bits, depend on.

The error of a chain grows with the partial sums that it goes through, so long reductions are sums of short ones. A
chunk's shape depends neither on where an output lies nor on how it is scheduled.
"""

from __future__ import annotations

#: Products that are added up in one chain. The largest error as a share of `reference.error_bound`, in one chain and in
#: chunks of 256, for 6144 products (c768_f768_k128_g16@1x49): normal data 0.49 and 0.10, data of one sign 6.5 and 0.85.
#: One chunk (c85_f64_k3@1x4000): 0.54 and 2.3, of 256 000 outputs.
LONGEST_CHAIN = 256
#: ... of transformed products, whose errors grow on their way back; and where they are few. The largest error of F(4,3)
#: as a share of the bound, in chains of 256, 64, 32 and 16: c256_f256_k3 0.75 0.31 0.22 0.29, c64_f64_k3 0.82 0.82 0.45
#: 0.36, c32_f32_k3 1.04 1.04 1.04 0.65. Down to 32, that takes no time that shows; 16 takes 3 % more.
WINDOW_CHAIN, SHORT_CHAIN = 32, 16


def chunk_shape(taps: int, channels: int) -> tuple[int, int]:
    """Taps and channels of a chunk, of up to LONGEST_CHAIN products: whole taps, evenly many, or an even part of one
    tap's channels.
    """
    if channels > LONGEST_CHAIN:
        parts = (size for size in range(LONGEST_CHAIN, LONGEST_CHAIN // 4, -1) if channels % size == 0)
        return 1, next(parts, LONGEST_CHAIN)
    most = LONGEST_CHAIN // channels
    return -(-taps // -(-taps // most)), channels


def window_chunk_shape(terms: int, channels: int) -> tuple[int, int]:
    """Terms and channels of a chunk of transformed products: whole terms, or a part of one term's channels, an even one
    if there is any.
    """
    longest = WINDOW_CHAIN if terms * channels >= 2 * WINDOW_CHAIN else SHORT_CHAIN
    if channels > longest:
        sizes = range(longest, longest // 4, -1)
        even = [size for size in sizes if channels % size == 0]
        return 1, next((size for size in even if size % 4 == 0), even[0] if even else longest)
    most = longest // channels
    return -(-terms // -(-terms // most)), channels
