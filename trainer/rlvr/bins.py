"""The bins of the histograms of ratios: whoever reads a log needs them, too."""

from __future__ import annotations

import numpy as np

EDGES = np.concatenate([[0.0], np.geomspace(0.25, 4.0, 24), [np.inf]])  # 1 is in the middle of a bin
