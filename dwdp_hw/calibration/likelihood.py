"""Compute how likely a measured row is under a prediction that depends on unknown starts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from dwdp_sim.base.arrays import Floats


def log_likelihood(draws_s: Floats, measured_s: ArrayLike, scales: ArrayLike) -> Floats:
    """Return the log density of a row's times for each scale, as a mixture over draws of the starts.

    The distance of a draw is the mean over the streams of |log(predicted ÷ measured)|, so a row counts once, however
    many ranks it has, and has an exponential density around each draw. Its width is the scale and the draws' own
    scatter together: the few draws that were made stand for all starts between them, so that unknown starts do not
    condemn a true prediction, and one that scatters pays for being vague.

    Args:
        draws_s: Predicted seconds, shape (draws, streams).
        measured_s: Measured seconds of each stream.
        scales: Relative errors that are expected beside the unknown starts.
    """
    draws = np.log(draws_s)
    distance = np.abs(draws - np.log(np.asarray(measured_s))).mean(axis=1)
    scatter = np.abs(draws - np.median(draws, axis=0)).mean()
    width = np.atleast_1d(np.asarray(scales, dtype=np.float64)) + scatter
    found: Floats = logsumexp(-distance / width[:, None], axis=1) - np.log(2.0 * width * len(draws))
    return found
