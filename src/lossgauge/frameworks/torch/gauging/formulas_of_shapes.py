"""Computing again what only arranges numbers: views, selections, copies, stacks."""

from typing import Any

import torch

from lossgauge.frameworks.torch.gauging.saved import Formula, Take, kept, shape_of


def _viewed(node: Any, take: Take) -> torch.Tensor:
    return take(0).reshape(shape_of(node))


def _copied(node: Any, take: Take) -> torch.Tensor:
    return take(0).to(dtype=node._input_metadata[0].dtype, device=node._input_metadata[0].device)


def _sliced(node: Any, take: Take) -> torch.Tensor:
    dim, step = kept(node, "dim"), kept(node, "step")
    tensor = take(0)
    window = [slice(None)] * tensor.ndim
    window[dim] = slice(kept(node, "start"), kept(node, "end"), step)
    return tensor[tuple(window)]


def _indexed(node: Any, take: Take) -> torch.Tensor:
    indices = tuple(slice(None) if index is None else index for index in kept(node, "indices"))
    return take(0)[indices]


def _all_of(node: Any, take: Take) -> list[torch.Tensor]:
    return [take(place) for place in range(len(node.next_functions))]


SHAPES: dict[str, Formula] = {
    "AliasBackward0": _viewed,
    "CatBackward0": lambda node, take: torch.cat(_all_of(node, take), kept(node, "dim")),
    "CloneBackward0": _viewed,
    "ExpandBackward0": lambda node, take: take(0).expand(shape_of(node)),
    "GatherBackward0": lambda node, take: take(0).gather(kept(node, "dim"), kept(node, "index")),
    "IndexBackward0": _indexed,
    "IndexSelectBackward0": lambda node, take: take(0).index_select(kept(node, "dim"), kept(node, "index")),
    "PermuteBackward0": lambda node, take: take(0).permute(kept(node, "dims")),
    "ReshapeAliasBackward0": _viewed,
    "SelectBackward0": lambda node, take: take(0).select(kept(node, "dim"), kept(node, "index")),
    "SliceBackward0": _sliced,
    "SplitBackward0": lambda node, take: take(0).split(kept(node, "split_size"), kept(node, "dim")),
    "SplitWithSizesBackward0": lambda node, take: take(0).split(kept(node, "split_sizes"), kept(node, "dim")),
    "SqueezeBackward0": _viewed,
    "SqueezeBackward1": _viewed,
    "SqueezeBackward2": _viewed,
    "StackBackward0": lambda node, take: torch.stack(_all_of(node, take), kept(node, "dim")),
    "TBackward0": lambda node, take: take(0).t(),
    "ToCopyBackward0": _copied,
    "TransposeBackward0": lambda node, take: take(0).transpose(kept(node, "dim0"), kept(node, "dim1")),
    "UnbindBackward0": lambda node, take: take(0).unbind(kept(node, "dim")),
    "UnsafeSplitBackward0": lambda node, take: take(0).split(kept(node, "split_size"), kept(node, "dim")),
    "UnsafeViewBackward0": _viewed,
    "UnsqueezeBackward0": _viewed,
    "ViewBackward0": _viewed,
}
