#include "step/step_plan.h"

#include <bit>
#include <cstring>
#include <type_traits>

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are little-endian");

// "HSP" and the version of the layout below; a reader refuses any other.
constexpr uint32_t kMagic = 0x02505348;

class Writer {
 public:
  template <typename T>
  void put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out_.append(bytes, sizeof(T));
  }
  void put_count(size_t count) { put(static_cast<uint32_t>(count)); }
  void put_ids(const std::vector<int32_t>& ids) {
    put_count(ids.size());
    out_.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t));
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads past the end leave zeros and set failed(), so that callers check once per record.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool failed() const { return failed_; }
  size_t left() const { return bytes_.size(); }

  template <typename T>
  T get() {
    T value{};
    if (bytes_.size() < sizeof(T)) {
      failed_ = true;
      bytes_ = {};
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  // A flag is one byte, 0 or 1.
  bool get_flag() {
    const uint8_t value = get<uint8_t>();
    if (value > 1) failed_ = true;
    return value == 1;
  }
  // A count of records of at least `record_bytes` each; more than the bytes left could hold fails before any
  // is made.
  size_t get_count(size_t record_bytes) {
    const size_t count = get<uint32_t>();
    if (failed_ || count > bytes_.size() / record_bytes) {
      failed_ = true;
      return 0;
    }
    return count;
  }
  std::vector<int32_t> get_ids() {
    std::vector<int32_t> ids(get_count(sizeof(int32_t)));
    if (!ids.empty()) std::memcpy(ids.data(), bytes_.data(), ids.size() * sizeof(int32_t));
    bytes_.remove_prefix(ids.size() * sizeof(int32_t));
    return ids;
  }

 private:
  std::string_view bytes_;
  bool failed_ = false;
};

void write_sampling(Writer& out, const SamplingParams& p) {
  out.put(p.temperature);
  out.put(p.top_k);
  out.put(p.top_p);
  out.put(p.min_p);
  out.put(p.repetition_penalty);
  out.put(p.presence_penalty);
  out.put(p.frequency_penalty);
  out.put_count(p.logit_bias.size());
  for (const auto& [token, bias] : p.logit_bias) {
    out.put(token);
    out.put(bias);
  }
  out.put(p.seed);
  out.put(p.max_tokens);
  out.put(p.min_tokens);
  out.put(static_cast<uint8_t>(p.ignore_eos));
  out.put_ids(p.end_ids);
  out.put_ids(p.stop_token_ids);
  out.put(p.num_logprobs);
  out.put(p.num_prompt_logprobs);
}

SamplingParams read_sampling(Reader& in) {
  SamplingParams p;
  p.temperature = in.get<float>();
  p.top_k = in.get<int32_t>();
  p.top_p = in.get<float>();
  p.min_p = in.get<float>();
  p.repetition_penalty = in.get<float>();
  p.presence_penalty = in.get<float>();
  p.frequency_penalty = in.get<float>();
  p.logit_bias.resize(in.get_count(sizeof(int32_t) + sizeof(float)));
  for (auto& [token, bias] : p.logit_bias) {
    token = in.get<int32_t>();
    bias = in.get<float>();
  }
  p.seed = in.get<uint64_t>();
  p.max_tokens = in.get<int32_t>();
  p.min_tokens = in.get<int32_t>();
  p.ignore_eos = in.get_flag();
  p.end_ids = in.get_ids();
  p.stop_token_ids = in.get_ids();
  p.num_logprobs = in.get<int32_t>();
  p.num_prompt_logprobs = in.get<int32_t>();
  return p;
}

// The least bytes of one record, for get_count.
constexpr size_t kMinStartBytes = 4 + 8 + 4 + 1 + 7 * 4 + 4 + 8 + 4 + 4 + 1 + 4 + 4 + 4 + 4 + 4 + 4;
constexpr size_t kRowBytes = 8 + 8 * 4 + 1 + 4;
constexpr size_t kMinDomainBytes = 3 * 4;

void write_start(Writer& out, const SlotStart& start) {
  out.put(start.slot);
  out.put(start.sequence_id);
  out.put(start.prompt_len);
  out.put(static_cast<uint8_t>(start.pooling));
  write_sampling(out, start.sampling);
  out.put(start.prompt_set);
  out.put_count(start.output_counts.size());
  for (const auto& [token, count] : start.output_counts) {
    out.put(token);
    out.put(count);
  }
}

bool read_start(Reader& in, SlotStart& start) {
  start.slot = in.get<int32_t>();
  start.sequence_id = in.get<uint64_t>();
  start.prompt_len = in.get<int32_t>();
  const uint8_t pooling = in.get<uint8_t>();
  if (pooling > static_cast<uint8_t>(Pooling::kLast)) return false;
  start.pooling = static_cast<Pooling>(pooling);
  start.sampling = read_sampling(in);
  start.prompt_set = in.get<int32_t>();
  start.output_counts.resize(in.get_count(2 * sizeof(int32_t)));
  for (auto& [token, count] : start.output_counts) {
    token = in.get<int32_t>();
    count = in.get<int32_t>();
  }
  return !in.failed();
}

void write_domain(Writer& out, const DomainPlan& domain) {
  out.put_count(domain.rows.size());
  for (const PlanRow& row : domain.rows) {
    out.put(row.sequence_id);
    out.put(row.slot);
    out.put(row.first_position);
    out.put(row.num_tokens);
    out.put(row.token_offset);
    out.put(row.previous_sample);
    out.put(row.block_offset);
    out.put(row.num_blocks);
    out.put(row.sample_index);
    out.put(static_cast<uint8_t>(row.prompt_logprobs));
    out.put(row.next_prompt_token);
  }
  out.put_ids(domain.token_ids);
  out.put_ids(domain.block_ids);
}

bool read_domain(Reader& in, DomainPlan& domain) {
  domain.rows.resize(in.get_count(kRowBytes));
  for (PlanRow& row : domain.rows) {
    row.sequence_id = in.get<uint64_t>();
    row.slot = in.get<int32_t>();
    row.first_position = in.get<int32_t>();
    row.num_tokens = in.get<int32_t>();
    row.token_offset = in.get<int32_t>();
    row.previous_sample = in.get<int32_t>();
    row.block_offset = in.get<int32_t>();
    row.num_blocks = in.get<int32_t>();
    row.sample_index = in.get<int32_t>();
    row.prompt_logprobs = in.get_flag();
    row.next_prompt_token = in.get<int32_t>();
  }
  domain.token_ids = in.get_ids();
  domain.block_ids = in.get_ids();
  return !in.failed();
}

Error damaged(const char* what, size_t left, size_t size) {
  return make_error(ErrorCode::kDataLoss, "step plan frame: ", what, " at byte ", size - left, " of ", size);
}

}  // namespace

