// SPDX-License-Identifier: Apache-2.0
/// @file Reads the kernel's tables by netlink, says when they changed, and has the kernel resolve neighbours.
///
/// A change is answered with another dump of that table, not with its message: messages get lost, and of IPv6's
/// multipath routes they tell parts. In the network namespace in which it was opened. One thread.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "kernel/router.h"
#include "kernel/tables.h"
#include "pods/netlink.h"

namespace weft::kernel {

/// Which tables there is something new in.
struct Changes {
  bool links = false;
  bool routes = false;
  bool neighbours = false;

  bool any() const { return links || routes || neighbours; }
  void add(const Changes& more) {
    links |= more.links;
    routes |= more.routes;
    neighbours |= more.neighbours;
  }
  static Changes all() { return {.links = true, .routes = true, .neighbours = true}; }
};

class TableReader {
 public:
  static tl::expected<TableReader, std::string> open(std::vector<std::string> twins);

  /// Readable when something changed.
  int fd() const { return events_.get(); }
  Changes take_changes() const;

  /// Reads these tables anew. @param tables as they were before; links must have been read with or before the others
  tl::expected<void, std::string> read(const Changes& which, Tables& tables) const;

  /// Has the kernel find out, or verify, a neighbour's Ethernet address. It does not wait; what comes of it is a
  /// change.
  void resolve(const Wanted& neighbour) const;

 private:
  TableReader(pods::Netlink netlink, pods::Netlink asking, pods::Fd events, std::vector<std::string> twins)
      : netlink_(std::move(netlink)),
        asking_(std::move(asking)),
        events_(std::move(events)),
        twins_(std::move(twins)) {}

  tl::expected<void, std::string> read_links(Tables& tables) const;
  tl::expected<void, std::string> read_routes(Tables& tables) const;
  tl::expected<void, std::string> read_neighbours(Tables& tables) const;

  pods::Netlink netlink_;
  pods::Netlink asking_;  ///< nobody reads its answers
  pods::Fd events_;
  std::vector<std::string> twins_;
};

}  // namespace weft::kernel
