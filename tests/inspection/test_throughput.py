"""The least cycles of a loop: by hand for small loops, and what the model says of our kernels."""

import pytest
from support.helpers import compiled

from conv1d_codegen.inspection.assembly import Loop, inner_loop, instructions
from conv1d_codegen.inspection.throughput import bound, bound_of
from conv1d_codegen.machine.microarchitectures import MICROARCHITECTURES, microarchitecture, peak
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem

pytestmark = pytest.mark.quick

DENSE = "c64_f64_k3_same_linear_f32"


def loop_of(*lines: str) -> Loop:
    text = "".join(f"\t{line}\n" for line in lines)
    return Loop(".l", 0, len(lines), 1, tuple(instructions(text)), 0)


def test_ports_bound_what_can_go_nowhere_else() -> None:
    """Six multiply-adds in a chain each, two loads: on two ports 3 cycles, and 4 for the latency."""
    work = [f"vfmadd231ps\t%zmm30, %zmm31, %zmm{n}" for n in range(6)]
    loop = loop_of(*work, "vmovups\t(%rax), %zmm30", "vbroadcastss\t(%rbx), %zmm31", "decq\t%rcx", "jne\t.l")
    found = bound(loop, MICROARCHITECTURES["Sunny Cove"])
    assert (found.by, found.cycles, found.fma_cycles, found.latency_cycles) == ("latency", 4.0, 3.0, 4.0)
    assert found.issue_cycles == 9 / 5  # `decq` and `jne` are one
    assert found.pressures[0].ports == ("0", "5")
    assert (found.pressures[0].operations, found.pressures[0].cycles) == (6, 3.0)
    loads = next(each for each in found.pressures if each.ports == ("2", "3"))
    assert (set(loads.kinds), loads.cycles) == ({"load", "broadcast"}, 1.0)


def test_kinds_that_share_ports_are_counted_together() -> None:
    """On a Sunny Cove, shuffles of 64 bytes go to port 5 only, multiply-adds to 0 and 5: 4 + 4 take 4 cycles together."""
    both = {("fma", 64): 4, ("shuffle", 64): 4}
    assert bound_of(both, MICROARCHITECTURES["Sunny Cove"]).cycles == 4.0
    assert bound_of({("fma", 64): 4}, MICROARCHITECTURES["Sunny Cove"]).cycles == 2.0
    six = {("fma", 64): 6, ("shuffle", 64): 4}
    found = bound_of(six, MICROARCHITECTURES["Sunny Cove"])
    assert (found.cycles, found.pressures[0].ports) == (5.0, ("0", "5"))


def test_a_folded_load_is_issued_once_and_loads() -> None:
    folded = bound(loop_of(*["vfmadd231ps\t(%rax), %ymm1, %ymm2"] * 2), MICROARCHITECTURES["Skylake"])
    assert folded.operations == 2
    assert {each.ports: each.operations for each in folded.pressures} == {("0", "1"): 2, ("2", "3"): 2}
    assert (folded.by, folded.cycles) == ("latency", 8.0)


def test_zen_4_takes_long_vectors_in_two() -> None:
    work = loop_of(*[f"vfmadd231ps\t%zmm30, %zmm31, %zmm{n}" for n in range(16)])
    assert bound(work, MICROARCHITECTURES["Zen 4"]).cycles == 16.0
    assert bound(work, MICROARCHITECTURES["Zen 5"]).cycles == 8.0


def test_issue_bounds_a_loop_of_many_kinds() -> None:
    lines = ["vmovups\t(%rax), %ymm1"] * 4 + ["vfmadd231ps\t%ymm3, %ymm4, %ymm5"] + ["leaq\t8(%rax), %rdx"] * 9
    found = bound(loop_of(*lines), MICROARCHITECTURES["Haswell"])
    assert found.issue_cycles == 14 / 4
    assert found.latency_cycles == 5.0


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_dense_kernel_is_bound_by_its_multiply_adds(target: str) -> None:
    loop = inner_loop(compiled(Problem.parse(DENSE), target).dump("asm"))
    assert loop is not None
    row = compiled(Problem.parse(DENSE), target).target
    found = bound(loop, microarchitecture(row))
    assert found.by == "ports"
    assert found.cycles == found.pressures[0].cycles
    if row.fma:
        assert found.cycles == found.fma_cycles


def test_a_row_without_a_known_processor_has_one() -> None:
    for target in TARGETS.values():
        assert microarchitecture(target).name in MICROARCHITECTURES
    assert peak(TARGETS["avx512"], "f32") == 64
    assert peak(TARGETS["avx2"], "f64") == 16
    assert peak(TARGETS["neon"], "f32") == 16


def test_every_microarchitecture_has_ports_for_every_kind() -> None:
    for model in MICROARCHITECTURES.values():
        for kind in ("fma", "arithmetic", "load", "store", "shuffle", "move", "integer", "branch", "other"):
            assert model.ports_of(kind, 64)
            assert model.ports_of(kind, 16)
