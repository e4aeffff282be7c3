#include "base/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/utf8.h"

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are read in place as little-endian");

// Limits far above any real model, so that a hostile count cannot take the machine's memory.
constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMaxTensors = 1 << 20;
constexpr uint64_t kMaxKeyLen = (1 << 16) - 1;  // ggml's docs/gguf.md
constexpr uint64_t kMaxTensorNameLen = 1024;
constexpr uint64_t kMaxArrayElements = 1 << 25;  // all arrays of one file together
constexpr int64_t kMaxSplits = 99999;            // five digits in the file name
constexpr int64_t kMaxAlignment = 1 << 20;
constexpr uint32_t kMaxDims = 4;
constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kDefaultAlignment = 32;

// Value types by their number in the file.
enum class ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};

// Names of ggml's other types, for messages.
std::string_view foreign_type_name(uint32_t type) {
  switch (type) {
    case 4:
      return "Q4_2";
    case 5:
      return "Q4_3";
    case 9:
      return "Q8_1";
    case 10:
      return "Q2_K";
    case 11:
      return "Q3_K";
    case 15:
      return "Q8_K";
    case 16:
      return "IQ2_XXS";
    case 17:
      return "IQ2_XS";
    case 18:
      return "IQ3_XXS";
    case 19:
      return "IQ1_S";
    case 20:
      return "IQ4_NL";
    case 21:
      return "IQ3_S";
    case 22:
      return "IQ2_S";
    case 23:
      return "IQ4_XS";
    case 24:
      return "I8";
    case 25:
      return "I16";
    case 26:
      return "I32";
    case 27:
      return "I64";
    case 28:
      return "F64";
    case 29:
      return "IQ1_M";
    case 34:
      return "TQ1_0";
    case 35:
      return "TQ2_0";
    case 39:
      return "MXFP4";
    default:
      return "unknown";
  }
}

struct SplitName {
  std::string prefix;  // path up to and without "-00001-of-00002.gguf"
  int64_t number = 0;  // from 1
  int64_t count = 0;
};

// Reads "-NNNNN-of-NNNNN.gguf" off the end of a path.
std::optional<SplitName> parse_split_name(const std::string& path) {
  constexpr std::string_view kPattern = "-#####-of-#####.gguf";
  if (path.size() <= kPattern.size()) return std::nullopt;
  const size_t start = path.size() - kPattern.size();
  SplitName name;
  for (size_t i = 0; i < kPattern.size(); ++i) {
    const char c = path[start + i];
    if (kPattern[i] == '#') {
      if (c < '0' || c > '9') return std::nullopt;
      int64_t& field = i < 7 ? name.number : name.count;
      field = field * 10 + (c - '0');
    } else if (c != kPattern[i]) {
      return std::nullopt;
    }
  }
  name.prefix = path.substr(0, start);
  return name;
}

std::string split_path(const SplitName& name, int64_t number) {
  const auto five_digits = [](int64_t v) {
    std::string text = std::to_string(v);
    return std::string(5 - std::min<size_t>(5, text.size()), '0') + text;
  };
  return name.prefix + "-" + five_digits(number) + "-of-" + five_digits(name.count) + ".gguf";
}

}  // namespace

std::optional<GgmlTypeTraits> ggml_type_traits(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return GgmlTypeTraits{"F32", 1, 4};
    case GgmlType::kF16:
      return GgmlTypeTraits{"F16", 1, 2};
    case GgmlType::kBF16:
      return GgmlTypeTraits{"BF16", 1, 2};
    case GgmlType::kQ4_0:
      return GgmlTypeTraits{"Q4_0", 32, 18};
    case GgmlType::kQ4_1:
      return GgmlTypeTraits{"Q4_1", 32, 20};
    case GgmlType::kQ5_0:
      return GgmlTypeTraits{"Q5_0", 32, 22};
    case GgmlType::kQ5_1:
      return GgmlTypeTraits{"Q5_1", 32, 24};
    case GgmlType::kQ8_0:
      return GgmlTypeTraits{"Q8_0", 32, 34};
    case GgmlType::kQ4_K:
      return GgmlTypeTraits{"Q4_K", 256, 144};
    case GgmlType::kQ5_K:
      return GgmlTypeTraits{"Q5_K", 256, 176};
    case GgmlType::kQ6_K:
      return GgmlTypeTraits{"Q6_K", 256, 210};
  }
  return std::nullopt;
}

