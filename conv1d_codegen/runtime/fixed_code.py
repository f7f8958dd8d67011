"""Machine code that no network or layer changes, from a template of its own: made once for a target, and kept as
kernels are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..emit import templates
from ..machine.target import Target
from . import kept_code

if TYPE_CHECKING:
    from ..machine.jit import Code


def fixed_code(
    name: str, target: Target, imports: Mapping[str, int] | None = None, level: int = 3, **context: Any
) -> Code:
    """The function of that name, printed by the template of that name with `context`, and loaded. `imports`: the
    addresses of the functions that it calls. `level`: of LLVM's optimisation. The caller holds COMPILING. Raises
    CompileError for another machine.
    """
    from ..machine import jit

    file = kept_code.key(target, name, level, sorted(context.items()))
    _, image = kept_code.read_parts(file)
    if image is None:
        text = templates().get_template(f"{name}.ll.j2").render(name=name, **context)
        image = jit.in_llvm(lambda: jit.object_code(text, target, True, level))
        kept_code.write_parts(file, b"", image)
    return jit.link(image, name, imports)
