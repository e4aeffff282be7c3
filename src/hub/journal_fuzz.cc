// The journal of a pull: whatever is in the file, no range leaves its file.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "hub/pull_journal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const hadal::JournalState state = hadal::parse_journal(text, "boot");
  HADAL_CHECK(state.valid_bytes <= size);
  for (const auto& [id, file] : state.files) {
    for (const hadal::ByteRange& range : file.written.ranges())
      HADAL_CHECK(range.begin >= 0 && range.begin < range.end && range.end <= file.size);
    for (const hadal::ByteRange& range : file.synced.ranges()) HADAL_CHECK(file.written.covers(range));
  }
  return 0;
}
