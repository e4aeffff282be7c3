#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "weights/tensor_table.h"

namespace hadal {
namespace {

constexpr uint64_t kMaxHeaderBytes = 32u << 20;
constexpr size_t kMaxIndexBytes = 64u << 20;
constexpr size_t kMaxNameLen = 1024;
constexpr size_t kMaxRank = 8;
constexpr std::string_view kIndexName = "model.safetensors.index.json";

struct SafetensorsDtype {
  std::string_view name;
  int bits;
  std::optional<DType> dtype;
};
constexpr SafetensorsDtype kDtypes[] = {
    {"F32", 32, DType::kF32},       {"F16", 16, DType::kF16},  {"BF16", 16, DType::kBF16},
    {"F8_E4M3", 8, DType::kF8E4M3}, {"I8", 8, DType::kI8},     {"U8", 8, DType::kU8},
    {"I32", 32, DType::kI32},       {"I64", 64, DType::kI64},  {"F64", 64, std::nullopt},
    {"I16", 16, std::nullopt},      {"U16", 16, std::nullopt}, {"U32", 32, std::nullopt},
    {"U64", 64, std::nullopt},      {"BOOL", 8, std::nullopt}, {"F8_E5M2", 8, std::nullopt},
    {"F8_E8M0", 8, std::nullopt},   {"F4", 4, std::nullopt},   {"C64", 64, std::nullopt}};

const SafetensorsDtype* find_dtype(std::string_view name) {
  for (const SafetensorsDtype& dtype : kDtypes) {
    if (dtype.name == name) return &dtype;
  }
  return nullptr;
}

Error damaged(const std::string& path, const auto&... what) {
  return make_error(ErrorCode::kDataLoss, path, ": ", what...,
                    "; the file is damaged or incomplete: fetch it again");
}

// A key of an object in JSON text.
struct JsonKey {
  std::string name;     // unescaped
  size_t value_at = 0;  // of the text: where its value is, maybe behind white space
};

// The keys of the first object in valid JSON text, in order, with repetitions, which parse_json drops.
std::vector<JsonKey> first_objects_keys(std::string_view text) {
  std::vector<JsonKey> keys;
  int depth = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) break;
    if (c != '"') continue;
    size_t end = at + 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    const size_t next = text.find_first_not_of(" \t\r\n", std::min(end + 1, text.size()));
    if (depth == 1 && next != std::string_view::npos && text[next] == ':') {
      auto key = parse_json(text.substr(at, end + 1 - at));
      if (key.ok() && key->is_string()) keys.push_back({key->as_string(), next + 1});
    }
    at = end;
  }
  return keys;
}

