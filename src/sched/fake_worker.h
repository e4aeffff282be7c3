// FakeWorker: runs StepPlans without a model, for tests and benchmarks of everything above the runtime.
//
// It keeps a fake KV memory: a cell per token position of every block, holding token, position and the hash
// of all tokens up to it. Before it uses a row's blocks it reads the row's whole history back from them and
// compares; so a wrong block id, a wrong position, a block overwritten while somebody still needs it, or a
// cached block of another prompt aborts. The next token is a hash of the history that the blocks hold, so a
// sequence's answer depends on its prompt, seed and nothing else: fake_answer() computes it without any
// blocks. Not thread-safe; one thread at a time.
#pragma once

#include <unordered_map>
#include <vector>

#include "sched/request.h"
#include "step/step_plan.h"
#include "step/step_result.h"

namespace hadal {

// The output that FakeWorker gives for this prompt: ends at an end or stop token, max_tokens or max_len
// tokens in all.
std::vector<int32_t> fake_answer(const std::vector<int32_t>& prompt, const SamplingParams& sampling,
                                 int32_t vocab_size, int64_t max_len);
// The log-probability that FakeWorker reports for prompt[index], index >= 1.
float fake_prompt_logprob(const std::vector<int32_t>& prompt, int32_t index);

class FakeWorker {
 public:
  struct Options {
    int32_t num_domains = 1;
    int32_t num_blocks = 0;  // per domain
    int32_t block_size = 32;
    int32_t num_slots = 0;
    int32_t vocab_size = 1000;
    int32_t max_step_tokens = 1 << 30;  // aborts on a plan over these
    int32_t max_step_samples = 1 << 30;
    bool verify_all = true;  // false: only the last cell of each history is compared (benchmarks)
  };
  explicit FakeWorker(const Options& options);

  // Plans come in step order.
  StepResult run(const StepPlan& plan);

  int64_t num_tokens_run() const { return num_tokens_run_; }

 private:
  struct Cell {
    int32_t token = -1;
    int32_t position = -1;
    uint64_t hash = 0;
  };
  struct Writer {
    uint64_t step_id = 0;
    uint64_t sequence_id = 0;
  };
  struct Slot {
    bool used = false;
    SlotStart start;
    int64_t pooled_sum = 0;  // of token ids, for embeddings
    int32_t pooled_count = 0;
  };

  void start_slots(const StepPlan& plan);
  void check_budget(const DomainPlan& plan) const;
  void mark_writers(const StepPlan& plan, size_t domain);
  void run_row(const StepPlan& plan, size_t domain, const PlanRow& row, StepResult& result);
  uint64_t read_history(const StepPlan& plan, size_t domain, const PlanRow& row);
  int32_t row_token(const DomainPlan& plan, const PlanRow& row, int32_t i) const;
  Cell& cell(const DomainPlan& plan, size_t domain, const PlanRow& row, int32_t position);
  void add_prompt_logprob(const DomainPlan& plan, const PlanRow& row, int32_t i, uint64_t hash,
                          PromptLogprobs& part);
  void pool(Slot& slot, const PlanRow& row, uint64_t hash, StepResult& result);

  const Options options_;
  std::vector<std::vector<Cell>> cells_;      // [num_domains][num_blocks * block_size]
  std::vector<std::vector<Writer>> writers_;  // [num_domains][num_blocks]: who wrote last
  std::vector<Slot> slots_;
  std::vector<int32_t> last_samples_;
  uint64_t last_step_id_ = 0;
  int64_t num_tokens_run_ = 0;
};

}  // namespace hadal
