// SPDX-License-Identifier: Apache-2.0
/// @file Resources to snapshots, each built with what the one before it knows.
///
/// From its predecessor a snapshot takes the slots of services and endpoints, all services whose resources did not
/// change, and of the others the Maglev tables whose members, size and seed are the same: those are shared by pointer.
/// The outcome does not depend on the order of the resources.
///
/// A route table is compiled when its routes, or where their backends lead, are not what it was made of: what an
/// endpoint does is nothing to it, and a service that comes or goes matters to those alone that name it.
///
/// Time alone makes snapshots too: each step of a slow start (choose.h) and each end of the grace that flows of a
/// removed endpoint have is a new one.
///
/// One thread: the syncer's. Memory: the slots' bound on services times their tables (128 KiB each at the default
/// size).
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "registry-sync/backends.h"
#include "registry-sync/caller_ledger.h"
#include "registry-sync/check_ledger.h"
#include "registry-sync/client_ledger.h"
#include "registry-sync/diagnostic.h"
#include "registry-sync/endpoint_ledger.h"
#include "registry-sync/fault_ledger.h"
#include "registry-sync/resolve.h"
#include "registry-sync/route_status.h"

namespace weft::registry {

/// How many services' ports and endpoints a node knows at most; lingering ones count. And for how many workers a
/// snapshot has room to look requests up.
struct SlotLimits {
  uint32_t services = 4096;
  uint32_t endpoints = 65536;
  uint32_t workers = 1;
  /// Of policies of inspection, compiled at a time: sets, each of which costs workers streams and scratch, and
  /// signatures in all of them. What is being replaced, and still in use, is among them.
  uint32_t inspections = 64;
  uint32_t signatures = 16384;
};

/// Asked only about slots that a snapshot was published without. The answer must be yes as long as a worker may still
/// make a flow by an older snapshot. An empty function says no.
struct SlotUse {
  InUse services;
  InUse endpoints;
  // Told of each slot that nobody holds any more, before it may get another owner: its counters are to start anew.
  std::function<void(uint32_t slot)> service_freed = {};
  std::function<void(uint32_t slot)> endpoint_freed = {};
};

/// An operator's wish that an endpoint get no new flows. It goes when the endpoint leaves the registry.
struct Drain {
  std::string service;  ///< "namespace/name"
  lb::Address endpoint;

  auto operator<=>(const Drain&) const = default;
};

/// What weft's own name server is called among services, none of which can be called so.
inline constexpr std::string_view kNameServers = "dns";

class Builder {
 public:
  /// By the service that they speak of, "namespace/name".
  using Updates = std::map<std::string, ServiceResources>;

  /// @param seed of the mesh; see lb/flow_key.h
  /// @param zone the node's own; empty: it prefers none
  Builder(uint64_t seed, SlotLimits limits, std::string zone, Abilities abilities = {});

  /// What is wrong with the outcome: services and endpoints left out for want of slots.
  struct Outcome {
    bool changed = false;  ///< snapshot() or tracked() is not what it was
    std::vector<Diagnostic> errors;
  };
  /// @param updates all there is of the services whose resources are not those of the last build: nothing of those that
  ///   are gone. Without errors by validate().
  /// @param drains those of endpoints that are not there are removed
  Outcome build(Updates updates, std::set<Drain>& drains, const SlotUse& in_use, Time now);

  /// What checks found of take_check_changes()' targets: for the next build(). Is there anything new to it?
  bool judge(const std::vector<CheckVerdict>& verdicts);
  CheckChanges take_check_changes() { return checks_.take_changes(); }

  /// A fault for a while, from the next build() on. @returns why not; empty: it will be
  std::string start_fault(LiveFault live, Time now);
  /// Ends it, or all: likewise.
  std::string stop_fault(const std::optional<std::string>& name);
  const std::map<std::string, LiveFault>& live_faults() const { return live_faults_; }

  /// Frees the slots that nobody holds any more. Did tracked() change?
  bool reclaim(const SlotUse& in_use);

  /// When to build() next though nothing was updated.
  std::optional<Time> next_deadline() const;

  /// The latest; null before the first build. Epochs start at 1 and grow with each snapshot that differs from the last.
  const std::shared_ptr<const lb::Snapshot>& snapshot() const { return snapshot_; }
  /// Of the snapshot, each counted at every port.
  size_t endpoints() const { return endpoint_count_; }
  std::vector<TrackedEndpoint> tracked() const { return endpoint_slots_.tracked(); }
  TrackedChanges take_changes() { return endpoint_slots_.take_changes(); }
  /// Of what is in force.
  HttpStatus http_status() const;
  /// Endpoints that linger.
  size_t lingering() const { return endpoint_slots_.lingering(); }
  /// Does any slot wait for reclaim()?
  bool has_lingering() const { return lingering() > 0 || !service_slots_.lingering().empty(); }

