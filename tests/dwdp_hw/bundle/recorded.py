"""Recorded rows of two H200s, of which tests make bundles."""

from __future__ import annotations

from pathlib import Path

from dwdp_hw.bundle.make import Sources

ROOT = Path(__file__).resolve().parents[3]
MEASUREMENTS = ROOT / "measurements"
CLUSTER = ROOT / "conf" / "cluster" / "h200_x2.yaml"
FILES = ("h200_x2_calibration_1.json", "h200_x2_calibration_2.json", "h200_x2_validation_1.json")
WHOLE = Sources(tuple(str(MEASUREMENTS / name) for name in FILES), str(CLUSTER))
