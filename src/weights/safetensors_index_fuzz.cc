// Feeds arbitrary text as model.safetensors.index.json beside two small shards, and as one shard's header
// beside an index; reads every tensor of what is accepted. Whatever the index says, only files beside it are
// opened.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/temp_dir.h"
#include "weights/safetensors_writer.h"
#include "weights/tensor_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Writer = hadal::SafetensorsWriter;
  static const hadal::TempDir dir;  // writing files is what costs here
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool as_header = text.starts_with("#");
  dir.write("a.safetensors",
            as_header ? Writer::with_header(text.substr(1), "12345678")
                      : Writer().add("x", "F32", {1}, "1234").add("y", "BF16", {2}, "1234").bytes());
  dir.write("b.safetensors", Writer().add("z", "F32", {2}, "12345678").bytes());
  dir.write("model.safetensors.index.json",
            as_header ? R"({"weight_map":{"x":"a.safetensors","z":"b.safetensors"}})" : text);
  const auto table = hadal::read_safetensors_directory(dir.path());
  if (!table.ok()) {
    HADAL_CHECK(!table.error().message.empty());
    return 0;
  }
  for (const std::string& path : table->paths) {
    HADAL_CHECK(path == dir.file("a.safetensors") || path == dir.file("b.safetensors")) << path;
  }
  for (const hadal::TensorEntry& entry : table->entries) {
    HADAL_CHECK(table->find(entry.name) != nullptr && entry.range.file < table->paths.size());
  }
  return 0;
}
