// SPDX-License-Identifier: Apache-2.0
/// @file The immutable view of services and endpoints that workers decide by.
///
/// A snapshot is built whole by registry-sync and never edited; the next one replaces it. Services that did not change
/// are shared by pointer, and so are their tables and the index of addresses, so that one edit costs little however
/// many services there are. Any number of threads may read it.
///
/// Counters outlive snapshots, so services and endpoints carry a *slot*: a small number that stays theirs from snapshot
/// to snapshot, and is given to another only when no flow holds it any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lb/address.h"
#include "lb/flow_key.h"
#include "lb/maglev.h"
#include "lb/name_table.h"
#include "lb/policy.h"
#include "lb/vip_index.h"

namespace weft::lb {

class Authorization;   // authorization.h
class CallerTable;     // caller_table.h
struct Fault;          // fault.h
struct Http;           // http_policy.h
class Inspection;      // inspection.h
struct RequestPolicy;  // http_policy.h
class RouteScratches;  // route_scratch.h
class RouteTable;      // route_table.h

extern const RequestPolicy kDefaultRequestPolicy;

enum class EndpointState : uint8_t {
  ready,      ///< gets new flows
  draining,   ///< keeps its flows and gets no new ones: asked for by an operator, or terminating in the registry
  not_ready,  ///< gets no new flows: the registry says that it is not ready, or checks of its health fail
};
std::string_view to_string(EndpointState state);

struct Endpoint {
  std::string name;  ///< what operators call it: its pod, or its address
  std::string zone;  ///< may be empty
  Address address;
  Port port{};
  uint32_t weight = 1;
  EndpointState state = EndpointState::ready;
  EndpointState said = EndpointState::ready;  ///< by the registry; checks and operators may have lowered it
  uint32_t slot = 0;

  /// What Maglev knows it by.
  std::string identity() const { return to_string(address, port); }
};

/// What a new flow needs of an endpoint, and no more: these lie side by side.
struct Target {
  Address address;
  Port port{};
  uint32_t slot = 0;
};

/// One port of a Kubernetes Service: a virtual address, port and protocol with the endpoints behind it.
struct Service {
  std::string name;       ///< "namespace/name"
  std::string port_name;  ///< may be empty
  Address address;        ///< the VIP
  Port port{};
  Protocol protocol{};
  uint32_t slot = 0;
  Policy policy;
  std::vector<Endpoint> endpoints;           ///< all of them, sorted by identity
  std::shared_ptr<const MaglevTable> table;  ///< never null; over those of the endpoints that new flows may go to
  std::vector<Target> targets;               ///< in the order of the table's members
  std::shared_ptr<const Http> http;          ///< null: L4 only; shared as long as it says the same
  /// Of requests that come here, by a route to another service too, whatever this one does with its own packets. Null:
  /// as by default; shared as long as it says the same.
  std::shared_ptr<const RequestPolicy> requests;

  std::shared_ptr<const Authorization> authorization;  ///< null: everybody may have everything
  std::shared_ptr<const std::vector<Fault>> faults;    ///< that are injected on purpose; null: none
  std::shared_ptr<const Inspection> inspection;        ///< null: nobody looks into requests and responses

  /// Is it known before a connection says anything that nobody will read requests there?
  bool is_opaque() const;
  const RequestPolicy& request_policy() const { return requests == nullptr ? kDefaultRequestPolicy : *requests; }
  bool answers_names = false;  ///< nobody is behind it: weft itself answers, as a name server

  /// Endpoints, targets and table; a table that two services share counts in both.
  size_t memory_bytes() const;
};

/// What a snapshot says of an endpoint that flows were made for.
enum class Fate : uint8_t {
  gone,   ///< it left the registry: flows that need not stay are to move
  reset,  ///< it left the registry, and its grace time is over: its flows are to end
  kept,   ///< no new flows, but it serves those that it has
  open,   ///< new flows may go there
};

/// A list of services, read as if it held them; it shares them with other lists.
class ServiceList {
 public:
  using Shared = std::vector<std::shared_ptr<const Service>>;

  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Service;
    using difference_type = std::ptrdiff_t;
    using pointer = const Service*;
    using reference = const Service&;

