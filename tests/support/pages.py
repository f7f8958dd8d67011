"""What the tests of pages share: the data of one kernel, and how they are read out of a page again."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from conv1d_codegen.compiler import Compilation, compile_problem
from conv1d_codegen.inspection.explain import explain
from conv1d_codegen.inspection.page_data import Data, side
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem, parse_case

PROBLEM = "c16_f40_k5_d2_causal_relu_f32"


def compiled(problem: str = PROBLEM, target: str = "avx2", algorithm: str = "direct") -> Compilation:
    options = CompileOptions(algorithm=algorithm, target=target, accuracy="standard")
    return compile_problem(Problem.parse(problem), options)


def data_of(case: str = f"{PROBLEM}@2x300", target: str = "avx2", algorithm: str = "direct") -> Data:
    """One side of a page, of a problem for inputs of some size."""
    problem, batch, length = parse_case(case)
    return side_of(compiled(str(problem), target, algorithm), batch, length)


def side_of(made: Compilation, batch: int, length: int) -> Data:
    return side(made, explain(made, batch, length, "standard"), length)


class Page(HTMLParser):
    """The elements of a page, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._text = ""
        self.feed(text)

    @property
    def sides(self) -> list[Data]:
        found: list[Data] = json.loads(self._text)
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] and self.elements[-1][1].get("id") == "data":
            self._text += data
