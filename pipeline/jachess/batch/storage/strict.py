"""Reading in which a missing chunk is an error: Zarr itself gives the fill value, and says nothing."""

from __future__ import annotations

from typing import Any

import zarr


class MissingChunk(KeyError):
    """A chunk that is to be read is not there."""


class Strict(zarr.storage.WrapperStore[Any]):
    """Another Zarr store, in which every chunk that is read must be there."""

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """The bytes of a key; only metadata may be absent."""
        found = await self._store.get(key, prototype, byte_range)
        if found is None and not key.endswith(".json"):
            raise MissingChunk(key)
        return found
