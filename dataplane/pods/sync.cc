// SPDX-License-Identifier: Apache-2.0
// What the registry says, as the maps of VIPs, endpoints and sources.
#include <algorithm>

#include "pods/entries.h"
#include "pods/pods.h"

namespace weft::pods {
namespace {

weft_endpoint entry_of(const Endpoint& endpoint) {
  return {.address = key_of(endpoint.address),
          .port = static_cast<uint16_t>(endpoint.port),
          .protocol = static_cast<uint8_t>(endpoint.protocol)};
}

/// With an entry without port and protocol for each address: what fragments and ICMP errors are looked up by.
std::set<Endpoint> with_addresses(const std::vector<Endpoint>& endpoints) {
  std::set<Endpoint> all(endpoints.begin(), endpoints.end());
  for (const Endpoint& endpoint : endpoints) {
    all.insert({.address = endpoint.address});
  }
  return all;
}

constexpr lb::Address kLowest;  ///< in the order of addresses: 0.0.0.0

}  // namespace

tl::expected<void, std::string> Pods::add_endpoints(const std::vector<Endpoint>& endpoints,
                                                    const std::vector<DirectEndpoint>& direct) {
  for (const Endpoint& endpoint : with_addresses(endpoints)) {
    if (!endpoints_.contains(endpoint)) {
      if (auto done = programs_->endpoints().set(entry_of(endpoint), bpf::kPresent); !done) {
        return done;
      }
      endpoints_.insert(endpoint);
    }
  }
  direct_.insert(direct.begin(), direct.end());
  return sync_grants();
}

tl::expected<void, std::string> Pods::sync(const std::vector<lb::Address>& vips, const std::vector<Endpoint>& endpoints,
                                           const std::vector<DirectEndpoint>& direct) {
  const std::set<lb::Address> wanted_vips(vips.begin(), vips.end());
  const size_t distinct = std::set<Endpoint>(endpoints.begin(), endpoints.end()).size();
  if (wanted_vips.size() > WEFT_MAX_VIPS || distinct > WEFT_MAX_ENDPOINTS) {
    return tl::unexpected("the mesh has " + std::to_string(wanted_vips.size()) + " VIPs and " +
                          std::to_string(distinct) + " endpoints: weft takes " + std::to_string(WEFT_MAX_VIPS) +
                          " and " + std::to_string(WEFT_MAX_ENDPOINTS) + "; the eBPF maps stay as they are");
  }
  // A VIP makes requests come, an endpoint steers their replies: endpoints come first and go last.
  if (auto added = add_endpoints(endpoints, direct); !added) {
    return added;
  }
  for (const lb::Address& vip : wanted_vips) {
    if (!vips_.contains(vip)) {
      if (auto done = programs_->vips().set(key_of(vip), bpf::kPresent); !done) {
        return done;
      }
      vips_.insert(vip);
    }
  }
  for (auto vip = vips_.begin(); vip != vips_.end();) {
    if (wanted_vips.contains(*vip)) {
      ++vip;
      continue;
    }
    if (auto done = programs_->vips().erase(key_of(*vip)); !done) {
      return done;
    }
    vip = vips_.erase(vip);
  }
  const std::set<Endpoint> wanted_endpoints = with_addresses(endpoints);
  for (auto endpoint = endpoints_.begin(); endpoint != endpoints_.end();) {
    if (wanted_endpoints.contains(*endpoint)) {
      ++endpoint;
      continue;
    }
    if (auto done = programs_->endpoints().erase(entry_of(*endpoint)); !done) {
      return done;
    }
    endpoint = endpoints_.erase(endpoint);
  }
  direct_ = std::set<DirectEndpoint>(direct.begin(), direct.end());
  return sync_grants();
}

/// Which pods may answer from which VIPs: the direct endpoints among the pods that are attached now.
Pods::Done Pods::sync_grants() {
  std::set<Grant> wanted;
  for (const Pod& pod : pods_) {
    for (const lb::Address& address : pod.addresses) {
      for (auto each = direct_.lower_bound({.address = address, .vip = kLowest});
           each != direct_.end() && each->address == address; ++each) {
        if (!std::binary_search(pod.addresses.begin(), pod.addresses.end(), each->vip)) {  // else it is the pod's own
          wanted.emplace(pod.ifindex, each->vip);
        }
      }
    }
  }
  for (const Grant& grant : wanted) {
    if (!grants_.contains(grant)) {
      if (auto done = programs_->sources().set(source_of(grant.first, grant.second), WEFT_SOURCE_VIP); !done) {
        return done;
      }
      grants_.insert(grant);
    }
  }
  for (auto grant = grants_.begin(); grant != grants_.end();) {
    if (wanted.contains(*grant)) {
      ++grant;
      continue;
    }
    // What has become the pod's own address is written already.
    const bool is_own = std::any_of(pods_.begin(), pods_.end(), [&](const Pod& pod) {
      return pod.ifindex == grant->first &&
             std::binary_search(pod.addresses.begin(), pod.addresses.end(), grant->second);
    });
    const Done erased = is_own ? Done{} : programs_->sources().erase(source_of(grant->first, grant->second));
    if (!erased) {
      return erased;
    }
    grant = grants_.erase(grant);
  }
  return {};
}

}  // namespace weft::pods
