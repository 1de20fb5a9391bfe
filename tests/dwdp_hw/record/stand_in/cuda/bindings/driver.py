"""Stands in for `cuda.bindings.driver`: the attributes of a pointer."""

from __future__ import annotations

from enum import IntEnum

from cuda.bindings import memory

CUdeviceptr = int


class CUresult(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1


class CUpointer_attribute(IntEnum):
    CU_POINTER_ATTRIBUTE_MEMORY_TYPE = 2
    CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL = 9
    CU_POINTER_ATTRIBUTE_RANGE_START_ADDR = 11
    CU_POINTER_ATTRIBUTE_RANGE_SIZE = 12


def cuMemRetainAllocationHandle(addr: int) -> tuple[CUresult, None]:
    return CUresult.CUDA_ERROR_INVALID_VALUE, None  # all its memory is of cudaMalloc


def cuPointerGetAttribute(attribute: CUpointer_attribute, ptr: int) -> tuple[CUresult, int | None]:
    found = memory.find(ptr)
    if found is None:
        return CUresult.CUDA_ERROR_INVALID_VALUE, None
    return CUresult.CUDA_SUCCESS, found[list(CUpointer_attribute).index(attribute)]
