"""The real cuda-bindings without a driver: its functions are watched, and what they return is recorded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.dwdp_hw.record.conftest import REPOSITORY, Run, calls_of, lines_of

SCRIPT = """
from cuda.bindings import runtime as cudart
kind, attributes = cudart.cudaMemcpyKind.cudaMemcpyDefault, cudart.cudaMemcpyAttributes()
print(int(cudart.cudaMemcpyAsync(16, 32, 8, kind, 0)[0]))
print(int(cudart.cudaMemcpyPeerAsync(16, 0, 32, 1, 8, cudart.cudaStream_t(7))[0]))
print(int(cudart.cudaMemcpyBatchAsync([16, 24], [32, 40], [8, 4], 2, [attributes], [0], 1, 7)[0]))
print(cudart.cudaMemcpyAsync.__doc__.splitlines()[0])
"""
SUCCESS = 0


def test_its_calls_are_recorded_with_what_they_return(record: Run, tmp_path: Path) -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime")
    if int(runtime.cudaGetDeviceCount()[0]) == SUCCESS:
        pytest.skip("with a GPU these addresses would be used")
    script = tmp_path / "engine.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    ended = record(script, PYTHONPATH=path)
    assert ended.returncode == 0, ended.stderr
    *codes, documented = ended.stdout.splitlines()
    assert documented.startswith("cudaMemcpyAsync(dst, src, ")
    (lines,) = lines_of(tmp_path / "records")
    names = ("cudaMemcpyAsync", "cudaMemcpyPeerAsync", "cudaMemcpyBatchAsync")
    sizes = ([8], [8], [8, 4])
    assert calls_of(lines) == [(name, size, int(code)) for name, size, code in zip(names, sizes, codes, strict=True)]
    assert SUCCESS not in map(int, codes)  # these addresses are nobody's
    assert [line["stream"] for line in lines if line["what"] == "call"] == [0, 1, 1]
