"""A finished result that a job extends: its points are the first of the job's, so that only the others are computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jachess.batch.job import ADDITIVE, Job
from jachess.batch.plan import Plan
from jachess.batch.points import PointSource
from jachess.batch.quantities.array_spec import Region
from jachess.batch.storage import absolute, storage_of
from jachess.batch.store import Store
from jachess.errors import ChunkError, StoreError
from jachess.network.graph import Array


@dataclass(frozen=True)
class Earlier:
    """The earlier result. It is small and can be sent to workers, who open the store themselves; none writes there.

    Attributes
    ----------
    place : str
        Path or URL of its store.
    plan : Plan
    fingerprint : str
        SHA-256 of what its store says of it.
    shares : tuple of mapping
        Where its sums come from, and it itself: what is told of them in the store that extends it.
    """

    place: str
    plan: Plan
    fingerprint: str
    shares: tuple[Mapping[str, Any], ...]

    def __call__(self, name: str, region: Region) -> Array:
        """A part of one of its arrays.

        Raises
        ------
        StoreError
            If chunks are missing or damaged.
        """
        try:
            return _store(self.place).read(name, region)
        except ChunkError as error:  # not one of ours to remove and to compute again
            raise StoreError(str(error)) from error


@lru_cache(maxsize=4)
def _store(place: str) -> Store:
    return Store(place)


def open_earlier(job: Job, network: str | None, source: PointSource) -> Earlier | None:
    """The result that a job extends, if it does, and proof that its points are the first of the job's.

    Parameters
    ----------
    network : str
        Fingerprint of the network.

    Raises
    ------
    StoreError
        If there is none, it is not complete and verified, or it is of another job; with everything that is wrong.
    """
    if job.extends is None:
        return None
    storage = storage_of(job.extends)
    storage.reach()
    store = Store(storage)
    problems = _unfinished(store) or [*_other_keys(job, store.plan), *_other_data(network, source, store.plan)]
    if problems:
        raise StoreError.of([f"{storage}: cannot be extended: {problem}." for problem in problems])
    attributes = store.attributes
    told = {key: attributes.get(key) for key in ("plan", "verdict", "created_time", "finished_time")}
    place, digest = absolute(str(storage)), hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    before = attributes.get("shares", [{"points": [0, store.plan.n_points]}])
    known = {k: attributes.get(k) for k in ("created_time", "finished_time", "versions")}
    own = {**before[-1], "result": place, "fingerprint": digest, **known}
    return Earlier(place, store.plan, digest, (*before[:-1], own))


def _unfinished(store: Store) -> list[str]:
    attributes = store.attributes
    if attributes["state"] == "running" or attributes.get("verdict") is None:
        return ["it is not finished. Run its job again first"]
    if store.lacking():
        return ["blocks of it are missing. Run its job again first"]
    if attributes["state"] != "complete":
        return ["its checks did not pass, so nothing can be built on it. Compute the whole"]
    return []


def _other_keys(job: Job, plan: Plan) -> list[str]:
    wanted = job.identity()
    changed = [key for key, value in plan.identity.items() if wanted.get(key) != value]
    found = [f"it was computed with another {key} (wanted {wanted[key]}; got {plan.identity[key]})" for key in changed]
    left_out = sorted(set(job.quantities) - ADDITIVE)
    return found + ([f"{' and '.join(left_out)} cannot be added to. Compute them of the whole"] if left_out else [])


def _other_data(network: str | None, source: PointSource, plan: Plan) -> list[str]:
    if plan.fingerprints["network"] != network:
        return ["it is of another network"]
    if source.count <= plan.n_points:
        return [f"the job has no further points (wanted more than {plan.n_points}; got {source.count})"]
    found = source.fingerprint(plan.n_points)
    return [
        f"its {name} are not the first {plan.n_points} of the job's"
        for name in ("points", "targets")
        if found[name] != plan.fingerprints[name]
    ]
