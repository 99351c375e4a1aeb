"""Example calls that make, arrange, cut and fill tensors; see `calls`."""


def lines(text: str) -> list[str]:
    """One call per line."""
    return [line.strip() for line in text.strip().splitlines()]


SHAPES = lines("""
    a.view(2, 3)
    a.view_as(b)
    a.type_as(b)
    a.expand_as(b)
    a.reshape(2, 3)
    a.unsqueeze(0)
    a.unsqueeze(0).squeeze()
    a.expand(2, 6)
    a.repeat(2)
    a.to(torch.float32)
    a.to(torch.int64)
    a.type(torch.int32)
    a.type(torch.float32)
    A.transpose(0, 1)
    A.permute(1, 0)
    A.T
    A.mT
    torch.narrow(a, 0, 1, 2)
    torch.select(a, 0, 1)
    torch.index_select(a, 0, i)
    torch.gather(a, 0, i)
    torch.take(a, i)
    torch.take_along_dim(a, i, 0)
    torch.chunk(a, 2)
    torch.split(a, 2)
    torch.tensor_split(a, 2)
    torch.hsplit(a, 2)
    torch.vsplit(A, 3)
    torch.diag(a)
    torch.roll(a, 1)
    torch.flip(a, (0,))
    torch.broadcast_to(a, (2, 6))
    torch.movedim(A, 0, 1)
    torch.moveaxis(A, 0, 1)
    torch.swapaxes(A, 0, 1)
    torch.swapdims(A, 0, 1)
    torch.unflatten(a, 0, (2, 3))
    torch.atleast_1d(x)
    torch.atleast_2d(a)
    torch.topk(a, 2)
    torch.kthvalue(a, 2)
    torch.mode(a)
    torch.masked_select(a, M)
    torch.repeat_interleave(a, 2)
    torch.as_strided(a, (2, 2), (1, 2))
    torch.block_diag(A, B)
    torch.meshgrid(a, a, indexing='ij')
    torch.view_as_real(torch.complex(a, b))
    torch.view_as_real(torch.view_as_complex(A[:, :2].contiguous()))
    torch.broadcast_tensors(a, b)
    torch.meshgrid(a, b, indexing='ij')
    torch.cumsum(a, 0)
    torch.frobenius_norm(A, (0, 1))
    torch.empty_like(a).zero_()
    torch.bitwise_not(M)
    torch.isclose(h * p, p, rtol=0.5)
    torch.allclose(h * p, p, rtol=0.5)
    a.unfold(0, 2, 1)
    a.resize_as_(b); a
    a[1:3]
    a[i]
    a[M]
    a.data
    a[2:4].abs_(); a
    a.data.mul_(b); a
    a.view(2, 3)[0].mul_(0.5); a
    a.view(2, 3)[0].mul_(h / h); a
    a[0] = b[0]; a
    a[M] = h; a
    a[:] = 0.0; a
    a[1:3] = b[1:3]; a
    [*A]
    torch.sparse_coo_tensor(i[None], a[:3], (6,)).coalesce().values()
    torch.sparse_coo_tensor(i[None], a[:3], (6,)).coalesce()._values()
    torch.sparse_coo_tensor(i[None], a[:3], (6,)).coalesce().indices()
    torch.sparse_coo_tensor(i[None], a[:3], (6,))._indices()
    torch.sparse_coo_tensor(i[None], a[:3], (6,)).to_dense()
    a.sparse_mask(torch.sparse_coo_tensor(i[None], b[:3], (6,)).coalesce())
    a.to_sparse()
    __import__('copy').deepcopy(a)
    a.sum().item()
    a.tolist()
    torch.quantile(a, 0.5)
    torch.diff(a)
    torch.cummax(a, 0)
    torch.cummin(a, 0)
    torch.sort(a).indices.double() * b
    torch.max(a, 0)
    torch.max(a, dim=0)
    torch.min(a, 0)
    torch.median(a, 0)
    F.dropout(a, 0.5)
    F.avg_pool1d(a[None, None], 2)
    a.normal_(); a
    a.uniform_(); a
    a.exponential_(); a
    a.random_(); a
    a.bernoulli_(0.5); a
    a.new_zeros(3)
    torch.zeros(3)
    torch.empty(3).zero_()
    a.new_empty(3).zero_()
    torch.empty_strided((3,), (1,)).zero_()
    a.new_empty_strided((3,), (1,)).zero_()
    torch.bincount(i)
    torch.arange(3)
    torch.rand(3)
    torch.randn(3)
    torch.randint(3, (3,))
    torch.randperm(3)
    torch.rand_like(a)
    torch.randn_like(a)
    torch.randint_like(a, 5)
    torch.linspace(0, 1, 3)
    torch.logspace(0, 1, 3)
    torch.multinomial(torch.ones(3), 2)
    torch.isin(a, a)
    a.is_nonzero() if False else a[0].is_nonzero()
    ~M
    M & M
    M | M
    M ^ M
    M.logical_not()
""")
