// SPDX-License-Identifier: Apache-2.0
/// @file Sets of clauses, a bit each, and the indexes that lead from a text or an address to the set of those clauses
/// that it does not rule out.
///
/// A clause is one thing that a policy says: a rule, or one operation of it. Each index answers for one field of all
/// clauses at once, so a thousand clauses cost an AND of sixteen words and no comparison; what the fields have in
/// common is what holds. After Lakshman and Stiliadis, "High-speed policy-based packet forwarding using efficient
/// multi-dimensional range matching" (SIGCOMM 1998).
///
/// Made once, then only read: by any number of threads, without an allocation.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lb/authorization_rule.h"

namespace weft::lb {

/// At most: what a set takes on the stack.
inline constexpr uint32_t kMostClauses = 4096;
inline constexpr uint32_t kMostClauseWords = kMostClauses / 64;

/// Sets are read in blocks of so many words; what lies behind the last one may be read, and means nothing.
inline constexpr uint32_t kClauseBlock = 4;

using ClauseBits = std::vector<uint64_t>;
inline void set_clause(ClauseBits& bits, uint32_t clause) {
  bits[clause / 64] |= uint64_t{1} << (clause % 64);
}

/// Sets of the same size, each once.
class ClauseSets {
 public:
  explicit ClauseSets(uint32_t words) : words_(words) {}

  uint32_t add(const ClauseBits& bits);
  const uint64_t* operator[](uint32_t set) const { return sets_.data() + size_t{set} * words_; }
  /// Once all are there.
  void close();
  size_t memory_bytes() const { return sets_.capacity() * sizeof(uint64_t); }

 private:
  uint32_t words_;
  std::vector<uint64_t> sets_;
  std::map<ClauseBits, uint32_t> known_;  ///< until close()
};

/// What one clause says of a field. None: nothing.
template <typename Value>
struct ClauseField {
  uint32_t clause = 0;
  const std::vector<Value>* is = nullptr;
};

/// Sets that a question's indexes have named, to be put together in one go.
class Narrowing {
 public:
  /// What is in neither is ruled out.
  void keep(const uint64_t* one, const uint64_t* other) { kept_[keeps_++] = {one, other}; }
  /// What is in it is.
  void drop(const uint64_t* set) { dropped_[drops_++] = set; }
  /// Writes whole blocks: `bits` has room for kMostClauseWords.
  void apply(const uint64_t* from, uint64_t* bits, uint32_t words) const;

 private:
  static constexpr size_t kMost = 8;  ///< paths, hosts, methods and four headers; of each but headers, two that drop

  std::array<std::pair<const uint64_t*, const uint64_t*>, kMost> kept_;
  std::array<const uint64_t*, kMost> dropped_;
  uint32_t keeps_ = 0;
  uint32_t drops_ = 0;
};

/// A radix tree of bytes: one step a place where patterns part. A node knows the set of all prefixes on the way to it.
class PatternIndex {
 public:
  /// It knows nothing of templates: may they fit any text, or none?
  enum class Templates : uint8_t { fit_any, fit_none };
  PatternIndex(uint32_t words, std::span<const ClauseField<TextPattern>> fields,
               Templates templates = Templates::fit_any);

  /// Does any clause say anything that it can tell? If not, it need not be asked.
  bool tells() const { return tells_; }
  /// Leaves in `bits` the clauses of which one of these texts fulfils what they say. No text: as an empty one.
  void narrow(std::string_view text, uint64_t* bits) const;
  void narrow(std::span<const std::string> texts, uint64_t* bits) const;
  /// Of an index of "not", whose fields all say something: takes from `bits` the clauses of which a pattern fits.
  void remove(std::string_view text, uint64_t* bits) const;
  // The same, together with what other indexes say.
  void narrow(std::string_view text, Narrowing& narrowing) const;
  void remove(std::string_view text, Narrowing& narrowing) const;
  size_t memory_bytes() const;

 private:
  struct Entry {
    std::string text;
    uint32_t clause;
    bool exact;
  };
  struct alignas(64) Node {
    static constexpr uint32_t kInline = 40;  ///< bytes of a label that lie here: most are shorter

    uint32_t label = 0;  ///< of the edge from above, in labels_ if it is longer
    uint32_t label_length = 0;
    uint32_t children = 0;  ///< the first of them; they lie side by side
    uint32_t count = 0;
    uint32_t through = 0;  ///< set of what goes on behind this node
    uint32_t ends = 0;     ///< and of what ends here
    std::array<char, kInline> text{};
  };
  struct Tree {
    std::vector<Node> nodes;
    std::string firsts;  ///< of each node's label
  };

  void grow(Tree& tree, uint32_t node, std::span<const Entry> entries, size_t depth, ClauseBits through,
            const ClauseBits* ends);
  std::string_view label_of(const Node& node) const {
    return {node.label_length <= Node::kInline ? node.text.data() : labels_.data() + node.label, node.label_length};
  }
  const uint64_t* forward(std::string_view text) const;
  const uint64_t* backward(std::string_view text) const;

  uint32_t words_;
  bool tells_ = false;
  bool has_suffixes_ = false;
  bool has_others_ = false;  ///< patterns, that are no suffixes
  ClauseSets sets_;
  uint32_t nothing_ = 0;  ///< the empty set, which need not be read
  Tree prefixes_;         ///< and exact texts
  Tree suffixes_;         ///< from the end
  std::string labels_;
};

/// The same of addresses: a binary search over the borders of all prefixes.
class AddressIndex {
 public:
  AddressIndex(uint32_t words, std::span<const ClauseField<Prefix>> fields);

  bool tells() const { return !edges_.empty(); }
  void narrow(const Address& address, uint64_t* bits) const;
  void remove(const Address& address, uint64_t* bits) const;
  size_t memory_bytes() const { return sets_.memory_bytes() + edges_.capacity() * sizeof(Edge); }

 private:
  struct Edge {
    Address address;
    bool after = false;  ///< the border lies behind the address, else in front of it
    uint32_t set = 0;    ///< of what lies behind the border

    bool before(const Address& other) const { return address < other || (address == other && !after); }
  };

  const uint64_t* find(const Address& address) const;

  uint32_t words_;
  ClauseSets sets_;
  uint32_t outside_ = 0;  ///< set of what lies in front of all borders
  std::vector<Edge> edges_;
};

}  // namespace weft::lb
