"""SVG-LP: the baseline that feeds pixels back. Read ``reconstruct``, then ``predict``.

Frame t + 1 is drawn from the encoding of frame t, with skip connections, and from noise that says
what can't be known before: in training the posterior tells it, which sees frame t + 1, afterwards
the learned prior. Every predicted frame is encoded again to predict the next, and so frame 1,000
costs all of 1 to 999, and a sample of the future as much as its drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from farframe.baselines.convolutions import FrameDecoder, FrameEncoder, Skips
from farframe.baselines.recurrent import Gaussian, LSTMState, Recurrent
from farframe.baselines.svg_config import SVGConfig
from farframe.models.arguments import actions_given, check_samples, context_given, times_asked


@dataclass(frozen=True)
class Reconstruction:
    """Frames 1, 2, ... of clips, each drawn after the true one before it.

    ``posterior`` and ``prior`` are those of each frame's noise (None in the deterministic variant).
    """

    frames: Float[Tensor, "b n c h w"]
    posterior: Gaussian | None
    prior: Gaussian | None


@dataclass(frozen=True)
class PixelPrediction:
    """What ``SVGModel.predict`` returns: as ``types.Prediction``, without masks and encodings."""

    frames: Float[Tensor, "b n c h w"]
    times: tuple[int, ...]
    masks: None = None
    enc_pred: None = None

    def clip(self, number: int) -> PixelPrediction:
        """The part of one clip (of one sample), as a batch of one."""
        return replace(self, frames=self.frames[number : number + 1])


@dataclass(frozen=True)
class _Now:
    """Where a rollout stands: the newest frame as the decoder needs it, and all memory."""

    enc: Float[Tensor, "b e"]
    skips: Skips
    predictor: LSTMState | None = None
    prior: LSTMState | None = None


class SVGModel(nn.Module):
    """Encoder and decoder of frames, and LSTMs for encodings, prior and posterior."""

    def __init__(self, config: SVGConfig) -> None:
        super().__init__()
        self.config = config
        read = config.enc_size + config.action_dim
        self.encoder = FrameEncoder(config)
        self.decoder = FrameDecoder(config)
        self.predictor = Recurrent(
            read + config.noise_size, config.enc_size, config.units, config.pred_layers
        )
        self.prior = self.posterior = None
        if config.noise_size:
            self.prior = Recurrent(read, 2 * config.noise_size, config.units, 1)
            self.posterior = Recurrent(read, 2 * config.noise_size, config.units, 1)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.predictor.embed.weight.device

    def reconstruct(
        self,
        frames: Float[Tensor, "b t c h w"],
        actions: Float[Tensor, "b s a"],
        at: Sequence[int] | None = None,
    ) -> Reconstruction:
        """Draw frames 1 to t - 1 of clips, or those ``at`` some of these times (teacher forcing).

        Every frame is known, and so each network sees all times at once. There must be t - 1
        actions or more.
        """
        steps = frames.shape[1] - 1
        enc, maps = self._encode(frames)
        acts = actions[:, :steps]
        known = torch.cat((enc[:, :-1], acts), 2)
        posterior = prior = None
        if self.posterior is not None and self.prior is not None:
            posterior = Gaussian.of(self.posterior(torch.cat((enc[:, 1:], acts), 2))[0])
            prior = Gaussian.of(self.prior(known)[0])
            known = torch.cat((known, posterior.draw()), 2)
        enc_pred = torch.tanh(self.predictor(known)[0])
        times = list(range(1, frames.shape[1])) if at is None else list(at)
        before = [self._skipped(time) for time in times]
        skips = [m[:, before].flatten(0, 1) for m in maps]
        drawn = self.decoder(enc_pred[:, [t - 1 for t in times]].flatten(0, 1), skips)
        return Reconstruction(drawn.unflatten(0, (len(frames), -1)), posterior, prior)

    def _skipped(self, time: int) -> int:
        """The frame whose maps the decoder reads to draw the frame at ``time``."""
        last = self.config.context_frames if self.config.skips == "context" else time
        return min(time, last) - 1

    def _encode(self, frames: Float[Tensor, "b t c h w"]) -> tuple[Float[Tensor, "b t e"], Skips]:
        """All frames of all clips in one call; maps are (b, t, channels, h / 2, w / 2), ..."""
        enc, maps = self.encoder(frames.flatten(0, 1))
        shape = frames.shape[:2]
        return enc.unflatten(0, shape), [m.unflatten(0, shape) for m in maps]

    @torch.no_grad()
    def predict(
        self,
        frames: Shaped[np.ndarray, "*bt c h w"] | Shaped[Tensor, "*bt c h w"],
        actions: Shaped[np.ndarray, "*bs a"] | Shaped[Tensor, "*bs a"] | None = None,
        *,
        horizon: int,
        every: int = 1,
        at: Sequence[int] | None = None,
        samples: int = 1,
        int8: bool = False,
    ) -> PixelPrediction:
        """Predict ``horizon`` frames after the given ones, one after another; keep those asked for.

        Arguments are those of ``HierarchicalModel.predict``. Every frame up to the last one asked
        for is drawn: ``at=[1000]`` saves memory, and no time. Noise is the posterior's while frames
        are given and the prior's afterwards, from torch's random state.

        Raises:
            ValueError: for any argument out of range, naming it and what is allowed; also for
                ``int8``, whose errors would be fed back.
        """
        if int8:
            raise ValueError(
                "int8 is for the hierarchical model, whose drawing feeds nothing back: leave it "
                "out for the baseline svg"
            )
        times = times_asked(horizon, every, at)
        context = context_given(frames, self.config, self.device)
        acts = actions_given(actions, context, horizon, self.config.action_dim)
        check_samples(samples, self.config, "noise_size")
        training = self.training
        self.eval()
        try:
            kept = self._roll(context, acts, set(times), samples)
        finally:
            self.train(training)
        return PixelPrediction(torch.stack([kept[t] for t in times], 1), times)

    def _roll(
        self, context: Tensor, actions: Tensor, wanted: set[int], samples: int
    ) -> dict[int, Float[Tensor, "b c h w"]]:
        """Predicted frames by their numbers, no more of them than are wanted."""
        count = context.shape[1]
        enc, maps = self._encode(context)
        enc, acts = (x.repeat_interleave(samples, 0) for x in (enc, actions))
        last = [m[:, -1].repeat_interleave(samples, 0) for m in maps]
        now = self._after_context(enc, acts[:, : count - 1], last)
        kept: dict[int, Tensor] = {}
        for time in range(1, max(wanted) + 1):
            frame, now = self._step(now, acts[:, count + time - 2])
            if time in wanted:
                kept[time] = frame
        return kept

    def _after_context(
        self, enc: Float[Tensor, "b t e"], actions: Float[Tensor, "b t-1 a"], last: Skips
    ) -> _Now:
        """Memory of the given frames; what came of each but the last is known."""
        now = _Now(enc[:, -1], last)
        if enc.shape[1] < 2:
            return now
        known, prior = torch.cat((enc[:, :-1], actions), 2), None
        if self.posterior is not None and self.prior is not None:
            seen = Gaussian.of(self.posterior(torch.cat((enc[:, 1:], actions), 2))[0])
            prior = self.prior(known)[1]
            known = torch.cat((known, seen.draw()), 2)
        return replace(now, predictor=self.predictor(known)[1], prior=prior)

    def _step(
        self, now: _Now, action: Float[Tensor, "b a"]
    ) -> tuple[Float[Tensor, "b c h w"], _Now]:
        """The next frame, and where the rollout stands when it has been fed back."""
        known, prior = torch.cat((now.enc, action), 1)[:, None], None
        if self.prior is not None:
            said, prior = self.prior(known, now.prior)
            known = torch.cat((known, Gaussian.of(said).draw()), 2)
        enc_pred, predictor = self.predictor(known, now.predictor)
        frame = self.decoder(torch.tanh(enc_pred[:, 0]), now.skips)
        enc, maps = self.encoder(frame)
        skips = maps if self.config.skips == "last" else now.skips
        return frame, _Now(enc, skips, predictor, prior)
