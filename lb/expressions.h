// SPDX-License-Identifier: Apache-2.0
/// @file Many regular expressions tried on a whole value at once: a Hyperscan database, which knows nothing of routes.
///
/// Each is compiled as \A(?:expression)\z. Anchors keep databases and scratches small; Hyperscan's literal interface
/// and its extended parameters are not used (5.4.0 fails in the one and grows without bound by the other: its issues
/// 303, 353 and 84), and all have the same flags (281). Immutable; any number of threads may scan, each with its own
/// scratch.
///
/// A value that matches none of a thousand costs 30 to 90 cycles, one that matches 400 to 600; to compile a thousand
/// takes 1.5 s, which is why tables share what did not change.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct hs_database;
struct hs_scratch;

namespace weft::lb {

struct DeleteMatcher {
  void operator()(hs_database* database) const;
  void operator()(hs_scratch* scratch) const;
};
using MatcherScratch = std::unique_ptr<hs_scratch, DeleteMatcher>;

/// Makes the scratch fit this database, too. Allocates: throws std::bad_alloc. @param database null: nothing is to be
/// done
void fit(MatcherScratch& scratch, const hs_database* database);

class Expressions {
 public:
  struct Expression {
    std::string text;
    std::string owner;  ///< named by errors: "rule 3 of route default/web"
  };

  /// Throws std::invalid_argument, which names the expression, its owner and what is wrong with it.
  explicit Expressions(std::vector<Expression> expressions);

  size_t size() const { return expressions_.size(); }
  bool empty() const { return expressions_.empty(); }
  /// Has it the same texts in the same order?
  bool same_as(const std::vector<Expression>& expressions) const;

  /// Makes the scratch fit this database and all that it fitted before; the only call here that allocates.
  void prepare(MatcherScratch& scratch) const;

  /// Appends to `matches` the numbers of all that match the whole text, each once, in no order; there must be room for
  /// size() of them. Returns how many. Precondition: the scratch was prepared, and no other thread uses it.
  size_t scan(std::string_view text, hs_scratch* scratch, uint32_t* matches) const;

  size_t memory_bytes() const;
  static size_t scratch_bytes(const MatcherScratch& scratch);

 private:
  std::vector<Expression> expressions_;
  std::unique_ptr<hs_database, DeleteMatcher> database_;  ///< null if there is none
};

}  // namespace weft::lb
