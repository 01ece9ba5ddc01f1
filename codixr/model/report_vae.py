"""The report VAE: Optimus, on transformers' BERT and GPT-2 (paper, section III-B).

z ~ N(mu, sigma) comes from BERT's pooled output. GPT-2 reads z twice: as one extra key/value
position in every layer ("memory"), and added to every token's embedding.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, DynamicCache, GPT2Config, GPT2LMHeadModel

from codixr.model.presets import ReportVAEConfig


class ReportVAE(nn.Module):
    """Reports as token ids [B, N] to latents [B, d] and back.

    ``latent_scale`` is 1 / std of the posterior means over the training set: the denoiser sees
    ``mean * latent_scale`` (CoDi: 4.3108 for its released weights).
    """

    latent_scale: Tensor

    def __init__(self, config: ReportVAEConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.gpt2["n_embd"]
        self.encoder = BertModel(BertConfig(**config.bert))
        self.to_posterior = nn.Linear(config.bert["hidden_size"], 2 * config.latent_dim, bias=False)
        self.decoder = GPT2LMHeadModel(GPT2Config(**config.gpt2))
        self.to_memory = nn.Linear(config.latent_dim, config.gpt2["n_layer"] * hidden, bias=False)
        self.to_embedding = nn.Linear(config.latent_dim, hidden, bias=False)
        self.register_buffer("latent_scale", torch.tensor(1.0))
        if config.sinusoidal_start:
            positions = self.encoder.embeddings.position_embeddings, self.decoder.transformer.wpe
            for table, part in zip(positions, (self.encoder, self.decoder), strict=True):
                _start_as_sinusoids(table.weight, part.config.initializer_range)

    def posterior(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latent, each [B, d]."""
        told = {"input_ids": ids, "attention_mask": mask}
        pooled = self.encoder(**told, use_cache=False).pooler_output  # it has none, and says so
        mean, logvar = self.to_posterior(pooled).chunk(2, dim=-1)
        return mean, logvar

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Normalised latents [B, d]: the posterior mean times ``latent_scale``."""
        return self.posterior(ids, mask)[0] * self.latent_scale

    def _memory(self, latent: Tensor) -> DynamicCache:
        layers, heads = self.config.gpt2["n_layer"], self.config.gpt2["n_head"]
        memory = self.to_memory(latent).view(latent.shape[0], layers, heads, 1, -1)
        cache = DynamicCache()
        for layer in range(layers):
            cache.update(memory[:, layer], memory[:, layer], layer)
        return cache

    def logits(self, latent: Tensor, ids: Tensor) -> Tensor:
        """Next-token logits [B, N, V] of raw latents [B, d] for the tokens ``ids`` [B, N]."""
        embeddings = self.decoder.transformer.wte(ids) + self.to_embedding(latent).unsqueeze(1)
        mask = torch.ones(ids.shape[0], ids.shape[1] + 1, dtype=torch.long, device=ids.device)
        return self.decoder(
            inputs_embeds=embeddings,
            attention_mask=mask,
            use_cache=True,
            **{_CACHE_ARGUMENT: self._memory(latent)},
        ).logits

    @torch.no_grad()
    def decode(
        self,
        latents: Tensor,
        bos: int,
        eos: int,
        *,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] = (),
        most: int | None = None,
    ) -> Tensor:
        """Token ids [B, N <= most] of normalised latents, with a key/value cache.

        At a ``temperature`` of 0 the likeliest token each time; above, each report's are drawn from
        its own generator. A finished report is filled with ``eos``; a report that never ends stops
        at ``most`` (default: max_tokens - 1).
        """
        raw = latents / self.latent_scale
        cache = self._memory(raw)
        shift = self.to_embedding(raw).unsqueeze(1)
        token = torch.full((raw.shape[0], 1), bos, dtype=torch.long, device=raw.device)
        done = torch.zeros_like(token, dtype=torch.bool)
        tokens = []
        longest = self.config.max_tokens - 1
        for position in range(longest if most is None else min(most, longest)):
            mask = torch.ones(raw.shape[0], position + 2, dtype=torch.long, device=raw.device)
            logits = self.decoder(
                inputs_embeds=self.decoder.transformer.wte(token) + shift,
                attention_mask=mask,
                use_cache=True,
                **{_CACHE_ARGUMENT: cache},
            ).logits
            token = _next(logits[:, -1], temperature, generators).masked_fill(done, eos)
            tokens.append(token)
            done |= token == eos
            if bool(done.all()):
                break
        return torch.cat(tokens, dim=1)


def _next(logits: Tensor, temperature: float, generators: Sequence[torch.Generator]) -> Tensor:
    """The next token [B, 1] of logits [B, V]."""
    if not temperature:
        return logits.argmax(-1, keepdim=True)
    shares = (logits.float() / temperature).softmax(-1)
    drawn = [
        torch.multinomial(row.to(g.device), 1, generator=g)
        for row, g in zip(shares, generators, strict=True)
    ]
    return torch.stack([token.to(logits.device) for token in drawn])


@torch.no_grad()
def _start_as_sinusoids(table: Tensor, scale: float) -> None:
    """Positions [N, d] as sinusoids (Vaswani et al., 2017) of standard deviation ``scale``.

    Wavelengths go up to 200 words times 2 pi, since reports are short.
    """
    count, width = table.shape
    at = torch.arange(count, device=table.device)[:, None]
    pitch = torch.logspace(0, -math.log10(200), width // 2, device=table.device)
    table.copy_(torch.cat([(at * pitch).sin(), (at * pitch).cos()], 1) * scale * math.sqrt(2))


def _cache_argument() -> str:
    """The name transformers gives the cache: ``cache`` since 5.x, ``past_key_values`` before."""
    import inspect

    from transformers import GPT2Model

    return (
        "cache" if "cache" in inspect.signature(GPT2Model.forward).parameters else "past_key_values"
    )


_CACHE_ARGUMENT = _cache_argument()
