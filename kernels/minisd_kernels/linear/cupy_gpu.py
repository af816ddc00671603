"""Linear layer on the GPU: the products are cuBLAS's, NVIDIA's library of them.

How a product is made by hand stands where the convolution makes its own: in tiles of shared memory
(conv2d/conv2d_tiled.cu), in registers (conv2d_registers.cu), and on tensor cores (conv2d_tensor.cu).
"""

from __future__ import annotations

from typing import Any

from minisd_kernels.devices import device_of, namespace


def forward(x: Any, weight: Any, bias: Any | None) -> Any:
    y = namespace(device_of(x)).matmul(x, weight)
    if bias is not None:
        y += bias
    return y


def backward(grad: Any, x: Any, weight: Any) -> tuple[Any, Any, Any]:
    matmul = namespace(device_of(x)).matmul
    return matmul(grad, weight.T), matmul(x.T, grad), grad.sum(axis=0)
