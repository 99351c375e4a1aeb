"""The JavaScript that draws the charts: Vega, Vega-Lite and Vega-Embed in one text, from the installed vl-convert."""

import importlib
from functools import lru_cache
from typing import Any

from lossgauge.errors import InputError


def load_converter() -> Any:
    """The package that brings the libraries along.

    Returns:
        The module `vl_convert`.

    Raises:
        InputError: When the extra `pictures` is not installed.
    """
    try:
        return importlib.import_module("vl_convert")
    except ImportError:
        raise InputError(
            "the HTML report needs vl-convert, which is missing; install it: pip install 'lossgauge[pictures]'"
        ) from None


@lru_cache(maxsize=1)
def bundle_libraries() -> str:
    """The libraries, ready for a script element; nothing is fetched.

    Returns:
        JavaScript that sets `window.vegaEmbed`.

    Raises:
        InputError: When the extra `pictures` is not installed.
    """
    script = str(load_converter().javascript_bundle())
    # A text that would end the script element must not occur; inside strings and comments `<\/` means the same.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
