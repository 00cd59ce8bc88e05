// SPDX-License-Identifier: Apache-2.0
#include "lb/name_table.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "lb/address_hash.h"

namespace weft::lb {
namespace {

/// What is looked up by: no name is taken for an address or a namespace.
enum class NameKind : uint64_t { service = 1, name_space = 2, address = 3 };

uint64_t hash_of_name(std::string_view name, NameKind kind, uint64_t seed) {
  return XXH3_64bits_withSeed(name.data(), name.size(), seed + static_cast<uint64_t>(kind));
}

uint64_t hash_of_owned(const Address& address, uint64_t seed) {
  return hash_of(address, seed + static_cast<uint64_t>(NameKind::address));
}

/// Behind the service's own label.
std::string_view namespace_in(std::string_view name) {
  return name.substr(1 + static_cast<uint8_t>(name[0]));
}

constexpr size_t place_in_root(uint64_t hash) {
  return hash >> 58;
}
constexpr size_t place_in_branch(uint64_t hash) {
  return hash >> 52 & 63;
}

}  // namespace

bool NamedService::has(const Address& address) const {
  return address.is_ipv4() ? std::binary_search(ipv4.begin(), ipv4.end(), address.ipv4())
                           : std::binary_search(ipv6.begin(), ipv6.end(), address.ipv6());
}

void NamedService::arrange() {
  by_port.assign(ports.size(), {});
  for (size_t port = 0; port < ports.size(); ++port) {
    std::set<Port> told;  // of the host at hand
    for (uint32_t place = 0; place < endpoints.size(); ++place) {
      if (place > 0 && endpoints[place - 1].host != endpoints[place].host) {
        told.clear();
      }
      if (endpoints[place].ports[port] != Port{} && told.insert(endpoints[place].ports[port]).second) {
        by_port[port].push_back(place);
      }
    }
    by_port[port].shrink_to_fit();
  }
  by_address.resize(endpoints.size());
  std::iota(by_address.begin(), by_address.end(), 0U);
  std::stable_sort(by_address.begin(), by_address.end(),
                   [&](uint32_t a, uint32_t b) { return endpoints[a].address < endpoints[b].address; });
}

const NamedEndpoint* NamedService::endpoint_at(const Address& address) const {
  const auto found =
      std::lower_bound(by_address.begin(), by_address.end(), address,
                       [&](uint32_t place, const Address& wanted) { return endpoints[place].address < wanted; });
  return found != by_address.end() && endpoints[*found].address == address ? &endpoints[*found] : nullptr;
}

std::span<const NamedEndpoint> NamedService::at_host(std::string_view host) const {
  struct ByHost {
    bool operator()(const NamedEndpoint& each, std::string_view wanted) const { return each.host < wanted; }
    bool operator()(std::string_view wanted, const NamedEndpoint& each) const { return wanted < each.host; }
  };
  const auto [first, last] = std::equal_range(endpoints.begin(), endpoints.end(), host, ByHost());
  return {first, last};
}

size_t NamedService::memory_bytes() const {
  size_t bytes = sizeof *this + name.capacity() + ipv4.capacity() * sizeof(Ipv4Address) +
                 ipv6.capacity() * sizeof(Ipv6Address) + ports.capacity() * sizeof(NamedPort) +
                 endpoints.capacity() * sizeof(NamedEndpoint) + by_address.capacity() * sizeof(uint32_t);
  for (const EndpointPlaces& places : by_port) {
    bytes += sizeof places + places.capacity() * sizeof(uint32_t);
  }
  for (const NamedEndpoint& endpoint : endpoints) {
    bytes += endpoint.ports.capacity() * sizeof(Port);
  }
  return bytes;
}

std::string wire_name(std::string_view service, std::string_view name_space) {
  std::string name;
  for (const std::string_view label : {service, name_space}) {
    name += static_cast<char>(label.size());
    name += label;
  }
  return name;
}

void NameTable::collect(const Edit& edit, std::vector<Change>& changes) const {
  const std::string& name = edit.after != nullptr ? edit.after->name : edit.before->name;
  const uint64_t owner = hash_of_name(name, NameKind::service, seed_);
  changes.push_back({.hash = owner, .before = edit.before, .after = edit.after});
  if (const int32_t more = (edit.after != nullptr ? 1 : 0) - (edit.before != nullptr ? 1 : 0); more != 0) {
    changes.push_back({.hash = hash_of_name(namespace_in(name), NameKind::name_space, seed_),
                       .services = more,
                       .before = edit.before,
                       .after = edit.after});
  }
  const auto each_only_in = [&](const NamedService* one, const NamedService* other, auto use) {
    const auto in = [&](auto list) {
      const auto none = std::remove_reference_t<decltype(one->*list)>();
      const auto& of_one = one == nullptr ? none : one->*list;
      const auto& of_other = other == nullptr ? none : other->*list;
      for (auto at = of_one.begin(), known = of_other.begin(); at != of_one.end(); ++at) {
        while (known != of_other.end() && *known < *at) {
          ++known;
        }
        if (known == of_other.end() || *at < *known) {
          use(hash_of_owned(Address(*at), seed_));
        }
      }
    };
    in(&NamedService::ipv4);
    in(&NamedService::ipv6);
  };
  each_only_in(edit.before.get(), edit.after.get(),
               [&](uint64_t hash) { changes.push_back({.hash = hash, .owner = owner, .before = edit.before}); });
  each_only_in(edit.after.get(), edit.before.get(),
               [&](uint64_t hash) { changes.push_back({.hash = hash, .owner = owner, .after = edit.after}); });
}

void NameTable::apply(const Change& change, Leaf& leaf) {
  if (change.owner != 0) {
    if (change.after != nullptr) {
      leaf.push_back({.hash = change.hash, .owner = change.owner});
      return;
    }
    const auto gone = std::find_if(leaf.begin(), leaf.end(), [&](const Entry& entry) {
      return entry.hash == change.hash && entry.owner == change.owner;
    });
    if (gone != leaf.end()) {
      leaf.erase(gone);
    }
    return;
  }
  if (change.services != 0) {
    const std::string_view label = namespace_in(change.after ? change.after->name : change.before->name);
    const auto known = std::find_if(leaf.begin(), leaf.end(), [&](const Entry& entry) {
      return entry.services > 0 && namespace_in(entry.service->name) == label;
    });
    if (known == leaf.end()) {
      leaf.push_back({.hash = change.hash, .services = 1, .service = change.after});
    } else if (known->services = static_cast<uint32_t>(static_cast<int32_t>(known->services) + change.services);
               known->services == 0) {
      leaf.erase(known);
    }
    return;
  }
  const auto known =
      change.before == nullptr ? leaf.end() : std::find_if(leaf.begin(), leaf.end(), [&](const Entry& entry) {
        return entry.hash == change.hash && entry.is_service() && entry.service == change.before;
      });
  if (known == leaf.end()) {
    leaf.push_back({.hash = change.hash, .service = change.after});
  } else if (change.after == nullptr) {
    leaf.erase(known);
  } else {
    known->service = change.after;
  }
}

std::shared_ptr<const NameTable> NameTable::with(const std::vector<Edit>& edits) const {
  auto next = std::make_shared<NameTable>(*this);
  std::vector<Change> changes;
  for (const Edit& edit : edits) {
    collect(edit, changes);
    next->services_ += (edit.after != nullptr ? 1 : 0);
    next->services_ -= (edit.before != nullptr ? 1 : 0);
  }
  // Those of one leaf side by side: each leaf and branch is copied once.
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) { return a.hash >> 52 < b.hash >> 52; });
  for (auto change = changes.begin(); change != changes.end();) {
    auto& place = next->root_[place_in_root(change->hash)];
    auto branch = place == nullptr ? std::make_shared<Branch>() : std::make_shared<Branch>(*place);
    for (const size_t root = place_in_root(change->hash);
         change != changes.end() && place_in_root(change->hash) == root;) {
      auto& shared = (*branch)[place_in_branch(change->hash)];
      auto leaf = shared == nullptr ? std::make_shared<Leaf>() : std::make_shared<Leaf>(*shared);
      for (const uint64_t first = change->hash >> 52; change != changes.end() && change->hash >> 52 == first;
           ++change) {
        apply(*change, *leaf);
      }
      shared = leaf->empty() ? nullptr : std::move(leaf);
    }
    place = std::move(branch);
  }
  return next;
}

