// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstreams.h"

#include <utility>

namespace weft::proxy {

Upstreams::Upstreams(uint32_t connections, uint32_t service_slots, uint32_t endpoint_slots, time::Millis now)
    : upstreams_(connections), parked_of_(endpoint_slots, kNone), of_service_(service_slots), wheel_(connections, now) {
  free_.reserve(connections);
  for (uint32_t number = connections; number-- > 0;) {
    free_.push_back(number);
  }
}

uint32_t Upstreams::take_parked(uint32_t endpoint_slot) {
  const uint32_t number = parked_of_[endpoint_slot];
  if (number != kNone) {
    unlink(upstreams_[number]);
    upstreams_[number].state = Upstream::State::busy;
  }
  return number;
}

uint32_t Upstreams::make(uint32_t service_slot, uint32_t endpoint_slot) {
  if (free_.empty()) {
    return kNone;
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  const uint32_t generation = upstreams_[number].generation + 1;
  upstreams_[number] = {.state = Upstream::State::calling,
                        .generation = generation,
                        .service_slot = service_slot,
                        .endpoint_slot = endpoint_slot};
  return number;
}

void Upstreams::park(uint32_t number, time::Millis until) {
  Upstream& upstream = upstreams_[number];
  upstream.state = Upstream::State::parked;
  upstream.parked_until = until;
  upstream.previous = kNone;
  upstream.next = parked_of_[upstream.endpoint_slot];
  if (upstream.next != kNone) {
    upstreams_[upstream.next].previous = number;
  }
  parked_of_[upstream.endpoint_slot] = number;
  upstream.newer = kNone;
  upstream.older = std::exchange(newest_, number);
  (upstream.older == kNone ? oldest_ : upstreams_[upstream.older].newer) = number;
  Ends& of_service = of_service_[upstream.service_slot];
  upstream.newer_of_service = kNone;
  upstream.older_of_service = std::exchange(of_service.newest, number);
  (upstream.older_of_service == kNone ? of_service.oldest : upstreams_[upstream.older_of_service].newer_of_service) =
      number;
  ++parked_;
  wheel_.arm(number, until);  // lazily: it stays armed while it is taken out and parked again
}

void Upstreams::forget(uint32_t number) {
  Upstream& upstream = upstreams_[number];
  if (upstream.state == Upstream::State::parked) {
    unlink(upstream);
  }
  wheel_.disarm(number);
  upstream.state = Upstream::State::free;
  free_.push_back(number);
}

void Upstreams::unlink(Upstream& upstream) {
  (upstream.previous == kNone ? parked_of_[upstream.endpoint_slot] : upstreams_[upstream.previous].next) =
      upstream.next;
  if (upstream.next != kNone) {
    upstreams_[upstream.next].previous = upstream.previous;
  }
  (upstream.older == kNone ? oldest_ : upstreams_[upstream.older].newer) = upstream.newer;
  (upstream.newer == kNone ? newest_ : upstreams_[upstream.newer].older) = upstream.older;
  Ends& of_service = of_service_[upstream.service_slot];
  (upstream.older_of_service == kNone ? of_service.oldest : upstreams_[upstream.older_of_service].newer_of_service) =
      upstream.newer_of_service;
  (upstream.newer_of_service == kNone ? of_service.newest : upstreams_[upstream.newer_of_service].older_of_service) =
      upstream.older_of_service;
  --parked_;
}

size_t Upstreams::memory_bytes() const {
  return upstreams_.size() * (sizeof(Upstream) + sizeof(uint32_t)) + parked_of_.size() * sizeof(uint32_t) +
         of_service_.size() * sizeof(Ends) + wheel_.memory_bytes();
}

}  // namespace weft::proxy
