-- Requests as MLflow's client sends them; which kind is the first argument after "--".
--   alike    the same request again and again
--   varied   each with another query and another trace context; one in a hundred is sampled
--   read     a GET of BENCH_TARGET, the same again and again
--   post     a metric to log, each with another value and length than the one before
-- At the end the counts are told in one line.

local key, kind = os.getenv("BENCH_KEY"), "alike"
local fields = {
  ["Authorization"] = os.getenv("BENCH_AUTHORIZATION") or "Bearer " .. key,
  ["User-Agent"] = "mlflow-python-client/3.17.2",
  ["X-MLflow-Client-Version"] = "3.17.2",
  ["Accept-Encoding"] = "gzip, deflate",
  ["Accept"] = "*/*",
}
local keys = { "loss", "accuracy", "learning_rate" }
local count = 0
local alike

local function varied()
  count = count + 1
  local sampled = count % 100 == 0 and "01" or "00"
  fields["traceparent"] = string.format("00-%032x-%016x-%s", count, count, sampled)
  return wrk.format("GET", "/api/2.0/mlflow/experiments/get?experiment_id=" .. count, fields)
end

local function post()
  count = count + 1
  local body = string.format(
    '{"run_id": "5f0c7c1f5bd64e1f8a3f0e0b8c9d7a11", "key": "%s", "value": %.6f, '
      .. '"timestamp": 1767225600000, "step": %d}', keys[count % #keys + 1], count * 0.001, count)
  return wrk.format("POST", "/api/2.0/mlflow/runs/log-metric", fields, body)
end

function init(arguments)
  kind = arguments[1]
  if kind == "post" then fields["Content-Type"] = "application/json" end
  local target = "/api/2.0/mlflow/experiments/get?experiment_id=1"
  if kind == "read" then target = os.getenv("BENCH_TARGET") end
  alike = wrk.format("GET", target, fields)
  if kind == "varied" then request = varied
  elseif kind == "post" then request = post
  else request = function() return alike end end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "\nRESULT %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
