"""What was written when modules had other names still loads."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from support.helpers import python

import conv1d_codegen
from conv1d_codegen.moved import MOVED

PICKLE = Path(__file__).parent / "data" / "layer_0_1.pickle"


def test_a_pickle_of_version_0_1_loads() -> None:
    """A layer with a plan, a float16 policy, a bound activation, a regularizer and a constraint; and what it computed
    then.
    """
    found = pickle.loads(PICKLE.read_bytes())
    layer = found["layer"]
    assert type(layer) is conv1d_codegen.Conv1D
    np.testing.assert_array_equal(layer(found["x"]), found["y"])
    assert layer.get_config() == found["config"]
    assert found["problem"] == conv1d_codegen.Problem.parse("c4_f8_k3_same_relu_f32")
    assert found["relu"] is conv1d_codegen.activations.relu


@pytest.mark.parametrize("name", MOVED)
def test_an_earlier_name_finds_the_module_of_today(name: str) -> None:
    code = f"import conv1d_codegen.{name} as old, importlib; print(old is importlib.import_module('conv1d_codegen.{MOVED[name]}'))"
    assert python(code)[:2] == (0, "True\n")


def test_other_names_find_nothing() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"conv1d_codegen\.nothing"):
        __import__("conv1d_codegen.nothing")
