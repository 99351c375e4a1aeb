"""The JavaScript that draws the charts: Vega, Vega-Lite and Vega-Embed in one text, from the installed vl-convert."""

import importlib
from functools import lru_cache

from lossgauge.errors import InputError


@lru_cache(maxsize=1)
def bundle_libraries() -> str:
    """The libraries, ready for a script element; nothing is fetched.

    Returns:
        JavaScript that sets `window.vegaEmbed`.

    Raises:
        InputError: When the extra `pictures` is not installed.
    """
    try:
        converter = importlib.import_module("vl_convert")
    except ImportError:
        raise InputError(
            "the HTML report needs vl-convert, which is missing; install it: pip install 'lossgauge[pictures]'"
        ) from None
    script = str(converter.javascript_bundle())
    # A text that would end the script element must not occur; inside strings and comments `<\/` means the same.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
