"""The small noisy quadratic on which the rows are verified: two tensors, double precision, a factor on the loss."""

import torch

STEPS = 25
SHAPES = ((3, 4), (4,))


class NoisyQuadratic:
    """f(x) = ½(x−c)ᵀH(x−c) + σ·ξₜᵀx + 6 over a 3×4 and a 4-vector, multiplied by `factor`."""

    def __init__(self, factor=1.0, scale=1.0, zero_bias=False):
        generator = torch.Generator().manual_seed(20)

        def draw(*shape):
            return torch.randn(*shape, dtype=torch.float64, generator=generator)

        size = sum(torch.Size(shape).numel() for shape in SHAPES)
        basis, _ = torch.linalg.qr(draw(size, size))
        self.hessian = basis @ torch.diag(torch.linspace(0.3, 1.5, size, dtype=torch.float64)) @ basis.T
        self.target = draw(size)
        self.noise = 0.3 * draw(STEPS, size)
        self.factor, self.scale = factor, scale
        start = draw(size)
        if zero_bias:
            start[12:] = 0.0
        self.params = [torch.nn.Parameter(start[:12].reshape(3, 4).clone()), torch.nn.Parameter(start[12:].clone())]

    @torch.no_grad()
    def evaluate(self, index):
        """Put the gradients of step `index` on the parameters and return the loss; both are exact in `factor`."""
        x = torch.cat([p.reshape(-1) for p in self.params])
        away = x - self.target
        pull = self.hessian @ away
        gradient = (pull + self.noise[index]) * self.scale * self.factor
        for p, piece in zip(self.params, (gradient[:12], gradient[12:])):
            p.grad = piece.reshape(p.shape).clone()
        return (0.5 * away @ pull + self.noise[index] @ x + 6.0) * self.scale * self.factor

    def weights(self):
        """All weights as one vector."""
        return torch.cat([p.detach().reshape(-1) for p in self.params]).clone()
