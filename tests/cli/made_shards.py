"""Writes the shards of a channel (CEP 16) from its repodata.json. Shares nothing with envtool.

As a program: made_shards.py CHANNEL_FOLDER [SUBDIR ...]
"""
import collections
import ctypes
import hashlib
import json
import pathlib
import struct
import sys


def encode(value) -> bytes:
    """A value as MessagePack. `Raw` goes in as it is."""
    parts = []
    _encode(value, parts)
    return b"".join(parts)


class Raw(bytes):
    """Bytes that are MessagePack already."""


def _head(size, parts, small, limit, *wider):
    """The length of something: in its first byte, or behind it with 1, 2 or 4 bytes."""
    if small is not None and size < limit:
        return parts.append(bytes([small | size]))
    for code, form, largest in wider:
        if size <= largest:
            return parts.append(struct.pack(form, code, size))
    raise ValueError("too long")


def _encode(value, parts):
    if isinstance(value, Raw):
        parts.append(bytes(value))
    elif value is None:
        parts.append(b"\xc0")
    elif isinstance(value, bool):
        parts.append(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int):
        if 0 <= value < 128:
            parts.append(bytes([value]))
        elif value >= 0:
            form = ">BB" if value < 1 << 8 else ">BH" if value < 1 << 16 else ">BI" if value < 1 << 32 else ">BQ"
            parts.append(struct.pack(form, 0xcc + ("BHIQ".index(form[2])), value))
        elif value >= -32:
            parts.append(struct.pack("b", value))
        else:
            parts.append(struct.pack(">Bq", 0xd3, value))
    elif isinstance(value, float):
        parts.append(struct.pack(">Bd", 0xcb, value))
    elif isinstance(value, str):
        raw = value.encode()
        _head(len(raw), parts, 0xa0, 32, (0xd9, ">BB", 255), (0xda, ">BH", 65535), (0xdb, ">BI", 2**32 - 1))
        parts.append(raw)
    elif isinstance(value, bytes):
        _head(len(value), parts, None, 0, (0xc4, ">BB", 255), (0xc5, ">BH", 65535), (0xc6, ">BI", 2**32 - 1))
        parts.append(value)
    elif isinstance(value, (list, tuple)):
        _head(len(value), parts, 0x90, 16, (0xdc, ">BH", 65535), (0xdd, ">BI", 2**32 - 1))
        for item in value:
            _encode(item, parts)
    elif isinstance(value, dict):
        _head(len(value), parts, 0x80, 16, (0xde, ">BH", 65535), (0xdf, ">BI", 2**32 - 1))
        for key, item in value.items():
            _encode(key, parts)
            _encode(item, parts)
    else:
        raise TypeError(type(value))


_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_compressBound.restype = _zstd.ZSTD_compress.restype = ctypes.c_size_t
_zstd.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
_zstd.ZSTD_compress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]


def compress(raw: bytes, level=3) -> bytes:
    """One frame of zstd."""
    room = _zstd.ZSTD_compressBound(len(raw))
    buffer = ctypes.create_string_buffer(room)
    size = _zstd.ZSTD_compress(buffer, room, raw, len(raw), level)
    return buffer.raw[:size]


def pack(document) -> bytes:
    """A document as shards and their index are served."""
    return compress(encode(document))


def with_binary_digests(record: dict) -> dict:
    return {key: bytes.fromhex(value) if key in ("md5", "sha256") and value else value for key, value in record.items()}


def split(document: dict) -> dict:
    """The shards of a repodata document by package name."""
    shards = collections.defaultdict(lambda: {"packages": {}, "packages.conda": {}, "removed": []})
    for table in ("packages", "packages.conda"):
        for file_name, record in document.get(table, {}).items():
            shards[record["name"]][table][file_name] = with_binary_digests(record)
    for extension, records in document.get("v3", {}).items():
        for stem, record in records.items():
            shards[record["name"]].setdefault("v3", {}).setdefault(extension, {})[stem] = with_binary_digests(record)
    for file_name in document.get("removed", []):
        name = file_name.rsplit("-", 2)[0]
        if name in shards:
            shards[name]["removed"].append(file_name)
    return dict(shards)


def write_served(folder, shards: dict, info=None, shards_folder=None, **more):
    """Writes the index and the shards (name to document, or to bytes as they are) of one subdir."""
    folder = pathlib.Path(folder)
    info = {"subdir": folder.name, "base_url": "", "shards_base_url": "./shards/", **(info or {})}
    target = pathlib.Path(shards_folder) if shards_folder else folder / "shards"
    target.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name, shard in shards.items():
        served = shard if isinstance(shard, bytes) else pack(shard)
        digest = hashlib.sha256(served)
        (target / f"{digest.hexdigest()}.msgpack.zst").write_bytes(served)
        digests[name] = digest.digest()
    (folder / "repodata_shards.msgpack.zst").write_bytes(pack({"version": 1, "info": info, "shards": digests, **more}))
    return digests


def write_shards(channel, subdirs=None, info=None):
    """Writes the shards of the subdirs (all that have a repodata.json) beside it."""
    for path in sorted(pathlib.Path(channel).glob("*/repodata.json")):
        if subdirs and path.parent.name not in subdirs:
            continue
        document = json.loads(path.read_text())
        said = {key: value for key, value in document.get("info", {}).items() if key in ("base_url", "channel_relations")}
        write_served(path.parent, split(document), {**said, **(info or {})})


if __name__ == "__main__":
    write_shards(sys.argv[1], sys.argv[2:])
