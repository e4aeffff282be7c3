#include "kv/prefix_tree.h"

#include <bit>
#include <cstring>

namespace hadal {
namespace {

// Folds the 128-bit product of two words: the mixing step of wyhash (Wang Yi, public domain).
uint64_t fold(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

int32_t whole_blocks(size_t num_tokens, int32_t block_size, int32_t max_blocks) {
  const auto full = static_cast<int64_t>(num_tokens) / block_size;
  return static_cast<int32_t>(std::min<int64_t>(full, max_blocks));
}

}  // namespace

PrefixTree::PrefixTree(BlockPool& pool, int32_t block_size, uint64_t hash_seed)
    : pool_(pool), block_size_(block_size), seed_(hash_seed) {
  HADAL_CHECK(block_size > 0) << "block size " << block_size;
  const auto num_blocks = static_cast<size_t>(pool.num_blocks());
  nodes_.resize(num_blocks);
  tokens_.resize(num_blocks * static_cast<size_t>(block_size));
  buckets_.assign(std::bit_ceil(2 * num_blocks), kNoBlock);
}

PrefixTree::~PrefixTree() {
  for (Node& n : nodes_) {
    if (!n.block) continue;
    pool_.set_cached(n.block.id(), false);
    n.block = BlockRef();
  }
}

bool PrefixTree::same_tokens(BlockId id, const int32_t* tokens) const {
  const auto size = static_cast<size_t>(block_size_);
  return std::memcmp(&tokens_[static_cast<size_t>(id) * size], tokens, size * sizeof(int32_t)) == 0;
}

uint32_t PrefixTree::hash_block(int32_t parent, const int32_t* tokens) const {
  uint64_t h = fold(seed_ ^ 0x9e3779b97f4a7c15ull, static_cast<uint32_t>(parent) ^ 0xd1b54a32d192ed03ull);
  for (int32_t i = 0; i < block_size_; i += 2) {
    const uint64_t low = static_cast<uint32_t>(tokens[i]);
    const uint64_t high = i + 1 < block_size_ ? static_cast<uint32_t>(tokens[i + 1]) : 0;
    h = fold(h ^ (low | high << 32), seed_ | 0xa0761d6478bd6423ull);
  }
  return static_cast<uint32_t>(h ^ h >> 32);
}

BlockId PrefixTree::find_in_bucket(int32_t parent, const int32_t* tokens) const {
  const uint32_t hash = hash_block(parent, tokens);
  for (BlockId id = buckets_[bucket_of(hash)]; id != kNoBlock; id = node(id).next_in_bucket) {
    const Node& n = node(id);
    if (n.hash == hash && n.parent == parent && same_tokens(id, tokens)) return id;
  }
  return kNoBlock;
}

BlockId PrefixTree::find_child(int32_t parent, BlockId hint, int32_t num_siblings,
                               const int32_t* tokens) const {
  if (hint != kNoBlock) {
    if (same_tokens(hint, tokens)) return hint;
    --num_siblings;
  }
  return num_siblings > 0 ? find_in_bucket(parent, tokens) : kNoBlock;
}

BlockId& PrefixTree::last_child(int32_t parent) {
  return parent >= 0 ? node(parent).last_child : roots_[static_cast<size_t>(~parent)].last_child;
}

int32_t& PrefixTree::num_children(int32_t parent) {
  return parent >= 0 ? node(parent).num_children : roots_[static_cast<size_t>(~parent)].num_children;
}

int32_t PrefixTree::find_root(std::string_view salt) const {
  const auto it = namespaces_.find(salt);
  return it == namespaces_.end() ? -1 : it->second;
}

int32_t PrefixTree::make_root(std::string_view salt) {
  const int32_t existing = find_root(salt);
  if (existing >= 0) return existing;
  int32_t root = static_cast<int32_t>(roots_.size());
  if (free_roots_.empty()) {
    roots_.emplace_back();
  } else {
    root = free_roots_.back();
    free_roots_.pop_back();
  }
  roots_[static_cast<size_t>(root)] = Root{std::string(salt), kNoBlock, 0};
  namespaces_.emplace(std::string(salt), root);
  return root;
}

void PrefixTree::remove_root(int32_t root) {
  namespaces_.erase(roots_[static_cast<size_t>(root)].salt);
  roots_[static_cast<size_t>(root)] = Root();
  free_roots_.push_back(root);
}

int32_t PrefixTree::match(std::string_view salt, std::span<const int32_t> tokens, int32_t max_blocks,
                          BlockTable& table) {
  HADAL_CHECK(table.empty()) << "match into a table of " << table.size() << " blocks";
  const int32_t root = find_root(salt);
  const int32_t limit = whole_blocks(tokens.size(), block_size_, max_blocks);
  if (root < 0 || limit <= 0) return 0;
  table.reserve(limit);
  int32_t parent = ~root;
  BlockId hint = roots_[static_cast<size_t>(root)].last_child;
  int32_t siblings = roots_[static_cast<size_t>(root)].num_children;
  const int32_t* block_tokens = tokens.data();
  int32_t count = 0;
  for (; count < limit; ++count, block_tokens += block_size_) {
    const BlockId child = find_child(parent, hint, siblings, block_tokens);
    if (child == kNoBlock) break;
    if (child != hint) last_child(parent) = child;
    const Node& n = node(child);
    table.push_back(n.block);
    parent = child;
    hint = n.last_child;
    siblings = n.num_children;
  }
  return count;
}

int32_t PrefixTree::match_len(std::string_view salt, std::span<const int32_t> tokens,
                              int32_t max_blocks) const {
  const int32_t root = find_root(salt);
  const int32_t limit = whole_blocks(tokens.size(), block_size_, max_blocks);
  if (root < 0) return 0;
  int32_t parent = ~root;
  BlockId hint = roots_[static_cast<size_t>(root)].last_child;
  int32_t siblings = roots_[static_cast<size_t>(root)].num_children;
  int32_t count = 0;
  for (; count < limit; ++count) {
    const BlockId child = find_child(parent, hint, siblings, tokens.data() + int64_t{count} * block_size_);
    if (child == kNoBlock) break;
    parent = child;
    hint = node(child).last_child;
    siblings = node(child).num_children;
  }
  return count;
}

void PrefixTree::insert(std::string_view salt, std::span<const int32_t> tokens, int32_t begin, int32_t end,
                        BlockTable& table, std::vector<BlockRef>& replaced) {
  if (begin >= end) return;
  HADAL_CHECK(end <= table.size() && int64_t{end} * block_size_ <= static_cast<int64_t>(tokens.size()))
      << "inserting blocks up to " << end << " of " << table.size() << " with " << tokens.size() << " tokens";
  int32_t parent = begin == 0 ? ~make_root(salt) : table.id(begin - 1);
  HADAL_CHECK(begin == 0 || static_cast<bool>(node(parent).block))
      << "block " << parent << " is not in the tree";
  for (int32_t i = begin; i < end; ++i) {
    const int32_t* block_tokens = tokens.data() + int64_t{i} * block_size_;
    const BlockId child = find_child(parent, last_child(parent), num_children(parent), block_tokens);
    if (child == kNoBlock) {
      add_node(parent, block_tokens, table.ref(i));
    } else if (child != table.id(i)) {
      replaced.push_back(table.replace(i, node(child).block));
    }
    last_child(parent) = table.id(i);
    parent = table.id(i);
  }
}

void PrefixTree::add_node(int32_t parent, const int32_t* tokens, const BlockRef& block) {
  const BlockId id = block.id();
  Node& n = node(id);
  HADAL_CHECK(!n.block) << "block " << id << " is in the tree already";
  const auto size = static_cast<size_t>(block_size_);
  std::memcpy(&tokens_[static_cast<size_t>(id) * size], tokens, size * sizeof(int32_t));
  n.block = block;
  n.parent = parent;
  n.last_child = kNoBlock;
  n.num_children = 0;
  n.hash = hash_block(parent, tokens);
  n.next_in_bucket = buckets_[bucket_of(n.hash)];
  buckets_[bucket_of(n.hash)] = id;
  ++num_children(parent);
  ++num_nodes_;
  pool_.set_cached(id, true);
}

void PrefixTree::remove_node(BlockId id) {
  Node& n = node(id);
  HADAL_CHECK(n.num_children == 0) << "evicting block " << id << " with " << n.num_children << " children";
  BlockId* link = &buckets_[bucket_of(n.hash)];
  while (*link != id) link = &node(*link).next_in_bucket;
  *link = n.next_in_bucket;
  if (last_child(n.parent) == id) last_child(n.parent) = kNoBlock;
  const int32_t parent = n.parent;
  if (--num_children(parent) == 0 && parent < 0) remove_root(~parent);
  --num_nodes_;
  pool_.set_cached(id, false);
  n.block = BlockRef();
}

bool PrefixTree::evict_one() {
  const BlockId id = pool_.oldest_idle();
  if (id == kNoBlock) return false;
  remove_node(id);
  return true;
}

void PrefixTree::check_integrity() const {
  std::vector<int32_t> children(nodes_.size(), 0);
  std::vector<int32_t> root_children(roots_.size(), 0);
  int32_t count = 0;
  for (BlockId id = 0; id < pool_.num_blocks(); ++id) {
    const Node& n = node(id);
    HADAL_CHECK(static_cast<bool>(n.block) == pool_.is_cached(id))
        << "block " << id << ": tree and pool differ";
    if (!n.block) continue;
    ++count;
    HADAL_CHECK(n.block.id() == id) << "node " << id << " holds block " << n.block.id();
    if (n.parent >= 0) {
      HADAL_CHECK(static_cast<bool>(node(n.parent).block))
          << "node " << id << " has lost its parent " << n.parent;
      HADAL_CHECK(pool_.ref_count(id) == 1 || pool_.ref_count(n.parent) > 1)
          << "block " << id << " is held but its parent " << n.parent << " is not";
      ++children[static_cast<size_t>(n.parent)];
    } else {
      ++root_children[static_cast<size_t>(~n.parent)];
    }
    const int32_t* tokens = &tokens_[static_cast<size_t>(id) * static_cast<size_t>(block_size_)];
    HADAL_CHECK(n.hash == hash_block(n.parent, tokens)) << "node " << id << ": tokens changed";
    HADAL_CHECK(find_in_bucket(n.parent, tokens) == id) << "node " << id << " is not found, or there are two";
  }
  HADAL_CHECK(count == num_nodes_) << count << " nodes, counted " << num_nodes_;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].block) continue;
    HADAL_CHECK(children[i] == nodes_[i].num_children) << "node " << i << " miscounts its children";
    const BlockId hint = nodes_[i].last_child;
    HADAL_CHECK(hint == kNoBlock || node(hint).parent == static_cast<int32_t>(i))
        << "node " << i << ": hint " << hint;
  }
  for (const auto& [salt, root] : namespaces_) {
    HADAL_CHECK(root_children[static_cast<size_t>(root)] == roots_[static_cast<size_t>(root)].num_children &&
                roots_[static_cast<size_t>(root)].salt == salt)
        << "namespace " << salt;
  }
}

}  // namespace hadal
