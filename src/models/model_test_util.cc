#include "models/model_test_util.h"

#include "models/widened_source.h"
#include "weights/checkpoint_source.h"
#include "weights/tensor_table.h"

namespace hadal {
namespace {

constexpr int64_t kGoldenPromptLen = 24;
constexpr int64_t kDecodeLen = 8;
constexpr int kMaxSequences = 4;

template <typename T>
std::vector<T> read_all(WeightSource& source, const std::string& name, std::initializer_list<int64_t> shape) {
  const std::vector<int64_t> dims(shape);
  auto tensor = source.read(name, dims);
  HADAL_CHECK(tensor.ok()) << tensor.error().message;
  const T* data = tensor->tensor.template ptr<T>();
  return std::vector<T>(data, data + tensor->tensor.num_elements());
}

Logits rows_of(const float* data, int64_t rows, int64_t width) {
  Logits out;
  for (int64_t r = 0; r < rows; ++r) out.emplace_back(data + r * width, data + (r + 1) * width);
  return out;
}

void append(Logits& to, Logits&& from) {
  for (auto& row : from) to.push_back(std::move(row));
}

}  // namespace

Golden load_golden(const std::string& name, int vocab_size) {
  auto source = CheckpointSource::open_safetensors(testdata(name) + "/golden.safetensors");
  HADAL_CHECK(source.ok()) << source.error().message;
  Golden golden;
  golden.prompt = read_all<int32_t>(**source, "prompt_ids", {kGoldenPromptLen});
  golden.decoded = read_all<int32_t>(**source, "decode_ids", {kDecodeLen});
  golden.logits = rows_of(read_all<float>(**source, "logits", {kGoldenPromptLen, vocab_size}).data(),
                          kGoldenPromptLen, vocab_size);
  append(golden.logits, rows_of(read_all<float>(**source, "decode_logits", {kDecodeLen, vocab_size}).data(),
                                kDecodeLen, vocab_size));
  const std::vector<float> noise = read_all<float>(**source, "noise", {2});
  golden.max_noise = noise[0];
  golden.mean_noise = noise[1];
  return golden;
}

std::map<size_t, std::vector<float>> load_flipped(const std::string& name, int vocab_size) {
  const std::string path = testdata(name) + "/gates.safetensors";
  auto table = read_safetensors_file(path);
  HADAL_CHECK(table.ok()) << table.error().message;
  const int64_t count = table->find("rows")->shape.at(0);
  std::map<size_t, std::vector<float>> out;
  if (count == 0) return out;
  auto source = CheckpointSource::open_safetensors(path);
  HADAL_CHECK(source.ok()) << source.error().message;
  const std::vector<int32_t> rows = read_all<int32_t>(**source, "rows", {count});
  const Logits logits =
      rows_of(read_all<float>(**source, "flipped", {count, vocab_size}).data(), count, vocab_size);
  for (size_t i = 0; i < rows.size(); ++i) out[static_cast<size_t>(rows[i])] = logits[i];
  return out;
}

TestModel::TestModel(const std::string& path, const TestOptions& options) : options_(options) {
  auto opened = open_model(testdata(path), {});
  HADAL_CHECK(opened.ok()) << opened.error().message;
  setup(std::move(*opened));
}

TestModel::TestModel(OpenedModel opened, const TestOptions& options) : options_(options) {
  setup(std::move(opened));
}

void TestModel::setup(OpenedModel opened) {
  config_ = opened.config;
  stream_ = Stream::cpu(options_.num_threads);
  ModelOptions options;
  options.kv_dtype = options_.kv_dtype;
  options.block_size = options_.block_size;
  options.context_length = options_.context_length;
  options.cpu_tier = options_.tier;
  options.mla_absorb = options_.mla_absorb;
  auto model = make_model(config_, options);
  HADAL_CHECK(model.ok()) << model.error().message;
  model_ = std::move(*model);
  WidenedSource widened(*opened.source);
  const Status loaded = model_->load(*stream_, options_.widen ? widened : *opened.source);
  HADAL_CHECK(loaded.ok()) << loaded.to_string();
  comm_ = make_single_communicator();
  const int64_t blocks =
      kMaxSequences * ((options_.context_length + options_.block_size - 1) / options_.block_size);
  auto kv = KvStorage::allocate(DeviceType::kCpu, model_->kv_spec(), blocks);
  HADAL_CHECK(kv.ok());
  kv_ = std::make_unique<KvStorage>(std::move(*kv));
  auto buffer = DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(model_->arena_bytes(
                                                             options_.max_tokens, options_.max_tokens,
                                                             options_.context_length, options_.num_threads)));
  HADAL_CHECK(buffer.ok());
  arena_ = std::make_unique<Arena>(std::move(*buffer));
  lengths_.assign(kMaxSequences, 0);
}

