"""Histograms over the steps of a run: how many of each step's tokens had which ratio, as shades."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from trainer.metrics.series import Floats, Histogram
from trainer.rlvr.bins import EDGES

TICKS = (0.25, 0.5, 1.0, 2.0, 4.0)
ENDS = (0.2, 5.0)  # up to where the bins without an end are drawn
LEAST = 1e-6  # the share of the faintest shade
SHOWN = (1e-6, 1e-3, 1.0)  # shares, in the legend


def draw_histogram(figure: Figure, axes: Axes, histogram: Histogram) -> None:
    """Shares of a step's tokens; white where there is none. Ratios stand on a scale of logarithms."""
    totals = histogram.counts.sum(axis=1, keepdims=True)
    shares = histogram.counts / np.maximum(totals, 1)
    mesh = axes.pcolormesh(
        step_edges(histogram.steps),
        np.concatenate([[ENDS[0]], EDGES[1:-1], [ENDS[1]]]),
        np.where(shares > 0, shares, np.nan).T,
        norm=LogNorm(LEAST, 1.0, clip=True),
        cmap="viridis_r",
        rasterized=True,
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(visible=False)
    _legend(figure, axes, mesh)


def _legend(figure: Figure, axes: Axes, mesh: QuadMesh) -> None:
    """In the panel's corner: beside it, it would take from the panel's width."""
    box = Rectangle((0.36, 0.83), 0.63, 0.16, transform=axes.transAxes, facecolor="white", alpha=0.8, zorder=2)
    axes.add_patch(box)
    place = axes.inset_axes((0.66, 0.93, 0.31, 0.04))
    bar = figure.colorbar(mesh, cax=place, orientation="horizontal", ticks=SHOWN)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=7, length=2, pad=1)
    axes.text(0.645, 0.95, "share of tokens", transform=axes.transAxes, fontsize=7, ha="right", va="center")


def step_edges(steps: Floats) -> Floats:
    """Half-way between the steps (steps + 1,)."""
    if len(steps) == 1:
        return np.array([steps[0] - 0.5, steps[0] + 0.5])
    between = (steps[1:] + steps[:-1]) / 2
    first, last = steps[0] - (between[0] - steps[0]), steps[-1] + (steps[-1] - between[-1])
    return np.concatenate([[first], between, [last]])
