"""What the original's evaluation wrote of a checkpoint, under the names it gave.

Its TensorBoard had, for each loss, ``<name>_loss/loss`` and ``<name>_loss/psnr_all`` (pose losses:
``<name>_loss_quant/loss``), and the frames drawn from predictions, from true encodings and from
true poses as ``van_out_all``, ``van_on_enc_all`` and ``van_on_pose_all``, whatever the mode trains
on (the poses where the data has them and encodings have room). ``psnr_all`` is the
original's number, of the error of a whole batch at each time; ``psnr`` beside it is the mean over
frames, which tells more.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from farframe.data.clips import ClipWindows
from farframe.data.reader import collate
from farframe.evaluation import metrics
from farframe.losses import POSE_DIM, mse, pose_error
from farframe.modes.base import Networks, NetworksOf
from farframe.run import RunConfig
from farframe.types import Batch, Decoded
from farframe.video import comparison

FILM_FPS = 6.25  # of the original's human clips; TFRecords store none


@dataclass(frozen=True, kw_only=True)
class Summaries:
    """The clips that are measured, and the networks: always the same clips and the same noise."""

    config: RunConfig
    nets: Networks
    windows: ClipWindows
    indices: Sequence[int]

    def scalars(self, step: int) -> dict[str, float]:
        """Means over the clips of all that is measured, of the networks as they are now."""
        sums: dict[str, float] = {}
        with self._apart():
            for batch in self._batches():
                values = self._drawn_scalars(batch) | self._mode_scalars(batch, step)
                share = len(batch.ids) / len(self.indices)
                for name, value in values.items():
                    sums[name] = sums.get(name, 0.0) + share * float(value)
        return sums

    def films(self) -> dict[str, UInt8[np.ndarray, "t h w 3"]]:
        """The first clip as truth | prediction | mask | error, for each way of drawing it."""
        films: dict[str, np.ndarray] = {}
        with self._apart(), torch.no_grad():
            batch = next(self._batches())
            frames, enc = batch.images()[0].cpu().numpy(), self.nets.model.encode(batch.images())
            drawings = self._drawn(batch, enc, self._foreseen(batch, enc))
            for name, (drawn, given) in drawings.items():
                pictures, masks = (x[0].float().cpu().numpy() for x in (drawn.frames, drawn.masks))
                title = "van_out_all" if name == "van" else f"{name}_all"
                films[title] = comparison(frames, pictures, masks, given)
        return films

    def _batches(self) -> Iterator[Batch]:
        size, model = self.config.data.batch_size, self.nets.model
        for first in range(0, len(self.indices), size):
            batch = collate([self.windows[i] for i in self.indices[first : first + size]])
            used = replace(batch, actions=batch.actions[..., : model.config.action_dim])
            yield used.to(model.device)

    def _mode_scalars(self, batch: Batch, step: int) -> dict[str, float | Tensor]:
        """Losses, weights and totals as the training mode itself computes them.

        Of an alternating mode, the first update of each group from iteration ``step`` on.
        """
        mode, values = self.config.mode, dict[str, float | Tensor]()
        nets: NetworksOf[Any] = self.nets  # those that the mode trains
        missing = set(mode.groups(nets))
        for turn in range(step, step + mode.turns):
            # A gradient penalty differentiates by its inputs; no parameter keeps a gradient.
            with torch.enable_grad():
                updates = mode.updates(nets, batch, turn)
            for update in updates:
                if update.group not in missing:
                    continue
                missing.remove(update.group)
                values[f"total_loss/{update.group}"] = update.total().detach()
                for name, loss in update.losses.items():
                    values[_loss_name(name)] = loss.detach()
                    if update.weights[name] != 1.0:
                        values[f"{name}_loss_scale"] = update.weights[name]
            if not missing:
                break
        return values

    @torch.no_grad()
    def _drawn_scalars(self, batch: Batch) -> dict[str, float | Tensor]:
        """Errors of what is foreseen and drawn, whether or not the mode trains on them."""
        truth, enc = batch.images()[:, 1:], self.nets.model.encode(batch.images())
        enc_pred = self._foreseen(batch, enc)
        values: dict[str, float | Tensor] = {_loss_name("enc_pred"): mse(enc[:, 1:], enc_pred)}
        for name, (drawn, _) in self._drawn(batch, enc, enc_pred).items():
            errors = metrics.mse(drawn.frames, truth)
            values[_loss_name(name)] = errors.mean()
            values[f"{name}_loss/psnr_all"] = (-10 * errors.mean(0).clamp_min(1e-10).log10()).mean()
            values[f"{name}_loss/psnr"] = metrics.psnr(drawn.frames, truth).mean()
        return values | self._pose_scalars(batch, enc, enc_pred)

    def _pose_scalars(
        self, batch: Batch, enc: Float[Tensor, "b t e"], enc_pred: Float[Tensor, "b t-1 e"]
    ) -> dict[str, float | Tensor]:
        """Errors of the pose that an encoding's first numbers are taken for, where it is known."""
        if not self._poses_known(batch):
            return {}
        poses, size = batch.poses, batch.poses.shape[-1]
        pairs = {"pose_from_enc": (enc, poses), "pose_from_pred": (enc_pred, poses[:, 1:])}
        if self._encodes_poses(batch):
            pairs["pose_from_pred_on_pose"] = (self._foreseen(batch, poses), poses[:, 1:])
        return {_loss_name(n): pose_error(e[..., :size], p) for n, (e, p) in pairs.items()}

    def _poses_known(self, batch: Batch) -> bool:
        return (
            self.config.data.controls != "zeros"
            and batch.poses.shape[-1] == POSE_DIM <= self.nets.model.config.enc_size
        )

    def _encodes_poses(self, batch: Batch) -> bool:
        """Whether a pose can stand in an encoding's place, as the original then let it."""
        return self._poses_known(batch) and self.nets.model.config.enc_size == POSE_DIM

    def _foreseen(self, batch: Batch, enc: Float[Tensor, "b t e"]) -> Float[Tensor, "b t-1 e"]:
        context = self.nets.model.config.context_frames
        rollout = self.nets.model.rollout(
            enc, batch.actions, context_frames=context, horizon=enc.shape[1] - context
        )
        return rollout.enc_pred

    def _drawn(
        self, batch: Batch, enc: Float[Tensor, "b t e"], enc_pred: Float[Tensor, "b t-1 e"]
    ) -> dict[str, tuple[Decoded, int]]:
        """Frames 1, 2, ... drawn each way, with the number of frames given."""
        model, frames, poses = self.nets.model, batch.images(), batch.poses
        anchor = model.anchor(frames[:, 0], enc[:, 0])
        ways = {
            "van": (model.decode(anchor, enc_pred), model.config.context_frames),
            "van_on_enc": (model.decode(anchor, enc[:, 1:]), frames.shape[1]),
        }
        if self._encodes_poses(batch):
            posed = model.anchor(frames[:, 0], poses[:, 0])
            ways["van_on_pose"] = (model.decode(posed, poses[:, 1:]), frames.shape[1])
        return ways

    @contextmanager
    def _apart(self) -> Generator[None, None, None]:
        """Networks in eval mode, without gradients of parameters, with noise of a fixed seed."""
        device = self.nets.model.device
        self.nets.eval().requires_grad_(False)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.config.train.seed)
            yield


def _loss_name(name: str) -> str:
    return f"{name}_loss_quant/loss" if name.startswith("pose") else f"{name}_loss/loss"
