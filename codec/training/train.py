"""Train the network: `python -m codec.training.train --data CROPS.tar --minutes 60 --resume`.

The main run keeps a constant rate, since nobody knows how long it will be. `--decay` branches off its newest checkpoint, lets the rate fall
to zero over `--minutes` and writes weights to ship; the main run's own state stays as it was. A killed run loses at most five minutes.
"""

import argparse
import json
import logging
import math
import os
import queue
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.model import model_from
from codec.network.constants import ANCHORS, CELL_PIXELS
from codec.network.network import Network, Quantise
from codec.training import together
from codec.training.data import batches, load_packs, patch_components
from codec.training.generated import Crop
from codec.training.loss import Loss
from codec.training.planned import Planner
from codec.training.soap import Soap, shares
from codec.training.thaw import thawed
from codec.training.together import Alone

log = logging.getLogger("codec.training")

SAVE_EVERY_S = 300
EMA = {"adamw": 0.999, "soap": 0.995}
WARM_UP_STEPS = 200
SPIKE = 2.0
"""A gradient this many times as long as they mostly are is cut to that length."""
CONTENT_PACE = 0.1
"""Of a latent of size 1, see `paces`."""
PIXEL_PACES = {
    "analysis.embed.weight": 0.3,
    "synthesis.out.weight": 0.05,
    "synthesis.out.bias": 0.2,
    "synthesis.content.bias": 0.2,
    "synthesis.mix1.weight": 0.25,
}
"""Layers that see all pixels of a patch with one sign: a brightness that is a little off moves all their weights together."""
SHOWN = 24
"""Held-out crops that the log's figures are of."""
_JITTERED_SHARE, _JITTER = 0.2, 1.0
_RANGES, _RANGE_SHARES = ((0.15, 0.85), (0.0, 1.0), (0.85, 1.0)), (0.6, 0.3, 0.1)
"""Of the qualities, as shares of the best one: where they are drawn from, and how often."""
_CROPS_TO_THAW = 64


@dataclass
class Run:
    """All that a checkpoint holds."""

    network: Network
    averaged: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    step: int = 0
    pixels: int = 0
    seconds: float = 0.0
    score_means: list[float] | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    shared: bool = False
    """Whether each process of the team moves parameters of its own alone."""

    def state(self, moments: dict[str, Any]) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged,
            "optimiser": moments,
            **{name: getattr(self, name) for name in ("step", "pixels", "seconds", "score_means", "history")},
        }

    def save(self, path: Path, moments: dict[str, Any] | None = None) -> None:
        """Write beside, then rename: a kill never leaves half a checkpoint. `moments`: the whole team's, where it is one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(self.state(self.optimiser.state_dict() if moments is None else moments), path.with_suffix(".new"))
        os.rename(path.with_suffix(".new"), path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; moments that are another optimiser's begin anew."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.averaged = {k: v.to(self.averaged[k].device) for k, v in state["averaged"].items()}
        if "optimiser" in state and state["optimiser"]["param_groups"][0].keys() == self.optimiser.state_dict()["param_groups"][0].keys():
            self.optimiser.load_state_dict(state["optimiser"])
        for name in ("step", "pixels", "seconds", "score_means", "history"):
            setattr(self, name, state.get(name, getattr(self, name)))


def start(device: torch.device, rate: float, network: Network, optimiser: str = "adamw", team: Alone | None = None) -> Run:
    """A new run, at step 0, with the network as it is."""
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = {k: v.detach().clone() for k, v in network.state_dict().items()}
    if optimiser == "soap":
        team = team or Alone()
        mine = shares(list(network.parameters()), team.count)[team.rank]
        return Run(network, averaged, Soap(network.parameters(), rate, mine=mine), shared=team.count > 1)
    return Run(network, averaged, torch.optim.AdamW(network.parameters(), rate, betas=(0.9, 0.99), weight_decay=0.0))


def first_network(crops: list[Crop], warm: Path | None) -> Network:
    """What a run begins with: the transform codec of the crops' principal components, or a weight file."""
    if warm is None:
        log.info("taking the principal components of patches")
        return Network(*patch_components(crops))
    network, seen = Network(), np.random.default_rng(0).choice(len(crops), min(_CROPS_TO_THAW, len(crops)), replace=False)
    network.load_state_dict(thawed(model_from(warm.read_bytes()), as_floats([crops[number] for number in seen])))
    return network


