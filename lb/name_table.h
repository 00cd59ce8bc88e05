// SPDX-License-Identifier: Apache-2.0
/// @file Services by name: what is answered to whoever asks for one in the DNS.
///
/// A table is immutable, and the next one shares with it all but what changed: it is a tree of two levels over a hash,
/// of which an edit copies one path. Names are compared as they stand on the wire: labels with their lengths, in lower
/// case, without the root (RFC 1035, section 3.1). Any number of threads may read a table; find() does not allocate.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lb/address.h"

namespace weft::lb {

/// A port that has a name, which unnamed ones are not found by.
struct NamedPort {
  std::string name;  ///< in lower case
  Protocol protocol{};
  Port port{};

  bool operator==(const NamedPort&) const = default;
};

/// A ready endpoint of a headless service, at one of its addresses.
struct NamedEndpoint {
  std::string host;  ///< one label, in lower case
  Address address;
  std::vector<Port> ports;  ///< of each of the service's ports; 0: it has none of that name

  bool operator==(const NamedEndpoint&) const = default;
};

struct NamedService {
  std::string name;               ///< of the wire: its own label and its namespace's
  bool headless = false;          ///< the addresses are those of its endpoints, not its own
  std::vector<Ipv4Address> ipv4;  ///< each once, sorted
  std::vector<Ipv6Address> ipv6;
  std::vector<NamedPort> ports;
  std::vector<NamedEndpoint> endpoints;  ///< of a headless one: sorted by host, then address

  bool operator==(const NamedService&) const = default;
  bool has(const Address& address) const;
  size_t memory_bytes() const;
};

/// As NamedService::name. Precondition: labels of 1 to 63 bytes.
std::string wire_name(std::string_view service, std::string_view name_space);

class NameTable {
 public:
  /// Of a service that changed. Null: it was not there before, or is not there any more.
  struct Edit {
    std::shared_ptr<const NamedService> before;
    std::shared_ptr<const NamedService> after;
  };

  NameTable() = default;
  /// Costs what the edits touch: for each address and name of theirs a few hundred bytes to copy, and 1 KiB in all.
  /// @param before each as it stands in the table
  std::shared_ptr<const NameTable> with(const std::vector<Edit>& edits) const;

  /// Null: there is none. @param name on the wire, in lower case
  const NamedService* find(std::string_view name) const;
  /// The service that has the address, as its own or as that of an endpoint; of several, the first by name.
  const NamedService* owner_of(const Address& address) const;
  /// Does any service live there? @param label of the wire, with its length, in lower case
  bool has_namespace(std::string_view label) const;

  /// How many services and endpoints can be found.
  size_t services() const { return services_; }

 private:
  struct Entry {
    uint64_t hash = 0;
    uint32_t services = 0;                        ///< of a namespace's entry: how many live there; else 0
    std::shared_ptr<const NamedService> service;  ///< of a namespace's: one that did live there
  };
  using Leaf = std::vector<Entry>;
  static constexpr size_t kFanOut = 64;
  using Branch = std::array<std::shared_ptr<const Leaf>, kFanOut>;
  struct Change {
    uint64_t hash = 0;
    int32_t services = 0;  ///< of a namespace: one more or one fewer
    std::shared_ptr<const NamedService> before;
    std::shared_ptr<const NamedService> after;
  };

  static void collect(const Edit& edit, std::vector<Change>& changes);
  static void apply(const Change& change, Leaf& leaf);
  const Leaf* leaf_of(uint64_t hash) const;

  std::array<std::shared_ptr<const Branch>, kFanOut> root_;
  size_t services_ = 0;
};

}  // namespace weft::lb
