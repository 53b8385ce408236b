-- Load for benchmarks/ingest.py: every request is a new event, followed by a fixed tail of events.
-- Arguments: API key, run name, file of the tail, lines of the tail.
local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  local file = io.open(args[3])
  tail = file:read("*a")
  file:close()
  run = args[2]
  count = 0
  headers = {["Authorization"] = "Bearer " .. args[1], ["Content-Type"] = "application/x-ndjson"}
end

function request()
  count = count + 1
  local event = string.format('{"time":"2026-10-12T09:31:54.123+08:00","id":"%s-%d-%d","action":"query","outcome":"success",'
    .. '"source":{"ip":"10.12.7.33","port":50123},"user":{"id":"u10293","roles":["clerk"]},"consumer":{"org":"11371200LWEX0003XY",'
    .. '"system":"permit-desk"},"interface":{"id":"pop-query"},"resource":{"code":["101001/000001"]},"fields":["name","address"],'
    .. '"rows":1,"bytes":1834,"agreement":{"id":"AG-2026-0012"},"purpose":"licence-review","matter":"370100-0123",'
    .. '"subject":{"type":"person","count":1},"duration_ms":12.5,"http":{"status":200}}\n', run, number, count)
  return wrk.format("POST", "/ingest/v1/events", headers, event .. tail)
end

function done(summary, latency, requests)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  print(string.format("RESULT %d %d %.3f %.3f %d", summary.requests, summary.duration, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, errors))
end
