"""What a store must look like to be believed: its attributes, and for its plan the arrays that it was made with.

A store may have been damaged, or altered by others; what differs is named before anything is read from it.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import zarr
from zarr.codecs import Crc32cCodec

from jachess.batch.job_schema import Validator, read_schema
from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES, ArraySpec
from jachess.errors import StoreError

_MOST_CHUNKS = 10**9
_MOST_PROBLEMS = 10
_LABELS_AT_ONCE = 1 << 20
_ADVICE = "Remove it and run the job again, or choose another place."


def check_attributes(attributes: Mapping[str, Any], where: object, keys: Sequence[str] | None = None) -> None:
    """Refuse attributes of the root that nobody has written.

    Parameters
    ----------
    keys : sequence of str, optional
        Those that must be there; all that a run writes, by default.

    Raises
    ------
    StoreError
        With what is wrong.
    """
    schema = read_schema("jachess.batch", "store.schema.json")
    schema = schema if keys is None else {**schema, "required": list(keys)}
    problems = list(islice(Validator(schema).iter_errors(dict(attributes)), _MOST_PROBLEMS))
    if problems:
        found = "; ".join(dict.fromkeys(map(_told, problems)))
        raise StoreError(f"{where}: its attributes are damaged ({found}). {_ADVICE}")


def _told(problem: Any) -> str:
    if problem.validator == "required":
        return f"{problem.json_path[2:] or 'attributes'} without {problem.message.split(' ')[0]}"
    return f"{problem.json_path[2:]} is {reprlib.repr(problem.instance)}"


def plan_of(attributes: Mapping[str, Any], where: object) -> Plan:
    """The plan that a store was made by.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    check_attributes(attributes, where, ["plan"])
    plan = Plan.from_dict(attributes["plan"])
    expected = 0
    for name, shape, offset in plan.weights:
        if offset != expected:
            raise StoreError(f"{where}: its plan is damaged (the weights '{name}' begin at {offset}). {_ADVICE}")
        expected += math.prod(shape)
    shapes = (expected, math.prod(plan.input_shape), math.prod(plan.output_shape))
    if shapes != (plan.n_weights, plan.n_inputs, plan.n_outputs):
        raise StoreError(f"{where}: its plan is damaged (sizes and shapes do not fit each other). {_ADVICE}")
    if any(not 0 < math.prod(spec.grid) < _MOST_CHUNKS for spec in arrays_of(plan).values()):
        raise StoreError(f"{where}: its plan is damaged (impossible numbers of chunks). {_ADVICE}")
    return plan


def arrays_of(plan: Plan) -> dict[str, ArraySpec]:
    """The arrays of its quantities, by name."""
    return {spec.name: spec for name in plan.quantities for spec in QUANTITIES[name].arrays(plan)}


def labels_of(plan: Plan) -> list[str]:
    """Names of the arrays that label the axes of weights."""
    dimensions = {dimension for spec in arrays_of(plan).values() for dimension in spec.dimensions}
    sides = [side for side in ("i", "j") if f"weight_{side}" in dimensions]
    return [f"{name}_{side}" for side in sides for name in ("layer", "unit", "input")]


def create_array(group: Any, spec: ArraySpec) -> None:
    """Create an array, whose group is the given one, without values."""
    group.create_array(
        spec.name.rpartition("/")[2],
        shape=spec.shape,
        chunks=spec.chunks,
        dtype=spec.dtype,
        compressors=[Crc32cCodec()],
        fill_value=spec.fill,
        dimension_names=spec.dimensions,
        attributes=dict(spec.attributes),
    )


def create_arrays(group: Any, plan: Plan) -> None:
    """Create all arrays in a Zarr group, labels included, without values."""
    for spec in arrays_of(plan).values():
        create_array(group, spec)
    for name in labels_of(plan):
        group.create_array(
            name,
            shape=(plan.n_weights,),
            chunks=(max(1, min(plan.n_weights, _LABELS_AT_ONCE)),),
            dtype="str" if name.startswith("layer") else "int64",
            compressors=[Crc32cCodec()],
            dimension_names=(f"weight_{name[-1]}",),
        )


@cache
def _as_made(plan: str) -> dict[str, dict[str, Any]]:
    """The metadata of all arrays of a plan (in JSON)."""
    group = zarr.create_group(zarr.storage.MemoryStore(), zarr_format=3)
    create_arrays(group, Plan.from_dict(json.loads(plan)))
    return {name: dict(array.metadata.to_dict()) for name, array in group.arrays()}


def check_array(plan: Plan, name: str, array: Any, where: object) -> None:
    """Refuse an array that is not the one that the plan says.

    Raises
    ------
    StoreError
        If it is of another shape, type or encoding.
    """
    wanted = _as_made(json.dumps(plan.as_dict()))[name]
    found = array.metadata.to_dict() if isinstance(array, zarr.Array) else {"node_type": "no array"}
    different = list(_different(wanted, found))
    if different:
        raise StoreError(f"{where}: array '{name}' is not what its plan says ({'; '.join(different)}). {_ADVICE}")


def _different(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for key, value in wanted.items():
        if key != "attributes" and str(found.get(key)) != str(value):
            yield f"{key}: wanted {value}; got {reprlib.repr(found.get(key))}"
    triangle, attributes = wanted["attributes"].get("triangle"), found.get("attributes")
    if not isinstance(attributes, Mapping) or attributes.get("triangle") != triangle:
        yield f"attributes: wanted triangle {triangle}; got {reprlib.repr(attributes)}"
