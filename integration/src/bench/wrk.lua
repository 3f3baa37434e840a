-- What wrk asks, and its result as one line of JSON. Arguments: none, or the number of the first module of a series
-- (`/bench.example/n7/@v/v1.0.0.mod`, then n8, ...), perhaps how many there are before it begins again, and
-- what is asked of them instead of their `.mod`, and another host of theirs. Without a count the series does not end.
local following

function init(arguments)
  local first, count = tonumber(arguments[1]), tonumber(arguments[2])
  local ending, host = arguments[3] or "mod", arguments[4] or "bench.example"
  following = first
  if following then
    request = function()
      local path = string.format("/%s/n%d/@v/v1.0.0.%s", host, following, ending)
      following = following + 1
      if count and count > 0 and following >= first + count then following = first end
      return wrk.format("GET", path)
    end
  end
end

function done(summary)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"bytes":%d,"micros":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.bytes, summary.duration,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
