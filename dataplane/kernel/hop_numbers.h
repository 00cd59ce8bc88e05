// SPDX-License-Identifier: Apache-2.0
/// @file Which number a next hop has, over all changes of routes. Flows hold these numbers.
///
/// A number is retired before it is used for something else, and taken back only when no flow can hold it any more
/// (l4/hop_renewal.h). Slow path, one thread.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "lb/address.h"

namespace weft::kernel {

/// What a number stands for.
struct HopIdentity {
  enum class What : uint8_t {
    fixed,        ///< whom the configuration names for a port
    neighbour,    ///< `address` on a port's link: a gateway, or the destination itself
    on_link,      ///< whoever on a port's link has no Ethernet address yet
    unreachable,  ///< nobody
  };
  What what = What::unreachable;
  uint8_t port = 0;
  uint16_t mtu = 0;  ///< of the path, if the route says so
  lb::Address address;

  auto operator<=>(const HopIdentity&) const = default;
};

class HopNumbers {
 public:
  /// @param first below it numbers are the caller's. @param end beyond the last
  HopNumbers(uint32_t first, uint32_t end);

  /// Its own, or a new one. Nothing if there is none left.
  std::optional<uint16_t> number(const HopIdentity& identity);
  /// The identity has no number from now on, and gets another one if it is asked for.
  /// @param epoch of the first forwarding that says so
  void retire(const HopIdentity& identity, uint64_t epoch);
  /// Retires all that are not among these.
  void retire_all_but(const std::set<HopIdentity>& kept, uint64_t epoch);
  /// No flow holds what was retired at this epoch or before.
  void reclaim(uint64_t epoch);

  const std::map<HopIdentity, uint16_t>& in_use() const { return numbers_; }
  struct Retired {
    uint16_t number = 0;
    uint8_t port = 0;
    uint64_t epoch = 0;
  };
  const std::deque<Retired>& retired() const { return retired_; }
  size_t left() const { return free_.size() + (end_ - next_); }
  /// All numbers that ever meant something are below.
  uint32_t high_water() const { return next_; }

 private:
  std::map<HopIdentity, uint16_t> numbers_;
  std::deque<Retired> retired_;  ///< in the order of their epochs
  std::vector<uint16_t> free_;
  uint32_t next_;
  uint32_t end_;
};

}  // namespace weft::kernel
