"""What each torch operation does to units, as a table: name → rule.

A rule gets the call and returns the tag of the result (a list where the result has several parts with different
units), after asking the tracer for whatever equalities the operation needs. Names are canonical: `add`, `add_`,
`__iadd__` and `torch.add` are all `add`.
"""

from collections.abc import Callable
from fractions import Fraction

import torch

from lossgauge.frameworks.torch.tracing.call import Call
from lossgauge.frameworks.torch.tracing.quantity import power_tag
from lossgauge.frameworks.torch.tracing.tags import ANY, NUMBER, Tag

Rule = Callable[[Call], Tag | list[Tag] | None]


def _same(call: Call) -> Tag:
    return call.tag(0, "input").same_unit()


def _norm(call: Call) -> Tag:
    order = call.given(1, "ord", call.kwargs.get("p", 2))
    if isinstance(order, float):
        call.unify(NUMBER, call.common(order))
    return call.tag(0, "input").same_unit()


def _identity(call: Call) -> Tag:
    return call.tag(0, "input")


def _sum(call: Call) -> Tag:
    other = call.tag(1).times(call.common(call.kwargs.get("alpha", 1)))
    return call.unify(call.tag(0, "input"), other, (call.given(0, "input"), call.given(1, "other")))


def _alike(call: Call) -> Tag:
    other = call.given(1, "other")
    if other is None or (call.name in ("max", "min") and not isinstance(other, torch.Tensor)):
        return _same(call)  # max over a dimension
    return call.unify(call.tag(0, "input"), call.tag(1), (call.given(0, "input"), other))


def _product(call: Call) -> Tag:
    return call.tag(0, "input").times(call.tag(1))


def _quotient(call: Call) -> Tag:
    return call.tag(0, "input").times(call.tag(1), -1)


def _swapped_quotient(call: Call) -> Tag:
    return call.tag(1).times(call.tag(0), -1)


def _to_the(power: Fraction) -> Rule:
    return lambda call: call.tag(0, "input").to_the(power)


def _power(call: Call) -> Tag:
    return power_tag(call.tracer, call.tag(0, "input"), call.given(1, "exponent", 1), call.name)


def _swapped_power(call: Call) -> Tag:
    return power_tag(call.tracer, call.tag(1), call.args[0], call.name)


def _lerp(call: Call) -> Tag:
    call.unify(NUMBER, call.tag(2, "weight"))
    return call.unify(call.tag(0, "input"), call.tag(1, "end"), (call.given(0, "input"), call.given(1, "end")))


def _add_product(sign: int) -> Rule:
    def rule(call: Call) -> Tag:
        value = call.common(call.kwargs.get("value", call.args[3] if len(call.args) > 3 else 1))
        term = call.tag(1, "tensor1").times(call.tag(2, "tensor2"), sign).times(value)
        return call.unify(call.tag(0, "input"), term, (call.given(0, "input"), None))

    return rule


def _matrix_sum(call: Call) -> Tag:
    left = call.tag(0, "input").times(call.common(call.kwargs.get("beta", 1)))
    term = call.tag(1, "mat1").times(call.tag(2, "mat2")).times(call.common(call.kwargs.get("alpha", 1)))
    return term if call.kwargs.get("beta", 1) == 0 else call.unify(left, term)


def _clamp(call: Call) -> Tag:
    total, tensor = call.tag(0, "input"), call.given(0, "input")
    for place, name in ((1, "max" if call.name == "clamp_max" else "min"), (2, "max")):
        bound = call.given(place, name)
        if bound is not None:
            total = call.unify(total, call.common(bound), (tensor, bound))
    return total


def _where(call: Call) -> Tag | None:
    if len(call.args) + len(call.kwargs) < 3:
        return None
    chosen, yes, no = call.given(0, "condition"), call.given(1, "input"), call.given(2, "other")
    with torch._C.DisableTorchFunction():
        every, some = bool(chosen.all()), bool(chosen.any())
    if every or not some:
        return call.common(yes if every else no)
    return call.unify(call.common(yes), call.common(no), (yes, no))


def _joined(call: Call) -> Tag:
    return call.tag(0, "tensors")


def _all_args_product(call: Call) -> Tag:
    operands = [x for x in call.args if isinstance(x, torch.Tensor)]
    operands += [x for arg in call.args if isinstance(arg, (list, tuple)) for x in arg if isinstance(x, torch.Tensor)]
    total = call.tracer.tag_of(operands[0])
    for operand in operands[1:]:
        total = total.times(call.tracer.tag_of(operand))
    return total