const NameTable::Leaf* NameTable::leaf_of(uint64_t hash) const {
  const Branch* const branch = root_[place_in_root(hash)].get();
  return branch == nullptr ? nullptr : (*branch)[place_in_branch(hash)].get();
}

const NamedService* NameTable::find(std::string_view name) const {
  const uint64_t hash = hash_of_name(name, NameKind::service, seed_);
  if (const Leaf* leaf = leaf_of(hash); leaf != nullptr) {
    for (const Entry& entry : *leaf) {
      if (entry.hash == hash && entry.is_service() && entry.service->name == name) {
        return entry.service.get();
      }
    }
  }
  return nullptr;
}

const NamedService* NameTable::owner_of(const Address& address) const {
  const uint64_t hash = hash_of_owned(address, seed_);
  const Leaf* const leaf = leaf_of(hash);
  if (leaf == nullptr) {
    return nullptr;
  }
  const NamedService* first = nullptr;
  for (const Entry& entry : *leaf) {
    if (entry.owner == 0 || entry.hash != hash) {
      continue;
    }
    const Leaf* const owners = leaf_of(entry.owner);
    for (size_t i = 0; owners != nullptr && i < owners->size(); ++i) {
      const Entry& owner = (*owners)[i];
      if (owner.hash == entry.owner && owner.is_service() && owner.service->has(address) &&
          (first == nullptr || owner.service->name < first->name)) {
        first = owner.service.get();
      }
    }
  }
  return first;
}

bool NameTable::has_namespace(std::string_view label) const {
  const uint64_t hash = hash_of_name(label, NameKind::name_space, seed_);
  const Leaf* const leaf = leaf_of(hash);
  return leaf != nullptr && std::any_of(leaf->begin(), leaf->end(), [&](const Entry& entry) {
           return entry.hash == hash && entry.services > 0 && namespace_in(entry.service->name) == label;
         });
}

}  // namespace weft::lb
