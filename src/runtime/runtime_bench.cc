// runtime_bench: tokens per second of decoding (batches of 1, 8, 32, 64) and prefill (512 tokens) of a model,
// beside the floor that memory and arithmetic set.
//   runtime_bench --model PATH [--load-format auto|dummy] [--dummy-dtype bf16] [--threads 2] [--tier T]
//   [--context 1024]
//                 [--batches 1,8,32,64] [--steps 16] [--gbs 0] [--gflops 0]
// --gbs and --gflops: the machine's measured memory bandwidth and matrix throughput; 0: measured here
// (bandwidth) or left out (arithmetic).
#include <algorithm>
#include <chrono>
#include <cstring>
#include <sstream>

#include "device/stream.h"
#include "runtime/tool_util.h"

namespace hadal {
namespace {

constexpr const char* kUsage =
    "runtime_bench --model PATH [--load-format auto|dummy] [--dummy-dtype NAME] [--threads N] [--tier NAME] "
    "[--context N] [--batches 1,8,32,64] [--prefill 512] [--steps N] [--gbs X] [--gflops X]";

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Bytes per second that all threads together read from memory.
double read_bandwidth(int num_threads) {
  constexpr int64_t kBytes = int64_t{256} << 20;
  constexpr int64_t kChunk = int64_t{1} << 20;
  DeviceBuffer buffer = value_or_exit(DeviceBuffer::allocate(DeviceType::kCpu, kBytes));
  std::memset(buffer.data(), 1, kBytes);
  auto stream = Stream::cpu(num_threads);
  std::vector<uint64_t> sums(static_cast<size_t>(num_threads) * 8);
  double best = 0;
  for (int round = 0; round < 4; ++round) {
    const double began = seconds_now();
    stream->pool().parallel_for(kBytes / kChunk, 1, [&](int64_t begin, int64_t end, int thread) {
      const auto* words = reinterpret_cast<const uint64_t*>(buffer.data() + begin * kChunk);
      uint64_t lanes[8] = {};
      for (int64_t i = 0; i < (end - begin) * kChunk / 8; i += 8) {
        for (int lane = 0; lane < 8; ++lane) lanes[lane] += words[i + lane];
      }
      for (int lane = 0; lane < 8; ++lane) sums[static_cast<size_t>(thread) * 8] += lanes[lane];
    });
    best = std::max(best, kBytes / (seconds_now() - began));
  }
  return sums[0] == 42 ? 0 : best;
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

struct Machine {
  double bytes_per_second = 0;
  double flops = 0;  // 0: not known
};

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
void bench_decode(ToolRuntime& runtime, int batch, int steps, int64_t weight_bytes, const Machine& machine) {
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
  double floor = static_cast<double>(weight_bytes) / machine.bytes_per_second;
  if (machine.flops > 0) floor = std::max(floor, flops / machine.flops);
  std::printf("decode  batch %3d  %9.1f tok/s median  %9.1f best   floor %9.1f   step %7.2f ms\n", batch,
              batch / median, batch / times.front(), batch / floor, median * 1e3);
}

void bench_prefill(ToolRuntime& runtime, int tokens, const Machine& machine) {
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
  std::printf("prefill %5d      %9.1f tok/s best   %.1f GFLOP/s", tokens, tokens / best, flops / best * 1e-9);
  if (machine.flops > 0) std::printf("   floor %9.1f tok/s", tokens / (flops / machine.flops));
  std::printf("\n");
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
                         {"--steps", "16"},
                         {"--gbs", "0"},
                         {"--gflops", "0"}},
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

  Machine machine;
  machine.bytes_per_second = std::atof(flags.text("--gbs").c_str()) * 1e9;
  if (machine.bytes_per_second == 0) machine.bytes_per_second = read_bandwidth(options.num_threads);
  machine.flops = std::atof(flags.text("--gflops").c_str()) * 1e9;
  const double began = seconds_now();
  ToolRuntime runtime(flags.text("--model"), open_options, options);
  std::printf("%s, %d threads, %s, loaded in %.2f s, resident %s\n%s\n", runtime.config.source_name.c_str(),
              options.num_threads, flags.text("--tier").c_str(), seconds_now() - began,
              format_bytes(resident_bytes()).c_str(), runtime.memory_report().c_str());
  std::printf("floor: weights read once per step at %.1f GB/s\n", machine.bytes_per_second * 1e-9);
  for (const int batch : batches) {
    bench_decode(runtime, batch, flags.number("--steps"), runtime.memory_plan().weight_bytes, machine);
  }
  bench_prefill(runtime, flags.number("--prefill"), machine);
  std::printf("resident %s\n", format_bytes(resident_bytes()).c_str());
  return 0;
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  return hadal::run(argc, argv);
}
