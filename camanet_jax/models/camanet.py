"""CAMANet: the whole model (paper, Figure 2).

Dimension key: B studies, I views, P visual tokens, C backbone channels, Y observations, L report tokens,
V vocabulary (words and id 0), D width, F feed-forward, H heads, K head size, S memory slots, N beams.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import linen as nn
from flax.core import FrozenDict
from jaxtyping import Array, Bool, Int

from camanet_jax.models.decoder import Decoder, DecoderCache
from camanet_jax.models.densenet import DenseNet
from camanet_jax.models.encoder import Encoder
from camanet_jax.models.layers import EXACT, Dropout, LayerNorm, at_own_precision, linear, widened, xavier_uniform
from camanet_jax.models.outputs import CamanetOutput, Encoding, Features
from camanet_jax.models.relational_memory import RelationalMemory
from camanet_jax.models.vdm import class_activation_maps, visual_discriminative_map
from camanet_jax.models.vtac import (
    cosine_similarity,
    number_selected,
    ranks,
    same_for_same_word,
    selection_counts,
    soft_selection,
    straight_through,
    textual_discriminative_map,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PRESENCE_THRESHOLD = 0.5


def normalise_images(
    images: Array, dtype: Any, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> Array:
    """Grey uint8 films [B, I, height, width] to [B, I, height, width, 3], normalised by each channel's mean and std."""
    wide = jnp.promote_types(dtype, jnp.float32)
    scaled = images.astype(wide)[..., None] / 255
    return ((scaled - jnp.array(mean, wide)) / jnp.array(std, wide)).astype(dtype)


def sinusoid(length: int, width: int) -> np.ndarray:
    """Position code [L, D] (Vaswani et al., 2017)."""
    angles = np.arange(length)[:, None] * np.exp(np.arange(0, width, 2) * -(math.log(10000.0) / width))
    return rearrange(np.stack([np.sin(angles), np.cos(angles)], -1), 'l d two -> l (d two)')


def input_mask(tokens: Int[Array, 'B L']) -> Bool[Array, 'B L']:
    """True for words and for position 0 (BOS); id 0 elsewhere is padding."""
    return (tokens > 0) | (jnp.arange(tokens.shape[1]) == 0)


