"""The model: four verbs over three networks. Read this file first.

``encode`` frames, ``rollout`` encodings into the future, and ``decode`` any of them against the
``anchor`` of a given frame. No pixel is ever fed back, so frame 1,000 can be drawn without
drawing 1 to 999, and a rollout without drawing anything. ``predict`` is the four in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from farframe.config import ModelConfig
from farframe.models.arguments import actions_given, check_samples, context_given, times_asked
from farframe.models.chunks import ALL, Chunks, decode_in_chunks, in_chunks, small_enough
from farframe.models.decoder import Decoder
from farframe.models.encoder import Encoder
from farframe.models.int8 import int8_decoder
from farframe.models.predictor import Predictor
from farframe.types import Anchor, Decoded, Prediction, PredictorState, Rollout

AT_ONCE = {"cpu": 32}  # more no longer fit a CPU's cache: drawing 1.5 times slower, encoding thrice
AT_ONCE_ELSEWHERE = 256
INT8_CALIBRATION = 4, 16  # frames that ranges are measured on: of each clip, of all


def frames_at_once(device: str, clips: int = 1) -> int:
    """How many frames of each of ``clips`` to take at once, for speed and to bound memory."""
    return max(1, AT_ONCE.get(device, AT_ONCE_ELSEWHERE) // clips)


class HierarchicalModel(nn.Module):
    """Encoder, predictor and decoder of "Hierarchical Long-term Video Prediction"."""

    counted_for: str = ""
    """Kind of device whose memory is counted, on tensors without numbers ("": this is real)."""
    checkpointing: int = 0
    """Frames of each clip whose activations training holds at once (0: all; ``chunks.py``)."""
    compiled: bool = False
    """Whether the networks are: they take all frames at once, as compiling for sizes is dear."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.predictor = Predictor(config)
        self.decoder = Decoder(config)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.predictor.back_connect_init.device

    def encode(self, frames: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t e"]:
        """Encodings of frames in [0, 1]; all frames of all clips in one call."""
        flat = frames.flatten(0, 1)
        if torch.is_grad_enabled() or self.encoder.training:
            chunks = self._chunks(flat.device, len(frames))
            enc = self.encoder(flat, chunks._replace(size=chunks.size * len(frames)))
        else:
            at_once = frames_at_once(self.counted_for or flat.device.type)
            enc = in_chunks(self.encoder, flat, Chunks(at_once))
        return enc.unflatten(0, frames.shape[:2])

    def anchor(
        self, first_frame: Float[Tensor, "b c h w"], first_enc: Float[Tensor, "b e"]
    ) -> Anchor:
        """All that decoding needs of a clip's first frame (in [0, 1]) and its encoding."""
        return self.decoder.anchor(first_frame, first_enc)

    def anchor_of(self, context: Float[Tensor, "b t c h w"], enc: Float[Tensor, "b t e"]) -> Anchor:
        """What predictions are drawn from: ``config.anchor_frame`` of the given frames."""
        index = self.anchor_index(context.shape[1])
        return self.anchor(context[:, index], enc[:, index])

    def anchor_index(self, given: int) -> int:
        """Which of ``given`` frames predictions are drawn from, counted from 0."""
        return {"first": 0, "last": given - 1}[self.config.anchor_frame]

    def rollout(
        self,
        enc: Float[Tensor, "b t e"],
        actions: Float[Tensor, "b s a"] | None = None,
        *,
        context_frames: int,
        horizon: int,
        state: PredictorState | None = None,
    ) -> Rollout:
        """Roll encodings forward: the only loop over time.

        Step t reads ``enc[:, t]`` while t < ``context_frames`` (teacher forcing), and its own last
        output from then on, always with ``actions[:, t]`` (zeros without actions). A fresh rollout
        takes ``context_frames + horizon - 1`` steps and so predicts frames 1, 2, ...
        To go on from a returned ``state``, pass ``context_frames=0`` for ``horizon`` further steps.

        Raises:
            ValueError: if there are fewer encodings or actions than steps that need them.
        """
        steps = max(context_frames, 1) + horizon - 1
        now = self.predictor.initial(len(enc)) if state is None else state
        if enc.shape[1] < context_frames or (context_frames < 1 and now.last is None):
            raise ValueError(
                f"rollout got {enc.shape[1]} encodings for context_frames={context_frames}: "
                "give as many encodings, or a state to continue from"
            )
        if actions is None:
            actions = enc.new_zeros(len(enc), steps, self.config.action_dim)
        if actions.shape[1] < steps or actions.shape[2] != self.config.action_dim:
            raise ValueError(
                f"rollout got actions of shape {tuple(actions.shape)}, needs "
                f"({len(enc)}, {steps} or more, {self.config.action_dim})"
            )
        stepper = self.predictor.stepper(now)
        given = enc.unbind(1)[:context_frames] + (None,) * (steps - context_frames)
        taken = [stepper.step(e, a) for e, a in zip(given, actions.unbind(1), strict=False)]
        return Rollout(enc_pred=torch.stack(taken, 1), state=stepper.state())

    def decode(self, anchor: Anchor, enc: Float[Tensor, "b n e"]) -> Decoded:
        """Draw any ``n`` encodings of each clip, in any order, in one call."""
        return decode_in_chunks(self.decoder, anchor, enc, self._chunks(enc.device, len(enc)))

    def _chunks(self, device: torch.device, clips: int) -> Chunks:
        """How many frames of each clip training takes at a time."""
        if self.checkpointing:
            return Chunks(self.checkpointing, again=True)
        if device.type == "cpu" and not self.compiled:
            return Chunks(max(1, small_enough(self.config) // clips))
        return ALL

    @torch.no_grad()
    def draw(
        self,
        anchor: Anchor,
        enc: Float[Tensor, "b n e"],
        decode: Callable[[Anchor, Tensor], Decoded] | None = None,
    ) -> tuple[Float[Tensor, "b n c h w"], Float[Tensor, "b n 1 h w"]]:
        """Frames in [0, 1] and masks of any number of encodings, decoded a few at a time.

        ``decode`` is to do it in this model's place (``models/int8.py``).
        """
        frames: list[Tensor] = []
        masks: list[Tensor] = []
        for part in enc.split(frames_at_once(enc.device.type, len(enc)), 1):
            drawn = (decode or self.decode)(anchor, part)
            frames.append(drawn.frames)
            masks.append(drawn.masks)
        return torch.cat(frames, 1).clamp_(0, 1), torch.cat(masks, 1)

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
    ) -> Prediction:
        """Predict ``horizon`` frames after the given ones and draw those asked for.

        Args:
            frames: the context, ``(t, 3, h, w)`` or ``(b, t, 3, h, w)``, uint8 or float in [0, 1],
                at the model's frame size; at least ``config.context_frames`` of them.
            actions: ``(t + horizon - 1 or more, a)``, with the same leading axis as ``frames``:
                ``actions[i]`` is taken at frame i. Required if the model was trained with actions.
            horizon: number of frames after the context.
            every: draw frames ``every``, ``2 * every``, ... only.
            at: draw just these, counted from 1 after the context: ``at=[1000]`` draws the
                1,000th frame alone.
            samples: futures for each clip, of a stochastic model.
            int8: draw in 8 bits, several times faster on CPUs that can (``models/int8.py``); the
                ranges are measured on a few of the frames predicted.

        Raises:
            ValueError: for any argument out of range, naming it and what is allowed.
        """
        times = times_asked(horizon, every, at)
        context = context_given(frames, self.config, self.device)
        acts = actions_given(actions, context, horizon, self.config.action_dim)
        check_samples(samples, self.config, "pred_noise_std or lstm_state_noise_stddev")
        training = self.training
        self.eval()
        try:
            enc = self.encode(context)
            anchor = self.anchor_of(context, enc)
            if samples > 1:
                enc, acts = (x.repeat_interleave(samples, 0) for x in (enc, acts))
                anchor = anchor.repeat(samples)
            count = context.shape[1]
            rollout = self.rollout(enc, acts, context_frames=count, horizon=horizon)
            future = rollout.enc_pred[:, count - 1 :]
            chosen = future[:, torch.tensor(times, device=future.device) - 1]
            decode = self._int8_decoder(anchor, future) if int8 else None
            drawn, masks = self.draw(anchor, chosen, decode)
        finally:
            self.train(training)
        return Prediction(frames=drawn, masks=masks, enc_pred=future, times=times)

    def _int8_decoder(self, anchor: Anchor, future: Float[Tensor, "b t e"]) -> Decoder:
        clips, horizon = future.shape[:2]
        each, in_all = INT8_CALIBRATION
        count = min(each, max(1, in_all // clips), horizon)
        times = torch.linspace(horizon - 1, 0, count)  # the last of one alone
        return int8_decoder(self.decoder, anchor, future[:, times.round().long()])