Logits TestModel::run(const std::vector<Chunk>& chunks) {
  std::vector<int32_t> ids, positions, slots, starts = {0}, lens;
  const int block_size = options_.block_size;
  const auto max_blocks = static_cast<int32_t>((options_.context_length + block_size - 1) / block_size);
  // Blocks of different sequences interleave, so that a wrong table shows.
  const auto block_of = [&](int sequence, int32_t index) { return index * kMaxSequences + sequence; };
  std::vector<int32_t> tables;
  ForwardBatch batch;
  for (const Chunk& chunk : chunks) {
    int32_t& length = lengths_[static_cast<size_t>(chunk.sequence)];
    for (const int32_t token : chunk.tokens) {
      ids.push_back(token);
      positions.push_back(length);
      slots.push_back(block_of(chunk.sequence, length / block_size) * block_size + length % block_size);
      batch.max_position = std::max(batch.max_position, length);
      ++length;
    }
    starts.push_back(static_cast<int32_t>(ids.size()));
    lens.push_back(length);
    batch.attention.max_seq_len = std::max(batch.attention.max_seq_len, length);
    for (int32_t i = 0; i < max_blocks; ++i) {
      tables.push_back(i * block_size < length ? block_of(chunk.sequence, i) : -1);
    }
  }
  const auto tensor = [](std::vector<int32_t>& values) {
    return Tensor(values.data(), DType::kI32, {static_cast<int64_t>(values.size())});
  };
  batch.num_tokens = static_cast<int64_t>(ids.size());
  batch.num_sequences = static_cast<int64_t>(chunks.size());
  batch.input_ids = tensor(ids);
  batch.positions = tensor(positions);
  batch.attention.slot_mapping = tensor(slots);
  batch.attention.cu_seqlens_q = tensor(starts);
  batch.attention.seq_lens = tensor(lens);
  batch.attention.block_tables = tensor(tables).reshape({batch.num_sequences, max_blocks});
  arena_->reset();
  ForwardContext context{OpContext{*stream_, *arena_, options_.tier}, *comm_, *kv_};
  auto hidden = model_->hidden(context, batch, true);
  HADAL_CHECK(hidden.ok()) << hidden.error().message;
  auto logits = model_->logits(context, *hidden);
  HADAL_CHECK(logits.ok()) << logits.error().message;
  return rows_of(logits->ptr<float>(), logits->dim(0), logits->dim(1));
}

Logits TestModel::run_all(int sequence, const std::vector<int32_t>& prompt,
                          const std::vector<int32_t>& decoded, size_t chunk) {
  Logits out;
  for (size_t first = 0; first < prompt.size(); first += chunk) {
    const auto begin = prompt.begin() + static_cast<int64_t>(first);
    const auto count = static_cast<int64_t>(std::min(chunk, prompt.size() - first));
    append(out, run({{sequence, {begin, begin + count}}}));
  }
  for (const int32_t token : decoded) append(out, run({{sequence, {token}}}));
  return out;
}

Difference compare(const Logits& a, const Logits& b) {
  HADAL_CHECK(a.size() == b.size() && !a.empty()) << a.size() << " and " << b.size();
  Difference d;
  double count = 0;
  for (size_t r = 0; r < a.size(); ++r) {
    HADAL_CHECK(a[r].size() == b[r].size());
    for (size_t i = 0; i < a[r].size(); ++i) {
      const double gap = std::abs(static_cast<double>(a[r][i]) - b[r][i]);
      d.max = std::isnan(gap) ? INFINITY : std::max(d.max, gap);
      d.mean += gap;
      ++count;
    }
  }
  d.mean /= count;
  return d;
}

}  // namespace hadal