 private:
  struct Port {
    std::shared_ptr<const lb::Service> service;
    std::chrono::seconds reset_grace{0};
  };
  /// A route table, and all that it was made of: it is right as long as that is the same.
  struct Table {
    lb::Port port{};
    std::string consumer;  ///< the namespace whose clients it is for; empty: for all others
    std::vector<AttachedRoute> routes;
    std::vector<std::array<uint32_t, 2>> slots;  ///< of the routes' backends
    std::shared_ptr<const lb::RouteTable> table;
    std::string problem;  ///< why it does not compile, and `table` is empty

    bool same_as(const Table& other) const;
  };
  /// A Kubernetes Service, or a Gateway, as it is in force.
  struct Group {
    ServiceResources resources;
    std::vector<Port> ports;  ///< sorted by address, protocol and port
    std::vector<Diagnostic> left_out;
    std::vector<Table> tables;  ///< one a TCP port and consumer with routes, and each of a Gateway's
    std::shared_ptr<const lb::NamedService> named;                     ///< null: nothing is known by its name
    std::vector<std::shared_ptr<const AuthorizationPolicy>> policies;  ///< of access, by name: that its ports have
    std::vector<Diagnostic> refused;                                   ///< why they have not
    std::vector<Diagnostic> unsure;                                    ///< that, and what was not clear of them

    std::vector<std::shared_ptr<const InspectionPolicy>> inspections;  ///< by name: that its ports have as
    std::shared_ptr<const lb::Inspection> inspection;                  ///< this,
    std::vector<Diagnostic> inspections_refused;                       ///< or why they have not
    bool inspections_lack_room = false;                                ///< so they are tried again

    bool takes_routes() const {
      return !resources.gateways.empty() || (!resources.routes.empty() && !resources.services.empty());
    }
  };

  std::set<std::string> dirty(const Updates& updates, const std::set<Drain>& drains, Time now) const;
  /// Makes these groups anew, and the tables of all that depend on them. @returns the keys of those that changed
  std::vector<std::string> compile_all(const std::set<std::string>& keys, Updates& updates, std::set<Drain>& drains,
                                       Time now);
  /// The service that is no resource: weft's own name server.
  void add_name_servers();
  /// Notes what the group is called by now, if that changed.
  void rename(Group& group);
  /// @returns whether it changed
  bool compile(const std::string& key, Group& group, std::set<Drain>& drains, Time now);
  /// Nothing if there is no slot for it.
  std::optional<Port> compile_port(ResolvedPort& resolved, Group& group, std::set<Drain>& drains, Time now);
  void place_endpoints(const lb::Service& service, const std::string& identity, std::vector<Candidate>& candidates);
  /// Remembers what routes may refer to. @returns whether that changed
  bool note_backends(const std::string& key, const Group& group, bool updated);
  /// Makes the group's tables what its routes and their backends ask for. @returns whether a service changed
  bool route(const std::string& key, Group& group);
  std::vector<Table> tables_for(const Group& group) const;
  /// What a port's table and those of its consumers are now.
  lb::Http routed(const lb::Http& http, lb::Port port, const Group& group);
  /// Has the clients of this namespace told apart from now on. @returns its number
  uint32_t know_clients_of(const std::string& name_space);
  void renew_clients();
  /// The keys that groups depend on of those namespaces whose clients are others than before.
  std::vector<std::string> changed_clients();
  /// @param previous the port's, which may have the same expressions; null: none
  static void compile_table(std::vector<lb::HttpRoute> routes, const lb::RouteTable* previous, Table& table);
  void depend(const std::string& key, const Group& group);
  // builder_authorization.cc: policies of access.
  /// Has all that these changes may be about judged by the policies of now. @returns the keys of those that changed
  std::vector<std::string> authorize_all(const std::set<std::string>& keys);
  std::set<std::string> to_authorize(const std::set<std::string>& keys) const;
  /// @returns whether a service changed
  bool authorize(const std::string& key, Group& group);
  /// Those of a kind that are about the group, in the order of their names. @param notes into
  /// group.unsure, what a selector does not say enough of
  template <typename Policy>
  std::vector<std::shared_ptr<const Policy>> policies_about(
      const std::string& key, Group& group, std::vector<std::shared_ptr<const Policy>> ServiceResources::*kind,
      bool notes) const;
  std::shared_ptr<const lb::Authorization> compile_policies(const std::string& key, Group& group,
                                                            const std::vector<lb::AuthorizationRules>& rules,
                                                            const lb::Service& service, const Metadata& at);
  void know_callers();
  // builder_faults.cc: what is injected on purpose.
  struct Injected {
    const FaultInjection* what;
    const LiveFault* live;  ///< null: it is the registry's
  };
  /// Gives all that these changes may be about the faults of now. @returns the keys of those that changed
  std::vector<std::string> inject_all(const std::set<std::string>& keys, Time now);
  std::set<std::string> with_routes_of(std::set<std::string> all) const;
  std::vector<Injected> faults_about(const std::string& key, const Group& group) const;
  /// @returns whether a service changed
  bool inject(const std::string& key, Group& group);
  void end_live_faults(Time now);
  std::set<std::string> known_faults() const;
  std::set<std::string> faults_in_force() const;
  void tell_unattached();
  bool is_attached_anywhere(const std::string& route) const;
  static uint32_t share_at(const FaultInjection& injection, const Group& group);
  uint64_t live_share_at(const std::string& key, const FaultInjection* starting) const;
  std::string cap_problem(const LiveFault& live, const std::set<std::string>& given) const;
  // builder_inspection.cc: policies of inspection.
  /// @returns whether a service changed
  bool inspect(const std::string& key, Group& group);
  std::shared_ptr<const lb::Inspection> compile_inspection(const std::vector<lb::InspectionRules>& rules);
  void forget_inspections();
  /// Lets go of the slots that `before` has and `now_in_force` has not.
  void retire(const std::vector<Port>& before, const std::vector<Port>& now_in_force, Time now);
  /// @param changed keys of the groups whose ports are not those of the snapshot in force
  void make_snapshot(const std::vector<std::string>& changed);
  lb::ServiceList::Shared services(const lb::Snapshot& before, const std::vector<std::string>& changed) const;
  lb::ServiceList::Shared all_services() const;