def as_floats(crops: list[Crop], size: int = 192) -> Tensor:
    """The middle of crops as (B, 3, size, size) in 0..1."""
    low = (crops[0].shape[0] - size) // 2
    return torch.stack([torch.from_numpy(c[low : low + size, low : low + size].copy()) for c in crops]).permute(0, 3, 1, 2).float().div(255)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Where the networks multiply: in bfloat16, but for what passes amplitudes on (`codec.network.blocks.exactly`), or as they are."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def faster_precision(network: Network, crops: Tensor, device: torch.device) -> str:
    """'bfloat16' where a probe finds a pass there and back faster in it; some processors emulate it and take ten times as long."""
    seconds = {}
    for precision in ("float32", "bfloat16"):
        for _ in range(2):  # the first of each pays for its set-up
            begun = time.monotonic()
            with autocast(device, precision):
                out = network(crops, torch.full((len(crops), 1, 1), 5.0, device=device))
            (out.decoded.float().mean() + out.bits_y.mean()).backward()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[precision] = time.monotonic() - begun
    network.zero_grad()
    return min(seconds, key=lambda precision: seconds[precision])


def ahead(source: Iterator[Tensor], depth: int = 4) -> Iterator[Tensor]:
    """The same batches, made by a thread of their own."""
    made: queue.Queue[Tensor] = queue.Queue(depth)

    def fill() -> None:
        for item in source:
            made.put(item)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield made.get()


@torch.no_grad()
def paces(network: Network, crops: Tensor) -> dict[str, Tensor]:
    """Parameter name -> what its moves are multiplied with, where that is not 1.

    Adam moves each weight by about its rate, whatever the layer's input is. A latent that reaches 137, the mean of a patch, then moves
    pixels by ten levels a step, and weights of latents that are mostly 0 walk at random. So columns of the content layer move as far as
    their latents on `crops` are small. The same in every process of a team, and in every resumed run to the last digits of its weights.
    """
    y = network.analysis(crops, torch.full((len(crops), 1, 1), (ANCHORS - 1) / 2, device=crops.device))
    sizes = y.square().mean((0, 2, 3)).sqrt()
    slow = {name: torch.tensor(pace, device=crops.device) for name, pace in PIXEL_PACES.items()}
    return slow | {"synthesis.content.weight": (CONTENT_PACE / sizes.clamp_min(0.5)).view(1, -1, 1, 1)}


@torch.no_grad()
def move(run: Run, pace: dict[str, Tensor], team: Alone | None = None) -> None:
    """One step of the optimiser, at the parameters' own paces."""
    parameters = dict(run.network.named_parameters())
    before = {name: parameter.detach().clone() for name, parameter in parameters.items() if run.shared or name in pace}
    run.optimiser.step()
    for name, own in pace.items():
        parameters[name].copy_(torch.lerp(before[name], parameters[name], own))
    if run.shared and team:
        team.add_moves(list(parameters.values()), list(before.values()))


def draw_quality(count: int, rng: random.Random) -> Tensor:
    """(count,) of qualities: 0.3-1.3 bpp is the range that pays, so most are drawn there. The best ones, whose gradient is small, are drawn
    by themselves, too."""
    top = ANCHORS - 1
    low, high = (torch.tensor(bounds) * top for bounds in zip(*rng.choices(_RANGES, _RANGE_SHARES, k=count), strict=True))
    return low + (high - low) * torch.tensor([rng.random() for _ in range(count)])