// Reads one file's header into a GgufFile. A cursor over the map: every read checks what is left.
class GgufParser {
 public:
  // Metadata of file 0 goes to `out`; that of further parts to `part_metadata`.
  GgufParser(GgufFile& out, uint32_t file_index, std::unordered_map<std::string, GgufValue>& metadata)
      : out_(out),
        file_index_(file_index),
        metadata_(metadata),
        path_(out.files_[file_index].path()),
        bytes_(out.files_[file_index].bytes()) {}

  static Result<std::shared_ptr<const GgufFile>> open(const std::string& path);
  Status parse();

 private:
  static Status open_part(GgufFile& out, const std::string& path,
                          std::unordered_map<std::string, GgufValue>& metadata);
  static Status open_further_parts(GgufFile& out, const std::string& path);

  Error corrupt(const auto&... what) const { return make_error(ErrorCode::kDataLoss, path_, ": ", what...); }
  // Where the cursor stands, for messages: `metadata key "x"`, `tensor "y"`.
  Error truncated(std::string_view where) const {
    return corrupt("the file ends inside ", where, " (", bytes_.size(),
                   " bytes): it is truncated or not a GGUF file; fetch it again");
  }
  uint64_t left() const { return bytes_.size() - pos_; }

  template <typename T>
  bool take(T* value) {
    if (left() < sizeof(T)) return false;
    std::memcpy(value, bytes_.data() + pos_, sizeof(T));
    pos_ += sizeof(T);
    return true;
  }
  Result<std::string> take_string(uint64_t max_len, std::string_view where);
  template <typename T>
  Result<GgufValue> take_number(std::string_view where);
  Result<GgufValue> take_value(uint32_t type, std::string_view where);
  Result<GgufValue> take_array(std::string_view where);
  template <typename T>
  Result<GgufValue> take_numbers(uint64_t count, std::string_view where);
  Status parse_header(uint64_t* num_tensors, uint64_t* num_keys);
  Status parse_metadata(uint64_t count);
  Status parse_tensor();
  Status check_extent(GgufTensorInfo& info) const;
  Status place_tensors(size_t first);
  Status read_alignment();

  GgufFile& out_;
  uint32_t file_index_;
  std::unordered_map<std::string, GgufValue>& metadata_;
  const std::string& path_;
  std::span<const std::byte> bytes_;
  uint64_t pos_ = 0;
  uint64_t array_elements_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
};

Result<std::string> GgufParser::take_string(uint64_t max_len, std::string_view where) {
  uint64_t len = 0;
  if (!take(&len)) return truncated(where);
  if (len > max_len)
    return corrupt("a string of ", len, " bytes in ", where, "; at most ", max_len, " are allowed");
  if (len > left()) return truncated(where);
  std::string text(reinterpret_cast<const char*>(bytes_.data() + pos_), len);
  pos_ += len;
  return text;
}

template <typename T>
Result<GgufValue> GgufParser::take_number(std::string_view where) {
  T value{};
  if (!take(&value)) return truncated(where);
  if constexpr (std::is_floating_point_v<T>) return GgufValue(static_cast<double>(value));
  if constexpr (std::is_same_v<T, uint64_t>) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return GgufValue(uint64_t{value});
  }
  return GgufValue(static_cast<int64_t>(value));
}

