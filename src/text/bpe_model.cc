#include "text/bpe_model.h"

#include <algorithm>

#include "base/check.h"
#include "text/unicode.h"

namespace hadal {
namespace {

constexpr size_t kSmall = 64;  // words of at most this many bytes are merged in place

}  // namespace

BpeModel::BpeModel(const std::vector<std::string_view>& keys, const std::vector<Merge>& merges,
                   const BpeSpec& spec)
    : spec_(spec), merges_(merges) {
  unit_ids_.fill(-1);
  for (size_t id = 0; id < keys.size(); ++id) {
    if (keys[id].size() == 1) unit_ids_[static_cast<unsigned char>(keys[id][0])] = static_cast<int32_t>(id);
  }
  const auto present = [](int32_t id) { return id >= 0; };
  all_bytes_ = std::all_of(unit_ids_.begin(), unit_ids_.end(), present);
  all_fallbacks_ = spec.byte_fallback && std::all_of(spec.byte_ids.begin(), spec.byte_ids.end(), present);
  for (const Merge& merge : merges) {
    const std::string_view left = keys[static_cast<size_t>(merge.left)];
    const std::string_view right = keys[static_cast<size_t>(merge.right)];
    if (!left.empty() && !right.empty()) junctions_.add(left, right);
  }
  if (spec.byte_level) {
    byte_ranks_.assign(1 << 16, MergeTable::kNone);
    for (size_t pair = 0; pair < byte_ranks_.size(); ++pair) {
      const int32_t left = unit_ids_[pair >> 8];
      const int32_t right = unit_ids_[pair & 255];
      if (left >= 0 && right >= 0) byte_ranks_[pair] = merges_.rank(left, right);
    }
  }
  fill_pieces(keys);
}

void BpeModel::fill_pieces(const std::vector<std::string_view>& keys) {
  const auto is_unit = [&](std::string_view key) {
    return key.size() == (spec_.byte_level ? 1 : decode_valid(key.data()).length);
  };
  std::vector<PieceEntry> entries;
  for (size_t id = 0; id < keys.size(); ++id) {
    if (!keys[id].empty() && is_unit(keys[id])) entries.push_back({keys[id], static_cast<int32_t>(id)});
  }
  pieces_ = PieceTable(entries);  // the units, which merging needs
  Scratch scratch;
  std::vector<int32_t> ids;
  for (size_t id = 0; id < keys.size(); ++id) {
    if (keys[id].empty() || is_unit(keys[id])) continue;
    ids.clear();
    merge_word(keys[id], scratch, ids);
    if (ids.size() == 1 && (!spec_.ignore_merges || ids[0] == static_cast<int32_t>(id))) {
      entries.push_back({keys[id], ids[0]});
    } else if (spec_.ignore_merges) {
      entries.push_back({keys[id], static_cast<int32_t>(id) | kWholeOnly});
    }
  }
  pieces_ = PieceTable(entries);
}

// Units that vanish or fuse let their neighbours meet, so that a cut would change the result.
bool BpeModel::can_cut(std::string_view word) const {
  return spec_.byte_level ? all_units_known(word) : all_fallbacks_;
}

bool BpeModel::all_units_known(std::string_view bytes) const {
  return all_bytes_ || std::none_of(bytes.begin(), bytes.end(),
                                    [&](char c) { return unit_ids_[static_cast<unsigned char>(c)] < 0; });
}

void BpeModel::encode(std::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const {
  const int32_t whole = pieces_.find(piece);
  if (whole >= 0) {
    out.push_back(whole & ~kWholeOnly);
    return;
  }
  if (!can_cut(piece)) {
    merge_word(piece, scratch, out);
    return;
  }
  size_t begin = 0;
  size_t left = 0;
  size_t right = decode_valid(piece.data()).length;
  while (right < piece.size()) {
    const size_t end = right + decode_valid(piece.data() + right).length;
    if (!junctions_.may_join(piece.substr(left, right - left), piece.substr(right, end - right))) {
      encode_segment(piece.substr(begin, right - begin), scratch, out);
      begin = right;
    }
    left = right;
    right = end;
  }
  if (begin == 0) {
    merge_word(piece, scratch, out);
  } else {
    encode_segment(piece.substr(begin), scratch, out);
  }
}

void BpeModel::encode_segment(std::string_view segment, Scratch& scratch, std::vector<int32_t>& out) const {
  const int32_t id = pieces_.find(segment);
  if (id >= 0 && !(id & kWholeOnly)) {
    out.push_back(id);
  } else {
    merge_word(segment, scratch, out);
  }
}

void BpeModel::merge_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& out) const {
  if (word.size() > kSmall) {
    HADAL_CHECK(word.size() < UINT32_MAX) << "text of " << word.size() << " bytes";
    scratch.ids.resize(word.size());
    scratch.ids.resize(units(word, scratch.ids.data()));
    merge_large(scratch);
    for (const int32_t id : scratch.ids) {
      if (id >= 0) out.push_back(id);
    }
    return;
  }
  int32_t ids[kSmall];
  uint32_t ranks[kSmall];
  size_t count = 0;
  if (spec_.byte_level && all_units_known(word)) {
    count = word.size();
    unsigned previous = 0;
    for (size_t i = 0; i < count; ++i) {
      const auto byte = static_cast<unsigned char>(word[i]);
      ids[i] = unit_ids_[byte];
      if (i > 0) ranks[i - 1] = byte_ranks_[previous << 8 | byte];
      previous = byte;
    }
  } else {
    count = units(word, ids);
    for (size_t i = 0; i + 1 < count; ++i) ranks[i] = merges_.rank(ids[i], ids[i + 1]);
  }
  count = merge_small(ids, ranks, count);
  out.insert(out.end(), ids, ids + count);
}

// Writes at most word.size() ids.
size_t BpeModel::units(std::string_view word, int32_t* ids) const {
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
    if (spec_.byte_fallback &&
        std::all_of(unit.begin(), unit.end(), [&](char c) { return byte_id(c) >= 0; })) {
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

// The lowest rank first, the leftmost of equals; quadratic, for short words. ranks[i]: of ids[i] and ids[i +
// 1].
size_t BpeModel::merge_small(int32_t* ids, uint32_t* ranks, size_t count) const {
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
    if (ids[left] < 0 || right >= count || merges_.rank(ids[left], ids[right]) != rank)
      continue;  // out of date
    ids[left] = merges_.result(rank, ids[left], ids[right]);
    ids[right] = -1;
    next[left] = next[right];
    if (next[left] < count) previous[next[left]] = left;
    if (previous[left] < count && offer(previous[left], left)) {
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
    if (next[left] < count && offer(left, next[left]))
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
  }
}

}  // namespace hadal