// A name that is there twice.
std::optional<std::string> repeated_name(std::vector<JsonKey> keys) {
  std::sort(keys.begin(), keys.end(), [](const JsonKey& a, const JsonKey& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(keys.begin(), keys.end(),
                                        [](const JsonKey& a, const JsonKey& b) { return a.name == b.name; });
  if (twice == keys.end()) return std::nullopt;
  return utf8_sanitize(twice->name);
}

// Two tensors of one name: which one is meant is a matter of the reader, so the file is refused.
Status check_names(const std::string& path, std::string_view header) {
  const auto twice = repeated_name(first_objects_keys(header));
  if (!twice) return {};
  return damaged(path, "two tensors are named \"", *twice, "\"");
}

// The same for an index: there is one weight_map, and each tensor is in it once.
Status check_index_names(const std::string& path, std::string_view text) {
  bool seen = false;
  for (const JsonKey& key : first_objects_keys(text)) {
    if (key.name != "weight_map") continue;
    if (seen) return damaged(path, "\"weight_map\" is there twice");
    seen = true;
    const auto twice = repeated_name(first_objects_keys(text.substr(key.value_at)));
    if (twice) return damaged(path, "tensor \"", *twice, "\" is twice in \"weight_map\"");
  }
  return {};
}

// An integer of the header that is not negative; nullopt otherwise.
std::optional<uint64_t> natural(const Json& value) {
  if (value.kind() == Json::Kind::kUint) return value.as_uint();
  if (!value.is_int() || value.as_int() < 0) return std::nullopt;
  return static_cast<uint64_t>(value.as_int());
}

// Reads dtype, shape and data_offsets of one tensor; the range is relative to the data section.
Status parse_entry(const std::string& path, const Json& value, TensorEntry& entry) {
  const std::string label = "tensor \"" + utf8_sanitize(entry.name) + "\"";
  const Json* dtype = value.find("dtype");
  const Json* shape = value.find("shape");
  const Json* offsets = value.find("data_offsets");
  if (dtype == nullptr || !dtype->is_string() || shape == nullptr || !shape->is_array() ||
      offsets == nullptr || !offsets->is_array() || offsets->as_array().size() != 2) {
    return damaged(path, label, " needs a dtype, a shape and two data_offsets");
  }
  entry.dtype_text = dtype->as_string();
  if (shape->as_array().size() > kMaxRank)
    return damaged(path, label, " has ", shape->as_array().size(), " dimensions");
  uint64_t count = 1;
  for (const Json& dim : shape->as_array()) {
    const auto len = natural(dim);
    if (!len || *len > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
        __builtin_mul_overflow(count, *len, &count)) {
      return damaged(path, label, " has the shape ", to_json(*shape).substr(0, 100));
    }
    entry.shape.push_back(static_cast<int64_t>(*len));
  }
  const auto begin = natural(offsets->as_array()[0]);
  const auto end = natural(offsets->as_array()[1]);
  if (!begin || !end || *begin > *end)
    return damaged(path, label, " has data_offsets ", to_json(*offsets).substr(0, 100));
  entry.range.offset = *begin;
  entry.range.num_bytes = *end - *begin;
  const SafetensorsDtype* known = find_dtype(entry.dtype_text);
  if (known == nullptr) return {};
  entry.dtype = known->dtype;
  uint64_t bits = 0;
  if (__builtin_mul_overflow(count, static_cast<uint64_t>(known->bits), &bits) ||
      (bits + 7) / 8 != entry.range.num_bytes) {
    return damaged(path, label, " (", known->name, " ", shape_text(entry.shape), ") does not fill its ",
                   entry.range.num_bytes, " bytes");
  }
  return {};
}

// The data section must be covered once, without holes: a hole or an overlap is a damaged or hostile header.
Status check_dense(const std::string& path, const std::vector<TensorEntry>& entries, uint64_t data_bytes) {
  std::vector<const TensorEntry*> order;
  for (const TensorEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->range.offset, a->range.num_bytes) < std::pair(b->range.offset, b->range.num_bytes);
  });
  uint64_t at = 0;
  for (const TensorEntry* entry : order) {
    if (entry->range.offset != at) {
      return damaged(path, "tensor \"", utf8_sanitize(entry->name), "\" begins at ", entry->range.offset,
                     entry->range.offset < at ? ", inside the tensor before it" : ", behind a gap",
                     " (expected ", at, ")");
    }
    at += entry->range.num_bytes;
    if (at > data_bytes) {
      return damaged(path, "tensor \"", utf8_sanitize(entry->name), "\" ends ", at - data_bytes,
                     " bytes past the end of the file");
    }
  }
  if (at != data_bytes) return damaged(path, "the tensors cover ", at, " of ", data_bytes, " bytes of data");
  return {};
}

bool plain_file_name(const std::string& name) {
  return !name.empty() && name.size() < 256 && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos && name != "." && name != ".." &&
         name.ends_with(".safetensors");
}

