"""The lock of a store in a bucket: an object that is only ever replaced as long as nobody else has."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

from jachess.batch.storage.lock import Lock, Seen, holder_of, is_gone
from jachess.batch.storage.obstore_errors import again, told
from jachess.errors import StoreError

_ATTEMPTS = 3
"""How often a conditional PUT is tried of which nothing is known after it failed."""


class BucketLock(Lock):
    """A lock object beside a store; each sign of life writes it anew, under the condition that it is still ours.

    Clocks here and there may differ: before a lock that looks old is taken over, its holder gets the time of two signs
    of life to show one, and the takeover too holds only if none has come in between.
    """

    def __init__(self, store: str, bucket: Any, key: str, shard: int | None = None) -> None:
        super().__init__(store, shard)
        self._bucket, self._key = bucket, key
        self._version: dict[str, str] = {}
        self._watched: Any = None

    def _create(self) -> bool:
        return self._put("create")

    def _put(self, mode: Any) -> bool:
        """Write the lock under a condition; True if it is ours then.

        A PUT whose answer is lost cannot just be repeated: it would be refused because of itself. So what is there is
        looked at.
        """
        import obstore

        refused = (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError)
        self.holder["beat"] = self.holder.get("beat", 0) + 1
        with told(self.store):
            for _ in range(_ATTEMPTS):
                try:
                    done = self._bucket.put(self._key, self._text(), mode=mode, use_multipart=False)
                    self._version = {name: value for name, value in done.items() if value}
                    return True
                except (*refused, obstore.exceptions.GenericError) as error:
                    seen, failure = self._look(), error
                if seen is not None and seen.holder.get("token") == self.holder["token"]:
                    self._version = seen.version
                    return True
                if seen is not None or isinstance(failure, refused):
                    return False
            raise failure

    def _look(self) -> Seen | None:
        with told(self.store):
            try:
                meta, text = again(self._get)
            except FileNotFoundError:
                return None
        version = {name: meta[name] for name in ("e_tag", "version") if meta[name]}
        moving = self._watched not in (None, version)
        age = 0.0 if moving else (datetime.now(UTC) - meta["last_modified"]).total_seconds()
        return Seen(holder_of(text), age, version)

    def _get(self) -> tuple[Any, bytes]:
        found = self._bucket.get(self._key)
        return found.meta, bytes(found.bytes())

    def _take_over(self, seen: Seen) -> bool:
        if not is_gone(seen.holder):
            time.sleep(2 * self.heartbeat)
        self._watched = seen.version
        return self._put(seen.version)

    def _beat(self) -> None:
        with contextlib.suppress(StoreError):
            self._put(self._version)

    def _release(self) -> None:
        with contextlib.suppress(StoreError), told(self.store):
            again(self._delete_if_ours)

    def _delete_if_ours(self) -> None:
        """Look before each attempt: after one whose answer was lost, the lock may be another's already."""
        seen = self._look()
        if seen is not None and seen.holder.get("token") == self.holder["token"]:
            self._bucket.delete(self._key)
