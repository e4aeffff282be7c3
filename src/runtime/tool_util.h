// What the runtime's developer programs (model_probe, runtime_bench) share: flags and a loaded executor that
// runs a StepFeeder to its end. Main thread of those programs.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/closable_queue.h"
#include "runtime/local_executor.h"
#include "runtime/step_feeder.h"

namespace hadal {

// "--name value" pairs. Unknown names and missing values end the program with `usage`.
class ToolFlags {
 public:
  ToolFlags(int argc, char** argv, std::map<std::string, std::string> defaults, const char* usage)
      : values_(std::move(defaults)) {
    for (int i = 1; i < argc; i += 2) {
      const std::string name = argv[i];
      if (i + 1 >= argc || values_.find(name) == values_.end()) {
        std::fprintf(stderr, "%s\n", usage);
        std::exit(2);
      }
      values_[name] = argv[i + 1];
    }
  }
  const std::string& text(const std::string& name) const { return values_.at(name); }
  int number(const std::string& name) const { return std::atoi(values_.at(name).c_str()); }

 private:
  std::map<std::string, std::string> values_;
};

inline DType dtype_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(DType::kQ6_K); ++i) {
    if (dtype_name(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  }
  std::fprintf(stderr, "unknown dtype %s\n", name.c_str());
  std::exit(2);
}

template <typename T>
T value_or_exit(Result<T> result) {
  if (result.ok()) return std::move(result).value();
  std::fprintf(stderr, "error: %s\n", result.error().message.c_str());
  std::exit(1);
}

inline int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long long total = 0;
  long long resident = 0;
  if (file != nullptr) {
    if (std::fscanf(file, "%lld %lld", &total, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<int64_t>(resident) * 4096;
}

class ToolRuntime {
 public:
  ToolRuntime(const std::string& path, const OpenModelOptions& open_options,
              const LocalExecutorOptions& options)
      : results_(64) {
    OpenedModel opened = value_or_exit(open_model(path, open_options));
    config = opened.config;
    std::vector<std::unique_ptr<Communicator>> comms;
    comms.push_back(make_single_communicator());
    executor_ = value_or_exit(LocalExecutor::make(config, *opened.source, options, std::move(comms)));
    const ExecutorLimits& l = executor_->limits();
    limits.max_slots = l.max_slots;
    limits.max_tokens = l.max_step_tokens;
    limits.max_samples = l.max_step_samples;
    limits.context_length = l.context_length;
    limits.num_blocks = l.num_blocks;
    limits.block_size = l.block_size;
    limits.vocab_size = l.vocab_size;
    executor_->start([this](Result<StepResult> result) { results_.push(std::move(result)); });
  }

  const MemoryPlan& memory_plan() const { return executor_->memory_plan(); }
  const std::string& memory_report() const { return executor_->memory_report(); }

  // One step and its result.
  StepResult step(StepPlan plan) {
    executor_->submit(std::make_shared<const StepPlan>(std::move(plan)));
    return value_or_exit(std::move(*results_.pop()));
  }

  ModelConfig config;
  StepLimits limits;

 private:
  ClosableQueue<Result<StepResult>> results_;
  std::unique_ptr<LocalExecutor> executor_;  // stops before the queue goes
};

}  // namespace hadal
