"""Zarr arrays from anywhere, read without surprises: known codecs only, and none that gives more than it should.

A chunk's metadata say how many bytes it holds, but a compressed chunk of a few bytes may unfold to terabytes. So what
it is going to be is read from its own header, or counted, before it is decompressed. Codecs that could run code, like
the one that unpickles, are not on the list.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import fields, replace
from typing import Any

import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

_STEP = 1 << 16
_PLAIN = (BytesCodec, TransposeCodec, Crc32cCodec)


class HostileChunk(ValueError):
    """A chunk that is not what its array's metadata say."""


def bounded(array: Any) -> Any:
    """The same array, whose chunks are checked before they are decompressed.

    Raises
    ------
    HostileChunk
        If it uses a codec that is not known to be harmless.
    """
    metadata = array.metadata
    if array.metadata.zarr_format == 3:
        checked = replace(metadata, codecs=tuple(map(_checked, metadata.codecs)))
    else:
        if metadata.filters:
            raise HostileChunk(f"filters are not supported (got {', '.join(f.codec_id for f in metadata.filters)})")
        size = math.prod(array.chunks) * array.dtype.itemsize
        compressor = metadata.compressor and _CheckedV2(metadata.compressor, size)
        checked = replace(metadata, compressor=compressor)
    return zarr.Array(zarr.AsyncArray(metadata=checked, store_path=array.store_path))


def _checked(codec: Any) -> Any:
    if isinstance(codec, ShardingCodec):
        return replace(codec, codecs=tuple(map(_checked, codec.codecs)))
    if type(codec) in _CHECKED:
        return _CHECKED[type(codec)](
            **{field.name: getattr(codec, field.name) for field in fields(codec) if field.init}
        )
    if type(codec) not in _PLAIN:
        raise HostileChunk(f"codec {type(codec).__name__} is not supported (wanted none, blosc, zstd or gzip)")
    return codec


class _Checked:
    """Before a codec of Zarr: checks what comes out before it is made."""

    kind = ""

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        size = math.prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        check(self.kind, chunk_bytes.to_bytes(), size)
        return super()._decode_sync(chunk_bytes, chunk_spec)  # type: ignore[misc]


class _Blosc(_Checked, BloscCodec):
    kind = "blosc"


class _Zstd(_Checked, ZstdCodec):
    kind = "zstd"


class _Gzip(_Checked, GzipCodec):
    kind = "gzip"


_CHECKED: dict[type, Any] = {BloscCodec: _Blosc, ZstdCodec: _Zstd, GzipCodec: _Gzip}


class _CheckedV2:
    """Before a compressor of Zarr's format 2."""

    def __init__(self, codec: Any, size: int) -> None:
        if codec.codec_id not in ("blosc", "zstd", "gzip", "zlib"):
            raise HostileChunk(f"compressor {codec.codec_id} is not supported (wanted none, blosc, zstd, gzip or zlib)")
        self._codec, self._size = codec, size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def decode(self, data: Any, out: Any = None) -> Any:
        """Decompress a chunk."""
        check(self._codec.codec_id, bytes(data), self._size)
        return self._codec.decode(data, out)


def check(kind: str, data: bytes, size: int) -> None:
    """Refuse compressed data that would become more than ``size`` bytes.

    Raises
    ------
    HostileChunk
        If they would, or do not say.
    """
    found = {"blosc": _blosc, "zstd": _zstd}[kind](data) if kind in ("blosc", "zstd") else _zlib(data, size)
    if found is None or found > size:
        raise HostileChunk(f"a {kind} chunk does not hold what it should (wanted {size} bytes; got {found or '?'})")


def _blosc(data: bytes) -> int | None:
    return int.from_bytes(data[4:8], "little") if len(data) >= 16 else None


def _zstd(data: bytes) -> int | None:
    """The size that a frame's header gives (RFC 8878, 3.1.1.1)."""
    if len(data) < 6 or data[:4] != b"\x28\xb5\x2f\xfd":
        return None
    descriptor = data[4]
    single_segment, field = descriptor >> 5 & 1, descriptor >> 6
    length = (single_segment, 2, 4, 8)[field]
    start = 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3]
    if not length or len(data) < start + length:
        return None
    return int.from_bytes(data[start : start + length], "little") + (256 if length == 2 else 0)


def _zlib(data: bytes, size: int) -> int:
    """Count, in steps, what comes out of gzip or zlib, and stop when it is too much."""
    total = 0
    while data and total <= size:
        stream = zlib.decompressobj(wbits=47)
        while not stream.eof and total <= size:
            part = stream.decompress(data, _STEP)
            if not part and not stream.unconsumed_tail:
                return total  # it is cut off: the codec will say so
            total, data = total + len(part), stream.unconsumed_tail
        data = stream.unused_data
    return total