  const uint64_t seed_;
  const SlotLimits limits_;
  const std::string zone_;
  const Abilities abilities_;
  SlotLedger service_slots_;
  EndpointLedger endpoint_slots_;
  std::map<std::string, Group> groups_;
  std::set<std::string> left_out_;         ///< groups that had to leave something out
  bool slots_freed_ = false;               ///< since the last build: what was left out may come in
  std::map<std::string, Time> next_step_;  ///< of groups with a slow start
  std::set<Drain> drains_;                 ///< as of the last build
  CheckLedger checks_;
  std::set<std::string> judged_;  ///< groups of endpoints with another verdict, since the last build
  Backends backends_;
  std::optional<ClientLedger> client_ledger_;   ///< while anybody asks
  std::set<std::string> consumers_;             ///< namespaces whose clients are told apart
  std::map<std::string, uint32_t> namespaces_;  ///< their numbers, which stay
  std::shared_ptr<const lb::ClientNamespaces> clients_;
  uint64_t authorizations_ = 0;                   ///< made so far
  std::set<std::string> authorized_;              ///< groups with policies of access
  std::set<std::string> unsure_;                  ///< groups whose policies are not all clear
  std::optional<CallerLedger> caller_ledger_;     ///< while there are any
  std::set<std::string> limited_by_service_;      ///< groups with limits that ask who the client is
  std::map<std::string, LiveFault> live_faults_;  ///< by name
  std::set<std::string> live_turned_;             ///< what those are about that came or went since the last build
  FaultLedger fault_ledger_;
  std::set<std::string> with_faults_;        ///< keys of FaultInjections
  std::set<std::string> faulted_;            ///< groups that have any in force
  std::set<std::string> faulted_by_source_;  ///< of those, groups where it matters who the client is
  std::set<std::string> without_number_;     ///< groups with a fault that no number was left for
  std::vector<Diagnostic> fault_problems_;
  std::shared_ptr<const lb::CallerTable> callers_ = std::make_shared<const lb::CallerTable>();
  bool callers_changed_ = false;                               ///< since the last snapshot
  std::multimap<std::string, std::string> dependents_;         ///< from a backend to the groups whose routes name it
  std::map<std::string, std::set<std::string>> dependencies_;  ///< the other way round
  std::vector<lb::NameTable::Edit> renamed_;                   ///< since the last snapshot
  std::shared_ptr<const lb::NameTable> names_;                 ///< never null
  size_t endpoint_count_ = 0;
  std::shared_ptr<const lb::Snapshot> snapshot_;
  std::vector<std::shared_ptr<const lb::Inspection>> inspections_;  ///< that any snapshot or worker may still have
};

}  // namespace weft::registry