Result<GgufValue> GgufParser::take_value(uint32_t type, std::string_view where) {
  switch (static_cast<ValueType>(type)) {
    case ValueType::kUint8:
      return take_number<uint8_t>(where);
    case ValueType::kInt8:
      return take_number<int8_t>(where);
    case ValueType::kUint16:
      return take_number<uint16_t>(where);
    case ValueType::kInt16:
      return take_number<int16_t>(where);
    case ValueType::kUint32:
      return take_number<uint32_t>(where);
    case ValueType::kInt32:
      return take_number<int32_t>(where);
    case ValueType::kFloat32:
      return take_number<float>(where);
    case ValueType::kUint64:
      return take_number<uint64_t>(where);
    case ValueType::kInt64:
      return take_number<int64_t>(where);
    case ValueType::kFloat64:
      return take_number<double>(where);
    case ValueType::kBool: {
      uint8_t flag = 0;
      if (!take(&flag)) return truncated(where);
      if (flag > 1) return corrupt("the boolean in ", where, " is ", int{flag}, "; it must be 0 or 1");
      return GgufValue(flag == 1);
    }
    case ValueType::kString: {
      HADAL_ASSIGN(std::string text, take_string(bytes_.size(), where));
      return GgufValue(std::move(text));
    }
    case ValueType::kArray:
      return take_array(where);
  }
  return corrupt("value type ", type, " in ", where, " does not exist in GGUF v3 (0 to 12)");
}

template <typename T>
Result<GgufValue> GgufParser::take_numbers(uint64_t count, std::string_view where) {
  if (count > left() / sizeof(T)) return truncated(where);
  using Element = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
  std::vector<Element> values(count);
  for (Element& value : values) {
    T raw{};
    take(&raw);
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (raw > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return corrupt("the array in ", where, " holds ", raw, ", which does not fit 64 signed bits");
      }
    }
    value = static_cast<Element>(raw);
  }
  return GgufValue(std::move(values));
}

Result<GgufValue> GgufParser::take_array(std::string_view where) {
  uint32_t type = 0;
  uint64_t count = 0;
  if (!take(&type) || !take(&count)) return truncated(where);
  if (count > kMaxArrayElements - array_elements_) {
    return corrupt("an array of ", count, " elements in ", where, "; the arrays of one file may hold ",
                   kMaxArrayElements, " together");
  }
  array_elements_ += count;
  switch (static_cast<ValueType>(type)) {
    case ValueType::kUint8:
    case ValueType::kBool:
      return take_numbers<uint8_t>(count, where);
    case ValueType::kInt8:
      return take_numbers<int8_t>(count, where);
    case ValueType::kUint16:
      return take_numbers<uint16_t>(count, where);
    case ValueType::kInt16:
      return take_numbers<int16_t>(count, where);
    case ValueType::kUint32:
      return take_numbers<uint32_t>(count, where);
    case ValueType::kInt32:
      return take_numbers<int32_t>(count, where);
    case ValueType::kFloat32:
      return take_numbers<float>(count, where);
    case ValueType::kUint64:
      return take_numbers<uint64_t>(count, where);
    case ValueType::kInt64:
      return take_numbers<int64_t>(count, where);
    case ValueType::kFloat64:
      return take_numbers<double>(count, where);
    case ValueType::kString: {
      if (count > left() / sizeof(uint64_t)) return truncated(where);
      std::vector<std::string> texts(count);
      for (std::string& text : texts) {
        HADAL_ASSIGN(text, take_string(bytes_.size(), where));
      }
      return GgufValue(std::move(texts));
    }
    case ValueType::kArray:
      return make_error(ErrorCode::kUnsupported, path_, ": ", where,
                        " is an array of arrays, which hadal does not read");
  }
  return corrupt("array element type ", type, " in ", where, " does not exist in GGUF v3 (0 to 12)");
}