    Iterator() = default;
    explicit Iterator(Shared::const_iterator at) : at_(at) {}
    reference operator*() const { return **at_; }
    pointer operator->() const { return at_->get(); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(at_++); }
    bool operator==(const Iterator&) const = default;

   private:
    Shared::const_iterator at_;
  };

  /// @param services none of them null
  explicit ServiceList(Shared services) : services_(std::move(services)) {}

  size_t size() const { return services_.size(); }
  bool empty() const { return services_.empty(); }
  const Service& operator[](size_t i) const { return *services_[i]; }
  Iterator begin() const { return Iterator(services_.begin()); }
  Iterator end() const { return Iterator(services_.end()); }
  const Shared& shared() const { return services_; }

 private:
  Shared services_;
};

class Snapshot {
 public:
  /// @param services with unique (address, port, protocol); asserted
  /// @param reset slots of endpoints that left the registry and whose flows are to end
  /// @param workers that look requests up in this snapshot, and in those made of it
  Snapshot(uint64_t epoch, uint64_t seed, std::vector<Service> services, const std::vector<uint32_t>& reset = {},
           size_t workers = 1);
  /// The same, with the seed of `before`. What it costs depends on how many services are not those of `before`, but for
  /// copies of plain numbers; a service that came, went or changed its address has the index made anew.
  /// @param names null: those of `before`
  /// @param callers null: those of `before`
  Snapshot(const Snapshot& before, uint64_t epoch, ServiceList services, const std::vector<uint32_t>& reset,
           std::shared_ptr<const NameTable> names = nullptr, std::shared_ptr<const CallerTable> callers = nullptr);

  uint64_t epoch() const { return epoch_; }
  uint64_t seed() const { return seed_; }
  const ServiceList& services() const { return services_; }
  /// Slots of endpoints whose flows are to end, in ascending order.
  const std::vector<uint32_t>& resets() const { return resets_; }
  /// What services are called by in the DNS.
  const NameTable& names() const { return *names_; }
  /// Who is behind clients' addresses; nobody is known while no service asks.
  const CallerTable& callers() const { return *callers_; }
  /// Has any service faults?
  bool has_faults() const { return faulted_ > 0; }
  /// The first epoch with the policies of access that are in force: what was allowed before is to be judged anew.
  uint64_t authorized_since() const { return authorized_since_; }

  const Service* find(const Address& address, Port port, Protocol protocol) const;
  /// Null if no service has this slot.
  const Service* service_at(uint32_t service_slot) const {
    return service_slot < by_slot_.size() ? by_slot_[service_slot] : nullptr;
  }
  /// A worker's own, which fit all route tables of this snapshot.
  RouteScratches& scratches() const { return *scratches_; }
  /// Does any service have this address?
  bool is_vip(const Address& address) const { return index_->is_vip(address); }

  Fate fate_of(uint32_t endpoint_slot) const {
    return endpoint_slot < endpoints_.size() ? endpoints_[endpoint_slot].fate : Fate::gone;
  }
  /// Does fate_of() say reset of any endpoint?
  bool any_resets() const { return !resets_.empty(); }
  /// The service's target with this endpoint's slot, or null: then new flows must not go there.
  const Target* target_of(const Service& service, uint32_t endpoint_slot) const;

 private:
  struct EndpointInfo {
    Fate fate = Fate::gone;
    uint32_t target = 0;  ///< in its service's targets; meaningful if open
  };

  void admit(const Service& service);
  void fit_scratches(const std::vector<const Service*>& come);
  void admit_resets();
  EndpointInfo& info(uint32_t endpoint_slot);

  uint64_t epoch_;
  uint64_t seed_;
  ServiceList services_;
  std::shared_ptr<const VipIndex> index_;  ///< never null
  std::vector<EndpointInfo> endpoints_;    ///< by slot
  std::vector<uint32_t> resets_;
  std::vector<const Service*> by_slot_;
  std::shared_ptr<RouteScratches> scratches_;   ///< never null
  std::shared_ptr<const NameTable> names_;      ///< never null
  std::shared_ptr<const CallerTable> callers_;  ///< never null
  uint64_t authorized_since_ = 0;
  uint32_t faulted_ = 0;  ///< services that have
};

}  // namespace weft::lb
