#include "text/string_table.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace hadal {
namespace {

constexpr uint64_t kMix = 0x9E3779B97F4A7C15ull;  // 2^64 / golden ratio

uint64_t mix(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a ^ kMix) * (b ^ 0xD1B54A32D192ED03ull);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes) {
  uint64_t hash = bytes.size() * kMix;
  const char* p = bytes.data();
  size_t left = bytes.size();
  uint64_t word = 0;
  for (; left >= 8; left -= 8, p += 8) {
    std::memcpy(&word, p, 8);
    hash = mix(hash, word);
  }
  if (left > 0) {
    word = 0;
    std::memcpy(&word, p, left);
    hash = mix(hash, word);
  }
  return hash * kMix;
}

StringTable::StringTable(const std::vector<std::string_view>& strings) {
  size_t total = 0;
  for (const auto text : strings) total += text.size();
  HADAL_CHECK(total < UINT32_MAX) << "string table of " << total << " bytes";
  arena_.reserve(total);
  offsets_.reserve(strings.size() + 1);
  for (const auto text : strings) {
    offsets_.push_back(static_cast<uint32_t>(arena_.size()));
    arena_ += text;
  }
  offsets_.push_back(static_cast<uint32_t>(arena_.size()));
}

void StringTable::build_index() {
  const size_t slots = std::bit_ceil(std::max<size_t>(size() * 2, 16));
  shift_ = 64 - std::countr_zero(slots);
  slots_.assign(slots, -1);
  for (size_t i = 0; i < size(); ++i) {
    const std::string_view text = at(static_cast<int64_t>(i));
    if (text.empty()) continue;
    size_t slot = hash_bytes(text) >> shift_;
    while (slots_[slot] >= 0 && at(slots_[slot]) != text) slot = (slot + 1) & (slots - 1);
    slots_[slot] = static_cast<int32_t>(i);
  }
}

int32_t StringTable::find(std::string_view text) const {
  if (slots_.empty() || text.empty()) return -1;
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash_bytes(text) >> shift_;; slot = (slot + 1) & mask) {
    if (slots_[slot] < 0 || at(slots_[slot]) == text) return slots_[slot];
  }
}

}  // namespace hadal
