#include "text/bpe_model.h"

#include <algorithm>

#include "base/check.h"
#include "text/unicode.h"

namespace hadal {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
constexpr size_t kSmall = 64;  // words of at most this many bytes are merged in place

}  // namespace

BpeModel::BpeModel(const std::vector<std::string_view>& keys, const std::vector<Merge>& merges, const BpeSpec& spec)
    : spec_(spec), merges_(merges) {
  unit_ids_.fill(-1);
  std::vector<PieceEntry> entries;
  for (size_t id = 0; id < keys.size(); ++id) {
    if (keys[id].empty()) continue;
    const auto entry_id = static_cast<int32_t>(id);
    const size_t unit = spec.byte_level ? 1 : decode_valid(keys[id].data()).length;
    if (keys[id].size() == 1) unit_ids_[static_cast<unsigned char>(keys[id][0])] = entry_id;
    if (spec.ignore_merges || keys[id].size() == unit) entries.push_back({keys[id], entry_id});
  }
  all_bytes_ = std::none_of(unit_ids_.begin(), unit_ids_.end(), [](int32_t id) { return id < 0; });
  if (spec.ignore_merges) {
    pieces_ = PieceTable(entries);
    return;
  }
  pieces_ = PieceTable(entries);  // the units, which the encoding below needs
  Scratch scratch;
  std::vector<int32_t> ids;
  for (const std::string_view key : keys) {
    if (key.empty() || key.size() == (spec.byte_level ? 1 : decode_valid(key.data()).length)) continue;
    ids.clear();
    merge_word(key, scratch, ids);
    if (ids.size() == 1) entries.push_back({key, ids[0]});
  }
  pieces_ = PieceTable(entries);
  find_space_cuts(keys, merges);
}

void BpeModel::find_space_cuts(const std::vector<std::string_view>& keys, const std::vector<Merge>& merges) {
  if (spec_.byte_level || pieces_.find(kSpaceMark) < 0) return;
  cut_before_space_ = std::none_of(merges.begin(), merges.end(), [&](const Merge& merge) {
    return keys[static_cast<size_t>(merge.right)].starts_with(kSpaceMark) &&
           !keys[static_cast<size_t>(merge.left)].ends_with(kSpaceMark);
  });
}

void BpeModel::encode(std::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const {
  if (!cut_before_space_) {
    encode_word(piece, scratch, out);
    return;
  }
  size_t begin = 0;
  size_t at = piece.find(kSpaceMark);
  while (at != std::string_view::npos) {
    if (at > begin && !piece.substr(begin, at - begin).ends_with(kSpaceMark)) {
      encode_word(piece.substr(begin, at - begin), scratch, out);
      begin = at;
    }
    at = piece.find(kSpaceMark, at + kSpaceMark.size());
  }
  encode_word(piece.substr(begin), scratch, out);
}

void BpeModel::encode_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& out) const {
  const int32_t id = pieces_.find(word);
  if (id >= 0) {
    out.push_back(id);
  } else {
    merge_word(word, scratch, out);
  }
}

void BpeModel::merge_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& out) const {
  if (word.size() <= kSmall) {
    int32_t ids[kSmall];
    const size_t count = merge_small(ids, units(word, ids));
    out.insert(out.end(), ids, ids + count);
    return;
  }
  HADAL_CHECK(word.size() < UINT32_MAX) << "text of " << word.size() << " bytes";
  scratch.ids.resize(word.size());
  scratch.ids.resize(units(word, scratch.ids.data()));
  merge_large(scratch);
  for (const int32_t id : scratch.ids) {
    if (id >= 0) out.push_back(id);
  }
}

// Writes at most word.size() ids.
size_t BpeModel::units(std::string_view word, int32_t* ids) const {
  if (!spec_.byte_level || !all_bytes_) return units_with_unknown(word, ids);
  for (size_t i = 0; i < word.size(); ++i) ids[i] = unit_ids_[static_cast<unsigned char>(word[i])];
  return word.size();
}

size_t BpeModel::units_with_unknown(std::string_view word, int32_t* ids) const {
  size_t count = 0;
  bool pending_unk = false;  // an unknown unit is written when the next known one comes, as Hugging Face does
  for (size_t i = 0; i < word.size();) {
    const size_t length = spec_.byte_level ? 1 : decode_valid(word.data() + i).length;
    const std::string_view unit = word.substr(i, length);
    i += length;
    const int32_t id = length == 1 ? unit_ids_[static_cast<unsigned char>(unit[0])] : pieces_.find(unit);
    if (id >= 0) {
      if (pending_unk) ids[count++] = spec_.unk_id;
      pending_unk = false;
      ids[count++] = id;
      continue;
    }
    const auto byte_id = [&](char c) { return spec_.byte_ids[static_cast<unsigned char>(c)]; };
    if (spec_.byte_fallback && std::all_of(unit.begin(), unit.end(), [&](char c) { return byte_id(c) >= 0; })) {
      for (const char c : unit) ids[count++] = byte_id(c);
      continue;
    }
    if (spec_.unk_id < 0) continue;
    if (pending_unk && !spec_.fuse_unk) ids[count++] = spec_.unk_id;
    pending_unk = true;
  }
  if (pending_unk) ids[count++] = spec_.unk_id;
  return count;
}

// The lowest rank first, the leftmost of equals; quadratic, for short words.
size_t BpeModel::merge_small(int32_t* ids, size_t count) const {
  if (count < 2) return count;
  uint32_t ranks[kSmall];
  for (size_t i = 0; i + 1 < count; ++i) ranks[i] = merges_.rank(ids[i], ids[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == MergeTable::kNone) break;
    ids[best] = merges_.result(ranks[best], ids[best], ids[best + 1]);
    --count;
    for (size_t i = best + 1; i < count; ++i) ids[i] = ids[i + 1];
    for (size_t i = best + 1; i + 1 < count; ++i) ranks[i] = ranks[i + 1];
    if (best > 0) ranks[best - 1] = merges_.rank(ids[best - 1], ids[best]);
    if (best + 1 < count) ranks[best] = merges_.rank(ids[best], ids[best + 1]);
  }
  return count;
}

// The same order with a heap of (rank, position). Leaves -1 where an id was merged away.
void BpeModel::merge_large(Scratch& scratch) const {
  auto& ids = scratch.ids;
  const auto count = static_cast<uint32_t>(ids.size());
  auto& next = scratch.next;
  auto& previous = scratch.previous;
  next.resize(count);
  previous.resize(count);
  auto& heap = scratch.heap;
  heap.clear();
  const auto offer = [&](uint32_t left, uint32_t right) {
    const uint32_t rank = merges_.rank(ids[left], ids[right]);
    if (rank == MergeTable::kNone) return false;
    heap.push_back(uint64_t{rank} << 32 | left);
    return true;
  };
  for (uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;  // wraps to UINT32_MAX at the start
    if (i + 1 < count) offer(i, i + 1);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto rank = static_cast<uint32_t>(heap.back() >> 32);
    const auto left = static_cast<uint32_t>(heap.back());
    heap.pop_back();
    const uint32_t right = next[left];
    if (ids[left] < 0 || right >= count || merges_.rank(ids[left], ids[right]) != rank) continue;  // out of date
    ids[left] = merges_.result(rank, ids[left], ids[right]);
    ids[right] = -1;
    next[left] = next[right];
    if (next[left] < count) previous[next[left]] = left;
    if (previous[left] < count && offer(previous[left], left)) {
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
    if (next[left] < count && offer(left, next[left])) std::push_heap(heap.begin(), heap.end(), std::greater<>());
  }
}

}  // namespace hadal