def _numeric(call: Call) -> Tag:
    """Functions such as exp, whose argument must be a pure number: they hold it against 1."""
    call.unify(call.tag(0, "input"), Tag(bare=True, value=1.0), (call.given(0, "input"), None))
    return NUMBER


def _ratio(call: Call) -> Tag:
    call.unify(call.tag(0, "input"), call.tag(1))
    return NUMBER


def _number(call: Call) -> Tag:
    return NUMBER


def _compared(call: Call) -> Tag:
    call.tracer.compare(call.given(0, "input"), call.given(1, "other", 0), call.name)
    return NUMBER


def _filled(call: Call) -> Tag:
    place = 2 if call.name == "new_full" else 1
    value = call.given(place, "value" if call.name == "fill" else "fill_value")
    return with_origin(call, call.common(value))


def _ones(call: Call) -> Tag:
    return with_origin(call, Tag(bare=True, value=1.0))


def _made_from(call: Call) -> Tag:
    return with_origin(call, call.tag(0, "data"))


def _new(call: Call) -> Tag:
    tensors = [x for x in call.args[1:] if isinstance(x, torch.Tensor) and x.dtype.is_floating_point]
    return call.tracer.tag_of(tensors[-1]) if tensors else ANY


def _sparse(call: Call) -> Tag:
    return call.tag(1, "values")


def _copied(call: Call) -> Tag:
    return call.tag(1, "src")


def _zero(call: Call) -> Tag:
    return ANY


def _set_item(call: Call) -> Tag:
    return call.unify(call.tag(0), call.common(call.args[2]), (call.args[0], call.args[2]))


def _into(place: int, name: str) -> Rule:
    def rule(call: Call) -> Tag:
        factor = call.common(call.kwargs.get("alpha", 1))
        return call.unify(call.tag(0, "input"), call.tag(place, name).times(factor))

    return rule


def _polynomial_normalise(call: Call) -> Tag:
    epsilon = call.given(3, "eps", 1e-12)
    tensor = call.given(0, "input")
    return call.tag(0, "input").times(call.unify(call.tag(0, "input"), call.common(epsilon), (tensor, epsilon)), -1)


def _cosine(call: Call) -> Tag:
    epsilon = call.given(3, "eps", 1e-8)
    for place, name in ((0, "x1"), (1, "x2")):
        call.unify(call.tag(place, name), call.common(epsilon), (call.given(place, name), epsilon))
    return NUMBER


def _decomposed(*powers: Fraction | int) -> Rule:
    def rule(call: Call) -> list[Tag]:
        tag = call.tag(0, "input")
        return [tag.to_the(Fraction(p)) if p else NUMBER for p in powers]

    return rule


def _divided_by_first(call: Call) -> Tag:
    return call.tag(1, "B").times(call.tag(0, "A"), -1)


def _matrix_power(call: Call) -> Tag:
    return call.tag(0, "input").to_the(Fraction(int(call.given(1, "n", 1))))


def with_origin(call: Call, tag: Tag) -> Tag:
    """Remember where a constant was written.

    Args:
        call: The factory call.
        tag: The tag of the value.

    Returns:
        The tag, with the current line as origin where the value is a bare number.
    """
    return Tag(tag.unit, tag.kind, tag.bare, tag.value, call.tracer.site()) if tag.bare else tag


