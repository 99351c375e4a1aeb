"""The names of the findings and the question each answers; `healthy` is one of them."""

CAUSES: dict[str, str] = {
    # The denominator of adaptive optimizers.
    "eps-dominates": "epsilon is larger than √v on most weights: the optimizer is SGD with lr/eps, and stands still",
    "eps-placement": "epsilon was tuned inside the root and is used outside of it, or the reverse",
    "initial-accumulator": "Adagrad's initial accumulator, a gradient squared, is larger than all that is added to it",
    "eps-too-small-late-blowup": "near the optimum lr/√v passes the limit of stability; only epsilon could stop it",
    "second-moment-spike": "one huge gradient sits in v for 1/(1−β₂) steps, in which nothing moves",
    "second-moment-overflow": "g² is infinite, so the update is 0, and no NaN ever shows",
    "second-moment-underflow": "g² is 0, so epsilon alone divides, and no epsilon is right",
    "eps-underflows-in-half": "epsilon is 0 in half precision: 0/0 wherever a gradient is 0",
    "unnormalised-warmup": "RAdam's first steps do not divide by √v: a large loss wrecks the initial weights",
    # Number formats.
    "fp16-gradient-underflow": "gradients of activations are below what half precision can hold",
    "weight-ulp-stagnation": "the update is under half an ulp of the weight and is rounded away",
    # Clipping.
    "clip-saturated": "every step is clipped, so its length does not depend on the loss, and is too short",
    "clip-before-unscale": "the threshold is applied to gradients that still carry the scaler's factor",
    "clip-hidden-constant": "clip_grad_norm_ divides by norm + 1e-6, and the norm is far below 1e-6",
    # Regularisation, step size, reduction.
    "l2-dominates": "the gradient of coupled weight decay is larger than that of the data",
    "lr-too-small-for-loss": "an optimizer with SGD's units: lr times the loss multiplier is too small",
    "lr-too-large-for-loss": "an optimizer with SGD's units: lr times the loss multiplier is too large",
    "accumulation-not-divided": "gradients of micro-batches are summed where their mean was meant",
    "mean-of-means": "micro-batches of unequal numbers of items count the same",
    "weighted-mean-cancels": "class weights cancel in the weighted mean",
    "grad-output-ignored": "a Function of the user's own drops grad_output: no factor on the loss arrives",
    # Terms of the loss.
    "term-imbalance": "two terms of different units: one of them gets no share of the gradient",
    "elbo-reduction-mismatch": "reconstruction is a mean over features, the divergence a sum over latents",
    "reward-scale": "the value loss grows with the reward squared and takes over the shared trunk",
    "clip-then-eps": "one huge term drives the clipping, which pushes the other parameters below epsilon",
    # Numbers in units of the loss or of the target.
    "absolute-stop-threshold": "an absolute threshold on the loss or its gradient ends or slows the training",
    "loss-knee-unit": "the knee of Huber or smooth L1 does not fit the units of the target",
    "target-unit": "targets lie far outside the range in which the network starts",
    # Looks like scale, is not.
    "vanishing-gradient": "early layers get a vanishing part of the gradient; one factor cannot mend a ratio",
    "dead-units": "the units pass no gradient at all",
    "missing-zero-grad": "gradients are never set to zero",
    "labels-unrelated": "inputs and labels do not belong together",
    "lr-too-high": "lr is too high for an optimizer that the scale of the loss does not reach",
    "params-not-in-optimizer": "the tensors that are trained are not those that the optimizer holds",
    "healthy": "nothing is wrong",
}
