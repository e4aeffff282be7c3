// model_probe: token ids in, greedy token ids and the best candidates' log-probabilities out, as JSON: for
// comparing hadal with other engines (tools/compare_llamacpp.py) without tokenizers in between.
//   model_probe --model PATH [--max-tokens 32] [--top 2] [--threads 2] [--chunk 512] [--tier T] [--kv f16] <
//   prompts.json
// stdin: [[1, 2, 3], [4, 5]]: prompts, or forced continuations with "--max-tokens 1".
// stdout: {"model": ..., "results": [{"tokens": [...], "top": [[[id, logprob], ...], ...]}, ...]}
#include <iostream>
#include <iterator>

#include "base/json.h"
#include "runtime/tool_util.h"

namespace hadal {
namespace {

constexpr const char* kUsage =
    "model_probe --model PATH [--max-tokens N] [--top N] [--threads N] [--chunk N] [--tier NAME] [--kv "
    "DTYPE] "
    "[--context N] < prompts.json";

std::vector<std::vector<int32_t>> read_prompts() {
  const std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  const Json json = value_or_exit(parse_json(text));
  std::vector<std::vector<int32_t>> prompts;
  const auto fail = [] {
    std::fprintf(stderr, "stdin must be a JSON array of arrays of token ids\n");
    std::exit(2);
  };
  if (!json.is_array()) fail();
  for (const Json& row : json.as_array()) {
    if (!row.is_array()) fail();
    std::vector<int32_t>& prompt = prompts.emplace_back();
    for (const Json& id : row.as_array()) {
      if (!id.is_int()) fail();
      prompt.push_back(static_cast<int32_t>(id.as_int()));
    }
  }
  return prompts;
}

void write_output(JsonWriter& out, const FeedOutput& output) {
  out.begin_object().key("tokens").begin_array();
  for (const Sample& sample : output.samples) out.value(sample.token);
  out.end_array().key("top").begin_array();
  for (const Sample& sample : output.samples) {
    out.begin_array();
    for (const TopLogprob& top : sample.top) {
      out.begin_array().value(top.token).value(static_cast<double>(top.logprob)).end_array();
    }
    out.end_array();
  }
  out.end_array().end_object();
}

int run(int argc, char** argv) {
  const ToolFlags flags(argc, argv,
                        {{"--model", ""},
                         {"--max-tokens", "32"},
                         {"--top", "2"},
                         {"--threads", "2"},
                         {"--chunk", "512"},
                         {"--tier", std::string(cpu_tier_name(detect_cpu().tier))},
                         {"--kv", "f16"},
                         {"--context", "2048"}},
                        kUsage);
  LocalExecutorOptions options;
  options.kv_dtype = dtype_named(flags.text("--kv"));
  options.cpu_tier = value_or_exit(parse_cpu_tier(flags.text("--tier")));
  options.num_threads = flags.number("--threads");
  options.max_running_requests = 1;
  options.max_step_tokens = flags.number("--chunk");
  options.context_length = flags.number("--context");
  ToolRuntime runtime(flags.text("--model"), {}, options);
  std::fprintf(stderr, "%s\n", runtime.memory_report().c_str());
  std::string text;
  JsonWriter out(text);
  out.begin_object().member("model", flags.text("--model")).key("results").begin_array();
  for (const auto& prompt : read_prompts()) {
    StepFeeder feeder(runtime.limits, options.max_step_tokens);
    FeedRequest request;
    request.prompt = prompt;
    request.sampling.temperature = 0;
    request.sampling.max_tokens = flags.number("--max-tokens");
    request.sampling.num_logprobs = flags.number("--top");
    value_or_exit(feeder.add(std::move(request)));
    while (auto plan = feeder.next()) feeder.commit(runtime.step(std::move(*plan)));
    write_output(out, feeder.output(0));
  }
  out.end_array().end_object();
  std::printf("%s\n", text.c_str());
  std::fprintf(stderr, "resident %s\n", format_bytes(resident_bytes()).c_str());
  return 0;
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  return hadal::run(argc, argv);
}
