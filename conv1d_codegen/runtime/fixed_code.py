"""Fixed code: what a template says in full, for a target; no loops are printed into it."""

from __future__ import annotations

from ..emit import templates
from ..machine.target import Target
from . import kept_code


def image(target: Target, template: str, **values: object) -> bytes:
    """The object code of `templates/{template}.ll.j2`, filled with values that are numbers and words of this package;
    kept for later processes as kernels are. Raises CompileError as `jit.object_code`.
    """
    from ..machine import jit

    file = kept_code.key(target, template, sorted(values.items()))
    _, code = kept_code.read_parts(file)
    if code is None:
        text = templates().get_template(f"{template}.ll.j2").render(values)
        code = jit.in_llvm(lambda: jit.object_code(text, target))
        kept_code.write_parts(file, b"", code)
    return code
