// Speeds that others measured and published, and what the uncalibrated model says of the same case: how far
// to trust it. `hadal plan --records` prints the table. Constants and pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/fit.h"

namespace hadal {

enum class RecordMetric { kTpotMs, kTtftMs, kOutputPerGpu, kInputPerGpu };
std::string_view record_metric_name(RecordMetric metric);  // "TPOT ms"

struct PublicRecord {
  std::string_view source;
  std::string_view model;
  std::string_view gpu;
  std::string_view weight_dtype;  // "": the checkpoint's
  std::string_view kv_dtype = "bf16";
  Layout layout;
  double isl = 0;
  double osl = 0;
  double concurrency = 0;  // of the instance; 0: as many as fit (offline)
  RecordMetric metric = RecordMetric::kTpotMs;
  double measured = 0;
};
std::span<const PublicRecord> public_records();

struct RecordCheck {
  const PublicRecord* record = nullptr;
  double predicted = 0;
  double error() const { return predicted / record->measured - 1; }
};
std::vector<RecordCheck> check_public_records();

// Memory that others saw.
struct MemoryRecord {
  std::string_view source;
  std::string_view model;
  std::string_view gpu;
  std::string_view what;  // "weights of a rank, GiB", "KV tokens"
  Layout layout;
  double static_fraction = 0;
  double measured = 0;
};
struct MemoryCheck {
  const MemoryRecord* record = nullptr;
  double predicted = 0;
  double error() const { return predicted / record->measured - 1; }
};
std::vector<MemoryCheck> check_memory_records();

// Both tables; each ends with the median of the errors' sizes.
std::string public_records_text();

}  // namespace hadal
