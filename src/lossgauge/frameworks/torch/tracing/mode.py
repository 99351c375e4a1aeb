"""The interposition: every torch call made by the optimizer passes here with its units."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from lossgauge.frameworks.torch.tracing.arithmetic import Rule
from lossgauge.frameworks.torch.tracing.call import Call, spread
from lossgauge.frameworks.torch.tracing.operations import RULES
from lossgauge.frameworks.torch.tracing.quantity import plain, wrap
from lossgauge.frameworks.torch.tracing.tags import LOST, NUMBER, Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.monomial import WEIGHT, Monomial

_DUNDER = re.compile(r"^__i?(.*)__$")
_SETTERS = ("grad", "data")
_SILENT = """
    size numel nelement dim ndim ndimension shape dtype device layout is_sparse is_cuda is_cpu is_floating_point
    is_complex requires_grad is_leaf grad_fn len hash repr str format stride storage_offset data_ptr
    is_contiguous element_size untyped_storage storage nbytes itemsize iter _version retain_grad register_hook
    is_coalesced sparse_dim dense_dim _nnz names output_nr is_mkldnn is_quantized is_meta is_mps is_xpu
    is_nested get_device is_same_size is_shared _record_function_enter_new _record_function_exit _RecordFunction
    _set_grad_enabled set_grad_enabled is_inference finfo iinfo result_type promote_types can_cast is_tensor
    manual_seed get_default_dtype delitem __dir__ backward __reduce_ex__ is_grad_enabled share_memory
    record_stream bool index contains numpy_dtype is_conj is_neg __len__ is_vulkan is_ipu is_maia is_mtia is_xla
    _is_view _base is_signed reversed set_stance view_dtype get_rng_state set_rng_state
    _has_compatible_shallow_copy_type _backward_hooks _post_accumulate_grad_hooks _foreach_supported is_storage
    broadcast_shapes class
