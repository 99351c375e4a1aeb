import torch

from lossgauge.frameworks.torch.tracing.call import Call, spread
from lossgauge.frameworks.torch.tracing.quantity import Quantity
from lossgauge.frameworks.torch.tracing.tags import ANY, Tag, literal
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.monomial import Monomial

LR = Tag(Monomial.of("lr"))


def call(*args: object, **kwargs: object) -> Call:
    tracer = Tracer()
    return Call(tracer, "any", args, kwargs, None)


def test_arguments_are_found_by_place_or_any_of_their_names():
    one = call(1, other=2)
    assert one.given(0, "input") == 1
    assert one.given(1, "other") == 2
    assert call(1, mat2=2).given(1, "other mat2") == 2
    assert call(1).given(1, "other", 5) == 5
    assert one.option("alpha", 1) == 1


def test_a_sequence_has_the_common_unit_of_its_entries():
    one = call()
    lr, eps = (Quantity(0.5, Tag(Monomial.of(name)), one.tracer) for name in ("lr", "eps"))
    assert one.common([]) is ANY
    assert one.common([0.0, lr]).unit == LR.unit
    assert one.common([(lr,), eps]).unit == LR.unit
    assert [e.difference for e in one.tracer.equations] == [Monomial.of("lr") / Monomial.of("eps")]
    assert call(3).tag(0) == literal(3)
    assert call().tag(1, "other", 4) == literal(4)


def test_an_argument_nobody_asked_for_is_noticed():
    tracer = Tracer()
    lr = Quantity(0.5, LR, tracer)
    for args, kwargs in [((1, lr), {}), ((1,), {"nan": lr}), ((1, [lr]), {}), ((1,), {"scalars": (lr,)})]:
        assert Call(tracer, "any", args, kwargs, None).overlooks()
        taking = Call(tracer, "any", args, kwargs, None)
        taking.take_all()
        assert not taking.overlooks()


def test_numbers_and_what_was_asked_for_are_not_overlooked():
    tracer = Tracer()
    lr = Quantity(0.5, LR, tracer)
    asked = Call(tracer, "any", (lr, 3), {"dim": 0, "out": lr, "alpha": lr}, None)
    asked.given(0, "input")
    asked.option("alpha")
    assert not asked.overlooks()


def test_operands_are_found_inside_lists():
    tensor = torch.ones(1)
    lr = Quantity(0.5, LR, Tracer())
    assert all(a is b for a, b in zip(spread([1, (tensor, [lr, "text"]), None]), [tensor, lr], strict=True))
