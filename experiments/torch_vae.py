"""Be models/vae.py in PyTorch, and train it as PyTorch's users do: the twin that a benchmark needs."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import nn
from torch.utils.data import DataLoader, Dataset

from models import vae

Pixels = UInt8[np.ndarray, "n h w c"]


class Twin(nn.Module):  # type: ignore[misc]
    """Hold the layers of `model`, for images whose `side` halves without a rest, and its parameters."""

    def __init__(self, model: vae.Model, side: int) -> None:
        super().__init__()
        encoder, decoder = model.encoder, model.decoder
        height, width, channels = decoder.small
        if height * 2 ** len(encoder.convolutions) != side:
            raise ValueError(
                f"a side of {side} does not halve {len(encoder.convolutions)} times; choose another"
            )
        down: list[Any] = []
        up: list[Any] = []
        for layer, norm in zip(encoder.convolutions, encoder.norms, strict=True):
            down += [_convolution(layer), _norm(norm), nn.SiLU()]
        for coarse, norm in zip(decoder.convolutions, decoder.norms, strict=True):
            up += [_norm(norm), nn.SiLU(), _transposed(coarse)]
        inner, outer = _mlp(encoder.mlp), _mlp(decoder.mlp)
        order = np.arange(height * width * channels).reshape(decoder.small).transpose(2, 0, 1).ravel()
        _fill(inner[0], inner[0].weight.detach().numpy()[:, order], inner[0].bias.detach().numpy())
        _fill(outer[-1], outer[-1].weight.detach().numpy()[order], outer[-1].bias.detach().numpy()[order])
        self.encoder = nn.Sequential(*down, nn.Flatten(), *inner)
        self.decoder = nn.Sequential(*outer, nn.Unflatten(1, (channels, height, width)), *up)

    def forward(self, images: Any, noise: Any) -> Any:
        """Give the loss of models/vae.py, with beta 1."""
        mean, log_deviation = self.encoder(images).chunk(2, 1)
        log_deviation = 5 * torch.tanh(log_deviation / 5)
        decoded = torch.sigmoid(self.decoder(mean + torch.exp(log_deviation) * noise))
        fit = -0.5 * (torch.log(((images - decoded) ** 2).mean()) + math.log(2 * math.pi) + 1)
        kl = (0.5 * (torch.exp(2 * log_deviation) + mean**2 - 1) - log_deviation).sum(1).mean()
        return kl / images[0].numel() - fit

    def loss(self, images: Pixels, noise: Float32[np.ndarray, "n d"]) -> float:
        """Give the loss for given noise."""
        with torch.no_grad():
            return float(self(_channels_first(images).float().div(255), torch.tensor(noise)))


class Images(Dataset):  # type: ignore[misc]
    """Give one image at a time, as torchvision's data sets with `ToTensor` do."""

    def __init__(self, images: Pixels) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return torch.from_numpy(self.images[index]).permute(2, 0, 1).contiguous().float().div(255)


def trainer(twin: Twin, kind: str, images: Pixels, batch: int, latent: int) -> Callable[[int], None]:
    """Give what makes a number of steps of Adam, fused, on batches that `kind` says how to make."""
    loss_of = torch.compile(twin) if kind == "compiled" else twin
    batches = _loaded(images, batch) if kind == "loader" else _gathered(images, batch)
    optimizer = torch.optim.Adam(twin.parameters(), 1e-3, fused=True)

    def advance(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of(next(batches), torch.randn(batch, latent)).backward()
            optimizer.step()

    return advance


def limit(threads: int) -> str:
    """Let PyTorch take so many threads, and tell its version."""
    torch.set_num_threads(threads)
    return str(torch.__version__)


def _loaded(images: Pixels, batch: int) -> Iterator[Any]:
    loader = DataLoader(Images(images), batch, shuffle=True, drop_last=True)
    while True:
        yield from loader


def _gathered(images: Pixels, batch: int) -> Iterator[Any]:
    data = _channels_first(images)
    while True:
        for chosen in torch.randperm(len(data)).split(batch)[: len(data) // batch]:
            yield data[chosen].float().div_(255)


def _channels_first(images: Pixels) -> Any:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def _fill(layer: Any, weight: np.ndarray, bias: Any) -> Any:
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(np.ascontiguousarray(weight)))
        layer.bias.copy_(torch.tensor(np.array(bias)))
    return layer


def _convolution(layer: Any) -> Any:
    kernel = np.asarray(layer.kernel[...])
    made = nn.Conv2d(*kernel.shape[2:], kernel.shape[:2], 2, 1)
    return _fill(made, kernel.transpose(3, 2, 0, 1), layer.bias[...])


def _transposed(layer: Any) -> Any:
    kernel = np.asarray(layer.kernel[...])
    made = nn.ConvTranspose2d(*kernel.shape[2:], kernel.shape[:2], 2, 1)
    return _fill(made, kernel[::-1, ::-1].transpose(2, 3, 0, 1), layer.bias[...])


def _norm(norm: Any) -> Any:
    scale = np.asarray(norm.scale[...])
    return _fill(nn.GroupNorm(norm.num_groups, len(scale), norm.epsilon), scale, norm.bias[...])


def _mlp(mlp: Any) -> list[Any]:
    layers: list[Any] = []
    for layer in mlp.layers:
        kernel = np.asarray(layer.kernel[...])
        layers += [_fill(nn.Linear(*kernel.shape), kernel.T, layer.bias[...]), nn.SiLU()]
    return layers[:-1]
