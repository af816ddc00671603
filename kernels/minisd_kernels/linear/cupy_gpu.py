"""Linear layer on the GPU: the products are cuBLAS's, NVIDIA's library of them.

How a product is made by hand stands where the convolution makes its own: in tiles of shared memory
(conv2d/conv2d_tiled.cu), in registers (conv2d_registers.cu), and on tensor cores (conv2d_tensor.cu).
"""

from __future__ import annotations

from minisd_kernels.arguments import Array
from minisd_kernels.devices import device_of, namespace


def forward(x: Array, weight: Array, bias: Array | None) -> Array:
    y = namespace(device_of(x)).matmul(x, weight)
    if bias is not None:
        y += bias
    return y


def backward(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    matmul = namespace(device_of(x)).matmul
    return matmul(grad_y, weight.T), matmul(x.T, grad_y), grad_y.sum(axis=0)