def cells(quality: Tensor, side: int, rng: random.Random) -> Tensor:
    """Quality (B,) -> (B, 1, 1), or now and then jittered cell by cell, (B, side, side), so that the quality map works."""
    if rng.random() >= _JITTERED_SHARE:
        return quality.view(-1, 1, 1)
    jitter = (torch.rand(len(quality), side, side) * 2 - 1) * _JITTER
    return (quality.view(-1, 1, 1) + jitter).clamp(0, ANCHORS - 1)


@torch.no_grad()
def held_out(network: Network, averaged: dict[str, Tensor], crops: Tensor, quantise: Quantise | None = None) -> dict[str, float]:
    """Mean loss and figures of the averaged weights, with the bits of what `quantise` gives, over three qualities of the range that pays.
    The slopes of the score are those that a loss begins with: by those of the run, which follow what it reaches, a better network could
    show a higher loss."""
    own = {k: v.detach().clone() for k, v in network.state_dict().items()}
    network.load_state_dict(averaged)
    judge, total, parts = Loss(), 0.0, []
    for level in (3.0, 5.0, 7.0):
        quality = torch.full((len(crops),), level, device=crops.device)
        value, figures = judge(crops, quality, network(crops, quality.view(-1, 1, 1), quantise, hard=True))
        total += float(value) / 3
        parts.append({f"{name}{level:.0f}": float(figure.mean()) for name, figure in figures.items()})
    network.load_state_dict(own)
    return {"held_out": total} | {k: v for part in parts for k, v in part.items()}


def train(
    run: Run, options: argparse.Namespace, device: torch.device, crops: list[Crop], held: list[Crop], team: Alone | None = None
) -> None:
    """Train until the minutes or the steps are over; the leader of the team writes checkpoints and one log line a minute."""
    team = team or Alone()
    leads = team.rank == 0
    if leads:
        threads = f"{team.count} processes" if team.count > 1 else f"{torch.get_num_threads()} threads"
        log.info("%d crops to train on, %d held out, on %s with %s", len(crops), len(held), device, threads)
    shown = as_floats(held[:SHOWN]).to(device)
    seed = run.step * 64 + team.rank
    rng, loss = random.Random(seed), Loss(run.score_means)
    quantise = Planner() if options.symbols == "planned" else None
    source = ahead(batches(crops, options.batch, options.crop, seed=seed + 1))
    begun, noted, first_step = time.monotonic(), time.monotonic(), run.step
    precision = options.precision
    if precision == "auto":
        precision = faster_precision(run.network, next(source).to(device, memory_format=torch.channels_last), device)
    if leads:
        log.info("multiplying in %s", precision)
        note(run, shown, loss, quantise)
    sums: dict[str, float] = {}
    count, seen, skipped, before = 0, 0, 0, run.seconds
    spent, saved, usual = 0.0, 0.0, None
    pace = paces(run.network, shown)

    def keep() -> None:
        moments = team.gathered(run.optimiser.state_dict())
        if leads:
            note(run, shown, loss, quantise)
            run.save(options.out, moments)

    while spent < options.minutes * 60 and run.step - first_step < options.steps:
        rgb = next(source).to(device, memory_format=torch.channels_last)
        quality = draw_quality(len(rgb), rng).to(device)
        with autocast(device, precision):
            out = run.network(rgb, cells(quality, rgb.shape[-1] // CELL_PIXELS, rng).to(device), quantise)
        value, figures = loss(rgb, quality, out)
        run.optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        (spent,) = team.agree(run.network.parameters(), [time.monotonic() - begun])
        warm = min(1.0, (run.step - first_step + 1) / WARM_UP_STEPS) if not options.decay else 1.0
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, spent / (options.minutes * 60)))) if options.decay else 1.0
        for group in run.optimiser.param_groups:
            group["lr"] = options.rate * warm * fall
        norm = torch.nn.utils.get_total_norm([p.grad for p in run.network.parameters() if p.grad is not None])
        if not bool(torch.isfinite(norm)):
            skipped += 1
            continue
        usual = float(norm) if usual is None else min(usual + 0.02 * (float(norm) - usual), 1.02 * usual)
        torch.nn.utils.clip_grads_with_norm_(run.network.parameters(), SPIKE * usual, norm)
        move(run, pace, team)
        with torch.no_grad():
            for name, tensor in run.network.state_dict().items():
                run.averaged[name].lerp_(tensor, 1 - min(EMA[options.optimiser], (1 + run.step) / (10 + run.step)))
        pixels = rgb[:, 0].numel() * team.count
        run.step, run.pixels, run.seconds = run.step + 1, run.pixels + pixels, before + spent
        count, seen = count + 1, seen + pixels
        run.score_means = loss.means
        for name, figure in ({"loss": value.detach(), "norm": norm} | figures).items():
            sums[name] = sums.get(name, 0.0) + float(figure.mean())
        if leads and time.monotonic() - noted > 60:
            megapixels = seen / (time.monotonic() - noted) / 1e6
            log.info(
                "step %d  %.0f Mpx  %s  %.2f Mpx/s  skipped %d",
                run.step,
                run.pixels / 1e6,
                _text({k: v / count for k, v in sums.items()}),
                megapixels,
                skipped,
            )
            noted, sums, count, seen = time.monotonic(), {}, 0, 0
        if spent - saved > SAVE_EVERY_S:
            keep()
            saved = spent
    keep()