std::vector<std::string> list_directory(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool is_pickle_name(const std::string& name) {
  return name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth") ||
         name.ends_with(".ckpt") || name.ends_with(".pkl");
}

// Reads the shards that the index names and keeps the tensors it lists.
Result<TensorTable> read_sharded(const std::string& directory) {
  const std::string index_path = directory + "/" + std::string(kIndexName);
  HADAL_ASSIGN(const std::string text, read_file(index_path, kMaxIndexBytes));
  auto index = parse_json(text);
  if (!index.ok()) return invalid_argument(index_path, ": ", index.error().message);
  const Json* map = index->find("weight_map");
  if (map == nullptr || !map->is_object() || map->as_object().empty()) {
    return invalid_argument(index_path, ": \"weight_map\" must be an object from tensor names to file names");
  }
  HADAL_RETURN_IF_ERROR(check_index_names(index_path, text));
  std::set<std::string> shards;
  std::unordered_map<std::string_view, std::string_view> shard_of;
  for (const auto& [name, file] : map->as_object()) {
    if (!file.is_string() || !plain_file_name(file.as_string())) {
      return invalid_argument(index_path, ": the file of tensor \"", name,
                              "\" must be the name of a .safetensors file ", "beside the index; it is ",
                              to_json(file).substr(0, 100));
    }
    shards.insert(file.as_string());
    shard_of.emplace(name, file.as_string());
  }
  TensorTable table;
  for (const std::string& shard : shards) {
    const std::string path = directory + "/" + shard;
    if (!path_exists(path)) {
      return make_error(ErrorCode::kNotFound, path, " is missing: ", kIndexName, " names ", shards.size(),
                        " files; fetch the model again");
    }
    HADAL_ASSIGN(TensorTable part, read_safetensors_file(path));
    for (TensorEntry& entry : part.entries) {
      const auto listed = shard_of.find(entry.name);
      if (listed == shard_of.end() || listed->second != shard) continue;
      entry.range.file = static_cast<uint32_t>(table.paths.size());
      table.add(std::move(entry));
    }
    table.paths.push_back(path);
  }
  for (const auto& [name, file] : map->as_object()) {
    if (table.find(name) == nullptr) {
      return make_error(ErrorCode::kDataLoss, directory, "/", file.as_string(), " does not hold tensor \"",
                        name, "\", which ", kIndexName,
                        " says it does: the files belong to different versions of the model");
    }
  }
  return table;
}

}  // namespace

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Result<TensorTable> read_safetensors_file(const std::string& path) {
  HADAL_ASSIGN(const MappedFile file, MappedFile::open(path));
  const auto bytes = file.bytes();
  uint64_t header_len = 0;
  if (bytes.size() < sizeof header_len)
    return damaged(path, "it has ", bytes.size(), " bytes, no safetensors header");
  std::memcpy(&header_len, bytes.data(), sizeof header_len);
  if (header_len > bytes.size() - sizeof header_len) {
    return damaged(path, "its header claims ", header_len, " bytes but the file has ", bytes.size());
  }
  if (header_len > kMaxHeaderBytes) {
    return make_error(ErrorCode::kTooLarge, path, ": a header of ", header_len, " bytes; at most ",
                      kMaxHeaderBytes, " are read");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header_len, header_len);
  auto header = parse_json(text, 16);
  if (!header.ok()) return damaged(path, "its header is not JSON (", header.error().message, ")");
  if (!header->is_object()) return damaged(path, "its header is not a JSON object");
  HADAL_RETURN_IF_ERROR(check_names(path, text));
  TensorTable table;
  table.paths.push_back(path);
  for (const auto& [name, value] : header->as_object()) {
    if (name == "__metadata__") continue;
    if (name.empty() || name.size() > kMaxNameLen)
      return damaged(path, "a tensor name of ", name.size(), " bytes");
    TensorEntry entry;
    entry.name = name;
    HADAL_RETURN_IF_ERROR(parse_entry(path, value, entry));
    table.add(std::move(entry));
  }
  const uint64_t data_start = sizeof header_len + header_len;
  HADAL_RETURN_IF_ERROR(check_dense(path, table.entries, bytes.size() - data_start));
  for (TensorEntry& entry : table.entries) entry.range.offset += data_start;
  return table;
}

Result<TensorTable> read_safetensors_directory(const std::string& directory) {
  if (path_exists(directory + "/model.safetensors"))
    return read_safetensors_file(directory + "/model.safetensors");
  if (path_exists(directory + "/" + std::string(kIndexName))) return read_sharded(directory);
  std::vector<std::string> found;
  std::string pickle;
  for (const std::string& name : list_directory(directory)) {
    if (name.ends_with(".safetensors")) found.push_back(name);
    if (is_pickle_name(name)) pickle = name;
  }
  if (found.size() == 1) return read_safetensors_file(directory + "/" + found[0]);
  if (found.size() > 1) {
    return make_error(ErrorCode::kNotFound, directory, " holds ", found.size(), " .safetensors files but no ",
                      kIndexName, " that says which tensor is where: fetch that file too");
  }
  if (!pickle.empty()) {
    return make_error(
        ErrorCode::kUnsupported, directory, " holds ", pickle,
        ", a pickle file: reading one can run code that is hidden in it, so hadal does not. Use the model's ",
        "safetensors or GGUF files, or convert it (save_pretrained with safe_serialization=True)");
  }
  return make_error(ErrorCode::kNotFound, directory, " holds no weights: looked for model.safetensors, ",
                    kIndexName, " and .gguf files");
}

}  // namespace hadal
