// SPDX-License-Identifier: Apache-2.0
// What packets are steered by, as the maps of VIPs, endpoints and sources.
#include <algorithm>
#include <map>

#include "pods/entries.h"
#include "pods/pods.h"

namespace weft::pods {
namespace {

using Done = tl::expected<void, std::string>;

weft_endpoint entry_of(const Endpoint& endpoint) {
  return {.address = key_of(endpoint.address),
          .port = static_cast<uint16_t>(endpoint.port),
          .protocol = static_cast<uint8_t>(endpoint.protocol)};
}

/// What fragments and ICMP errors are looked up by: an entry without port and protocol. It sorts before the address's
/// endpoints.
Endpoint address_alone(const Endpoint& endpoint) {
  return {.address = endpoint.address};
}

void keep_first(Done& first, Done next) {
  if (first && !next) {
    first = std::move(next);
  }
}

}  // namespace

tl::expected<void, std::string> Pods::add(const Steered& what) {
  Done first;
  for (const Endpoint& endpoint : what.endpoints) {
    keep_first(first, add(endpoint));
  }
  direct_.insert(what.direct.begin(), what.direct.end());
  keep_first(first, settle_grants(what.direct));
  for (const lb::Address& vip : what.vips) {
    if (!vips_.contains(vip)) {
      if (Done done = programs_->vips().set(key_of(vip), bpf::kPresent); done) {
        vips_.insert(vip);
      } else {
        keep_first(first, std::move(done));
      }
    }
  }
  return first;
}

tl::expected<void, std::string> Pods::erase(const Steered& what) {
  Done first;
  for (const lb::Address& vip : what.vips) {
    if (vips_.contains(vip)) {
      if (Done done = programs_->vips().erase(key_of(vip)); done) {
        vips_.erase(vip);
      } else {
        keep_first(first, std::move(done));
      }
    }
  }
  for (const Endpoint& endpoint : what.endpoints) {
    keep_first(first, erase(endpoint));
  }
  for (const DirectEndpoint& each : what.direct) {
    direct_.erase(each);
  }
  keep_first(first, settle_grants(what.direct));
  return first;
}

Steered Pods::steered() const {
  Steered all{.vips = {vips_.begin(), vips_.end()}, .endpoints = {}, .direct = {direct_.begin(), direct_.end()}};
  for (auto entry = endpoints_.begin(); entry != endpoints_.end(); ++entry) {
    if (*entry != address_alone(*entry) || is_lone_address(entry)) {
      all.endpoints.push_back(*entry);
    }
  }
  return all;
}

/// An address of which no endpoint is left: a crash came between the two.
bool Pods::is_lone_address(std::set<Endpoint>::const_iterator entry) const {
  const auto next = std::next(entry);
  return *entry == address_alone(*entry) && (next == endpoints_.end() || next->address != entry->address);
}

Pods::Done Pods::add(const Endpoint& endpoint) {
  for (const Endpoint& entry : {address_alone(endpoint), endpoint}) {
    if (!endpoints_.contains(entry)) {
      if (Done done = programs_->endpoints().set(entry_of(entry), bpf::kPresent); !done) {
        return done;
      }
      endpoints_.insert(entry);
    }
  }
  return {};
}

Pods::Done Pods::erase(const Endpoint& endpoint) {
  if (endpoint != address_alone(endpoint) && endpoints_.contains(endpoint)) {
    if (Done done = programs_->endpoints().erase(entry_of(endpoint)); !done) {
      return done;
    }
    endpoints_.erase(endpoint);
  }
  const auto alone = endpoints_.find(address_alone(endpoint));
  if (alone == endpoints_.end() || !is_lone_address(alone)) {
    return {};
  }
  if (Done done = programs_->endpoints().erase(entry_of(*alone)); !done) {
    return done;
  }
  endpoints_.erase(alone);
  return {};
}

/// May the pod answer from the VIP, by an address of its that is a direct endpoint? An address of its own it has
/// anyway.
bool Pods::wants(const Pod& pod, const lb::Address& vip) const {
  return !std::binary_search(pod.addresses.begin(), pod.addresses.end(), vip) &&
         std::any_of(pod.addresses.begin(), pod.addresses.end(),
                     [&](const lb::Address& address) { return direct_.contains({.address = address, .vip = vip}); });
}

Pods::Done Pods::settle_grant(const Pod& pod, const lb::Address& vip) {
  const Grant grant(pod.ifindex, vip);
  const bool wanted = wants(pod, vip);
  if (wanted == grants_.contains(grant)) {
    return {};
  }
  // What has become the pod's own address is written already.
  const bool is_own = std::binary_search(pod.addresses.begin(), pod.addresses.end(), vip);
  const weft_source source = source_of(grant.first, grant.second);
  Done done = wanted   ? programs_->sources().set(source, WEFT_SOURCE_VIP)
              : is_own ? Done{}
                       : programs_->sources().erase(source);
  if (done && wanted) {
    grants_.insert(grant);
  } else if (done) {
    grants_.erase(grant);
  }
  return done;
}

/// @param changed they came or went
Pods::Done Pods::settle_grants(const std::vector<DirectEndpoint>& changed) {
  std::map<lb::Address, const Pod*> by_address;
  if (!changed.empty()) {
    for (const Pod& pod : pods_) {
      for (const lb::Address& address : pod.addresses) {
        by_address.emplace(address, &pod);
      }
    }
  }
  Done first;
  for (const DirectEndpoint& each : changed) {
    if (const auto pod = by_address.find(each.address); pod != by_address.end()) {
      keep_first(first, settle_grant(*pod->second, each.vip));
    }
  }
  return first;
}

/// After pods came, went or have other addresses.
Pods::Done Pods::settle_grants() {
  Done first;
  for (auto grant = grants_.begin(); grant != grants_.end();) {
    const auto held = grant++;  // settle_grant() may erase it
    const auto pod =
        std::find_if(pods_.begin(), pods_.end(), [&](const Pod& each) { return each.ifindex == held->first; });
    if (pod != pods_.end()) {
      keep_first(first, settle_grant(*pod, held->second));
    } else if (Done erased = programs_->sources().erase(source_of(held->first, held->second)); erased) {
      grants_.erase(held);
    } else {
      keep_first(first, std::move(erased));
    }
  }
  for (const Pod& pod : pods_) {
    for (const lb::Address& address : pod.addresses) {
      for (auto each = direct_.lower_bound({.address = address, .vip = {}});
           each != direct_.end() && each->address == address; ++each) {
        keep_first(first, settle_grant(pod, each->vip));
      }
    }
  }
  return first;
}

}  // namespace weft::pods