int64_t StepPlan::num_tokens() const {
  int64_t count = 0;
  for (const DomainPlan& domain : domains) {
    for (const PlanRow& row : domain.rows) count += row.num_tokens;
  }
  return count;
}

int32_t StepPlan::num_samples() const {
  int32_t count = 0;
  for (const DomainPlan& domain : domains) {
    for (const PlanRow& row : domain.rows) count += row.sample_index >= 0 ? 1 : 0;
  }
  return count;
}

std::string serialize_step_plan(const StepPlan& plan) {
  Writer out;
  out.put(kMagic);
  out.put(plan.step_id);
  out.put_count(plan.starts.size());
  for (const SlotStart& start : plan.starts) write_start(out, start);
  out.put_count(plan.prompt_sets.size());
  for (const std::vector<int32_t>& set : plan.prompt_sets) out.put_ids(set);
  out.put_ids(plan.ended_slots);
  out.put_count(plan.domains.size());
  for (const DomainPlan& domain : plan.domains) write_domain(out, domain);
  return out.take();
}

Result<StepPlan> parse_step_plan(std::string_view bytes) {
  Reader in(bytes);
  if (in.get<uint32_t>() != kMagic) return damaged("unknown magic or version", bytes.size(), bytes.size());
  StepPlan plan;
  plan.step_id = in.get<uint64_t>();
  plan.starts.resize(in.get_count(kMinStartBytes));
  for (SlotStart& start : plan.starts) {
    if (!read_start(in, start)) return damaged("bad slot start", in.left(), bytes.size());
  }
  plan.prompt_sets.resize(in.get_count(sizeof(uint32_t)));
  for (std::vector<int32_t>& set : plan.prompt_sets) set = in.get_ids();
  for (const SlotStart& start : plan.starts) {
    if (start.prompt_set < -1 || start.prompt_set >= static_cast<int32_t>(plan.prompt_sets.size())) {
      return damaged("bad prompt set", in.left(), bytes.size());
    }
  }
  plan.ended_slots = in.get_ids();
  plan.domains.resize(in.get_count(kMinDomainBytes));
  for (DomainPlan& domain : plan.domains) {
    if (!read_domain(in, domain)) return damaged("bad domain", in.left(), bytes.size());
  }
  if (in.failed()) return damaged("truncated", in.left(), bytes.size());
  if (in.left() != 0) return damaged("trailing bytes", in.left(), bytes.size());
  return plan;
}

}  // namespace hadal