def by_token(mask: Bool[Array, 'B I'], tokens: Array) -> Bool[Array, 'B P']:
    """Gives each of a study's tokens [B, P, C] the value of its film, or its own where `mask` is by token already."""
    return jnp.repeat(mask, tokens.shape[1] // mask.shape[1], axis=1)


def with_first(there: Bool[Array, 'B P'], tokens: Array) -> Bool[Array, 'B read']:
    """Extends `there` to tokens that begin with r', which every study has; Base's begin without."""
    return jnp.pad(there, ((0, 0), (tokens.shape[1] - there.shape[1], 0)), constant_values=True)


def unused_norm(key, channels: int, dtype) -> dict[str, Array]:
    """Parameters of a LayerNorm."""
    return {'gamma': jnp.ones(channels, dtype), 'beta': jnp.zeros(channels, dtype)}


class Camanet(nn.Module):
    """The model; `Camanet(**config.model)` builds any system of the paper.

    Attributes:
      vocabulary_size: V, words plus one.
      observations: Y.
      width, feed_forward, heads, encoder_layers, decoder_layers, memory_slots: D, F, H, ..., S; without slots there is
        no relational memory, and the decoder's norms are plain.
      max_positions: the longest report that can be embedded.
      dropout: of attention, feed-forward, residuals and embeddings; `projection_dropout`: after the input projection.
      visual_extractor: makes the backbone, a module with a property `channels` that maps images
        [B, I, height, width, 3] to features [B, I, height', width', C], or to `Features`.
      backbone_options: the extractor's own attributes. image_mean, image_std: of the images it was trained on, by
        channel, in [0, 1].
      class_maps: makes maps [B, Y, P] (or [B, 1, P], the same for all classes) from visual tokens [B, P, C], the
        classifier's weights [C, Y], and the extractor's scores [B, P] where it gives any.
      view_embeddings: number of views with a learned embedding, which is added to their projected tokens.
      vdmae: adds classifier, VDM and discriminative representation; False is the Base system.
      vtac: adds the TDM. `contrastive`: adds the CLIP ablation's projections.
      cam_classes: indices of the classes that may enter the VDM; None for all.
      vdm_classes: the classes that count as present in training; in evaluation always 'predicted'.
      vdm_norm, tdm_*: the differences between paper and official program (docs/method.md).
      vdm_bias: lets the decoder read the VDM: the last cross-attention gets a learned multiple of its logarithm.
      tdm_selection: of the words that make the TDM: 'rank', 'soft' with `tdm_temperature`, or 'straight_through': the
        TDM by rank, with the gradient of the soft one.
      topk: k, the share of a report's words that VTAC selects; `tdm_count`: how it is rounded.
      matmul_precision: of float32 products on GPU and TPU, by JAX's names: 'default' is the platform's fastest,
        'highest' float32; None leaves it to `jax.default_matmul_precision`. Products that make class logits, maps and
        similarities are always 'highest'.
      dtype: of the computation. param_dtype: of the parameters and, regardless of dtype, of sums over words, the
        memory, attention probabilities and logits.
    """

    vocabulary_size: int
    observations: int = 14
    width: int = 512
    feed_forward: int = 512
    heads: int = 8
    encoder_layers: int = 3
    decoder_layers: int = 3
    memory_slots: int = 3
    max_positions: int = 512
    dropout: float = 0.1
    projection_dropout: float = 0.5
    visual_extractor: Callable[..., nn.Module] = DenseNet
    backbone_options: Mapping[str, Any] = FrozenDict()
    image_mean: Sequence[float] = IMAGENET_MEAN
    image_std: Sequence[float] = IMAGENET_STD
    class_maps: Callable[..., Array] = class_activation_maps
    view_embeddings: int = 0
    vdmae: bool = True
    vtac: bool = True
    contrastive: bool = False
    cam_classes: Sequence[int] | None = None
    vdm_classes: Literal['predicted', 'labels', 'union'] = 'predicted'
    vdm_norm: Literal['class', 'map'] = 'class'
    tdm_query: Literal['discriminative', 'first_visual'] = 'discriminative'
    tdm_word_vectors: Literal['embedding', 'decoder_input'] = 'embedding'
    tdm_candidates: Literal['words', 'words_and_bos'] = 'words'
    tdm_row: Literal['reading', 'predicting'] = 'reading'
    tdm_norm: Literal['word', 'map'] = 'word'
    tdm_weight: Literal['similarity', 'none'] = 'similarity'
    tdm_selection: Literal['rank', 'straight_through', 'soft'] = 'rank'
    tdm_temperature: float = 0.1
    vdm_bias: bool = False
    topk: float = 0.3
    tdm_count: Literal['words', 'official'] = 'words'
    matmul_precision: str | None = None
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if get_origin(field.type) is Literal and value not in get_args(field.type):
                raise ValueError(f'Expected {field.name} to be one of {get_args(field.type)}, got {value!r}.')
        if len(self.image_mean) != 3 or len(self.image_std) != 3 or min(self.image_std) <= 0:
            got = f'{tuple(self.image_mean)} and {tuple(self.image_std)}'
            raise ValueError(f'Expected three numbers as image_mean, and three above 0 as image_std, got {got}.')
        if self.vtac and not self.vdmae:
            raise ValueError('Expected vdmae=True with vtac=True, got vdmae=False: VTAC compares the TDM with the VDM.')
        if self.tdm_row == 'predicting' and self.tdm_candidates != 'words':
            raise ValueError("Expected tdm_candidates='words' with tdm_row='predicting': nothing predicts BOS.")
        if self.vdm_bias and not self.vdmae:
            raise ValueError('Expected vdmae=True with vdm_bias=True, got vdmae=False: there is no VDM.')
        super().__post_init__()

    def setup(self):
        dtypes, wide = (dict(dtype=dtype, param_dtype=self.param_dtype) for dtype in (self.dtype, self.param_dtype))
        self.backbone = self.visual_extractor(**self.backbone_options, **dtypes)
        channels = self.backbone.channels
        if self.vdmae:
            self.classifier = linear(channels, self.observations, precision=EXACT, **wide)
            self.discriminative_norm = LayerNorm(**dtypes)
            # Official checkpoints hold a second, unused norm; it is kept so that they round-trip.
            self.unused_background_norm = self.param('unused_background_norm', unused_norm, channels, self.param_dtype)
        self.input_projection = linear(channels, self.width, **dtypes)
        self.projection_drop = Dropout(self.projection_dropout)
        if self.view_embeddings:
            shape = self.view_embeddings, self.width
            self.view_embedding = self.param('view_embedding', nn.initializers.normal(0.02), shape, self.param_dtype)
        sizes = dict(width=self.width, feed_forward=self.feed_forward, heads=self.heads, dropout=self.dropout, **dtypes)
        self.encoder = Encoder(layers=self.encoder_layers, **sizes)
        self.decoder = Decoder(layers=self.decoder_layers, map_bias=self.vdm_bias, **sizes)
        self.memory = RelationalMemory(self.width, self.heads, self.memory_slots, self.dropout, **wide)
        self.embedding = nn.Embed(self.vocabulary_size, self.width, embedding_init=xavier_uniform, **wide)
        self.embedding_drop = Dropout(self.dropout)
        self.vocabulary_head = linear(self.width, self.vocabulary_size, **wide)
        if self.contrastive:
            self.image_head = linear(self.width, self.width, **wide)
            self.text_head = linear(self.width, self.width, **wide)
            self.contrastive_log_scale = self.param(
                'contrastive_log_scale', nn.initializers.constant(math.log(1 / 0.07)), (), self.param_dtype
            )

    @at_own_precision
    def encode(
        self, images: Array, *, labels: Array | None = None, view_mask: Array | None = None, train: bool = False
    ) -> Encoding:
        """Films [B, I, height, width], uint8 grey, to all activations of the visual side (equations 1, 2, 5 to 12).

        `labels` [B, Y] are used only in training, by `vdm_classes` 'labels' and 'union'. `view_mask` [B, I] is True for
        the films that a study has, by default all; the others are not read. One of [B, P] is taken token by token.
        """
        normalised = normalise_images(images, self.dtype, self.image_mean, self.image_std)
        features = self.backbone(normalised, train=train)
        features = Features(*features) if isinstance(features, tuple) else Features(features)
        tokens = rearrange(features.maps, 'b i h w c -> b (i h w) c')
        scores = () if features.scores is None else (rearrange(features.scores, 'b i h w -> b (i h w)'),)
        views = images.shape[1]
        there = None if view_mask is None else by_token(view_mask, tokens)
        pooled = tokens if features.pooled is None else features.pooled
        of_view = None if view_mask is None else by_token(view_mask, pooled)[..., None]
        pooled = widened(pooled).mean(1, where=of_view)  # equation 5
        visual = self.discriminate(tokens, pooled, labels, *scores, there=there, train=train) if self.vdmae else {}
        inputs = tokens
        if self.vdmae:
            inputs = jnp.concatenate([visual['discriminative_representation'][:, None], tokens], axis=1)
        projected = self.project(inputs, train=train)
        read = None if there is None else with_first(there, projected)[:, None]
        encoded = self.contextualise(self.mark_views(projected, views, tokens.shape[1]), read, train=train)
        return Encoding(tokens, pooled, projected, encoded, **visual, there=there)

    def mark_views(self, projected: Array, views: int, patches: int) -> Array:
        """Adds each view's embedding, where it has one, to its share of the last `patches` tokens [B, P + 1, D]."""
        if not self.view_embeddings:
            return projected
        if views > self.view_embeddings:
            raise ValueError(f'Expected view_embeddings of at least {views} views, got {self.view_embeddings}.')
        marks = jnp.repeat(self.view_embedding[:views], patches // views, axis=0)
        return (projected + jnp.pad(marks, ((projected.shape[1] - patches, 0), (0, 0)))).astype(self.dtype)

    def project(self, inputs: Array, *, train: bool) -> Array:
        """Visual tokens [B, P + 1, C] to the encoder's input [B, P + 1, D]; Base has one token fewer."""
        return self.projection_drop(nn.relu(self.input_projection(inputs)), deterministic=not train)

    def contextualise(self, projected: Array, read: Array | None = None, *, train: bool) -> Array:
        """The encoder over its input [B, P + 1, D] (equations 2, 12); `read` [B, 1, P + 1]: the tokens read."""
        return self.encoder(projected, read, train=train)

    @at_own_precision
    def discriminate(self, tokens, pooled, labels, *scores, there=None, train: bool) -> dict[str, Array]:
        """Classifier, CAMs, VDM and discriminative representation (equations 6 to 11)."""
        class_logits = self.classify(pooled, tokens, there)
        kernel, tokens = widened(self.classifier.variables['params']['kernel']), widened(tokens)
        cams = jax.lax.stop_gradient(self.class_maps(tokens, kernel, *scores))
        cams = jnp.broadcast_to(cams, (len(cams), self.observations, cams.shape[-1]))
        present = self.present_classes(class_logits, labels, train=train)
        vdm = visual_discriminative_map(cams, present, self.vdm_norm, there)
        if there is not None:  # of the result alone: the VDM's scale is that of the films that are there
            cams = jnp.where(there[:, None], cams, 0)
        representation = self.discriminative_norm(jnp.einsum('bp,bpc->bc', vdm, tokens, precision=EXACT))
        return dict(
            class_logits=class_logits, cams=cams, present=present, vdm=vdm, discriminative_representation=representation
        )

    def classify(self, pooled: Array, tokens: Array, there: Array | None) -> Array:
        """Class logits [B, Y] from the mean token [B, C] (equation 6); networks may read `tokens` [B, P, C] instead."""
        del tokens, there
        return self.classifier(pooled)

    def present_classes(self, class_logits, labels, *, train: bool) -> Array:
        """The classes whose maps enter the VDM, [B, Y] (equation 7, on the sigmoid of each class)."""
        present = nn.sigmoid(class_logits) >= PRESENCE_THRESHOLD
        if train and self.vdm_classes != 'predicted':
            if labels is None:
                raise ValueError(f'vdm_classes={self.vdm_classes!r} needs the labels of the batch, got none.')
            present = labels > 0 if self.vdm_classes == 'labels' else present | (labels > 0)
        if self.cam_classes is not None:
            present = present & jnp.isin(jnp.arange(self.observations), jnp.array(self.cam_classes, int))
        return present

    def position_code(self, first: Array | int, length: int) -> Array:
        """Rows [L, D] of the position code, from position `first` on."""
        code = jnp.asarray(sinusoid(self.max_positions, self.width), self.param_dtype)
        return jax.lax.dynamic_slice_in_dim(code, first, length)

    def embed(self, tokens: Array, position: Array | int = 0, *, train: bool = False) -> Array:
        """Embeds `tokens` [B, L] from `position`: word times sqrt(D) plus position code, with dropout (equation 3)."""
        code = self.position_code(position, tokens.shape[-1])
        embedded = self.embedding(tokens) * jnp.asarray(math.sqrt(self.width), self.param_dtype) + code
        return self.embedding_drop(embedded.astype(self.dtype), deterministic=not train)

    @at_own_precision
    def decode(
        self,
        encoding: Encoding,
        tokens: Int[Array, 'B L'],
        batch_width: Int[Array, ''] | None = None,
        *,
        train: bool = False,
    ) -> CamanetOutput:
        """Teacher-forced pass over `tokens` (BOS first): equation 4 for every token, and the TDM.

        `batch_width` is the longest input of the global batch, by default of this one.
        """
        valid = input_mask(tokens)
        embedded = self.embed(tokens, train=train)
        memory = self.memory(embedded, train=train)
        length = tokens.shape[1]
        causal = valid[:, None] & jnp.tril(jnp.ones((length, length), bool))
        maps = encoding.decoder_input, causal, encoding.vdm, encoding.there
        decoded, attention = self.decoder(embedded, memory, *maps, train=train)
        textual = {}
        if self.vtac:
            width = valid.sum(1).max() if batch_width is None else batch_width
            textual |= self.consistency(encoding, tokens, embedded, attention, width)
        if self.contrastive:
            textual |= self.contrast(encoding, decoded, valid)
        return CamanetOutput(encoding, embedded, memory, decoded, attention, self.vocabulary_head(decoded), **textual)

    def consistency(self, encoding, tokens, embedded, attention, width) -> dict[str, Array]:
        """VTAC's word selection and TDM (equations 13 to 16)."""
        candidates = tokens > 0 if self.tdm_candidates == 'words' else input_mask(tokens)
        query = encoding.encoded[:, 0 if self.tdm_query == 'discriminative' else 1]
        words = self.embedding(tokens) if self.tdm_word_vectors == 'embedding' else embedded
        similarity = cosine_similarity(widened(words), widened(query))
        if self.tdm_word_vectors == 'embedding':
            similarity = same_for_same_word(similarity, tokens)
        counts = selection_counts(self.topk, tokens.shape[1], self.tdm_count)
        selected = number_selected(counts, candidates, width)
        hard = (ranks(similarity, candidates) < selected[:, None]).astype(similarity.dtype)
        soft = soft_selection(similarity, candidates, selected, self.tdm_temperature)
        rows = attention.mean(1)
        if self.tdm_row == 'predicting':
            rows = jnp.roll(rows, 1, axis=1)  # the row before a word's own predicted it
        options = dict(norm=self.tdm_norm, weight=self.tdm_weight, there=encoding.there)
        make = partial(textual_discriminative_map, rows, similarity, **options)
        selection = soft if self.tdm_selection == 'soft' else hard
        tdm = make(selection)
        if self.tdm_selection == 'straight_through':  # of the map: a maximum passes nothing to words of weight 0
            tdm = straight_through(tdm, make(soft))
        return dict(word_similarity=similarity * candidates, word_attention=rows, selection=selection, tdm=tdm)

    @at_own_precision
    def contrast(self, encoding, decoded, valid) -> dict[str, Array]:
        """The CLIP ablation's embeddings (paper section IV-G)."""
        tokens, there = encoding.projected, encoding.there
        where = None if there is None else with_first(there, tokens)[..., None]
        image = self.image_head(widened(tokens).mean(1, where=where))
        decoded = widened(decoded)
        text = jnp.einsum('bld,bl->bd', decoded, valid.astype(decoded.dtype), precision=EXACT)
        text /= valid.sum(1, keepdims=True)
        return dict(
            image_embedding=image,
            text_embedding=self.text_head(text),
            contrastive_scale=jnp.exp(self.contrastive_log_scale),
        )

    def __call__(
        self,
        images: Array,
        tokens: Array,
        batch_width: Array | None = None,
        *,
        labels: Array | None = None,
        train: bool = False,
        **extras: Array,
    ):
        """Films [B, I, height, width] and input tokens [B, L] to a `CamanetOutput`; see `encode` and `decode`.

        `extras` are those of the batch (`data.extras`): keyword arguments of `encode` in networks that have them.
        """
        encoding = self.encode(images, labels=labels, train=train, **extras)
        return self.decode(encoding, tokens, batch_width, train=train)

    @at_own_precision
    def cross_projections(self, encoding: Encoding):
        """Cross-attention keys and values of every decoder layer, computed once per study."""
        return self.decoder.cross_projections(encoding.decoder_input, encoding.vdm, encoding.there)

    def empty_cache(self, batch: int, beams: int, length: int) -> DecoderCache:
        """The state before the first token."""
        size, tokens, layers = self.width // self.heads, length * beams, self.decoder_layers
        keys = (jnp.zeros((batch, self.heads, size, tokens), self.dtype),) * layers
        values = (jnp.zeros((batch, self.heads, tokens, size), self.dtype),) * layers
        return DecoderCache(keys, values, jnp.full((batch, beams, length), -1), self.memory.initial(batch, beams))

    @at_own_precision
    def decode_step(self, tokens: Int[Array, 'B N'], position: Int[Array, ''], cache: DecoderCache, cross):
        """Reads one token per beam (equation 4).

        Returns logits [B, N, V], cross-attention [B, H, N, P] and the new cache.
        """
        embedded = self.embed(tokens[..., None], position)[..., 0, :]
        memory = self.memory.read(cache.memory, embedded)
        decoded, attention, cache = self.decoder.step(embedded, memory, cross, cache, position)
        return self.vocabulary_head(decoded), attention, cache
