// PrefixTree: which token prefixes have their keys in which blocks. A radix tree whose every node is exactly
// one full block, so edges never split and a node's index is its block id. Owned by KvDomain; engine thread
// only.
//
// - Only full blocks of computed tokens enter the tree. Two prefixes share a block only when all their tokens
// up to the
//   block's end and their namespaces (cache_salt) are the same.
// - Holding a BlockRef is the lock: a node is evictable when nothing but the tree holds its block.
// - Whoever holds a node's block holds the blocks of all its ancestors too, and gives them back from the last
// to the first
//   (BlockTable). So among the pool's idle blocks a child always stands before its parent, the oldest idle
//   block is always a leaf, and evicting it is O(1): the pool's idle order is the LRU list. insert() keeps
//   this true by swapping a table's block for the tree's when another sequence has computed the same one.
// - Looking a child up costs one memcmp where the child used last matches; else one hash of the block's
// tokens, seeded so
//   that prompts cannot be made to collide, and one memcmp for each node in the bucket with an equal hash.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kv/block_pool.h"
#include "kv/block_table.h"

namespace hadal {

class PrefixTree {
 public:
  // block_size: tokens per block. The pool must outlive the tree.
  PrefixTree(BlockPool& pool, int32_t block_size, uint64_t hash_seed);
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;
  ~PrefixTree();

  // The longest cached prefix of `tokens` in whole blocks, max_blocks at the most: appends its blocks to
  // `table` (which must be empty) and returns how many.
  int32_t match(std::string_view salt, std::span<const int32_t> tokens, int32_t max_blocks,
                BlockTable& table);
  // The same count without holding or touching anything: for choosing a domain.
  int32_t match_len(std::string_view salt, std::span<const int32_t> tokens, int32_t max_blocks) const;

  // Makes blocks [begin, end) of `table` findable as the blocks of tokens [begin * block_size, end *
  // block_size); blocks [0, begin) must already be in the tree, as put there or matched. Where the tree has
  // the same prefix already, the table's block is replaced by the tree's and the old one is appended to
  // `replaced` (a step in flight may still read it).
  void insert(std::string_view salt, std::span<const int32_t> tokens, int32_t begin, int32_t end,
              BlockTable& table, std::vector<BlockRef>& replaced);

  // Drops the leaf that nobody has held for the longest time. False when every block is held or the tree is
  // empty.
  bool evict_one();

  int32_t num_nodes() const { return num_nodes_; }
  int32_t block_size() const { return block_size_; }
  int32_t num_namespaces() const { return static_cast<int32_t>(namespaces_.size()); }

  // Aborts when links, counts, hashes or the ancestor rule are broken. For tests; O(num_blocks).
  void check_integrity() const;

 private:
  // A parent is a node's block id, or ~r for root r.
  struct Node {
    BlockRef block;
    int32_t parent = 0;
    BlockId last_child = kNoBlock;  // the child matched or inserted last
    int32_t num_children = 0;
    uint32_t hash = 0;
    BlockId next_in_bucket = kNoBlock;
  };
  struct Root {
    std::string salt;
    BlockId last_child = kNoBlock;
    int32_t num_children = 0;
  };
  struct SaltHash {
    using is_transparent = void;
    size_t operator()(std::string_view salt) const { return std::hash<std::string_view>()(salt); }
  };

  Node& node(BlockId id) { return nodes_[static_cast<size_t>(id)]; }
  const Node& node(BlockId id) const { return nodes_[static_cast<size_t>(id)]; }
  BlockId& last_child(int32_t parent);
  int32_t& num_children(int32_t parent);
  bool same_tokens(BlockId id, const int32_t* tokens) const;
  uint32_t hash_block(int32_t parent, const int32_t* tokens) const;
  size_t bucket_of(uint32_t hash) const { return hash & (buckets_.size() - 1); }
  BlockId find_in_bucket(int32_t parent, const int32_t* tokens) const;
  BlockId find_child(int32_t parent, BlockId hint, int32_t num_siblings, const int32_t* tokens) const;
  int32_t find_root(std::string_view salt) const;  // -1: none
  int32_t make_root(std::string_view salt);
  void add_node(int32_t parent, const int32_t* tokens, const BlockRef& block);
  void remove_node(BlockId id);
  void remove_root(int32_t root);

  BlockPool& pool_;
  const int32_t block_size_;
  const uint64_t seed_;
  std::vector<Node> nodes_;      // by block id; in the tree when `block` is not empty
  std::vector<int32_t> tokens_;  // [num_blocks, block_size]
  std::vector<BlockId> buckets_;
  std::vector<Root> roots_;
  std::vector<int32_t> free_roots_;
  std::unordered_map<std::string, int32_t, SaltHash, std::equal_to<>> namespaces_;  // salt to root
  int32_t num_nodes_ = 0;
};

}  // namespace hadal
