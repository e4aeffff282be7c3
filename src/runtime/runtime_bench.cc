// runtime_bench: tokens per second of decoding (batches of 1, 8, 32, 64) and prefill (512 tokens) of a model,
// beside the floor that memory and arithmetic set.
//   runtime_bench --model PATH [--load-format auto|dummy] [--dummy-dtype bf16] [--threads 2] [--tier T]
//   [--context 1024]
//                 [--batches 1,8,32,64] [--steps 16]
// The machine's read bandwidth and multiply-add peaks are measured first. A step's floor is the time to read
// every weight once; its GFLOP/s are those of the weights, to be held against the peak of their type.
#include <algorithm>
#include <chrono>
#include <sstream>

#include "device/stream.h"
#include "kernels/bench/machine_limits.h"
#include "runtime/tool_util.h"

namespace hadal {
namespace {

constexpr const char* kUsage =
    "runtime_bench --model PATH [--load-format auto|dummy] [--dummy-dtype NAME] [--threads N] [--tier NAME] "
    "[--context N] [--batches 1,8,32,64] [--prefill 512] [--steps N]";

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Multiply-adds per token of the weights that every token passes (experts: those chosen).
double macs_per_token(const ModelConfig& c) {
  const double h = c.hidden_size;
  double total = 0;
  for (int layer = 0; layer < c.num_hidden_layers; ++layer) {
    if (c.mla) {
      const MlaConfig& m = *c.mla;
      const double q_width = c.num_attention_heads * (m.qk_nope_head_dim + m.qk_rope_head_dim);
      total += m.q_lora_rank > 0 ? h * m.q_lora_rank + m.q_lora_rank * q_width : h * q_width;
      total += h * (m.kv_lora_rank + m.qk_rope_head_dim);
      total += double{1} * c.num_attention_heads * m.kv_lora_rank * (m.qk_nope_head_dim + m.v_head_dim);
      total += h * c.num_attention_heads * m.v_head_dim;
    } else {
      total += h * c.head_dim * (2.0 * c.num_attention_heads + 2.0 * c.num_key_value_heads);
    }
    if (c.is_moe_layer(layer)) {
      total += 3 * h * c.moe->moe_intermediate_size * (c.moe->num_experts_per_tok + c.moe->n_shared_experts);
    } else {
      total += 3 * h * c.intermediate_size;
    }
  }
  return total;
}

std::vector<int32_t> random_prompt(int length, int vocab_size, int salt) {
  std::vector<int32_t> prompt;
  uint32_t state = 12345u + static_cast<uint32_t>(salt) * 77u;
  for (int i = 0; i < length; ++i) {
    state = state * 1664525u + 1013904223u;
    prompt.push_back(static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(vocab_size)));
  }
  return prompt;
}

FeedRequest request_of(int prompt_len, int max_tokens, int vocab_size, int salt) {
  FeedRequest request;
  request.prompt = random_prompt(prompt_len, vocab_size, salt);
  request.sampling.temperature = 0;
  request.sampling.max_tokens = max_tokens;
  return request;
}

// Best step's tokens per second: neighbours on the machine slow single steps, not the program.
void bench_decode(ToolRuntime& runtime, int batch, int steps, int64_t weight_bytes,
                  const MachineLimits& machine) {
  StepFeeder feeder(runtime.limits, runtime.limits.max_tokens);
  for (int i = 0; i < batch; ++i)
    value_or_exit(feeder.add(request_of(16, steps, runtime.config.vocab_size, i)));
  std::vector<double> times;
  while (auto plan = feeder.next()) {
    const bool decode = plan->num_tokens() == batch && plan->starts.empty();
    const double began = seconds_now();
    feeder.commit(runtime.step(std::move(*plan)));
    if (decode) times.push_back(seconds_now() - began);
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  const double flops =
      2 * batch *
      (macs_per_token(runtime.config) + double{1} * runtime.config.hidden_size * runtime.config.vocab_size);
  const double floor = static_cast<double>(weight_bytes) / (machine.read_gbs * 1e9);
  std::printf(
      "decode  batch %3d  %9.1f tok/s median  %9.1f best   floor %9.1f   step %7.2f ms  %7.1f GFLOP/s\n",
      batch, batch / median, batch / times.front(), batch / floor, median * 1e3, flops / median * 1e-9);
}

void bench_prefill(ToolRuntime& runtime, int tokens) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    StepFeeder feeder(runtime.limits, tokens);
    value_or_exit(feeder.add(request_of(tokens, 1, runtime.config.vocab_size, round)));
    while (auto plan = feeder.next()) {
      const double began = seconds_now();
      feeder.commit(runtime.step(std::move(*plan)));
      best = std::min(best, seconds_now() - began);
    }
  }
  const double flops = 2 * tokens * macs_per_token(runtime.config);
  std::printf("prefill %5d      %9.1f tok/s best   %.1f GFLOP/s\n", tokens, tokens / best,
              flops / best * 1e-9);
}

int run(int argc, char** argv) {
  const ToolFlags flags(argc, argv,
                        {{"--model", ""},
                         {"--load-format", "auto"},
                         {"--dummy-dtype", "bf16"},
                         {"--threads", "2"},
                         {"--tier", std::string(cpu_tier_name(detect_cpu().tier))},
                         {"--context", "1024"},
                         {"--batches", "1,8,32,64"},
                         {"--prefill", "512"},
                         {"--steps", "16"}},
                        kUsage);
  std::vector<int> batches;
  std::istringstream list(flags.text("--batches"));
  for (std::string item; std::getline(list, item, ',');)
    batches.push_back(std::max(std::atoi(item.c_str()), 1));
  LocalExecutorOptions options;
  options.cpu_tier = value_or_exit(parse_cpu_tier(flags.text("--tier")));
  options.num_threads = flags.number("--threads");
  options.max_running_requests = std::max(64, *std::max_element(batches.begin(), batches.end()));
  options.max_step_tokens = std::max(flags.number("--prefill"), 16 * options.max_running_requests);
  options.context_length = flags.number("--context");
  options.max_total_tokens = options.context_length + options.max_running_requests * int64_t{256};
  OpenModelOptions open_options;
  if (flags.text("--load-format") == "dummy") open_options.format = LoadFormat::kDummy;
  open_options.dummy_dtype = dtype_named(flags.text("--dummy-dtype"));

  const MachineLimits machine = measure_limits(Stream::cpu(options.num_threads)->pool(), options.cpu_tier);
  const double began = seconds_now();
  ToolRuntime runtime(flags.text("--model"), open_options, options);
  std::printf("%s, %d threads, %s, loaded in %.2f s, resident %s\n%s\n", runtime.config.source_name.c_str(),
              options.num_threads, flags.text("--tier").c_str(), seconds_now() - began,
              format_bytes(resident_bytes()).c_str(), runtime.memory_report().c_str());
  std::printf(
      "floor: weights read once per step at %.1f GB/s; peaks f32 %.0f, bf16 %.0f GFLOP/s, int8 %.0f GOP/s\n",
      machine.read_gbs, machine.f32_gflops, machine.bf16_gflops, machine.int8_gops);
  for (const int batch : batches) {
    bench_decode(runtime, batch, flags.number("--steps"), runtime.memory_plan().weight_bytes, machine);
  }
  bench_prefill(runtime, flags.number("--prefill"));
  std::printf("resident %s\n", format_bytes(resident_bytes()).c_str());
  return 0;
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  return hadal::run(argc, argv);
}
