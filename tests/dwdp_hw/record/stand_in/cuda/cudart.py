"""Stands in for the older name of `cuda.bindings.runtime`, which takes its names over."""

from cuda.bindings.runtime import *  # noqa: F403
