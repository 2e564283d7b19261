"""Outputs of the model: every activation, under one name each.

B studies, P visual tokens, C backbone channels, Y observations, L report tokens, V vocabulary, D width, H heads,
S memory slots.
"""

from typing import NamedTuple

import jax
from flax import struct
from jax import Array


class Features(NamedTuple):
    """A visual extractor's output, where it gives more than the maps.

    Attributes:
      maps: [B, I, height', width', C].
      scores: [B, I, height', width'], its own; the function of the class maps gets them.
      pooled: [B, N, C], tokens whose mean the classifier reads, e.g. a CLS token a view; None for all of the maps.
    """

    maps: Array
    scores: Array | None = None
    pooled: Array | None = None


@struct.dataclass
class Encoding:
    """Activations of the visual side. Fields after `encoded` are None in the Base system.

    Attributes:
      visual_tokens: [B, P, C], the backbone's features, view 1's tokens first (equation 1).
      pooled_features: [B, C], mean over tokens and views (equation 5).
      projected: [B, P + 1, D] (Base: [B, P, D]), the encoder's input.
      encoded: the same shape, the encoder's output; row 0 is r* (paper equation 12).
      class_logits: [B, Y].
      cams: [B, Y, P], class activation maps.
      present: [B, Y], the classes whose maps make the VDM.
      vdm: [B, P], d^v in [0, 1].
      discriminative_representation: [B, C], r' (equation 11).
      there: [B, P], True for tokens of films that a study has; None where all have I films. Maps are 0 elsewhere.
    """

    visual_tokens: Array
    pooled_features: Array
    projected: Array
    encoded: Array
    class_logits: Array | None = None
    cams: Array | None = None
    present: Array | None = None
    vdm: Array | None = None
    discriminative_representation: Array | None = None
    there: Array | None = None

    @property
    def decoder_input(self) -> Array:
        """[B, P, D]: the encoded visual tokens; r* is dropped (paper: "detached")."""
        return self.encoded if self.vdm is None else self.encoded[:, 1:]


@struct.dataclass
class CamanetOutput:
    """Every activation of one teacher-forced pass; under jit what is not used is not computed.

    Attributes:
      encoding: the visual side.
      embedded: [B, L, D], word embeddings with position, after dropout.
      relational_memory: [B, L, S * D], the memory after each token; None in a network without one.
      decoded: [B, L, D], the decoder's output after its final norm.
      cross_attention: [B, H, L, P], last layer; row j is the attention whose input is token j.
      logits: [B, L, V].
      word_similarity: [B, L], s_j of equation 13. None, as the next three, without VTAC.
      word_attention: [B, L, P], mean over heads, of the row that VTAC takes for each word (`tdm_row`).
      selection: [B, L], 1 for a selected word (between 0 and 1 in the soft relaxation).
      tdm: [B, P], d^t.
      image_embedding, text_embedding, contrastive_scale: [B, D], [B, D], []; CLIP ablation only.
    """

    encoding: Encoding
    embedded: Array
    relational_memory: Array | None
    decoded: Array
    cross_attention: Array
    logits: Array
    word_similarity: Array | None = None
    word_attention: Array | None = None
    selection: Array | None = None
    tdm: Array | None = None
    image_embedding: Array | None = None
    text_embedding: Array | None = None
    contrastive_scale: Array | None = None

    @property
    def log_probs(self) -> Array:
        """[B, L, V]."""
        return jax.nn.log_softmax(self.logits)

    @property
    def reading_attention(self) -> Array:
        """[B, L - 1, P], mean over heads: row i is where the model looked having just read word i."""
        return self.cross_attention.mean(1)[:, 1:]

    @property
    def predicting_attention(self) -> Array:
        """[B, L, P], mean over heads: row i is where the model looked when it predicted word i."""
        return self.cross_attention.mean(1)
