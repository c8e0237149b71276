"""Symmetric matrices of a result with all that can be asked of them."""

from __future__ import annotations

from jachess.result.approximations import distances
from jachess.result.cholesky import factorise
from jachess.result.density import density
from jachess.result.influence import newton_step
from jachess.result.laplace import laplace
from jachess.result.largest import largest
from jachess.result.matrix import TiledMatrix
from jachess.result.norms import diagonal, frobenius_norm, pair_norms, picture, trace
from jachess.result.products import linear_operator, product
from jachess.result.pruning import brain_damage
from jachess.result.spectrum import eigenpairs, eigenvalues


class SymmetricMatrix(TiledMatrix):
    """A stored symmetric matrix (W, W), such as the Hessian: its parts by name, and its analyses as methods.

    Every analysis streams the upper half from the store and keeps to the memory that the result was opened with.
    """

    linear_operator = linear_operator
    product = product
    diagonal = diagonal
    trace = trace
    frobenius_norm = frobenius_norm
    pair_norms = pair_norms
    largest = largest
    picture = picture
    eigenpairs = eigenpairs
    eigenvalues = eigenvalues
    density = density
    cholesky = factorise
    distances = distances
    laplace = laplace
    brain_damage = brain_damage
    newton_step = newton_step
