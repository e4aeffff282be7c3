// How a pod of each engine leaves: it answers while the routers learn that it goes, then its running requests
// end, then it does.
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

// Waits until vLLM's own metrics show no request, so many times in a row. `end`, `u`, `re`, `time` are set.
std::string wait_for_requests(int64_t port, int64_t times) {
  return "idle=gone=0\n"
         "while time.time()<end and idle<" +
         std::to_string(times) +
         " and gone<5:\n"
         " try:\n"
         "  text=u.urlopen('http://127.0.0.1:" +
         std::to_string(port) +
         "/metrics',timeout=8).read().decode()\n"
         "  left=re.findall(r'^vllm:num_requests_(?:running|waiting)(?:\\{.*\\})? (\\S+)$',text,re.M)\n"
         "  idle=0 if sum(map(float,left)) else idle+1\n"
         "  gone=0\n"
         " except Exception: gone+=1\n"
         " time.sleep(2)\n";
}

// Waits until the leader takes no more connections, three times in a row.
std::string wait_for_leader(int64_t port) {
  return "gone=0\n"
         "while time.time()<end and gone<3:\n"
         " try:\n"
         "  socket.create_connection((os.environ['LWS_LEADER_ADDRESS']," +
         std::to_string(port) +
         "),8).close()\n"
         "  gone=0\n"
         " except OSError: gone+=1\n"
         " time.sleep(2)\n";
}

std::string indented(std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    const size_t end = lines.find('\n') + 1;
    out += " " + std::string(lines.substr(0, end));
    lines.remove_prefix(end);
  }
  return out;
}

std::string shutdown_script(const RenderContext& c, const RoleContext& role) {
  const int64_t delay = c.spec.timing.endpoint_delay, drained = delay + c.time.longest_request;
  // A worker outlives its leader's drain and still ends within the grace period.
  const int64_t worker_end = drained + c.spec.timing.margin / 2;
  std::string out = role.is_group() ? "import os,re,socket,time,urllib.request as u\n"
                                    : "import re,time,urllib.request as u\n";
  const bool leader_waits = !drains_at_sigterm(c, role);
  std::string leader;
  if (leader_waits) leader = "end=time.time()+" + std::to_string(drained) + "\n";
  leader += "time.sleep(" + std::to_string(delay) + ")\n";
  // What prefill has done is no longer a request of its own while decode still reads its KV cache.
  constexpr int64_t kOnce = 2, kUntilRead = 10;
  if (leader_waits)
    leader += wait_for_requests(engine_port(c, role), role.kind == RoleKind::kPrefill ? kUntilRead : kOnce);
  if (!role.is_group()) return out + leader;
  std::string rank(rank_variable(c));
  rank = c.engine == EngineKind::kVllm ? "NODE_RANK" : rank.substr(2, rank.size() - 3);
  std::string worker =
      "end=time.time()+" + std::to_string(worker_end) + "\n" + wait_for_leader(engine_port(c, role));
  // A worker of SGLang is the container's first process and handles SIGQUIT alone: SIGTERM would pass it by.
  if (c.engine == EngineKind::kSglang) worker += "os.kill(1,3)\n";
  return out + "if os.environ['" + rank + "']=='0':\n" + indented(leader) + "else:\n" + indented(worker);
}

}  // namespace

bool drains_at_sigterm(const RenderContext& c, const RoleContext& role) {
  // vLLM has --shutdown-timeout from 0.18 (vllm#34730, vllm#36666), for the requests of one host, and not for
  // KV caches that decode has still to read; without it SIGTERM ends every request at once. hadal, SGLang
  // (its tokenizer manager waits) and trtllm-serve (uvicorn waits) finish what runs.
  if (c.engine != EngineKind::kVllm) return true;
  return !role.is_group() && role.kind != RoleKind::kPrefill && engine_at_least(c, "0.18", false);
}

Json stop_after_delay(const RenderContext& c) {
  const int64_t delay = c.spec.timing.endpoint_delay;
  // KServe merges its own template under ours: it has an exec there, and two handlers are an error.
  if (version_at_least(c.spec.versions.kubernetes, "1.30") && !c.llm_service)
    return obj({{"sleep", obj({{"seconds", delay}})}});
  return obj({{"exec", obj({{"command", arr({"sleep", std::to_string(delay)})}})}});
}

void add_shutdown(const RenderContext& c, const RoleContext& role, Json& container) {
  const bool dynamo = c.profile == ProfileKind::kDynamo;
  const bool python = c.engine == EngineKind::kSglang || c.engine == EngineKind::kVllm;
  Json stop = stop_after_delay(c);
  std::string words = "The pod still answers while the routers learn that it goes; SIGTERM then drains it.";
  if (!dynamo && python && (role.is_group() || !drains_at_sigterm(c, role))) {
    stop = obj({{"exec", obj({{"command", arr({"python3", "-c", shutdown_script(c, role)})}})}});
    words = "The pod still answers while the routers learn that it goes; ";
    words += drains_at_sigterm(c, role) ? "SIGTERM then drains the leader."
                                        : "then its requests end, before SIGTERM, which would cut them off.";
    if (role.is_group()) words += " A worker computes for the leader's requests until the leader is gone.";
  }
  put_why(container, "lifecycle", obj({{"preStop", std::move(stop)}}), words);
}

}  // namespace hadal
