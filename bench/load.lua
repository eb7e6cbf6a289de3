-- wrk's side of a round: METHOD and the length of the request body come as arguments,
-- the fields as wrk's own -H options, and the figures go out as one line of JSON.

function init(args)
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
