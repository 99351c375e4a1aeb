"""HTML that is safe whatever names a training has: everything is escaped where it becomes markup, once."""

import json
import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, cast


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *children: "str | Markup | None", **attributes: "str | bool | None") -> Markup:
    """One element.

    Args:
        name: The element's name.
        children: Its content: `Markup` as it is, any other text escaped, None left out.
        attributes: Its attributes, escaped; underscores become hyphens (`class_` is `class`), True stands alone,
            None and False are left out.

    Returns:
        The element.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: "Iterable[str | Markup | None]") -> Markup:
    """Content one after the other.

    Args:
        parts: `Markup` as it is, any other text escaped, None left out.

    Returns:
        The content.
    """
    return Markup(
        "".join(part if isinstance(part, Markup) else escape(str(part)) for part in parts if part is not None)
    )


def table(headings: Iterable[str], rows: Iterable[Iterable[str | Markup]], class_: str | None = None) -> Markup:
    """A table.

    Args:
        headings: Its first row.
        rows: The cells.
        class_: Its class in the style sheet.

    Returns:
        The table.
    """
    head = tag("thead", tag("tr", *(tag("th", heading, scope="col") for heading in headings)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows))
    return tag("div", tag("table", head, body, class_=class_), class_="wide")


def embed_data(value: Any, identifier: str) -> Markup:
    """Data for the page's script.

    Args:
        value: Plain data; numbers that are not finite become null.
        identifier: The element's id.

    Returns:
        A script element that no content can end early.
    """
    text = json.dumps(_drawable(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{escape(identifier)}">{text}</script>')


def _drawable(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _drawable(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_drawable(item) for item in cast("list[Any]", value)]
    return value
