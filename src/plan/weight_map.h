// WeightMap: every weight tensor of a model as a list of shapes, by part of the model, with the rule by which
// ranks share it: what each rank holds is then a sum. From config.json's shape, or from a .gguf file's own
// directory. The shapes are those of the published checkpoints (Hugging Face names in weight_map.cc).
// Values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/gguf.h"
#include "base/result.h"
#include "config/model_config.h"
#include "plan/fit.h"

namespace hadal {

enum class WeightPart {
  kEmbedding,
  kAttention,
  kDenseMlp,
  kRoutedExperts,
  kSharedExperts,
  kRouter,
  kNorms,
  kHead,
  kScales,  // of FP8 blocks, int8 rows and int4 groups
};
inline constexpr size_t kNumWeightParts = 9;
std::string_view weight_part_name(WeightPart part);  // "routed experts"

// How the ranks of a stage share a tensor {rows, columns}.
enum class WeightSplit {
  kWhole,           // every rank has all of it
  kHeadRows,        // rows by attention heads, over the ranks of one attention group
  kHeadColumns,     // columns likewise
  kKvRows,          // rows by KV heads; where ranks outnumber them, each rank keeps one head
  kMlpRows,         // rows over the ranks that share dense layers
  kMlpColumns,      // columns likewise
  kExpertRows,      // `copies` experts over EP, each one's rows over the ranks that share an expert
  kExpertColumns,   // columns likewise
  kVocabularyRows,  // rows over the ranks of one attention group, rounded up
  kHeadVocabulary,  // rows over all ranks of the stage, rounded up
};

// How the numbers of a matrix are stored.
enum class WeightFormat { kF32, kBf16, kFp8Blocks, kInt8, kInt4, kGgml };
// "" is the checkpoint's own. Errors: kInvalidArgument naming those there are.
Result<std::optional<WeightFormat>> parse_weight_format(std::string_view name);
std::string_view weight_format_name(WeightFormat format);

struct PlannedTensor {
  WeightPart part = WeightPart::kNorms;
  WeightSplit split = WeightSplit::kWhole;
  WeightFormat format = WeightFormat::kBf16;
  GgmlType ggml_type = GgmlType::kF32;  // with kGgml
  int layer = 0;                        // -1: before the layers; the number of layers: after them
  int64_t rows = 0;
  int64_t columns = 1;
  int64_t copies = 1;        // experts of the layer
  bool quantizable = false;  // a projection: what --weight-dtype changes
  int64_t parameters() const { return rows * columns * copies; }
};

struct PartBytes {
  std::array<int64_t, kNumWeightParts> bytes{};
  int64_t& of(WeightPart part) { return bytes[static_cast<size_t>(part)]; }
  int64_t of(WeightPart part) const { return bytes[static_cast<size_t>(part)]; }
  int64_t total() const;
};

class WeightMap {
 public:
  // `format`: of the projections; nothing: the checkpoint's.
  WeightMap(const ModelConfig& model, std::optional<WeightFormat> format);
  // The tensors of the file itself. Errors: kUnsupported naming a tensor that no rule shares out.
  static Result<WeightMap> from_gguf(const ModelConfig& model, const GgufFile& file);

  const std::vector<PlannedTensor>& tensors() const { return tensors_; }
  int64_t num_parameters() const;
  // Read by one token: routed experts count num_experts_per_tok times, the embedding is one row.
  int64_t active_parameters() const;
  // Of the whole model, once.
  PartBytes whole() const;
  // Of rank `rank` (0..tp-1) of pipeline stage `stage`. The layout must have passed check_layout.
  PartBytes of_rank(const Layout& layout, int stage, int rank) const;
  // Numbers, not bytes, of that rank.
  PartBytes rank_parameters(const Layout& layout, int stage, int rank) const;
  const ModelConfig& model() const { return model_; }
  // Of most projections' bytes, for words: "fp8", "bf16", "q4_k".
  std::string dominant_format() const;

 private:
  explicit WeightMap(const ModelConfig& model) : model_(model) {}
  enum class Unit { kBytes, kParameters };
  PartBytes sum_of_rank(const Layout& layout, int stage, int rank, Unit unit) const;
  ModelConfig model_;
  std::vector<PlannedTensor> tensors_;
};

// Bytes of a piece {rows, columns} of a tensor, and of its scales (WeightPart::kScales).
struct PieceBytes {
  int64_t values = 0;
  int64_t scales = 0;
};
PieceBytes piece_bytes(const PlannedTensor& tensor, int64_t rows, int64_t columns);

// The layers [begin, end) of a stage: as even as can be, the first stages one more (the last has the head).
struct LayerRange {
  int begin = 0;
  int end = 0;
  int size() const { return end - begin; }
};
LayerRange stage_layers(int num_layers, int pp, int stage);

}  // namespace hadal
