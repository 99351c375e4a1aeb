"""Example calls for every rule of the table; each letter is an operand with a unit of its own (see `oracle.operands`).

Several statements are separated by `; `; the value of the last one is looked at.
"""

from tests.frameworks.torch.tracing.arrangements import SHAPES, lines


def _each(template: str, names: str) -> list[str]:
    return [template.replace("_", name) for name in names.split()]


UNARY = [
    *_each("torch._(a)", """abs absolute neg negative mean sum nansum nanmean amax amin median std aminmax clone
        detach ravel square reciprocal positive conj nan_to_num sort diag_embed sign sgn isfinite isnan isinf
        argmax argmin argsort count_nonzero nonzero signbit isreal isposinf isneginf var var_mean std_mean relu
        exp expm1 exp2 sigmoid tanh sin cos tan erf erfc sinh cosh atan arctan round floor ceil trunc frac selu
        zeros_like ones_like"""),
    *_each("torch._(p)", "sqrt rsqrt log log1p log2 log10 lgamma digamma"),
    *_each("torch._(h * 0.1 * a / a.abs().max())", "erfinv asin acos arcsin arccos logit"),
    *_each("F._(a)", "softplus silu gelu elu softsign leaky_relu"),
    *_each("torch._(A)", """trace t adjoint diagonal tril triu flatten inverse pinverse fliplr flipud rot90
        matrix_exp svd qr nuclear_norm unbind"""),
    *_each("linalg._(A)", "inv pinv svd svdvals eigvals qr norm vector_norm matrix_norm matrix_exp eig lu"),
    *_each("linalg._(S)", "cholesky eigh eigvalsh inv"),
    *_each("a._()", """sum mean abs clone detach contiguous double float bfloat16 cpu int long
        short bool t conj resolve_conj any all requires_grad_ std var square neg sign isfinite"""),
    *_each("a._(); a", "abs_ neg_ square_ reciprocal_ exp_ tanh_ zero_ sign_ squeeze_ detach_ relu_"),
    *_each("p._(); p", "sqrt_ rsqrt_ log_"),
]  # fmt: skip

BINARY = [
    *_each(
        "torch._(a, b)",
        """add sub subtract maximum minimum max min fmax fmin hypot fmod remainder dist mul multiply
        dot vdot inner outer ger kron div divide true_divide floor_divide atan2 arctan2 lt le gt ge less less_equal
        greater greater_equal eq ne equal""",
    ),
    *_each("torch._(A, B)", "matmul mm kron chain_matmul cdist"),
    *_each("torch._(X, Y)", "bmm matmul"),
    *_each("torch._((a, b))", """cat concat concatenate stack hstack vstack dstack column_stack"""),
    *_each("torch._(M, M)", "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor"),
    *_each("a _ b", "+ - * / @ % < <= > >= == != //"),
    *_each("a _= b; a", "+ - * / % //"),
    *_each("h _ a", "+ - * / < <= > >= %"),
    *_each("a _ h", "+ - * / < <= > >= %"),
    *_each("h _ k", "+ - * / < <= > >= % //"),
    *_each("a._(b)", "add sub mul div true_divide dot outer maximum minimum fmod lt ge"),
    *_each("a._(b); a", "add_ sub_ mul_ div_ fmod_ remainder_ copy_ floor_divide_"),
    *_each("a._(h); a", "add_ sub_ mul_ div_ fill_ clamp_min_ clamp_max_"),
    *_each("torch._(a, b, out=c); c", "add sub mul div maximum fmod hypot"),
    *_each("torch._(a, out=c); c", "abs neg square exp sign"),
]

