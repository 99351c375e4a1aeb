"""Names of autograd nodes, by what the operation means for a loss."""

PASSING = {
    "ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "AliasBackward0", "SqueezeBackward0",
    "SqueezeBackward1", "SqueezeBackward2", "UnsqueezeBackward0", "CloneBackward0", "ToCopyBackward0",
}  # fmt: skip
"""What hands its input on as it is, up to shape and format."""
TURNING = {"TBackward0", "TransposeBackward0", "PermuteBackward0"}
"""What hands all numbers on, in another order."""
ADDING = {"AddBackward0", "AddBackward1", "SubBackward0", "SubBackward1", "RsubBackward0", "RsubBackward1"}
MULTIPLYING = {"MulBackward0", "MulBackward1"}
DIVIDING = {"DivBackward0", "DivBackward1"}
SUMS = {"SumBackward0", "SumBackward1"}
MEANS = {"MeanBackward0", "MeanBackward1"}
ROWS = {"StackBackward0", "CatBackward0"}
NORMS = {"LinalgVectorNormBackward0", "NormBackward0", "NormBackward1", "NormBackward2", "DistBackward0"}
LIKELIHOODS = {"NllLossBackward0", "NllLoss2DBackward0"}
BINARY = {"BinaryCrossEntropyBackward0", "BinaryCrossEntropyWithLogitsBackward0"}
COMPARING = {"MseLossBackward0", "L1LossBackward0", "SmoothL1LossBackward0", "HuberLossBackward0"}
"""Loss functions proper of an output and a target of the same shape."""
CLASSIFYING = LIKELIHOODS | BINARY | {
    "SoftMarginLossBackward0", "MultiMarginLossBackward0", "MultilabelMarginLossBackward0", "CtcLossBackward0",
    "CtcLossBackward1", "CudnnCtcLossBackward0",
}  # fmt: skip
PROPER = COMPARING | CLASSIFYING | {"KlDivBackward0"}
"""Loss functions with an autograd node of their own."""
ELEMENTWISE = {
    "AbsBackward0", "ClampBackward1", "ClampMaxBackward0", "ClampMinBackward0", "ExpBackward0", "Expm1Backward0",
    "LogBackward0", "Log1PBackward0", "NegBackward0", "PowBackward0", "ReluBackward0", "RsqrtBackward0",
    "SigmoidBackward0", "SoftplusBackward0", "SqrtBackward0", "TanhBackward0", "ReciprocalBackward0",
}  # fmt: skip
"""Functions of one tensor, element by element, that regularizers are made of."""
