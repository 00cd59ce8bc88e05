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
#include <span>
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

/// Places of endpoints in the order in which they are asked for.
using EndpointPlaces = std::vector<uint32_t>;

struct NamedService {
  std::string name;               ///< of the wire: its own label and its namespace's
  bool headless = false;          ///< the addresses are those of its endpoints, not its own
  std::vector<Ipv4Address> ipv4;  ///< each once, sorted
  std::vector<Ipv6Address> ipv6;
  std::vector<NamedPort> ports;
  std::vector<NamedEndpoint> endpoints;  ///< of a headless one: sorted by host, then address
  /// Of each port, those that have it; of several with one host and one port, the first. By arrange().
  std::vector<EndpointPlaces> by_port;
  EndpointPlaces by_address;  ///< all, by address, then place. By arrange()

  bool operator==(const NamedService&) const = default;
  /// Once the endpoints are written, so that nobody has to look through all of them for one question.
  void arrange();
  /// Null: none of the endpoints has it. Of several the first by host.
  const NamedEndpoint* endpoint_at(const Address& address) const;
  /// Of this host, in the order of their addresses.
  std::span<const NamedEndpoint> at_host(std::string_view host) const;
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

  /// @param seed of the hashes: whoever may name services can't choose which of them lie together
  explicit NameTable(uint64_t seed = 0) : seed_(seed) {}
  /// Costs what the edits touch: for each address that came or went, and each name, a few hundred bytes to copy, and
  /// 1 KiB in all. Addresses that stay cost a comparison.
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
    uint64_t owner = 0;     ///< of an address's entry: the hash of its service's name, which stays when that changes
    uint32_t services = 0;  ///< of a namespace's entry: how many live there; else 0
    std::shared_ptr<const NamedService> service;  ///< of a namespace's: one that did live there; of an address's: null

    bool is_service() const { return services == 0 && owner == 0; }
  };
  using Leaf = std::vector<Entry>;
  static constexpr size_t kFanOut = 64;
  using Branch = std::array<std::shared_ptr<const Leaf>, kFanOut>;
  struct Change {
    uint64_t hash = 0;
    uint64_t owner = 0;    ///< as Entry's; of an address, only one of the two below is there
    int32_t services = 0;  ///< of a namespace: one more or one fewer
    std::shared_ptr<const NamedService> before;
    std::shared_ptr<const NamedService> after;
  };

  void collect(const Edit& edit, std::vector<Change>& changes) const;
  static void apply(const Change& change, Leaf& leaf);
  const Leaf* leaf_of(uint64_t hash) const;

  uint64_t seed_;
  std::array<std::shared_ptr<const Branch>, kFanOut> root_;
  size_t services_ = 0;
};

}  // namespace weft::lb
