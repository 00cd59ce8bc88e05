// SPDX-License-Identifier: Apache-2.0
#include "node/steering.h"

#include <utility>

namespace weft::node {
namespace {

pods::Endpoint endpoint_of(const registry::TrackedEndpoint& tracked) {
  return {.address = tracked.address, .port = tracked.port, .protocol = tracked.protocol};
}

pods::DirectEndpoint direct_of(const registry::TrackedEndpoint& tracked) {
  return {.address = tracked.address, .vip = tracked.vip};
}

}  // namespace

Steering::Steering(pods::SteeringMaps& maps, Publish publish) : maps_(maps), publish_(std::move(publish)) {
  const pods::Steered left = maps.steered();
  for (const lb::Address& vip : left.vips) {
    vips_.found(vip);
  }
  for (const pods::Endpoint& endpoint : left.endpoints) {
    endpoints_.found(endpoint);
  }
  for (const pods::DirectEndpoint& each : left.direct) {
    direct_.found(each);
  }
}

Steering::Done Steering::take(const registry::Publication& publication) {
  note(publication.endpoints);
  note(publication.snapshot->services().shared());
  pending_ = publication.snapshot;
  return settle();
}

Steering::Done Steering::retry() {
  return settled_ ? Done{} : settle();
}

void Steering::note(const registry::TrackedChanges& changes) {
  for (const registry::TrackedEndpoint& gone : changes.gone) {
    if (const auto slot = slots_.find(gone.slot); slot != slots_.end()) {  // else it came and went unseen
      release(slot->second);
      slots_.erase(slot);
    }
  }
  for (const registry::TrackedEndpoint& changed : changes.changed) {
    vips_.use(changed.vip);  // its service may go while its last flows stay
    endpoints_.use(endpoint_of(changed));
    const auto [slot, is_new] = slots_.try_emplace(changed.slot);
    const bool same = !is_new && direct_of(slot->second.tracked) == direct_of(changed);
    if (!is_new) {
      vips_.release(slot->second.tracked.vip);
      endpoints_.release(endpoint_of(slot->second.tracked));
    }
    if (slot->second.direct && !same) {
      direct_.release(direct_of(slot->second.tracked));
      slot->second.direct = false;
    }
    slot->second.tracked = changed;
  }
}

void Steering::release(const Slot& slot) {
  vips_.release(slot.tracked.vip);
  endpoints_.release(endpoint_of(slot.tracked));
  if (slot.direct) {
    direct_.release(direct_of(slot.tracked));
  }
}

/// Most snapshots have as many services as the one before, all but a few of them the same objects.
void Steering::note(const lb::ServiceList::Shared& services) {
  const bool aligned = services.size() == services_.size();
  for (size_t i = 0; i < services.size(); ++i) {
    if (!aligned || services[i] != services_[i]) {
      use(*services[i]);
    }
  }
  for (size_t i = 0; i < services_.size(); ++i) {
    if (!aligned || services[i] != services_[i]) {
      vips_.release(services_[i]->address);
    }
  }
  services_ = services;
}

void Steering::use(const lb::Service& service) {
  vips_.use(service.address);
  if (service.policy.mode != lb::Mode::dsr) {
    return;
  }
  for (const lb::Endpoint& endpoint : service.endpoints) {
    Slot& slot = slots_.at(endpoint.slot);  // what a snapshot names is tracked
    if (!slot.direct) {
      slot.direct = true;
      direct_.use(direct_of(slot.tracked));
    }
  }
}

Steering::Done Steering::settle() {
  Done replies = add_replies();
  if (!replies) {
    // No snapshot names what is to go, nor does a flow: its room is there to be had.
    std::ignore = erase_replies();
    replies = add_replies();
  }
  settled_ = false;
  if (!replies) {
    return replies;
  }
  if (pending_ != nullptr) {
    publish_(std::exchange(pending_, nullptr));
  }
  Done asked = maps_.erase({.vips = vips_.excess(), .endpoints = {}, .direct = {}});
  if (asked) {
    vips_.erased();
  }
  Done added = maps_.add({.vips = vips_.missing(), .endpoints = {}, .direct = {}});
  if (added) {
    vips_.added();
  }
  const Done erased = erase_replies();
  for (const Done& done : {added, asked, erased}) {
    if (!done) {
      return done;
    }
  }
  settled_ = true;
  return {};
}

Steering::Done Steering::add_replies() {
  Done done = maps_.add({.vips = {}, .endpoints = endpoints_.missing(), .direct = direct_.missing()});
  if (done) {
    endpoints_.added();
    direct_.added();
  }
  return done;
}

Steering::Done Steering::erase_replies() {
  Done done = maps_.erase({.vips = {}, .endpoints = endpoints_.excess(), .direct = direct_.excess()});
  if (done) {
    endpoints_.erased();
    direct_.erased();
  }
  return done;
}

}  // namespace weft::node
