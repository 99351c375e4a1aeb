"""Discovery: the law of an optimizer learned three ways that must agree: infer, probe, certify."""
