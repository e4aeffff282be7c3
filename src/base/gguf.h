// GGUF v3 container (ggml's docs/gguf.md): metadata and tensor directory. Bookkeeping only, no tensor maths.
// Files are untrusted: every count, length and offset is checked against the file's size. Value; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace hadal {

// Tensor element types by their number in the file (ggml_type).
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

using GgufValue = std::variant<int64_t, uint64_t, double, bool, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;

struct GgufTensorInfo {
  std::string name;
  GgmlType type = GgmlType::kF32;
  // Row-major, slowest first: {rows, columns} for a matrix. The file has them reversed (ne[0] = row length).
  std::vector<int64_t> shape;
  uint64_t offset = 0;  // from the start of the file
  uint64_t num_bytes = 0;
  uint32_t file_index = 0;  // which of GgufFile::files() holds it
};

class GgufFile {
 public:
  // Opens `path` and, where it is the first of a split set (name-00001-of-000NN.gguf), all its parts.
  // Errors: kInvalidArgument or kDataLoss naming file, tensor or key and what is wrong.
  static Result<std::shared_ptr<const GgufFile>> open(const std::string& path);

  bool has(std::string_view key) const { return metadata_.contains(std::string(key)); }
  // Typed access; nullopt when absent or of another type. Integers of any width and sign read as int64 where
  // they fit.
  std::optional<int64_t> get_int(std::string_view key) const;
  std::optional<double> get_double(std::string_view key) const;  // floats, and integers widened
  std::optional<bool> get_bool(std::string_view key) const;
  const std::string* get_string(std::string_view key) const;
  const std::vector<int64_t>* get_ints(std::string_view key) const;
  const std::vector<double>* get_doubles(std::string_view key) const;
  const std::vector<std::string>* get_strings(std::string_view key) const;

  const std::unordered_map<std::string, GgufValue>& metadata() const { return metadata_; }
  const std::vector<GgufTensorInfo>& tensors() const { return tensors_; }
  const GgufTensorInfo* find_tensor(std::string_view name) const;
  // The tensor's bytes, inside the map that this object owns.
  std::span<const std::byte> tensor_bytes(const GgufTensorInfo& info) const;
  const std::vector<MappedFile>& files() const { return files_; }

 private:
  friend class GgufParser;
  std::unordered_map<std::string, GgufValue> metadata_;
  std::vector<GgufTensorInfo> tensors_;
  std::unordered_map<std::string, size_t> tensor_index_;
  std::vector<MappedFile> files_;
};

struct GgmlTypeTraits {
  std::string_view name;
  int block_len = 1;    // elements per block
  int block_bytes = 0;  // bytes per block
};
// nullopt for a type hadal does not read.
std::optional<GgmlTypeTraits> ggml_type_traits(GgmlType type);

}  // namespace hadal
