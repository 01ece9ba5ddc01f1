"""Cross-attention to a prompt of one vector, or of a few.

Notable: the softmax over a single token is 1, so its attention is ``W_o W_v c`` at every position
whatever the query. ``ContextAttention`` computes just that, for the prompt once a sample and for an
environment vector once a step; it is exact, in training too. The weights of Q and K, and of the
norm before them, stay in the checkpoint. With several tokens it is the usual attention.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from codixr.errors import InputError


def as_tokens(condition: Tensor) -> Tensor:
    """One vector a sample [B, D], or K of them [B, K, D] -> tokens [B, K, D]."""
    return condition.unsqueeze(1) if condition.ndim == 2 else condition


def cross_attending_block(
    channels: int, heads: int, context_dim: int, feed_forward_mult: float
) -> BasicTransformerBlock:
    """Self-attention, cross-attention to ``context_dim`` features a token, GEGLU; each residual."""
    return BasicTransformerBlock(
        channels,
        heads,
        channels // heads,
        cross_attention_dim=context_dim,
        activation_fn="geglu",
        ff_inner_dim=int(channels * feed_forward_mult),
    )


class ContextAttention:
    """A diffusers attention processor for the cross-attentions of one denoiser.

    ``log_weights`` [K] or [B, K] are added to the scores of the tokens: a token of weight w counts
    like w equal ones. They stay None for equal weights.
    """

    def __init__(self) -> None:
        self.log_weights: Tensor | None = None
        self._held: dict[int, Tensor] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it every call's context must be the same: its values are computed once."""
        self._held = {}
        try:
            yield
        finally:
            self._held = None

    def __call__(
        self,
        attention: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Features [B, N, C] and context [B, K, D] -> what is added to the features.

        [B, N, C]; for a single token [B, 1, C], the same for every position.
        """
        if encoder_hidden_states.shape[1] > 1:
            return self._attend(attention, hidden_states, encoder_hidden_states)
        if self._held is None:
            return _out(attention, attention.to_v(encoder_hidden_states))
        if id(attention) not in self._held:
            value = _out(attention, attention.to_v(encoder_hidden_states))
            self._held[id(attention)] = value
        return self._held[id(attention)]

    def _attend(self, attention: Attention, features: Tensor, context: Tensor) -> Tensor:
        query, key, value = (
            projection(x).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
            for projection, x in (
                (attention.to_q, features),
                (attention.to_k, context),
                (attention.to_v, context),
            )
        )
        bias = self.log_weights
        if bias is not None:
            bias = bias.to(query.dtype)[..., None, None, :]  # [(B,) 1, 1, K]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return _out(attention, mixed.transpose(1, 2).flatten(2))


def _out(attention: Attention, values: Tensor) -> Tensor:
    projection, dropout = attention.to_out
    return dropout(projection(values))


def attend_by(processor: ContextAttention, module: nn.Module) -> None:
    """Have every cross-attention in ``module`` done by ``processor``; no weight changes."""
    for block in module.modules():
        if isinstance(block, BasicTransformerBlock) and block.attn2 is not None:
            block.attn2.set_processor(processor)


def weigh(processor: ContextAttention, module: nn.Module, weights: Tensor | None) -> None:
    """Have the tokens of ``module``'s cross-attentions weighed, by the logarithms ``weights``.

    Raises InputError where a user has put another processor there, which knows no weights.
    """
    processor.log_weights = weights
    if weights is None:
        return
    blocks = [m for m in module.modules() if isinstance(m, BasicTransformerBlock)]
    if not all(b.attn2 is None or b.attn2.processor is processor for b in blocks):
        raise InputError(
            "weights: another attention processor was set, and it weighs no inputs: leave weights "
            "out, or load the pipeline again"
        )


def log_weights(weights: list[float]) -> Tensor | None:
    """What a user's weights of K tokens add to their scores [K]; None where they are equal."""
    if len(set(weights)) == 1:
        return None
    return torch.tensor([math.log(w) if w > 0 else -math.inf for w in weights])
