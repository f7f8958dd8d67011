"""The bench's cases, and the check that their results are held against."""

from __future__ import annotations

import numpy as np
import pytest
from support.bench_helpers import case

from bench import shapes
from conv1d_codegen import Plan
from conv1d_codegen.benchmark import check, measure
from conv1d_codegen.benchmark.cases import Case


def test_there_are_59_cases_of_known_sizes() -> None:
    cases = shapes.load()
    assert len(cases) == len({case.name for case in cases}) == 59
    assert str(case("wavenet_voc/gate_d8")) == "c128_f256_k3_d8_pad16x0_relu_f32@1x10240"
    assert case("wavenet_voc/gate_d8").flops == 2_013_265_920
    assert str(case("tiny/realtime", channels_first=True)) == "c8_f8_k3_d2_pad4x0_relu_f32_first@1x64"


def test_the_filter_looks_at_name_class_and_problem() -> None:
    assert [case.name for case in shapes.load(text="tiny/realtime")] == ["tiny/realtime"]
    assert {case.kind for case in shapes.load(text="depthwise")} == {"depthwise"}
    assert {case.problem.kernel_size for case in shapes.load(text="_k128_")} == {128}
    assert shapes.load(text="no such case") == []


def test_arrays_lie_where_large_ones_of_numpy_do() -> None:
    for dtype in ("f32", "f64"):
        this = next(case for case in shapes.load(dtype=dtype) if case.name == "m5/b1_conv1")
        x, y = this.inputs(), this.output()
        assert x.ctypes.data % 64 == y.ctypes.data % 64 == 16
        assert x.dtype == y.dtype == {"f32": np.float32, "f64": np.float64}[dtype]
        assert x.flags.carray
        assert np.array_equal(x, this.inputs())
        assert abs(x.std() - 1) < 0.1
        assert np.isnan(y).all()


@pytest.mark.parametrize("name", ["tiny/realtime", "onednn/1d/conv_dw", "onednn/1d/conv1d:2", "tcresnet8/b24_conv0"])
@pytest.mark.parametrize("channels_first", [False, True])
def test_a_case_is_computed_as_its_problem_says(name: str, channels_first: bool) -> None:
    this = case(name, channels_first)
    layer, x = this.layer(), this.inputs()
    assert layer.problem == this.problem
    assert check.wrong(this, layer, x, layer(x)) is None


@pytest.mark.parametrize("name", ["tiny/realtime", "hifigan/c64_k11d5", "onednn/1d/conv1d:2"])  # all of it, and parts
@pytest.mark.parametrize("channels_first", [False, True])
def test_the_check_catches_a_wrong_kernel(name: str, channels_first: bool) -> None:
    this = case(name, channels_first)
    layer, other, x = this.layer(), this.layer(), this.inputs()
    weights = layer.kernel.copy()
    weights[-1, -1] = 0.0  # the last tap forgets a channel
    other.kernel = weights
    assert "off by" in (check.wrong(this, layer, x, other(x)) or "")
    y = layer(x)
    assert check.wrong(this, layer, x, y) is None
    y[-1, -1, -1] += 1.0
    assert "off by" in (check.wrong(this, layer, x, y) or "")
    y[0, y.shape[1] // 3, y.shape[2] // 3] = np.nan
    assert "never written" in (check.wrong(this, layer, x, y) or "")


def test_only_who_asked_for_larger_errors_may_have_them() -> None:
    toom = Plan.parse("cook_toom F(4,3) lanes=filters 16x4 rows=6,5,2,1 block=96 unroll=4")
    direct = Plan.parse("direct lanes=filters 16x4 rows=6,5,2,1 block=96 unroll=4")
    assert check.allowance(toom, "auto", "standard") == check.allowance(direct, "auto", "fast") == 1
    assert check.allowance(toom, "auto", "fast") == check.allowance(toom, "cook_toom", "standard") > 1
    this = case("tiny/realtime")
    layer, x = this.layer(), this.inputs()
    y = layer(x)
    assert check.largest_share(this, layer, x, y) <= 1
    y[0, 0, 0] += 1e-3
    share = check.largest_share(this, layer, x, y)
    assert f"off by {share:.3g} times" in (check.wrong(this, layer, x, y) or "")
    assert check.wrong(this, layer, x, y, allowance=share) is None
    y[0, 0, 0] = np.nan
    assert check.largest_share(this, layer, x, y) == np.inf


def test_strict_layers_are_direct() -> None:
    assert case("hifigan/c256_k3d1").layer(accuracy="strict").dump("plan").startswith("direct ")
    assert measure.Settings().transforms
    assert measure.Settings(algorithm="cook_toom", accuracy="fast").transforms
    assert not measure.Settings(accuracy="strict").transforms
    assert not measure.Settings(algorithm="direct").transforms


@pytest.mark.parametrize("layout", ["", "_first"])
def test_outputs_whose_taps_all_fall_beside_the_input_are_checked(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_FLOPS", 1)  # stretches of 8 steps, the first and last of which have no taps
    this = Case.parse(f"c4_f4_k6_pad13x33_relu_f32{layout}@2x20")
    layer, y = this.layer(), this.output()
    layer(this.inputs(), out=y)
    assert check.wrong(this, layer, this.inputs(), y) is None
    y[(slice(None), slice(None), -1) if layout else (slice(None), -1)] += 1.0
    assert check.wrong(this, layer, this.inputs(), y) is not None
