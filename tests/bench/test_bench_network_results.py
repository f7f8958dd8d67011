"""The bench of networks: what it refuses, measures, marks, prints, draws and writes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import network_measure, network_run, network_table
from bench.network_measure import Settings
from conv1d_codegen.benchmark import compare, peers, record
from conv1d_codegen.benchmark.record import NetworkResult
from conv1d_codegen.machine import timing
from conv1d_codegen.network.graph import Graph, Weights

PEERS = ["torch", "jax"]


def result(name: str = "keras-tcn", heavy: int = 0, **milliseconds: float) -> NetworkResult:
    """A result of 8 layers, of which 5 are convolutions."""
    timings = {who: timing.Timing(value / 1e3, 0.01) for who, value in {"peak": 1.0, **milliseconds}.items()}
    return NetworkResult(name, f"{name}@1x64 0123", 1, 2_000_000, 1e11, timings, {}, 8, 5, heavy)


def a_run(*results: NetworkResult) -> record.Run[NetworkResult]:
    limits = [record.Limits(1, [0], 1e11, 1e10)]
    machine = {"cpu": "a", "llvm_cpu": "a"}
    return record.Run("2026-01-01", machine, {}, {"peers": PEERS}, limits, list(results), "networks")


def test_the_table_lines_up_and_has_every_ratio() -> None:
    row = network_table.row(result(compiled=2, torch=4, jax=3, convolutions=1.6), PEERS)
    assert row.split() == ["keras-tcn", "5", "2.0", "2.000", "1.0", "2.00", "1.50", "1.50", "jax", "1.25"]
    header = network_table.header(PEERS)
    assert len(header) == len(row)
    assert header.index("best peer") == row.index("jax")
    assert network_table.row(result(compiled=2, convolutions=2), []).split()[-1] == "1.00"


def test_who_is_wrong_is_marked() -> None:
    this = result(compiled=2, jax=3, convolutions=2)
    this.faults["torch"] = "off by 7"
    row = network_table.row(this, PEERS)
    assert "WRONG     1.50" in row
    assert row.splitlines()[1].strip() == "WRONG: torch: off by 7"
    ours = replace(this, timings={"peak": this.timings["peak"]}, faults={"compiled": "off by 8"})
    assert network_table.row(ours, PEERS).split() == ["keras-tcn", "WRONG:", "compiled:", "off", "by", "8"]


def test_the_means_say_where_a_peer_is_faster_and_what_a_layer_costs() -> None:
    results = [
        result(compiled=2, torch=4, jax=8, convolutions=1.9),
        result("tiny", compiled=0.08, torch=0.04, convolutions=0.02),
        result("hifigan-v3", heavy=3, compiled=8, torch=16, jax=4, convolutions=1),
    ]
    text = network_table.means(results, PEERS)
    first = text.splitlines()[0].split()
    assert first[:2] == ["geometric", "mean"]
    assert first[2:] == ["1.26", "1.41", "0.79", f"{(2 / 1.9 * 4 * 8) ** (1 / 3):.2f}"]
    assert "a peer is faster on 2 of 3: tiny, hifigan-v3" in text
    assert "cost of a layer, µs (tiny@1x64, 8 layers): compiled 10.0, torch 5.0" in text
    assert "MISSED at most 1.08 times the time of its convolutions (2 networks" in text
    assert text.endswith("1 miss it: tiny")
    met = network_table.means(results[:1], [])
    assert "met    at most 1.08" in met
    assert "peer" not in met


def test_a_run_is_written_read_and_compared(tmp_path: Path) -> None:
    old = a_run(result(compiled=2, torch=4, convolutions=2), result("tiny", compiled=1, convolutions=1))
    old.write(tmp_path / "run.json")
    assert record.read(tmp_path / "run.json") == old
    new = a_run(result(compiled=3, torch=4, convolutions=2), result("tiny", compiled=1, convolutions=1))
    text, slower = compare.report(old, new)
    assert slower
    assert "keras-tcn                           1 compiled    slower by   50.0 %" in text
    assert "compiled networks: 1.225 times the time, geometric mean of 2" in text
    another = replace(old, results=[replace(each, text="another") for each in old.results])
    assert "The runs have no time in common" in compare.report(old, another)[0]


def test_a_kind_of_run_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    replace(a_run(result(compiled=1)), kind="pictures").write(tmp_path / "run.json")
    with pytest.raises(record.RecordError, match="pictures"):
        record.read(tmp_path / "run.json")


def test_the_picture_has_every_network_and_peer(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench import network_plot

    run = a_run(result(compiled=2, torch=4, convolutions=1.5), result("tiny", compiled=1, convolutions=0.5))
    network_plot.draw(tmp_path / "run.svg", run)
    text = (tmp_path / "run.svg").read_text(encoding="utf-8")
    for said in ("keras-tcn", "2 ms", "tiny", "torch", "2 networks on one thread of a"):
        assert f"<!-- {said}" in text or said in text


class ZerosPeer:
    """Gives zeros for everything."""

    @staticmethod
    def prepare_network(graph: Graph, weights: Weights, x: np.ndarray, threads: int) -> peers.Prepared:
        zeros = np.zeros((1, 8, x.shape[2]), np.float32)
        return peers.Prepared(lambda: None, lambda: zeros)


class BrokenPeer:
    """Raises."""

    @staticmethod
    def prepare_network(graph: Graph, weights: Weights, x: np.ndarray, threads: int) -> peers.Prepared:
        raise RuntimeError("no such\nthing")


@pytest.mark.usefixtures("in_this_process")
def test_a_peer_that_is_wrong_or_fails_is_marked_and_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "missing", lambda names, needs: [])
    monkeypatch.setattr(peers, "versions", lambda names: {})
    monkeypatch.setattr(peers, "load", {"torch": ZerosPeer, "jax": BrokenPeer}.__getitem__)
    path = tmp_path / "run.json"
    arguments = ["--filter", "tiny", "--rounds", "2", "--peers", "torch,jax", "--json", str(path)]
    assert network_run.main(arguments) == 0
    out = capsys.readouterr().out
    assert "WRONG: torch: outputs are off by 1 of the largest" in out
    assert "WRONG: jax: RuntimeError: no such thing" in out
    assert "cost of a layer" in out
    (this,) = record.read(path).results
    assert set(this.timings) == {"peak", "compiled", "convolutions"}
    assert (this.layers, this.convolutions, this.heavy) == (8, 8, 0)
    assert this.flops == 8 * 2 * 64 * 3 * 8 * 8
    assert 0 < this.timings["compiled"].seconds < this.timings["convolutions"].seconds  # one call, and eight


@pytest.mark.usefixtures("in_this_process")
def test_a_wrong_output_of_ours_makes_the_run_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(network_measure, "wrong", lambda y, wanted: "it is")
    assert network_run.main(["--filter", "tiny", "--quick"]) == 1
    out = capsys.readouterr().out
    assert "WRONG: compiled: it is" in out
    assert "1 networks in" in out
    assert "geometric mean" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peers", "keras"], "torch_compile"),
        (["--threads", "1000"], "this process may use"),
        (["--json", "/no/such/folder/x.json"], "there is no folder"),
        (["--rounds", "0"], "1 or more is needed"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        network_run.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert network_run.main(["--filter", "no such network"]) == 2


def test_without_a_compiler_the_compiled_torch_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "missing", lambda names, needs: [])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    arguments = network_run._arguments(["--peers", "torch,torch_compile"])
    assert arguments.peers == ("torch",)
    assert "torch_compile is left out" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/g++" if name == "g++" else None)
    assert network_run._arguments(["--peers", "torch,torch_compile"]).peers == ("torch", "torch_compile")


def test_a_process_of_its_own_measures_networks() -> None:
    from conv1d_codegen.benchmark import process

    found = list(process.events(Settings(filter="tiny", rounds=1)))
    assert [next(iter(event)) for event in found] == ["limits", "begin", "result"]
    this = record.result_from(found[-1]["result"], "networks")
    assert isinstance(this, NetworkResult)
    assert this.faults == {}
