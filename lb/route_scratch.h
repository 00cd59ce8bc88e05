// SPDX-License-Identifier: Apache-2.0
/// @file What a thread needs to look requests up in route tables: room for what a request's headers and parameters are,
/// for what Hyperscan found, and for Hyperscan itself.
///
/// How much depends on the table, and a worker must not allocate. So prepare() is called elsewhere, before the table is
/// in force: RouteScratches holds one for each worker, goes with a snapshot, and is shared with the next as long as it
/// fits its tables too. Of a worker's index, only that worker uses what is there. Where it does not fit, larger ones
/// are made for all workers, and the old ones go when no worker reads the old snapshot any more.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "lb/expressions.h"
#include "lb/route_table.h"

namespace weft::lb {

class RouteTable::Scratch {
 public:
  /// Room for the joined values of repeated headers, and for decoded parameters, in one request. Larger than what the
  /// codec takes for a head; were there more, the value would count as absent.
  static constexpr size_t kTextBytes = size_t{128} << 10;

  Scratch() = default;

  /// Makes it fit the table, and all that it fitted before. Allocates; not while a look-up is under way.
  void prepare(const RouteTable& table);
  /// Does it, without prepare()? May say no where it would do.
  bool fits(const RouteTable& table) const;
  size_t memory_bytes() const;

 private:
  friend class RouteTable;
  friend class RouteLookUp;

  struct Value {
    std::string_view text;
    uint64_t present = 0;  ///< the look-up in which it was: no need to clear anything between two
    uint64_t scanned = 0;
    size_t first_field = 0;    ///< of a header
    bool is_repeated = false;  ///< and not joined yet
  };

  uint64_t turn_ = 0;            ///< number of look-ups
  std::vector<Value> values_;    ///< by AskedNames' number
  std::vector<uint64_t> holds_;  ///< by value expression: the look-up in which it matched
  std::vector<uint32_t> found_;  ///< of one scan of a value
  std::vector<uint32_t> paths_;  ///< expressions that match the path
  std::unique_ptr<char[]> text_;
  MatcherScratch matcher_;
  std::vector<std::weak_ptr<const Expressions>> fitted_;  ///< databases that matcher_ was prepared for
};

class RouteScratches {
 public:
  explicit RouteScratches(size_t workers) : scratches_(workers) {}

  /// Those of `before` if they fit the new tables, else ones that fit all.
  /// @param came tables that are in force from now on, and that `before` was not made for
  /// @param all  tables that are in force from now on
  static std::shared_ptr<RouteScratches> fitting(const std::shared_ptr<RouteScratches>& before,
                                                 const std::vector<const RouteTable*>& came,
                                                 const std::vector<const RouteTable*>& all);

  size_t workers() const { return scratches_.size(); }
  RouteTable::Scratch& of(size_t worker) { return scratches_[worker]; }

 private:
  std::vector<RouteTable::Scratch> scratches_;
};

}  // namespace weft::lb
