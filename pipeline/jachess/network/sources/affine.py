"""Affine layers, as every source writes them into a draft; what is a weight among their tensors is said before."""

from __future__ import annotations

from jachess.network.sources.draft import Draft


def dense(draft: Draft, value: str, kernel: str, *bias: str, transposed: bool = False, n_axes: int = 1) -> str:
    """W x + b over the last of a point's ``n_axes`` axes; ``transposed``: the kernel is (out, in)."""
    if n_axes == 1:
        return draft.apply("Gemm", value, kernel, *bias, transB=int(transposed))
    matrix = draft.apply("Transpose", kernel, perm=(1, 0)) if transposed else kernel
    product = draft.apply("MatMul", value, matrix)
    return draft.apply("Add", product, *bias) if bias else product


def scaled(draft: Draft, value: str, scale: str = "", shift: str = "") -> str:
    """Value · scale + shift, or one of them left out."""
    value = draft.apply("Mul", value, scale) if scale else value
    return draft.apply("Add", value, shift) if shift else value


def by_statistics(draft: Draft, value: str, mean: str, variance: str, epsilon: float) -> str:
    """(value − mean)/√(variance + ε) along the last axis."""
    deviation = draft.apply("Sqrt", draft.apply("Add", variance, float(epsilon)))
    return draft.apply("Div", draft.apply("Sub", value, mean), deviation)