Status GgufParser::parse_header(uint64_t* num_tensors, uint64_t* num_keys) {
  std::array<char, 4> magic{};
  uint32_t version = 0;
  if (!take(&magic)) return truncated("the magic bytes");
  if (std::string_view(magic.data(), magic.size()) != kMagic) {
    return invalid_argument(path_, " is not a GGUF file: it does not begin with \"GGUF\"");
  }
  if (!take(&version)) return truncated("the version");
  if (version == 0x02000000 || version == 0x03000000) {
    return make_error(ErrorCode::kUnsupported, path_,
                      ": the file is big-endian; hadal reads little-endian GGUF");
  }
  if (version != 2 && version != 3) {
    return make_error(ErrorCode::kUnsupported, path_, ": GGUF version ", version,
                      "; hadal reads versions 2 and 3: convert the model again with a current converter");
  }
  if (!take(num_tensors) || !take(num_keys)) return truncated("the header");
  if (*num_tensors > kMaxTensors)
    return corrupt("it claims ", *num_tensors, " tensors; at most ", kMaxTensors);
  if (*num_keys > kMaxKeys) return corrupt("it claims ", *num_keys, " metadata keys; at most ", kMaxKeys);
  return {};
}

Status GgufParser::parse_metadata(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const std::string place = "metadata key " + std::to_string(i + 1) + " of " + std::to_string(count);
    HADAL_ASSIGN(std::string key, take_string(kMaxKeyLen, place));
    if (key.empty()) return corrupt(place, " has an empty name");
    const std::string where = "metadata key \"" + utf8_sanitize(key) + "\"";
    if (metadata_.contains(key)) return corrupt(where, " appears twice");
    uint32_t type = 0;
    if (!take(&type)) return truncated(where);
    HADAL_ASSIGN(GgufValue value, take_value(type, where));
    metadata_.emplace(std::move(key), std::move(value));
  }
  return {};
}

Status GgufParser::read_alignment() {
  const auto it = metadata_.find("general.alignment");
  if (it == metadata_.end()) return {};
  const auto* value = std::get_if<int64_t>(&it->second);
  if (value == nullptr || *value < 8 || *value > kMaxAlignment ||
      !std::has_single_bit(static_cast<uint64_t>(*value))) {
    return corrupt("general.alignment must be a power of two from 8 to ", kMaxAlignment);
  }
  alignment_ = static_cast<uint64_t>(*value);
  return {};
}

// The tensor's element count and byte length from its shape and type, without overflow.
Status GgufParser::check_extent(GgufTensorInfo& info) const {
  const auto traits = ggml_type_traits(info.type);
  const auto type = static_cast<uint32_t>(info.type);
  const std::string label = "tensor \"" + utf8_sanitize(info.name) + "\"";
  if (!traits) {
    return make_error(ErrorCode::kUnsupported, path_, ": ", label, " has type ", type, " (",
                      foreign_type_name(type),
                      "); hadal reads F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K");
  }
  if (info.shape.back() % traits->block_len != 0) {
    return corrupt(label, " has rows of ", info.shape.back(), " elements; ", traits->name,
                   " needs a multiple of ", traits->block_len);
  }
  int64_t count = 1;
  int64_t num_bytes = 0;
  for (const int64_t dim : info.shape) {
    if (__builtin_mul_overflow(count, dim, &count))
      return corrupt(label, " has a shape whose product overflows");
  }
  if (__builtin_mul_overflow(count / traits->block_len, int64_t{traits->block_bytes}, &num_bytes)) {
    return corrupt(label, " has more bytes than 64 bits count");
  }
  info.num_bytes = static_cast<uint64_t>(num_bytes);
  return {};
}