"""
SILENT = frozenset(_SILENT.split())
"""Operations that return no number with a unit."""

TO_PYTHON = frozenset(("item", "tolist", "float", "int", "complex"))
"""Operations through which a value leaves the tensors for plain Python."""


class UnitMode(TorchFunctionMode):
    """Runs each torch function on plain numbers and works out the unit of its result.

    Args:
        tracer: The books.
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run `func` and tag what comes out.

        Args:
            func: The torch function.
            types: Unused.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            Its result; Python floats come back as quantities.
        """
        kwargs = kwargs or {}
        name, accessor = canonical_name(func)
        if accessor == "__set__" and name in _SETTERS:
            return self._set_attribute(func, name, args)
        result = func(*plain(tuple(args)), **plain(kwargs))
        if accessor == "__get__":
            return self._attribute(name, args, result)
        if accessor == "__set__" or name in SILENT:
            return result
        call = Call(self.tracer, name, tuple(args), kwargs, result)
        if name in TO_PYTHON and not isinstance(result, torch.Tensor):
            return _as_python(call)
        tags = _foreach(call) if name.startswith("_foreach_") else self._tags(call)
        self._attach(call, func, tags)
        return result

    def _attribute(self, name: str, args: Sequence[Any], result: Any) -> Any:
        """A view such as `.T` shares the tag through its memory; only where it does not, it is copied."""
        if isinstance(result, torch.Tensor) and name != "grad" and not _same_memory(args[0], result):
            self.tracer.set_tag(result, self.tracer.tag_of(args[0]))
        return result

    def _tags(self, call: Call) -> Any:
        rule = RULES.get(call.name)
        if rule is None:
            operands = spread([*call.args, *call.kwargs.values()])
            if all(_is_number(self.tracer.tag_of(x)) for x in operands):
                return NUMBER if operands else None  # whatever it does to pure numbers, it makes pure numbers
            return self.tracer.lose(call.name)
        return _apply(rule, call)

    def _attach(self, call: Call, func: Any, tags: Any) -> None:
        if tags is None:
            return
        target = call.kwargs.get("out")
        if target is None and _in_place(func, call):
            target = call.args[0] if call.args else None
        if target is None:
            for tensor, tag in _pairs(call.result, tags):
                self._tag_result(tensor, tag, call)
            return
        for tensor, tag in _pairs(target, tags):
            self.tracer.assign(tensor, tag, call.name)

    def _tag_result(self, tensor: torch.Tensor, tag: Tag, call: Call) -> None:
        shared = any(isinstance(arg, torch.Tensor) and _same_memory(arg, tensor) for arg in call.args[:1])
        if not shared:
            self.tracer.set_tag(tensor, tag)

    def _set_attribute(self, func: Callable[..., Any], name: str, args: Sequence[Any]) -> Any:
        weight = name == "data" and len(args) > 1 and self.tracer.is_weight(args[0])
        result = func(*plain(tuple(args)))
        if weight:  # it has new memory now, whose tag is that of the new value
            self.tracer.unify(Tag(Monomial(WEIGHT)), self.tracer.tag_of(args[1]), "data")
            self.tracer.add_weight(args[0])
        return result


def canonical_name(func: Callable[..., Any]) -> tuple[str, str]:
    """The name under which a torch function is looked up, and the accessor where it is an attribute.

    Args:
        func: What torch handed to the mode: a function, a method, or the getter of an attribute.

    Returns:
        `(name, accessor)`: `("add", "")` for `Tensor.__iadd__`, `("grad", "__get__")` for reading `.grad`.
    """
    raw = getattr(func, "__name__", str(func))
    if raw in ("__get__", "__set__", "__delete__"):
        owner = getattr(func, "__self__", None)
        return getattr(owner, "__name__", "?"), raw
    if raw.startswith("_foreach_"):
        return raw.rstrip("_"), ""
    match = _DUNDER.match(raw)
    if match and raw not in ("__init__", "__index__", "__int__", "__invert__", "__iter__"):
        return match[1] if raw not in _NOT_IN_PLACE else raw.strip("_"), ""
    name = raw.strip("_") if raw.startswith("__") else raw.rstrip("_")
    module = getattr(func, "__module__", "") or ""
    if not name.startswith("linalg_") and module.endswith("linalg"):
        return f"linalg_{name}", ""
    return name, ""


_NOT_IN_PLACE = {"__invert__", "__index__", "__int__", "__iter__"}


def _apply(rule: Rule, call: Call) -> Any:
    """The tags a rule gives; where an argument with a unit was not looked at they would be a guess."""
    tags = rule(call)
    return call.tracer.lose(f"an argument of {call.name}") if call.overlooks() else tags


def _in_place(func: Any, call: Call) -> bool:
    raw = getattr(func, "__name__", "")
    if raw == "__setitem__":
        return True
    if raw.startswith("__i") and raw.endswith("__") and raw not in _NOT_IN_PLACE:
        return True
    return raw.endswith("_") and not raw.endswith("__")


def _foreach(call: Call) -> list[Tag]:
    """A foreach operation is the plain one applied to each entry."""
    name = call.name.removeprefix("_foreach_")
    lists = [arg for arg in call.args if isinstance(arg, (list, tuple)) and arg and isinstance(arg[0], torch.Tensor)]
    length = len(lists[0]) if lists else 0
    tags: list[Tag] = []
    rule = RULES.get(name)
    for i in range(length):
        args = tuple(arg[i] if isinstance(arg, (list, tuple)) and len(arg) == length else arg for arg in call.args)
        kwargs = {k: v[i] if isinstance(v, (list, tuple)) and len(v) == length else v for k, v in call.kwargs.items()}
        if "scalars" in kwargs:
            kwargs["value"] = kwargs.pop("scalars")
        inner = Call(call.tracer, name, args, kwargs, None)
        tag = _apply(rule, inner) if rule else call.tracer.lose(call.name)
        tags.append(tag if isinstance(tag, Tag) else LOST)
    return tags


def _pairs(target: Any, tags: Any) -> list[tuple[torch.Tensor, Tag]]:
    """Each tensor of a result with its tag; whole numbers and truth values (places, counts) have no unit."""
    if isinstance(target, torch.Tensor):
        if not (target.dtype.is_floating_point or target.dtype.is_complex):
            return [(target, NUMBER)]
        return [(target, tags if isinstance(tags, Tag) else tags[0])]
    if isinstance(target, (list, tuple)):
        several = isinstance(tags, list)
        return [
            pair
            for i, item in enumerate(target)
            for pair in _pairs(item, (tags[i] if i < len(tags) else NUMBER) if several else tags)
        ]
    return []


def _as_python(call: Call) -> Any:
    tag = call.tracer.tag_of(call.args[0])
    if call.name not in ("item", "tolist") and call.tracer.has_unit(call.args[0]):
        call.tracer.lose(f"{call.name}()")  # Python keeps the number of what comes back and drops its unit

    def convert(value: Any) -> Any:
        if isinstance(value, list):
            return [convert(item) for item in value]
        return wrap(call.tracer, value, tag)

    return convert(call.result)


def _is_number(tag: Tag) -> bool:
    return tag.bare and tag.unit.trivial


def _same_memory(left: torch.Tensor, right: torch.Tensor) -> bool:
    with torch._C.DisableTorchFunction():
        if left is right:
            return True
        if left.layout is not torch.strided or right.layout is not torch.strided:
            return False
        return left.untyped_storage()._cdata == right.untyped_storage()._cdata
