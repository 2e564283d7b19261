"""Web pages that need nothing from outside: a template of `web/` with styles, programs and data written into it."""

import html
import json
import re
from pathlib import Path
from typing import Any

WEB = Path(__file__).parent / 'web'
PLACE = re.compile(r'\{\{\s*([\w.]+)\s*\}\}')


def fill_template(name: str, **parts: str) -> str:
    """The template `web/NAME` with every `{{ part }}` replaced: a file of `web/` by its name, else one of `parts`.

    Parts are HTML and are taken as they are; texts go through `escape`, values through `json_text`.
    """
    return PLACE.sub(
        lambda place: (WEB / place[1]).read_text(encoding='utf8') if '.' in place[1] else parts[place[1]],
        (WEB / name).read_text(encoding='utf8'),
    )


def json_text(value: Any) -> str:
    """JSON for a script element, which no text inside can end."""
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')


def escape(text: Any) -> str:
    """A text for HTML, also inside of quotes."""
    return html.escape(str(text))