Status GgufParser::parse_tensor() {
  GgufTensorInfo info;
  const std::string place = "tensor " + std::to_string(out_.tensors_.size() + 1);
  HADAL_ASSIGN(info.name, take_string(kMaxTensorNameLen, place));
  if (info.name.empty()) return corrupt(place, " has an empty name");
  const std::string label = "tensor \"" + utf8_sanitize(info.name) + "\"";
  uint32_t num_dims = 0;
  if (!take(&num_dims)) return truncated(label);
  if (num_dims < 1 || num_dims > kMaxDims)
    return corrupt(label, " has ", num_dims, " dimensions; 1 to 4 are allowed");
  info.shape.resize(num_dims);
  for (uint32_t d = 0; d < num_dims; ++d) {
    uint64_t len = 0;
    if (!take(&len)) return truncated(label);
    if (len < 1 || len > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return corrupt(label, " has a dimension of ", len, " elements");
    }
    info.shape[num_dims - 1 - d] = static_cast<int64_t>(len);
  }
  uint32_t type = 0;
  if (!take(&type) || !take(&info.offset)) return truncated(label);
  info.type = static_cast<GgmlType>(type);
  info.file_index = file_index_;
  HADAL_RETURN_IF_ERROR(check_extent(info));
  if (info.offset % alignment_ != 0) {
    return corrupt(label, " is at offset ", info.offset, ", not a multiple of the alignment ", alignment_);
  }
  if (!out_.tensor_index_.emplace(info.name, out_.tensors_.size()).second) {
    return corrupt(label, " appears twice");
  }
  out_.tensors_.push_back(std::move(info));
  return {};
}

// Makes the offsets of this file's tensors absolute; checks that each lies in the file and that none overlap.
Status GgufParser::place_tensors(size_t first) {
  if (first == out_.tensors_.size()) return {};
  const uint64_t data_start = (pos_ + alignment_ - 1) / alignment_ * alignment_;
  std::vector<GgufTensorInfo*> order;
  for (size_t i = first; i < out_.tensors_.size(); ++i) {
    GgufTensorInfo& info = out_.tensors_[i];
    uint64_t end = 0;
    if (__builtin_add_overflow(info.offset, data_start, &info.offset) ||
        __builtin_add_overflow(info.offset, info.num_bytes, &end) || end > bytes_.size()) {
      return corrupt("tensor \"", utf8_sanitize(info.name), "\" (", info.num_bytes, " bytes at ", info.offset,
                     ") reaches past the end of the file (", bytes_.size(),
                     " bytes): the file is truncated or damaged; fetch it again");
    }
    order.push_back(&info);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->num_bytes > order[i]->offset) {
      return corrupt("tensors \"", utf8_sanitize(order[i - 1]->name), "\" and \"",
                     utf8_sanitize(order[i]->name), "\" overlap");
    }
  }
  return {};
}

Status GgufParser::parse() {
  uint64_t num_tensors = 0;
  uint64_t num_keys = 0;
  HADAL_RETURN_IF_ERROR(parse_header(&num_tensors, &num_keys));
  HADAL_RETURN_IF_ERROR(parse_metadata(num_keys));
  HADAL_RETURN_IF_ERROR(read_alignment());
  const size_t first = out_.tensors_.size();
  for (uint64_t i = 0; i < num_tensors; ++i) {
    HADAL_RETURN_IF_ERROR(parse_tensor());
  }
  HADAL_RETURN_IF_ERROR(place_tensors(first));
  // The header was copied out: its pages need not stay resident.
  out_.files_[file_index_].dont_need(0, pos_);
  return {};
}

Status GgufParser::open_part(GgufFile& out, const std::string& path,
                             std::unordered_map<std::string, GgufValue>& metadata) {
  HADAL_ASSIGN(MappedFile file, MappedFile::open(path));
  out.files_.push_back(std::move(file));
  return GgufParser(out, static_cast<uint32_t>(out.files_.size() - 1), metadata).parse();
}

