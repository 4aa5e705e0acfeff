"""The sliding window that processes share: one script in Redis for each decision, by Redis' clock (R4.3, R4.6).

`resilience.sliding_window` is the same rule in one process.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from typing import TYPE_CHECKING, NamedTuple

from gpubroker.resilience.sliding_window import MICROSECONDS

if TYPE_CHECKING:
    from redis import Redis

WINDOW_S = 1

TAKE = """\
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local key, process = KEYS[1], 'L' .. ARGV[1]
local limit, window, grain = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local extra, share, lease = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local unspent_of, unspent = ARGV[8], tonumber(ARGV[9])
local held = grain - 1 + window
local used, leased, slots = 0, 0, {}
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  local field, value = all[i], all[i + 1]
  if string.sub(field, 1, 1) == 'L' then
    local till, permits = string.match(value, '(%d+):(%d+)')
    till = tonumber(till)
    if field == process or till <= now or till > now + 2 * lease then
      redis.call('HDEL', key, field)
    else
      leased = leased + permits
    end
  else
    local at, permits = tonumber(field), tonumber(value)
    if field == unspent_of and unspent > 0 then
      permits = math.max(0, permits - unspent)
      redis.call('HSET', key, field, permits)
    end
    if permits == 0 or at + held <= now or at > now + window then
      redis.call('HDEL', key, field)
    else
      used = used + permits
      slots[#slots + 1] = {at, permits}
    end
  end
end
table.sort(slots, function(a, b) return a[1] < b[1] end)
if used >= limit then
  local freed, i = 0, 0
  repeat
    i = i + 1
    freed = freed + slots[i][2]
  until used - freed < limit
  return {0, 0, slots[i][1] + held - now, ''}
end
extra = math.max(0, math.min(extra, share - leased, limit - used - 1))
local slot = string.format('%.0f', now - now % grain)
redis.call('HINCRBY', key, slot, 1 + extra)
if extra > 0 then
  redis.call('HSET', key, process, string.format('%.0f:%d', now + lease, extra))
end
redis.call('PEXPIRE', key, math.ceil((held + lease) / 1000) + 1)
local oldest = slots[1] and slots[1][1] or tonumber(slot)
return {1 + extra, limit - used - 1 - extra, oldest + held - now, slot}
"""
"""One decision, one key. The hash holds a field for each slot of time (its start in microseconds: permits charged
then) and one for each process with a lease (`L<process>`: when it ends, permits). Whatever stands outside the window,
be it in the future because a clock was set back, is dropped. Redis 6.2 and Valkey run it alike.

KEYS: the bucket. ARGV: process, limit, window, grain, extra permits wished for, extra permits that may be out at once,
length of a lease, slot of the permits that were not spent, how many those are (times in microseconds).
Answers {permits granted, left for others, microseconds until the oldest leaves or, refused, until one is free, slot}.
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """One plan's limit.

    limit     requests in any second
    lease_s   how long a process may keep permits, in seconds; 0 counts every request in Redis, exactly
    share     the part of `limit` that may be leased and unspent at once, over all processes
    grain_us  length of the slots that permits are counted by, in microseconds; each counts until the end of its slot
    """

    limit: int
    lease_s: float = 0.0
    share: float = 0.0
    grain_us: int = 1

    @property
    def most_leased(self) -> int:
        return int(self.limit * self.share)


class Granted(NamedTuple):
    """What Redis decided.

    permits    how many were granted: none, the one that is needed now, or that one and a lease
    remaining  permits left for others
    wait_s     seconds until the oldest permit leaves the window or, refused, until one is free
    slot       where they were charged, for giving some back
    """

    permits: int
    remaining: int
    wait_s: float
    slot: bytes


def take(
    client: "Redis", bucket: str, policy: Policy, *, process: str, wish: int = 0, slot: bytes = b"", unspent: int = 0
) -> Granted:
    """One permit and up to `wish` more to keep for `policy.lease_s`; `unspent` ones of `slot` are given back first.

    The script goes by its hash, and as a text when Redis does not know it (restarted, failed over, flushed).
    Raises redis.RedisError.
    """
    from redis.exceptions import NoScriptError

    arguments = (
        f"rate:{bucket}",
        process,
        policy.limit,
        WINDOW_S * MICROSECONDS,
        policy.grain_us,
        min(wish, policy.most_leased),
        policy.most_leased,
        round(policy.lease_s * MICROSECONDS),
        slot,
        unspent,
    )
    try:
        answer = client.evalsha(_hash(), 1, *arguments)
    except NoScriptError:
        answer = client.eval(TAKE, 1, *arguments)
    permits, remaining, wait_us, slot = answer
    return Granted(permits, remaining, wait_us / MICROSECONDS, slot)


@cache
def _hash() -> str:
    return sha1(TAKE.encode(), usedforsecurity=False).hexdigest()
