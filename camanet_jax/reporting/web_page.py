"""Web pages that load nothing: a template of `web/` with styles, programs and data written into it.

A study's films become JPEG and its maps bytes; one of two films takes about 40 kB. `web/viewer.js` reads the data
written here. I views, Y observations, L words of the report.
"""

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.explain import Explanation
from camanet_jax.reporting.overlays import Scale, attention_scale, colour_table, map_scale

WEB = Path(__file__).parent / 'web'
SLOT = re.compile(r'\{\{\s*([\w.]+)\s*\}\}')
LARGEST_SIDE = 256  # pixels of a film on a page
JPEG_QUALITY = 85


def fill_template(name: str, **parts: str) -> str:
    """The template `web/NAME` with every `{{ part }}` replaced: a file of `web/` by its name, else one of `parts`.

    Parts are HTML and are not changed; texts go through `escape`, values through `json_text`.
    """

    def content(slot: re.Match) -> str:
        return (WEB / slot[1]).read_text(encoding='utf8') if '.' in slot[1] else parts[slot[1]]

    return SLOT.sub(content, (WEB / name).read_text(encoding='utf8'))


def json_text(value: Any) -> str:
    """JSON for a script element, which no text in it can end."""
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')


def escape(text: Any) -> str:
    """A text for HTML, inside quotes too."""
    return html.escape(str(text))


def study_data(
    study_id: str,
    films: UInt8[np.ndarray, 'I height width'],
    words: Sequence[str],
    explanation: Explanation,
    **texts: Any,
) -> dict[str, Any]:
    """A study for the viewer.

    Args:
      films: as the model saw them.
      words: the report, the L words that `explanation` explains.
      **texts: shown beside them: `reference` (a text), `labels` ([Y] of 0, 1 or None), `scores` (by name),
        `alternatives` (pairs of text and log-probability).
    """
    return {
        'id': study_id,
        'films': [as_jpeg(film) for film in films],
        'words': list(words),
        'log_probs': [round(float(value), 4) for value in explanation.log_probs],
        'selected': explanation.selected or [],
        'maps': map_stacks(explanation),
        'probabilities': rounded(explanation.class_probabilities),
        **texts,
    }


def viewer_settings() -> dict[str, Any]:
    """Settings that all studies of a page share: the names of the observations and the colours of heat."""
    return {'observations': list(OBSERVATIONS), 'colours': encode(colour_table().tobytes())}


def map_stacks(explanation: Explanation) -> dict[str, Any]:
    """The existing maps by kind; `word` in multiples of uniform attention, at which its heat begins."""
    attention = explanation.predicting_attention
    tokens = attention[0].size if len(attention) else 1
    scale = attention_scale(attention)
    stacks = {'word': stack(attention * tokens, Scale(1.0, scale.high * tokens))}
    for name in ('vdm', 'tdm'):
        maps = getattr(explanation, name)
        if maps is not None:
            stacks[name] = stack(maps[None], map_scale(maps))
    if explanation.cams is not None:
        stacks['class'] = stack(explanation.cams, Scale(0.0, max(float(explanation.cams.max()), 1e-6)))
    return stacks


def stack(maps: Float[np.ndarray, 'maps I height width'], scale: Scale) -> dict[str, Any]:
    """Non-negative maps as bytes, with 255 for the largest value `top`, and the scale on which they are shown."""
    top = float(maps.max()) if maps.size and maps.max() > 0 else 1.0
    quantised = np.rint(np.clip(maps / top, 0, 1) * 255).astype(np.uint8)
    content = encode(quantised.tobytes())
    return {'shape': list(maps.shape), 'bytes': content, 'top': top, 'low': scale.low, 'high': scale.high}


def as_jpeg(film: UInt8[np.ndarray, 'height width']) -> str:
    """A film as base64 of a JPEG file, its longer side at most LARGEST_SIDE."""
    image = Image.fromarray(film)
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    file = io.BytesIO()
    image.save(file, 'JPEG', quality=JPEG_QUALITY, optimize=True)
    return encode(file.getvalue())


def encode(data: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(data).decode('ascii')


def rounded(values: Sequence[float] | None) -> list[float] | None:
    """Values to four decimals."""
    return None if values is None else [round(float(value), 4) for value in values]
