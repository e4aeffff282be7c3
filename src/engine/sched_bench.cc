// sched_bench: what the engine adds to every step, with a FakeWorker in place of a model: planning,
// committing and turning tokens into text. Beside it the floor: copying the bytes of the plan. Exits 1 when
// batch 256 is over 200 us a step. Usage: sched_bench.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "engine/fake_tokenizer.h"
#include "engine/output_processor.h"
#include "sched/fake_worker.h"
#include "sched/scheduler.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

class CountingSink final : public OutputSink {
 public:
  void on_delta(OutputDelta&& delta) override { bytes += delta.content.size(); }
  size_t bytes = 0;
};

struct Times {
  double plan = 0;
  double commit = 0;
  double output = 0;
  double floor = 0;
  double total() const { return plan + commit + output; }
};

double median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

template <typename F>
double timed_us(F&& f) {
  const auto start = Clock::now();
  f();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

SchedulerConfig bench_config(int batch, int context) {
  SchedulerConfig config;
  config.block_size = 32;
  config.num_blocks = batch * (context / 32 + 40) + 64;
  config.max_running = batch;
  config.max_step_tokens = 8192;
  config.max_step_samples = batch;
  config.context_length = 1 << 20;
  return config;
}

// Bytes that a plan of this size holds, copied once: nothing that makes a plan can be faster.
double floor_us(const StepPlan& plan) {
  const DomainPlan& d = plan.domains[0];
  return timed_us([&] {
    const std::vector<PlanRow> rows = d.rows;
    const std::vector<int32_t> ids = d.block_ids;
    if (rows.size() + ids.size() == 1) std::printf("!");
  });
}

// Decoding steps of `batch` sequences with prompts of `context` tokens, two steps in flight.
Times bench_decode(int batch, int context, int steps) {
  const SchedulerConfig config = bench_config(batch, context);
  Scheduler scheduler(config);
  FakeWorker worker({1, config.num_blocks, 32, batch, 128000, 1 << 30, 1 << 30, false});
  MetricsRegistry registry;
  EngineMetrics metrics(registry);
  OutputProcessor outputs(
      metrics, [](RequestId) {}, [](RequestId) {});
  const auto tokenizer = std::make_shared<FakeTokenizer>(128000);
  const auto sink = std::make_shared<CountingSink>();
  for (int i = 0; i < batch; ++i) {
    GenerateRequest generate;
    std::vector<int32_t> prompt(static_cast<size_t>(context), 300 + i);
    generate.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::move(prompt));
    generate.stop = {"never to be seen"};
    generate.reasoning = ReasoningKind::kDeepseekR1;
    Request request;
    request.id = static_cast<uint64_t>(i) + 1;
    request.prompt_ids = generate.prompt_ids;
    request.sampling.end_ids = {128001, 128002, 128003};  // looked for, never sampled
    OutputBatch opened;
    opened.opened.push_back(
        std::make_unique<RequestOutput>(request.id, generate, Clock::now(), tokenizer, sink));
    outputs.process(std::move(opened));
    const int64_t room = int64_t{config.num_blocks} * 32 - context - 1;
    request.sampling.max_tokens = static_cast<int32_t>(std::min<int64_t>(room, 1 << 18));
    if (!scheduler.submit(std::move(request)).ok()) std::printf("refused\n");
  }
  std::vector<double> plan_us, commit_us, output_us, floors;
  std::vector<StepResult> results;
  std::vector<TokenEvent> events;
  for (int step = 0; static_cast<int>(plan_us.size()) < steps; ++step) {
    std::shared_ptr<const StepPlan> plan;
    const double planning = timed_us([&] { plan = scheduler.plan(Clock::now()); });
    if (plan != nullptr) results.push_back(worker.run(*plan));
    if (plan != nullptr && results.size() < 2) continue;
    StepResult result = std::move(results.front());
    results.erase(results.begin());
    const double committing = timed_us([&] { scheduler.commit(std::move(result)); });
    const double handing_out = timed_us([&] {
      scheduler.take_events(events);
      OutputBatch out;
      out.events = std::move(events);
      outputs.process(std::move(out));
    });
    const bool full = plan != nullptr && plan->domains[0].rows.size() == static_cast<size_t>(batch) &&
                      plan->num_tokens() == batch;
    if (!full || step < 50) continue;
    plan_us.push_back(planning);
    commit_us.push_back(committing);
    output_us.push_back(handing_out);
    floors.push_back(floor_us(*plan));
  }
  return {median(plan_us), median(commit_us), median(output_us), median(floors)};
}

Times report(int batch, int context) {
  const Times t = bench_decode(batch, context, 600);
  std::printf(
      "decode batch %4d, context %6d: plan %6.1f + commit %6.1f + output %6.1f = %6.1f us   floor %5.1f us\n",
      batch, context, t.plan, t.commit, t.output, t.total(), t.floor);
  return t;
}

}  // namespace
}  // namespace hadal

int main() {
  hadal::report(1, 1024);
  hadal::report(32, 1024);
  const double figure = hadal::report(256, 1024).total();
  hadal::report(256, 8192);
  hadal::report(1024, 1024);
  const bool ok = figure < 200;
  std::printf("engine overhead per step at batch 256: %.1f us, limit 200 us: %s\n", figure,
              ok ? "met" : "MISSED");
  return ok ? 0 : 1;
}
