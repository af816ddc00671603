"""The CLIP pair: a text encoder and an image encoder trained to agree (Radford et al. 2021).

    text:   ids -> token + position embeddings -> causal transformer -> final norm -> tokens (B, M, D)
            the token at the first end mark has seen the whole sentence: its projection is the sentence's vector
    image:  picture -> convolutions -> projection of all pixels
    loss:   every picture must find its caption in the batch, and every caption its picture (cross-entropy both ways)

Stable Diffusion 1.5 reads its prompts with OpenAI's text encoder, which is another value of the same configuration:

    CLIPConfig(
        vocabulary=49408, end_id=49407, context_length=77, width=768, layers=12, heads=12, bias=True,
        activation="quick_gelu", embedding_width=None,
    )

Differs: CLIP's image encoder is a vision transformer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from minisd_kernels.devices import device_of, namespace

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.models.checks import check_choice, check_flag, check_whole
from minisd.nn import Conv2d, Embedding, GroupNorm, LayerNorm, Linear, Module, Parameter, TransformerBlock


@dataclass(frozen=True)
class CLIPConfig:
    """Sizes of the pair.

    Attributes:
        context_length: tokens a prompt is framed to, start and end marks included.
        end_id: the id of the end mark.
        padding_id: what a short prompt is filled up with; None for end marks.
        bias: whether query, key and value have one.
        activation: of the perceptrons, see ``ops.ACTIVATIONS``.
        embedding_width: length of the vectors that text and image share; None for a text encoder without a pooled
            vector.
        image_channels: of the image encoder's convolutions.
        picture: height, width and channels of the pictures that it is shown.
    """

    vocabulary: int
    end_id: int
    context_length: int = 12
    width: int = 64
    layers: int = 3
    heads: int = 2
    embedding_width: int | None = 64
    image_channels: tuple[int, int] = (32, 64)
    picture: tuple[int, int, int] = (28, 28, 1)
    bias: bool = False
    activation: str = "gelu_tanh"
    padding_id: int | None = None

    def __post_init__(self) -> None:
        check_whole(self, "vocabulary")
        check_whole(self, "end_id", 0, self.vocabulary - 1)
        check_whole(self, "context_length", 2)
        check_whole(self, "width")
        check_whole(self, "layers", most=256)
        check_whole(self, "heads", most=self.width)
        if self.width % self.heads:
            raise ValueError(f"CLIPConfig: heads: a width of {self.width} does not split into {self.heads} heads")
        check_whole(self, "embedding_width", none=True)
        check_flag(self, "bias")
        check_choice(self, "activation", ops.ACTIVATIONS)
        check_whole(self, "padding_id", 0, self.vocabulary - 1, none=True)
        channels = self.image_channels
        if (
            not isinstance(channels, tuple)
            or len(channels) != 2
            or not all(type(c) is int and c in range(8, 8193, 8) for c in channels)
        ):
            raise ValueError(f"CLIPConfig: image_channels: wanted two multiples of 8, got {channels!r}")
        match self.picture:
            case int(H), int(W), 1 | 3 if 4 <= min(H, W) <= max(H, W) <= 4096:
                pass
            case other:
                raise ValueError(f"CLIPConfig: picture: wanted height, width and 1 or 3 channels, got {other!r}")

    def check_clip_skip(self, clip_skip: int) -> None:
        """Demand a layer that there is, counted from the end.

        Raises:
            ValueError: clip_skip outside 1..layers.
        """
        if isinstance(clip_skip, bool) or not isinstance(clip_skip, int) or not 1 <= clip_skip <= self.layers:
            raise ValueError(f"clip_skip: wanted 1 (the last layer) to {self.layers} (the first), got {clip_skip!r}")


class TextEncoder(Module):
    """Sentences to vectors.

    >>> encoder = TextEncoder(CLIPConfig(vocabulary=600, end_id=599), rng=np.random.default_rng(0))
    >>> tokens, pooled = encoder(np.full((2, 12), 599))
    >>> tokens.shape, pooled.shape
    ((2, 12, 64), (2, 64))
    """

    def __init__(self, config: CLIPConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        self.token_embedding = Embedding(config.vocabulary, config.width, rng=rng)
        self.position_embedding = Embedding(config.context_length, config.width, rng=rng)
        self.blocks = [
            TransformerBlock(
                config.width, config.heads, causal=True, bias=config.bias, activation=config.activation, rng=rng
            )
            for _ in range(config.layers)
        ]
        self.final_norm = LayerNorm(config.width)
        self.projection = (
            Linear(config.width, config.embedding_width, rng=rng, bias=False) if config.embedding_width else None
        )

    def forward(self, ids: Array, clip_skip: int = 1) -> tuple[Tensor, Tensor | None]:
        """Per-token vectors (B, M, D) and pooled, projected vectors (B, E) of ids (B, M), which live with the weights.

        The second is None where the configuration has no embedding_width.

        Args:
            clip_skip: which layer's tokens to return, counted from the end: 1 the last, 2 the one before (the
                convention of most user interfaces; diffusers counts one less). The final norm is applied in any case.

        Raises:
            ValueError: clip_skip outside 1..layers, or M larger than the context length.
        """
        B, M = ids.shape
        self.config.check_clip_skip(clip_skip)
        if self.config.context_length < M:
            raise ValueError(f"text encoder: {M} tokens are more than the context length {self.config.context_length}")
        x = self.token_embedding(ids) + self.position_embedding.table[:M]  # (B, M, D)
        states = []
        for block in self.blocks:
            x = block(x)
            states.append(x)
        last = self.final_norm(x)
        tokens: Tensor = last if clip_skip == 1 else self.final_norm(states[-clip_skip])
        if self.projection is None:
            return tokens, None
        ends = (ids == self.config.end_id).argmax(axis=1)  # the first end mark of every sentence
        return tokens, self.projection(last[namespace(device_of(ids)).arange(B), ends])


class ImageEncoder(Module):
    """Pictures (B, H, W, C) in [-1, 1], of the size and the channels that the configuration says, to vectors (B, E)."""

    def __init__(self, config: CLIPConfig, *, rng: np.random.Generator) -> None:
        if config.embedding_width is None:
            raise ValueError(
                "CLIP: embedding_width: wanted the length of the vectors that text and image share, got none"
            )
        (H, W, C), (half, quarter) = config.picture, config.image_channels
        self.conv_1 = Conv2d(C, half, 4, stride=2, padding=1, rng=rng)  # 28 -> 14
        self.norm_1 = GroupNorm(8, half)
        self.conv_2 = Conv2d(half, quarter, 4, stride=2, padding=1, rng=rng)  # 14 -> 7
        self.norm_2 = GroupNorm(8, quarter)
        self.conv_3 = Conv2d(quarter, quarter, 3, stride=2, padding=1, rng=rng)  # 7 -> 4
        self.norm_3 = GroupNorm(8, quarter)
        pixels = -(H // 4 // -2) * -(W // 4 // -2)
        self.projection = Linear(pixels * quarter, config.embedding_width, rng=rng, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm_1(self.conv_1(x), silu=True)
        x = self.norm_2(self.conv_2(x), silu=True)
        x = self.norm_3(self.conv_3(x), silu=True)
        return self.projection(x.reshape(x.shape[0], -1))


class CLIP(Module):
    """Both encoders, and the temperature of their agreement."""

    def __init__(self, config: CLIPConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        self.text = TextEncoder(config, rng=rng)
        self.image = ImageEncoder(config, rng=rng)
        self.log_temperature = Parameter(np.full((1,), np.log(1 / 0.07), np.float32))

    def forward(self, images: Tensor, ids: Array) -> Tensor:
        """The contrastive loss of a batch: images (B, H, W, C) with the ids (B, M) of their captions."""
        text: Tensor
        _, text = self.text(ids)
        scale = self.log_temperature.exp()
        similarity = ops.linear(unit_length(self.image(images)), unit_length(text).transpose(1, 0)) * scale  # (B, B)
        return contrastive_loss(similarity, ids)


def unit_length(x: Tensor) -> Tensor:
    """x / |x| along the last axis: cosine similarity is then a plain product."""
    return x / ((x * x).sum(axis=-1, keepdims=True) + 1e-8) ** 0.5


def contrastive_loss(similarity: Tensor, ids: Array) -> Tensor:
    """Cross-entropy of finding the partner, over rows and over columns (Radford et al. 2021, figure 3).

    Two pictures of one batch can have the same caption. Each is then a right answer for the other, not a wrong one:
    equal captions are masked out of the competition.

    Shapes: similarity (B, B), row image, column text; ids (B, M).
    """
    B, xp = similarity.shape[0], namespace(similarity.device)
    equal = (ids[:, None] == ids[None]).all(axis=-1) & ~xp.eye(B, dtype=bool)
    masked = similarity + Tensor(np.where(equal, np.float32(-1e9), np.float32(0)))
    partner = xp.arange(B)
    return (ops.cross_entropy(masked, partner) + ops.cross_entropy(masked.transpose(1, 0), partner)) * 0.5