Status GgufParser::open_further_parts(GgufFile& out, const std::string& path) {
  const std::optional<int64_t> count = out.get_int("split.count");
  const int64_t number = out.get_int("split.no").value_or(0);
  if (!count || *count <= 1) return {};
  if (*count > kMaxSplits) return make_error(ErrorCode::kDataLoss, path, ": split.count is ", *count);
  const auto name = parse_split_name(path);
  if (number != 0) {
    return invalid_argument(path, " is part ", number + 1,
                            " of a split model: give the path of its first part",
                            name ? " (" + split_path(*name, 1) + ")" : std::string());
  }
  if (!name || name->number != 1 || name->count != *count) {
    return invalid_argument(path, " is the first of ", *count, " parts, so its name must end in -00001-of-",
                            split_path({"", 0, *count}, *count).substr(10),
                            ": rename the parts as they were published");
  }
  for (int64_t i = 2; i <= *count; ++i) {
    const std::string part = split_path(*name, i);
    if (!path_exists(part)) {
      return make_error(ErrorCode::kNotFound, path, ": part ", i, " of ", *count, " is missing: ", part);
    }
    std::unordered_map<std::string, GgufValue> metadata;
    HADAL_RETURN_IF_ERROR(open_part(out, part, metadata));
    const auto it = metadata.find("split.no");
    const int64_t* no = it == metadata.end() ? nullptr : std::get_if<int64_t>(&it->second);
    if (no == nullptr || *no != i - 1) {
      return make_error(ErrorCode::kDataLoss, part, ": split.no must be ", i - 1,
                        ": parts of different models are mixed");
    }
  }
  const auto total = out.get_int("split.tensors.count");
  if (total && *total != static_cast<int64_t>(out.tensors_.size())) {
    return make_error(ErrorCode::kDataLoss, path, ": split.tensors.count is ", *total, " but the ", *count,
                      " parts hold ", out.tensors_.size(), " tensors");
  }
  return {};
}

Result<std::shared_ptr<const GgufFile>> GgufParser::open(const std::string& path) {
  auto file = std::make_shared<GgufFile>();
  HADAL_RETURN_IF_ERROR(open_part(*file, path, file->metadata_));
  HADAL_RETURN_IF_ERROR(open_further_parts(*file, path));
  return std::shared_ptr<const GgufFile>(std::move(file));
}

Result<std::shared_ptr<const GgufFile>> GgufFile::open(const std::string& path) {
  return GgufParser::open(path);
}

namespace {
template <typename T>
const T* find_as(const std::unordered_map<std::string, GgufValue>& metadata, std::string_view key) {
  const auto it = metadata.find(std::string(key));
  return it == metadata.end() ? nullptr : std::get_if<T>(&it->second);
}
}  // namespace

std::optional<int64_t> GgufFile::get_int(std::string_view key) const {
  const auto* value = find_as<int64_t>(metadata_, key);
  return value == nullptr ? std::nullopt : std::optional<int64_t>(*value);
}

std::optional<double> GgufFile::get_double(std::string_view key) const {
  if (const auto* value = find_as<double>(metadata_, key)) return *value;
  if (const auto* value = find_as<int64_t>(metadata_, key)) return static_cast<double>(*value);
  if (const auto* value = find_as<uint64_t>(metadata_, key)) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<bool> GgufFile::get_bool(std::string_view key) const {
  const auto* value = find_as<bool>(metadata_, key);
  return value == nullptr ? std::nullopt : std::optional<bool>(*value);
}

const std::string* GgufFile::get_string(std::string_view key) const {
  return find_as<std::string>(metadata_, key);
}
const std::vector<int64_t>* GgufFile::get_ints(std::string_view key) const {
  return find_as<std::vector<int64_t>>(metadata_, key);
}
const std::vector<double>* GgufFile::get_doubles(std::string_view key) const {
  return find_as<std::vector<double>>(metadata_, key);
}
const std::vector<std::string>* GgufFile::get_strings(std::string_view key) const {
  return find_as<std::vector<std::string>>(metadata_, key);
}

const GgufTensorInfo* GgufFile::find_tensor(std::string_view name) const {
  const auto it = tensor_index_.find(std::string(name));
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

std::span<const std::byte> GgufFile::tensor_bytes(const GgufTensorInfo& info) const {
  return files_[info.file_index].bytes().subspan(info.offset, info.num_bytes);
}

}  // namespace hadal
