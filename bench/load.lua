-- wrk's side of a round: METHOD and the length of the request body come as arguments,
-- the fields as wrk's own -H options, and the figures go out as one line of JSON.
-- With "varied" behind them every request has a query and an X-Request-ID of its own.

local function another()
  local seed = math.random(0, 0xffffff)
  local number = 0
  return function()
    number = number + 1
    wrk.headers["X-Request-ID"] = string.format("%06x%08x", seed, number)
    return wrk.format(nil, string.format("%s?n=%d", wrk.path, number))
  end
end

function init(args)
  if args[3] == "varied" then
    request = another()
  end
  wrk.method = args[1]
  local length = tonumber(args[2])
  if length > 0 then
    wrk.body = string.rep("x", length)
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "bytes": %d, "microseconds": %d, "p50": %.1f, "p99": %.1f, '
      .. '"max": %.1f, "connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}\n',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