def _table(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, Rule] = {
    **_table(_same, """abs absolute neg negative mean sum nansum nanmean amax amin median std cumsum trace
        quantile nuclear_norm kthvalue mode relu relu_ leaky_relu dropout svdvals linalg_svdvals eigvalsh
        linalg_eigvalsh diff cummax cummin frobenius_norm threshold conv1d conv2d avg_pool1d"""),
    **_table(_norm, "norm vector_norm linalg_vector_norm linalg_norm matrix_norm linalg_matrix_norm"),
    **_table(_identity, """clone detach view reshape unsqueeze squeeze expand expand_as repeat to type type_as
        float double half bfloat16 contiguous adjoint transpose t permute flatten ravel view_as view_as_real
        view_as_complex narrow select index_select gather take take_along_dim chunk split tensor_split unbind
        diagonal diag diag_embed tril triu roll flip coalesce sparse_mask to_dense to_sparse values _values
        nan_to_num getitem broadcast_to movedim swapaxes swapdims unflatten atleast_1d atleast_2d positive conj
        resolve_conj requires_grad cpu cuda sort topk masked_select repeat_interleave as_strided deepcopy alias
        moveaxis pin_memory resize_as hsplit vsplit unfold fliplr flipud rot90 block_diag broadcast_tensors
        meshgrid"""),
    **_table(_sum, "add radd iadd sub rsub isub subtract"),
    **_table(_alike, "maximum minimum max min fmax fmin hypot fmod remainder mod dist cdist"),
    **_table(_product, """mul rmul imul multiply matmul rmatmul mm bmm mv dot vdot inner outer ger kron cross
        linalg_cross vecdot linalg_vecdot"""),
    **_table(_quotient, "div truediv itruediv idiv divide true_divide"),
    **_table(_swapped_quotient, "rtruediv rdiv"),
    **_table(_to_the(Fraction(1, 2)), "sqrt cholesky linalg_cholesky"),
    **_table(_to_the(Fraction(-1, 2)), "rsqrt"),
    **_table(_to_the(Fraction(-1)), "reciprocal inverse inv linalg_inv pinverse pinv linalg_pinv"),
    **_table(_to_the(Fraction(2)), "square var"),
    **_table(_power, "pow ipow float_power"),
    **_table(_swapped_power, "rpow"),
    **_table(_lerp, "lerp"),
    "addcmul": _add_product(1), "addcdiv": _add_product(-1),
    **_table(_matrix_sum, "addmm addmv addbmm baddbmm addr"),
    **_table(_clamp, "clamp clip clamp_min clamp_max"),
    "where": _where,
    **_table(_joined, "cat concat concatenate stack hstack vstack dstack _foreach_stack column_stack"),
    **_table(_all_args_product, "einsum tensordot chain_matmul linalg_multi_dot multi_dot"),
    **_table(_numeric, """exp expm1 exp2 log log1p log2 log10 sigmoid tanh sin cos tan erf erfc erfinv softplus
        softmax log_softmax logsumexp sinh cosh atan asin acos arctan arcsin arccos silu gelu elu selu softsign
        round floor ceil trunc frac matrix_exp linalg_matrix_exp logit lgamma digamma"""),
    **_table(_ratio, "atan2 arctan2"),
    **_table(_compared, "lt le gt ge less less_equal greater greater_equal isclose allclose"),
    **_table(_number, """sign sgn eq ne equal isfinite isnan isinf all any logical_and logical_or logical_not
        logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor and or xor iand ior invert rand randn randint
        randperm rand_like randn_like bernoulli normal uniform exponential random arange linspace logspace
        argmax argmin argsort count_nonzero nonzero heaviside signbit isin searchsorted bincount _indices
        indices multinomial int long bool short is_nonzero isreal isposinf isneginf floor_divide ifloordiv
        floordiv"""),
    **_table(_filled, "full full_like new_full fill"),
    **_table(_ones, "ones ones_like new_ones eye"),
    **_table(_made_from, "tensor as_tensor scalar_tensor asarray"),
    "new_tensor": lambda call: with_origin(call, call.tag(1, "data")),
    "new": _new,
    **_table(_sparse, "sparse_coo_tensor _sparse_coo_tensor_unsafe"),
    "copy": _copied,
    **_table(_zero, "zero zeros zeros_like new_zeros empty empty_like new_empty empty_strided new_empty_strided"),
    "setitem": _set_item,
    "masked_fill": _into(2, "value"), "index_add": _into(3, "source"), "index_copy": _into(3, "source"),
    "index_fill": _into(3, "value"), "scatter": _into(3, "src"), "scatter_add": _into(3, "src"),
    "index_put": _into(2, "values"), "masked_scatter": _into(2, "source"),
    "normalize": _polynomial_normalise,
    "cosine_similarity": _cosine,
    **_table(_decomposed(0, 1, 0), "svd linalg_svd"),
    **_table(_decomposed(1, 0), "eigh linalg_eigh eig linalg_eig symeig"),
    **_table(_decomposed(0, 1), "qr linalg_qr std_mean lu linalg_lu"),
    "var_mean": _decomposed(2, 1),
    **_table(_divided_by_first, "linalg_solve solve"),
    "cholesky_solve": lambda call: call.tag(0, "B").times(call.tag(1, "L").to_the(Fraction(2)), -1),
    **_table(_matrix_power, "matrix_power linalg_matrix_power"),
    "aminmax": _same,
}  # fmt: skip
