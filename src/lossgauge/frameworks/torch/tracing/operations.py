"""What each torch operation does to units, as a table: name → rule.

Names are canonical: `add`, `add_`, `__iadd__` and `torch.add` are all `add`. An operation without a row here is named
in the result and never guessed.
"""

from fractions import Fraction

from lossgauge.frameworks.torch.tracing import arithmetic as on
from lossgauge.frameworks.torch.tracing import making
from lossgauge.frameworks.torch.tracing.arithmetic import Rule


def _table(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, Rule] = {
    **_table(on.same, """abs absolute neg negative mean sum nansum nanmean amax amin aminmax median std cumsum trace
        quantile nuclear_norm kthvalue mode relu leaky_relu dropout svdvals linalg_svdvals eigvalsh linalg_eigvalsh
        linalg_eigvals diff cummax cummin frobenius_norm avg_pool1d nan_to_num"""),
    **_table(on.norm, "norm vector_norm linalg_vector_norm linalg_norm matrix_norm linalg_matrix_norm"),
    **_table(making.identity, """clone detach view reshape unsqueeze squeeze expand expand_as repeat float double half
        bfloat16 contiguous adjoint transpose t permute flatten ravel view_as view_as_real view_as_complex narrow select
        index_select gather take take_along_dim chunk split tensor_split unbind diagonal diag diag_embed tril triu roll
        flip coalesce sparse_mask to_dense to_sparse values _values getitem broadcast_to movedim swapaxes swapdims
        unflatten atleast_1d atleast_2d positive conj resolve_conj requires_grad cpu cuda sort topk masked_select
        repeat_interleave as_strided deepcopy alias moveaxis pin_memory resize_as hsplit vsplit unfold fliplr flipud
        rot90"""),
    **_table(making.converted, "to type type_as int long short"),
    **_table(on.addition, "add radd sub rsub subtract"),
    **_table(on.alike, "maximum minimum max min fmax fmin hypot fmod remainder mod rmod dist cdist complex"),
    **_table(on.product, """mul rmul multiply matmul rmatmul mm bmm mv dot vdot inner outer ger kron cross linalg_cross
        vecdot linalg_vecdot"""),
    **_table(on.convolution, "conv1d conv2d"),
    "grad": on.derivative,
    **_table(on.quotient, "div truediv divide true_divide"),
    **_table(on.swapped_quotient, "rtruediv rdiv"),
    **_table(on.ratio, "atan2 arctan2 floor_divide floordiv"),
    **_table(on.to_the(Fraction(1, 2)), "sqrt cholesky linalg_cholesky"),
    **_table(on.to_the(Fraction(-1, 2)), "rsqrt"),
    **_table(on.to_the(Fraction(-1)), "reciprocal inverse inv linalg_inv pinverse pinv linalg_pinv"),
    **_table(on.to_the(Fraction(2)), "square var"),
    **_table(on.power, "pow float_power"),
    **_table(on.swapped_power, "rpow"),
    **_table(on.matrix_power, "matrix_power linalg_matrix_power"),
    **_table(on.lerp, "lerp"),
    "addcmul": on.product_added(1), "addcdiv": on.product_added(-1),
    **_table(on.matrix_sum, "addmm addmv addbmm baddbmm addr"),
    **_table(on.clamp, "clamp clip clamp_min clamp_max"),
    **_table(on.threshold, "threshold _threshold"),
    "where": on.where,
    **_table(making.joined, "cat concat concatenate stack hstack vstack dstack column_stack"),
    "block_diag": making.joined_arguments,
    **_table(making.each_its_own, "broadcast_tensors meshgrid"),
    **_table(on.product_of_all, "einsum tensordot chain_matmul linalg_multi_dot multi_dot"),
    **_table(on.numeric, """exp expm1 exp2 log log1p log2 log10 sigmoid tanh sin cos tan erf erfc erfinv softplus
        softmax log_softmax logsumexp sinh cosh atan asin acos arctan arcsin arccos silu gelu elu selu softsign
        round floor ceil trunc frac matrix_exp linalg_matrix_exp logit lgamma digamma"""),
    **_table(on.compared, "lt le gt ge less less_equal greater greater_equal isclose allclose"),
    **_table(on.number, """sign sgn eq ne equal isfinite isnan isinf all any logical_and logical_or logical_not
        logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor and or xor invert rand_like randn_like
        randint_like random argmax argmin argsort count_nonzero nonzero signbit isin _indices indices multinomial
        is_nonzero isreal isposinf isneginf"""),
    **_table(on.drawn_number, "rand randn randint randperm arange logspace bincount"),
    **_table(making.drawn_around, "normal"), **_table(making.drawn_between, "uniform linspace"),
    "exponential": making.drawn_waiting, "bernoulli": making.drawn_coin,
    **_table(making.filled, "full full_like new_full fill"),
    **_table(making.ones, "ones ones_like new_ones eye"),
    **_table(making.made_from, "tensor as_tensor scalar_tensor asarray"),
    "new_tensor": making.made_like, "new": making.new,
    **_table(making.sparse, "sparse_coo_tensor _sparse_coo_tensor_unsafe"),
    "copy": making.copied,
    **_table(making.zero, """zero zeros zeros_like new_zeros empty empty_like new_empty empty_strided
        new_empty_strided"""),
    "setitem": making.item_set,
    "masked_fill": on.masked_fill, "index_add": making.into(3, "source"),
    "index_copy": making.into(3, "source"), "index_fill": making.into(3, "value"),
    "scatter": making.into(3, "src value"), "scatter_add": making.into(3, "src"),
    "index_put": making.into(2, "values"), "masked_scatter": making.into(2, "source"),
    "normalize": on.normalised, "cosine_similarity": on.cosine,
    **_table(on.decomposed(0, 1, 0), "svd linalg_svd"),
    **_table(on.decomposed(1, 0), "linalg_eigh linalg_eig"),
    **_table(on.decomposed(0, 1), "qr linalg_qr"),
    **_table(on.decomposed(1, 1), "std_mean"),
    "linalg_lu": on.decomposed(0, 0, 1), "var_mean": on.decomposed(2, 1),
    **_table(on.solved, "linalg_solve solve"),
    "cholesky_solve": on.solved_from_root,
}  # fmt: skip
