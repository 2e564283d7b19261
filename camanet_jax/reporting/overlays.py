"""Heat maps over grey films.

Colours are matplotlib's plasma: perceptually uniform, safe for colour-blind readers, and nowhere grey, so that heat is
not mistaken for bone or lung. Opacity grows with strength: the film shows where a map is weak.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Num, UInt8
from matplotlib import colormaps
from PIL import Image

COLOURS = colormaps['plasma']
COLOUR_START = 0.15  # the darkest blues vanish on a dark film
MAX_OPACITY = 0.7
OPACITY_POWER = 0.7  # below 1, so that weak heat is easier to see
HIGH_QUANTILE = 0.9
FAINTEST_MAP = 0.1  # the least maximum of a map that is shown with full heat


@dataclasses.dataclass(frozen=True)
class Scale:
    """The values shown as no heat (`low`) and as full heat (`high`); others beyond them are clipped."""

    low: float = 0.0
    high: float = 1.0

    def strength(self, values: Num[np.ndarray, '...']) -> Float[np.ndarray, '...']:
        """Values mapped to [0, 1]."""
        return np.clip((values - self.low) / (self.high - self.low), 0, 1)


def map_scale(maps: Float[np.ndarray, '...']) -> Scale:
    """The scale of a discriminative map, from 0 to its maximum; faint ones are not stretched to full heat."""
    return Scale(0.0, max(float(maps.max()), FAINTEST_MAP))


def attention_scale(maps: Float[np.ndarray, 'words I height width']) -> Scale:
    """One scale for the attention of many words, so that their maps can be compared.

    It starts at uniform attention, 1 / P, which shows no heat. It ends at a high quantile of the words' peaks, since
    the highest would leave the others pale, and at no less than twice uniform attention.
    """
    uniform = 1 / maps[0].size if len(maps) else 1.0
    peaks = maps.reshape(len(maps), -1).max(1) if len(maps) else np.zeros(1)
    return Scale(uniform, max(float(np.quantile(peaks, HIGH_QUANTILE)), 2 * uniform))


def upsample(heat: Float[np.ndarray, 'h w'], height: int, width: int) -> Float[np.ndarray, 'height width']:
    """Resizes a map bilinearly, with pixel centres at halves as for images; borders repeat the outermost values."""
    return np.asarray(Image.fromarray(np.asarray(heat, np.float32)).resize((width, height), Image.Resampling.BILINEAR))


def resize_film(film: UInt8[np.ndarray, 'h w'], height: int, width: int) -> UInt8[np.ndarray, 'height width']:
    """Resizes a film for display."""
    return np.asarray(Image.fromarray(film).resize((width, height), Image.Resampling.BICUBIC))


def overlay(
    film: UInt8[np.ndarray, 'height width'], heat: Float[np.ndarray, 'h w'], scale: Scale
) -> UInt8[np.ndarray, 'height width 3']:
    """Draws a coarse map, stretched over the whole film, as transparent colour; comparable maps share a `scale`."""
    return blend(film, scale.strength(upsample(heat, *film.shape)))


def blend(
    film: UInt8[np.ndarray, 'height width'], strength: Float[np.ndarray, 'height width']
) -> UInt8[np.ndarray, 'height width 3']:
    """Draws the colours of a strength in [0, 1] over a film."""
    opacity = MAX_OPACITY * strength[..., None] ** OPACITY_POWER
    return np.round(film[..., None] * (1 - opacity) + heat_colours(strength) * opacity).astype(np.uint8)


def heat_colours(strength: Float[np.ndarray, '...']) -> Float[np.ndarray, '... 3']:
    """Red, green and blue, 0 to 255, of a strength in [0, 1]."""
    return COLOURS(COLOUR_START + (1 - COLOUR_START) * strength)[..., :3] * 255


def colour_table() -> UInt8[np.ndarray, '256 4']:
    """Red, green, blue and opacity of 256 strengths, for programs that blend themselves; full heat is opaque."""
    strength = np.linspace(0, 1, 256)
    opacity = 255 * strength[:, None] ** OPACITY_POWER
    return np.round(np.concatenate([heat_colours(strength), opacity], 1)).astype(np.uint8)


def colour_bar(height: int, width: int) -> UInt8[np.ndarray, 'height width 3']:
    """The colours from no heat (left) to full heat over mid-grey, as they look on a film."""
    return blend(np.full((height, width), 110, np.uint8), np.tile(np.linspace(0, 1, width), (height, 1)))
