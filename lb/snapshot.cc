// SPDX-License-Identifier: Apache-2.0
#include "lb/snapshot.h"

#include <algorithm>
#include <cassert>

#include "lb/authorization.h"
#include "lb/caller_table.h"
#include "lb/http_policy.h"
#include "lb/route_scratch.h"

namespace weft::lb {

namespace {

ServiceList shared(std::vector<Service> services) {
  ServiceList::Shared result;
  result.reserve(services.size());
  for (Service& service : services) {
    result.push_back(std::make_shared<Service>(std::move(service)));
  }
  return ServiceList(std::move(result));
}

/// Is the index of one that of the other? Services shared by pointer are not looked into.
bool same_addresses(const ServiceList& a, const ServiceList& b) {
  return std::equal(a.shared().begin(), a.shared().end(), b.shared().begin(), b.shared().end(),
                    [](const auto& x, const auto& y) {
                      return x == y || (x->address == y->address && x->port == y->port && x->protocol == y->protocol);
                    });
}

/// The services of `list` that `other` has not. Equal lengths mean as a rule that each stayed where it was.
std::vector<const Service*> without(const ServiceList& list, const ServiceList& other) {
  std::vector<const Service*> result;
  if (list.size() == other.size()) {
    for (size_t i = 0; i < list.size(); ++i) {
      if (list.shared()[i] != other.shared()[i]) {
        result.push_back(&list[i]);
      }
    }
    return result;
  }
  std::vector<const Service*> others;
  for (const Service& service : other) {
    others.push_back(&service);
  }
  std::sort(others.begin(), others.end());
  for (const Service& service : list) {
    if (!std::binary_search(others.begin(), others.end(), &service)) {
      result.push_back(&service);
    }
  }
  return result;
}

}  // namespace

const RequestPolicy kDefaultRequestPolicy;

std::string_view to_string(EndpointState state) {
  switch (state) {
    case EndpointState::ready:
      return "ready";
    case EndpointState::draining:
      return "draining";
    case EndpointState::not_ready:
      return "not ready";
  }
  return "unknown";
}

size_t Service::memory_bytes() const {
  return sizeof *this + endpoints.capacity() * sizeof(Endpoint) + targets.capacity() * sizeof(Target) +
         table->memory_bytes() + (authorization == nullptr ? 0 : authorization->memory_bytes());
}

bool Service::is_opaque() const {
  return !answers_names && (policy.mode != Mode::proxy || http == nullptr || http->protocol == AppProtocol::opaque);
}

Snapshot::Snapshot(uint64_t epoch, uint64_t seed, std::vector<Service> services, const std::vector<uint32_t>& reset,
                   size_t workers)
    : epoch_(epoch),
      seed_(seed),
      services_(shared(std::move(services))),
      index_(std::make_shared<VipIndex>(services_.shared())),
      resets_(reset),
      scratches_(std::make_shared<RouteScratches>(workers)),
      names_(std::make_shared<NameTable>()),
      callers_(std::make_shared<CallerTable>()),
      authorized_since_(epoch) {
  std::vector<const Service*> come;
  for (const Service& service : services_) {
    admit(service);
    come.push_back(&service);
  }
  admit_resets();
  fit_scratches(come);
}

Snapshot::Snapshot(const Snapshot& before, uint64_t epoch, ServiceList services, const std::vector<uint32_t>& reset,
                   std::shared_ptr<const NameTable> names, std::shared_ptr<const CallerTable> callers)
    : epoch_(epoch),
      seed_(before.seed_),
      services_(std::move(services)),
      index_(same_addresses(before.services_, services_) ? before.index_
                                                         : std::make_shared<VipIndex>(services_.shared())),
      endpoints_(before.endpoints_),
      resets_(reset),
      by_slot_(before.by_slot_),
      scratches_(before.scratches_),
      names_(names != nullptr ? std::move(names) : before.names_),
      callers_(callers != nullptr ? std::move(callers) : before.callers_),
      authorized_since_(before.authorized_since_),
      faulted_(before.faulted_) {
  const std::vector<const Service*> gone = without(before.services_, services_);
  const std::vector<const Service*> come = without(services_, before.services_);
  for (const Service* service : come) {
    const Service* const known = before.service_at(service->slot);
    if ((known == nullptr ? nullptr : known->authorization) != service->authorization) {
      authorized_since_ = epoch;
    }
  }
  // All that goes before all that comes: an endpoint's slot may be in both.
  for (const Service* service : gone) {
    by_slot_[service->slot] = nullptr;
    faulted_ -= service->faults == nullptr ? 0 : 1;
    for (const Endpoint& endpoint : service->endpoints) {
      endpoints_[endpoint.slot] = {};
    }
  }
  for (const uint32_t slot : before.resets_) {
    endpoints_[slot] = {};
  }
  for (const Service* service : come) {
    admit(*service);
  }
  admit_resets();
  fit_scratches(come);
}

void Snapshot::admit(const Service& service) {
  assert(service.table != nullptr && service.table->members().size() == service.targets.size());
  if (by_slot_.size() <= service.slot) {
    by_slot_.resize(service.slot + 1);
  }
  by_slot_[service.slot] = &service;
  faulted_ += service.faults == nullptr ? 0 : 1;
  for (const Endpoint& endpoint : service.endpoints) {
    info(endpoint.slot).fate = Fate::kept;
  }
  for (uint32_t target = 0; target < service.targets.size(); ++target) {
    info(service.targets[target].slot) = {.fate = Fate::open, .target = target};
  }
}

void Snapshot::fit_scratches(const std::vector<const Service*>& come) {
  const auto tables_of = [](const auto& services) {
    std::vector<const RouteTable*> tables;
    for (const Service* service : services) {
      if (service->http == nullptr) {
        continue;
      }
      if (service->http->routes != nullptr) {
        tables.push_back(service->http->routes.get());
      }
      for (const ConsumerRoutes& consumer : service->http->consumers) {
        tables.push_back(consumer.routes.get());
      }
    }
    return tables;
  };
  const std::vector<const RouteTable*> new_tables = tables_of(come);
  if (new_tables.empty()) {
    return;
  }
  std::vector<const Service*> all;
  for (const Service& service : services_) {
    all.push_back(&service);
  }
  scratches_ = RouteScratches::fitting(scratches_, new_tables, tables_of(all));
}

void Snapshot::admit_resets() {
  std::sort(resets_.begin(), resets_.end());
  for (const uint32_t slot : resets_) {
    assert(fate_of(slot) == Fate::gone);
    info(slot).fate = Fate::reset;
  }
}

const Service* Snapshot::find(const Address& address, Port port, Protocol protocol) const {
  const std::optional<uint32_t> position = index_->find(address, port, protocol);
  return position ? &services_[*position] : nullptr;
}

const Target* Snapshot::target_of(const Service& service, uint32_t endpoint_slot) const {
  if (fate_of(endpoint_slot) != Fate::open) {
    return nullptr;
  }
  const uint32_t target = endpoints_[endpoint_slot].target;
  return target < service.targets.size() && service.targets[target].slot == endpoint_slot ? &service.targets[target]
                                                                                          : nullptr;
}

Snapshot::EndpointInfo& Snapshot::info(uint32_t endpoint_slot) {
  if (endpoints_.size() <= endpoint_slot) {
    endpoints_.resize(endpoint_slot + 1);
  }
  return endpoints_[endpoint_slot];
}

}  // namespace weft::lb
