//! What is done at Redis in one step, in its own words.
//!
//! Time is Redis' own: the clocks of the nodes need not agree. Keys: `tollgate:limit:<limit>` for a bucket,
//! `tollgate:open:<limit>` for open requests, `tollgate:resting` for deployments that are set aside.

/// A bucket: the share `u` of the limit that was in use at the time `a`, in seconds. A share, not tokens: while a
/// configuration is rolled out, two nodes may have two limits. It drains by one a minute.
///
/// Arguments: tokens to take (negative to give back), the limit, the share in use where Redis knows nothing yet, and the share
/// that must be free (zero to take in any case). Answers whether it was taken, and the share that is in use then.
pub(super) const BUCKET: &str = r"
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local had = redis.call('HMGET', KEYS[1], 'u', 'a')
local used = tonumber(ARGV[3])
if had[1] then
  used = math.max(0, had[1] - math.max(0, now - had[2]) / 60)
end
local needed = tonumber(ARGV[4])
if needed > 0 and used + needed > 1.000000001 then
  return {0, string.format('%.17g', used)}
end
used = math.min(1440, math.max(0, used + ARGV[1] / ARGV[2]))
redis.call('HSET', KEYS[1], 'u', string.format('%.17g', used), 'a', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((used + 1) * 60000))
return {1, string.format('%.17g', used)}
";

/// Open requests: for each node how many, and when it said so. Who was not heard of for five seconds is gone.
///
/// Arguments: the node, and how many are open there. Answers how many are open elsewhere.
pub(super) const PLACES: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local elsewhere = 0
for i = 1, #all, 2 do
  local open, at = string.match(all[i + 1], '^(%d+):(%d+)$')
  if all[i] ~= ARGV[1] and open then
    if now - at > 5000 then
      redis.call('HDEL', KEYS[1], all[i])
    else
      elsewhere = elsewhere + open
    end
  end
end
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], 10000)
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return elsewhere
";

/// Deployments that are set aside: until when, by Redis' clock.
///
/// Arguments: pairs of a deployment's id and for how many milliseconds it rests; the longer time wins. Answers such pairs for
/// all that rest.
pub(super) const RESTING: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #ARGV, 2 do
  local ends = now + ARGV[i + 1]
  local had = redis.call('HGET', KEYS[1], ARGV[i])
  if not had or tonumber(had) < ends then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', ends))
  end
end
local all = redis.call('HGETALL', KEYS[1])
local resting = {}
for i = 1, #all, 2 do
  local left = all[i + 1] - now
  if left > 0 then
    resting[#resting + 1] = all[i]
    resting[#resting + 1] = string.format('%.0f', left)
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
redis.call('PEXPIRE', KEYS[1], 7200000)
return resting
";