def note(run: Run, shown: Tensor, loss: Loss, quantise: Quantise | None) -> None:
    """Log the held-out figures and keep them in the run's history."""
    figures = held_out(run.network, run.averaged, shown, quantise)
    run.history.append({"step": run.step, "pixels": run.pixels, **figures})
    log.info("held out at step %d: %s", run.step, _text(figures))
    log.info("means of the score sum: %s", json.dumps([round(m, 2) for m in loss.means]))


def _text(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; `arguments` default to those of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="tars of square RGB crops of 256 pixels")
    parser.add_argument("--out", type=Path, default=Path("checkpoints/main.pt"), help="checkpoint to write, and to resume from")
    parser.add_argument("--from", dest="origin", type=Path, help="with --decay: the checkpoint to branch off")
    parser.add_argument("--warm-start", type=Path, help="a weight file to begin with in place of principal components")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=float, default=math.inf, help="stop after so many, for a rehearsal")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--decay", action="store_true", help="let the rate fall to zero over the minutes: weights to ship")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--optimiser", choices=tuple(EMA), default="adamw", help="soap: steps twice as dear, for the end of a training")
    parser.add_argument("--batch", type=int, default=8, help="crops a step, of each process")
    parser.add_argument("--processes", type=int, default=1, help="of one thread each; on a processor two do twice what two threads do")
    parser.add_argument("--crop", type=int, default=192, help="pixels along a side, a multiple of 64")
    parser.add_argument("--symbols", choices=("planned", "rounded"), default="planned", help="rounded: leaves a GPU's processor idle")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="auto: what a probe finds faster")
    options = parser.parse_args(arguments)
    if options.decay and (options.origin is None or options.origin.resolve() == options.out.resolve()):
        parser.error("--decay needs the checkpoint to branch off (--from) and another one to write (--out)")
    together.run(options.processes, work, options)


def work(team: Alone, options: argparse.Namespace) -> None:
    """What each process does."""
    logging.basicConfig(level=logging.INFO if team.rank == 0 else logging.WARNING, format="%(asctime)s %(message)s")
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device)
    crops, held = load_packs(options.data)
    begun = options.origin if options.decay else options.out if options.resume and options.out.exists() else None
    torch.manual_seed(0)  # the same first network in every process
    run = start(device, options.rate, Network() if begun else first_network(crops, options.warm_start), options.optimiser, team)
    if begun:
        run.load(begun)
    torch.manual_seed(run.step * 64 + team.rank)
    log.info("%s at step %d, %.0f Mpx seen", "resumed" if run.step else "begun", run.step, run.pixels / 1e6)
    train(run, options, device, crops, held, team)


if __name__ == "__main__":
    main()
