"""A directory in which object code is kept, and what it is made of."""

from pathlib import Path

import pytest
from support.natives import make_fast_code

from conv1d_codegen.machine import jit


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory in which code is kept: that of kernels, as that of fast calls is there before."""
    make_fast_code()
    monkeypatch.setenv("CONV1D_CODEGEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CONV1D_CODEGEN_CODE_MIB", "1")
    return tmp_path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The LLVM IR that object code is made of."""
    make_fast_code()
    texts: list[str] = []
    object_code = jit.object_code

    def noted(ir: str, *arguments: object) -> bytes:
        texts.append(ir)
        return object_code(ir, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(jit, "object_code", noted)
    return texts
