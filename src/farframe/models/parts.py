"""Parts: what the decoder need not draw, because it can move it there from the first frame.

Not in the original, whose decoder paints every pixel. An encoding says where each of a few parts
is and how large. The first frame, shifted and scaled as a part was since then, shows that part as
it looks now: its outline and colours are right from the first step of training. (Moved copies of a
frame, blended by masks: Finn et al., "Unsupervised Learning for Physical Interaction through Video
Prediction", 2016; positions as Gaussian spots: Jakab et al., "Unsupervised Learning of Object
Landmarks through Conditional Image Generation", 2018.)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.config import ModelConfig
from farframe.models.cells import Conv, dense, full_precision

_RADIUS_MIN, _RADIUS_UNIT = 0.1, 0.4  # half sides of the frame; parts start at 0.38


class Parts(nn.Module):
    """``count`` parts of a picture: where they are, and the first frame moved with each of them.

    Places are ``(x, y, radius)`` in half sides of the frame, 0 in its middle.
    """

    axis: Tensor

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        self.count, self.side = config.decoder_parts, config.frame_size
        self.place = dense(config.enc_size, 3 * self.count)
        self.blend = Conv(channels + 4 * self.count, 4 + self.count)
        axis = (torch.arange(self.side) + 0.5) * (2 / self.side) - 1
        self.register_buffer("axis", axis, persistent=False)

    def places(self, enc: Float[Tensor, "n e"]) -> Float[Tensor, "n k 3"]:
        """Read each part's place from an encoding, in float32 also under autocast.

        In half precision a place would be a tenth of a pixel wrong.
        """
        with full_precision(enc):
            x, y, size = self.place(enc.float()).unflatten(1, (self.count, 3)).unbind(2)
        return torch.stack((x, y, _RADIUS_MIN + _RADIUS_UNIT * F.softplus(size)), 2)

    def forward(
        self,
        features: Float[Tensor, "m f h w"],
        frame: Float[Tensor, "b c h w"],
        first: Float[Tensor, "b k 3"],
        enc: Float[Tensor, "m e"],
    ) -> Float[Tensor, "m 4 h w"]:
        """What is new of ``m`` frames, drawn or moved, and the logit of the mask over it.

        ``first`` are the parts' places in ``frame``; ``m`` is a multiple of ``b``: the frames of
        clip 0, then those of clip 1, ...
        """
        now = self.places(enc)
        moved = self.move(frame, first, now)
        # laid out as features are, or the convolution copies all of it, there and back
        rest = torch.cat((self.spots(now), moved.flatten(1, 2)), 1).to(features.dtype)
        rest = rest.contiguous(memory_format=torch.channels_last)
        drawn = self.blend(torch.cat((features, rest), 1))
        drawing = torch.zeros_like(drawn[:, :1])  # the drawn colours' logit: softmax needs none
        shares = torch.cat((drawing, drawn[:, 4:]), 1).softmax(1)[:, :, None]
        colours = drawn[:, :3] * shares[:, 0] + (moved * shares[:, 1:]).sum(1)
        return torch.cat((colours, drawn[:, 3:4]), 1)

    def spots(self, places: Float[Tensor, "n k 3"]) -> Float[Tensor, "n k h w"]:
        """A Gaussian spot at each part's place."""
        away = (self.axis - places[..., :2, None]) / places[..., 2:, None]
        x, y = torch.exp(-away.square() / 2).unbind(2)
        return y[..., :, None] * x[..., None, :]

    def move(
        self,
        frame: Float[Tensor, "b c h w"],
        first: Float[Tensor, "b k 3"],
        now: Float[Tensor, "m k 3"],
    ) -> Float[Tensor, "m k c h w"]:
        """The whole frame shifted and scaled so that each part comes from ``first`` to ``now``.

        Bilinear, in float32 also under autocast; the border goes on outside.
        """
        n, side = len(now) // len(frame), self.side
        before = first[:, None].expand(-1, n, -1, -1).flatten(0, 1)
        away = self.axis - now[..., :2, None]
        x, y = (before[..., :2, None] + away * (before / now)[..., 2:, None]).unbind(2)
        shape = (-1, -1, side, side)
        grid = torch.stack((x[..., None, :].expand(shape), y[..., :, None].expand(shape)), -1)
        # the n k copies of a clip's frame are one tall picture: the frame is not repeated
        grid = grid.reshape(len(frame), -1, side, 2)
        moved = F.grid_sample(frame.float(), grid, padding_mode="border", align_corners=False)
        return moved.unflatten(2, (n, self.count, side)).permute(0, 2, 3, 1, 4, 5).flatten(0, 1)
