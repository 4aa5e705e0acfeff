"""The snapshot in Redis (L1), which warm functions read: a projection of the table, written from its stream.

    {offers}:states           hash: provider -> state as JSON
    {offers}:part:<provider>  hash: bucket -> 8 bytes of version, then the listing

Both are written by one script that never replaces newer by older, so that a batch delivered twice, or late, changes
nothing. A reader compares the versions it finds with those that the state names: a part that is just being replaced
is read again later, never half. Keys live STATIC_TTL_S past the last renewal, then the table is the only truth.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from gpubroker.offers.parts import Stored
from gpubroker.offers.state import STATIC_TTL_S, PartState

if TYPE_CHECKING:
    from redis import Redis

STATES = "{offers}:states"
_PART = "{offers}:part:"
_VERSION_BYTES = 8

PUBLISH = """\
local beat, kept = tonumber(ARGV[3]), tonumber(ARGV[5])
for i = 6, #ARGV, 2 do
  local had = redis.call('HGET', KEYS[2], ARGV[i])
  if not had or string.sub(had, 1, 8) < string.sub(ARGV[i + 1], 1, 8) then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
if ARGV[2] ~= '' then
  local known = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0')
  if beat >= known then
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    local version, live = string.sub(ARGV[4], 1, 8), string.sub(ARGV[4], 9)
    for _, bucket in ipairs(redis.call('HKEYS', KEYS[2])) do
      if not string.find(live, bucket, 1, true)
          and string.sub(redis.call('HGET', KEYS[2], bucket), 1, 8) <= version then
        redis.call('HDEL', KEYS[2], bucket)
      end
    end
  end
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], kept) end
return 1
"""
"""KEYS: states, part, beats. ARGV: provider, state or '', its beat, its version and the names of its buckets,
milliseconds to live, then bucket names and values. Bucket names are one character, so `live` is a string of them."""

_BEATS = "{offers}:beats"


def publish(
    client: "Redis",
    provider: str,
    state: PartState | None,
    buckets: Mapping[str, Stored],
    *,
    ttl_s: float = STATIC_TTL_S,
) -> None:
    """Bring buckets and then a state (either may be missing) to Redis. Raises redis.RedisError."""
    arguments: list[bytes | str | int] = [provider, b"", 0, b"", round(ttl_s * 1000)]
    if state is not None:
        arguments[1:4] = [state.to_json(), state.beat, _version(state.version) + "".join(state.buckets).encode()]
    for bucket, stored in buckets.items():
        arguments += [bucket, _version(stored.version) + stored.listing]
    client.eval(PUBLISH, 3, STATES, _PART + provider, _BEATS, *arguments)


def forget(client: "Redis", provider: str) -> None:
    """Remove the copy of a part whose provider is no longer ours. Raises redis.RedisError."""
    pipeline = client.pipeline(transaction=True)
    pipeline.hdel(STATES, provider)
    pipeline.hdel(_BEATS, provider)
    pipeline.delete(_PART + provider)
    pipeline.execute()


def states_of(client: "Redis") -> dict[str, bytes]:
    """Every provider's state as JSON, in one call. Raises redis.RedisError."""
    found = cast("dict[bytes, bytes]", client.hgetall(STATES))
    return {provider.decode(): state for provider, state in found.items()}


def listings_of(client: "Redis", wanted: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Stored]]:
    """Buckets of several providers in one round trip; those that are not there are missing. Raises RedisError."""
    names = {provider: list(buckets) for provider, buckets in wanted.items()}
    pipeline = client.pipeline(transaction=False)
    for provider, buckets in names.items():
        pipeline.hmget(_PART + provider, buckets)
    found: dict[str, dict[str, Stored]] = {}
    for (provider, buckets), values in zip(names.items(), pipeline.execute(), strict=True):
        found[provider] = {
            bucket: Stored(int.from_bytes(value[:_VERSION_BYTES], "big"), value[_VERSION_BYTES:])
            for bucket, value in zip(buckets, values, strict=True)
            if value is not None
        }
    return found


def _version(version: int) -> bytes:
    """Eight bytes that compare as the number does."""
    return version.to_bytes(_VERSION_BYTES, "big")
