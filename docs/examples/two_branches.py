"""A small network of one's own, to be read: `mobilenet-lab summary two_branches.py:network`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TwoBranches(nn.Module):
    """N x 3 x H x W images to N x classes scores."""

    def __init__(self, channels: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.near = nn.Conv2d(channels, channels, 3, padding="same", groups=channels)
        self.far = nn.Conv2d(channels, channels, 3, padding=4, dilation=4, groups=channels)
        self.merge = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.score = nn.Linear(2 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat([self.near(x), self.far(x)], 1)
        x = F.relu(self.merge(x)) + x
        return self.score(x.mean((2, 3)))


def network(channels: int = 16, classes: int = 10) -> nn.Module:
    return TwoBranches(channels, classes)