PRODUCTS = lines("""
    w = a.clone().requires_grad_(True); torch.autograd.grad((w * w * b).sum(), w)[0]
    w = a.clone().requires_grad_(True); torch.autograd.grad([w * b], [w], grad_outputs=[b])[0]
    torch.add(a, b, alpha=2)
    torch.add(a, b, alpha=h)
    torch.sub(a, b, alpha=h)
    a.add_(b, alpha=-h); a
    a.add_(-h, b); a
    torch.add(a, h, b)
    torch.rsub(a, b)
    torch.rsub(a, b, alpha=h)
    torch.mv(A, u)
    torch.mv(A, vec=u)
    torch.mm(A, mat2=B)
    torch.bmm(X, mat2=Y)
    torch.dot(a, tensor=b)
    torch.outer(a, vec2=b)
    torch.mul(a, other=b)
    torch.mul(input=a, other=b)
    torch.div(a, other=b)
    torch.div(a, b, rounding_mode='floor')
    torch.cross(u, v, dim=0)
    linalg.cross(u, v)
    linalg.vecdot(a, b)
    torch.linalg.multi_dot((A, B, C))
    torch.einsum('i,i->', a, b)
    torch.einsum('ij,jk,kl->il', A, B, C)
    torch.tensordot(A, B, 1)
    torch.tensordot(A, B, dims=([0], [1]))
    torch.addmm(A, B, C)
    torch.addmm(A, B, C, beta=h, alpha=k)
    torch.addmm(A, B, C, beta=0)
    torch.addmm(A, mat1=B, mat2=C)
    torch.addmv(u, A, v)
    torch.addmv(u, mat=A, vec=v)
    torch.addbmm(A, X, Y)
    torch.addbmm(A, batch1=X, batch2=Y)
    torch.baddbmm(X, X, Y)
    torch.addr(A, u, v)
    torch.addr(A, vec1=u, vec2=v)
    torch.addcmul(a, b, c)
    torch.addcmul(a, b, c, value=h)
    torch.addcmul(a, tensor1=b, tensor2=c, value=h)
    a.addcmul_(h, b, c); a
    torch.addcdiv(a, b, c)
    a.addcdiv_(b, c, value=-h); a
    a.addcdiv_(-h, b, c); a
    a.addcdiv_(b, p.sqrt().add_(h), value=k); a
    torch.lerp(a, b, 0.25)
    torch.lerp(a, b, h)
    torch.lerp(a, b, c)
    a.lerp_(b, weight=h); a
    a.lerp_(end=b, weight=h); a
    torch.where(a > b, a, b)
    torch.where(M, a, b)
    torch.where(M, a, 0.0)
    torch.where(M, h, a)
    torch.where(p > 0, a, b)
    torch.where(p < 0, a, b)
    torch.where(M)
    a.where(M, b)
    torch.clamp(a, -h, h)
    torch.clamp(a, min=h)
    torch.clamp(a, max=b)
    torch.clip(a, min=b, max=c)
    a.clamp_(-h, h); a
    torch.clamp_min(a, h)
    torch.clamp_max(a, h)
    torch.clamp_max(a, max=h)
    F.threshold(a, 0.0, 0.0)
    torch.threshold(a, h, k)
    F.threshold(a, h, 0.0)
    F.threshold(a, h, k)
    torch.pow(p, 2)
    torch.pow(p, 0.5)
    torch.pow(p, 1 / 3)
    torch.pow(p, -0.75)
    torch.pow(p, h)
    torch.pow(p, a)
    p ** 2
    p ** 0.5
    p ** h
    h ** p
    h ** k
    h ** 0.5
    2.0 ** p
    p.pow_(3); p
    torch.float_power(p, 2)
    torch.pow(2, a)
    linalg.matrix_power(A, 3)
    torch.matrix_power(A, -2)
    a.norm()
    a.norm(p=1)
    a.norm(0)
    a.norm(float('inf'))
    torch.norm(a, 3)
    torch.norm(a, p=2, dim=0)
    linalg.vector_norm(a, 0)
    linalg.vector_norm(a, h)
    linalg.norm(A, 'fro')
    linalg.matrix_norm(A, 2)
    linalg.solve(A, u)
    linalg.solve(A, B=u)
    torch.cholesky_solve(A, linalg.cholesky(S))
    torch.cholesky_solve(A, input2=linalg.cholesky(S))
    torch.linalg.cholesky(S)
    torch.cholesky(S)
    linalg.lu(A).U
    linalg.qr(A).R
    torch.std_mean(a)
    F.normalize(a, dim=0, eps=h)
    F.cosine_similarity(a, b, dim=0, eps=0.0)
    F.conv1d(a[None, None], u[None, None])
    F.conv1d(a[None, None], u[None, None], x[None])
    F.conv2d(A[None, None], B[None, None, :2, :2])
    torch.softmax(a, 0)
    torch.log_softmax(a, 0)
    torch.logsumexp(a, 0)
    F.softmax(a, dim=0)
    F.log_softmax(a, dim=0)
    torch.full((3,), h)
    torch.full_like(a, h)
    a.new_full((3,), h)
    torch.full((3,), fill_value=h)
    torch.fill(a, h)
    torch.tensor(h)
    torch.tensor([h, k])
    torch.as_tensor(h)
    torch.asarray(h)
    torch.scalar_tensor(h)
    a.new_tensor([h])
    a.new_ones(3)
    torch.ones(3)
    torch.eye(3)
    a.new(b)
    torch.normal(0.0, h, (3,))
    torch.normal(a, p)
    torch.normal(a, h)
    a.normal_(h, k); a
    a.normal_(0.0, std=k); a
    a.uniform_(-h, h); a
    a.uniform_(0, to=h); a
    torch.bernoulli(torch.sigmoid(a)) + b / b
    torch.linspace(-h, h, 3)
    a.masked_fill(M, h)
    a.masked_fill_(M, 0.0); a
    a.masked_fill(M, value=h)
    a.masked_scatter(M, b)
    a.index_add(0, i, b[:3])
    a.index_add_(0, i, b[:3], alpha=h); a
    a.index_copy(0, i, b[:3])
    a.index_fill(0, i, h)
    a.scatter(0, i, b)
    a.scatter(0, i, h)
    a.scatter(0, i, value=h)
    a.scatter_add(0, i, b)
    a.index_put_((i,), b[:3]); a
    torch._foreach_add([a, b], [c, d])
    torch._foreach_add([a, b], h)
    torch._foreach_add([a, b], [h, k])
    torch._foreach_add_([a, b], [c, d], alpha=h); [a, b]
    torch._foreach_sub_([a, b], x); [a, b]
    torch._foreach_mul_([a, b], [h, k]); [a, b]
    torch._foreach_mul([a, b], x)
    torch._foreach_div([a, b], [c, d])
    torch._foreach_addcmul_([a, b], [c, d], [c, d], h); [a, b]
    torch._foreach_addcmul_([a, b], [c, d], [c, d], value=2.0); [a, b]
    torch._foreach_addcdiv_([a, b], [c, d], [c, p], [h, k]); [a, b]
    torch._foreach_addcdiv_([a, b], [c, d], [c, p], scalars=[h, k]); [a, b]
    torch._foreach_lerp_([a, b], [c, d], h); [a, b]
    torch._foreach_lerp([a, b], [c, d], [c, d])
    torch._foreach_sqrt([p, q])
    torch._foreach_sqrt_([p, q]); [p, q]
    torch._foreach_pow([p, q], 0.5)
    torch._foreach_pow([p, q], [2.0, 3.0])
    torch._foreach_pow(2.0, [p, q])
    torch._foreach_norm([a, b])
    torch._foreach_norm([a, b], 1)
    torch._foreach_maximum_([a, b], [c, d]); [a, b]
    torch._foreach_maximum([a, b], h)
    torch._foreach_clamp_min_([a, b], h); [a, b]
    torch._foreach_reciprocal([a, b])
    torch._foreach_neg([a, b])
    torch._foreach_sign([a, b])
    torch._foreach_copy_([a, b], [c, d]); [a, b]
    torch._foreach_zero_([a, b]); [a, b]
    torch._foreach_exp([a, b])
    torch._foreach_abs([a, b])
    torch._foreach_max([a, b])
""")

GROUPS = {"unary": UNARY, "binary": BINARY, "shapes": SHAPES, "products": PRODUCTS}
CALLS = list(dict.fromkeys(call for group in GROUPS.values() for call in group))
