// SPDX-License-Identifier: Apache-2.0
/// @file Everything that runs on one node, wired together: workers and their ports, pods, the registry's follower.
///
/// start() builds it all or nothing; the destructor stops it and leaves the machine as it was. The public members are
/// for one control thread (the runtime socket's), except where they say otherwise.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "kernel/follower.h"
#include "lb/fault_board.h"
#include "lb/session_token.h"
#include "node/config.h"
#include "node/endpoint_addresses.h"
#include "node/ports.h"
#include "node/steering.h"
#include "pods/pods.h"
#include "proxy/protections.h"
#include "registry-sync/syncer.h"
#include "resolver/forwarder.h"
#include "runtime/crossings.h"
#include "runtime/eal.h"
#include "runtime/publisher.h"
#include "runtime/watch.h"
#include "runtime/worker.h"

namespace weft::node {

class Node {
 public:
  static tl::expected<std::unique_ptr<Node>, std::string> start(const Config& config);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const Config& config() const { return config_; }
  std::chrono::steady_clock::time_point started() const { return started_; }
  const std::vector<std::unique_ptr<runtime::Worker>>& workers() const { return workers_; }
  /// In the order of the workers' books.
  const Ports& ports() const { return *ports_; }
  const runtime::BufferPool& buffers(size_t worker) const { return buffers_[worker]; }
  /// For jumbo frames; null if no port has any.
  const runtime::BufferPool* jumbo_buffers(size_t worker) const {
    return jumbo_buffers_.empty() ? nullptr : &jumbo_buffers_[worker];
  }
  const runtime::SnapshotPublisher& snapshots() const { return *snapshots_; }
  /// Clients of HTTP are to go elsewhere: they are told so with each response, or closed if they say nothing for a
  /// second. Or not any more.
  void drain(bool wanted);
  bool is_draining() const { return draining_; }
  /// Connections, now.
  uint64_t http_clients() const;
  /// Requests that nobody who follows them was told of, as too many ended in one turn of a worker's; ever.
  uint64_t records_missed() const;
  /// Of what a worker's clock said.
  std::chrono::system_clock::time_point time_of_day(time::Time time) const;
  /// By which persistent sessions are sealed.
  const lb::SessionKey& session_key() const { return session_key_; }
  /// Null: no other name servers are asked.
  const resolver::Forwarder* forwarder() const { return forwarder_.get(); }
  registry::Syncer& registry() { return *syncer_; }
  /// Circuit breakers and outlier detection; null: no TCP ends here.
  const proxy::Protections* protections() const { return protections_.get(); }
  /// What was injected on purpose.
  const lb::FaultBoard& faults() const { return *faults_; }
  /// As workers have it.
  time::Time worker_time() const { return clock_->at(time::TscClock::cycles()); }
  /// As workers count it.
  time::Millis millis() const { return time::to_millis(clock_->at(time::TscClock::cycles())); }
  /// Who looks on at the workers.
  runtime::Watchers& watchers() { return *watchers_; }
  /// Null if no port has a twin.
  const kernel::Follower* routes() const { return routes_.get(); }
  bool has_pods() const { return pods_ != nullptr; }
  /// Runs `use(pods)` while nobody else touches them: the registry's thread does so too. Precondition: has_pods().
  template <typename Use>
  auto with_pods(Use use) {
    const std::lock_guard lock(pods_mutex_);
    return use(*pods_);
  }
  /// Flows of an endpoint or a service, over all workers.
  uint64_t active_flows_of_endpoint(uint32_t slot) const;
  uint64_t active_flows_of_service(uint32_t slot) const;

 private:
  using Step = tl::expected<void, std::string>;

  explicit Node(const Config& config);

  Step start_pods();
  Step start_eal();
  Step open_ports();
  Step make_buffers(uint32_t workers);
  int64_t wall_clock_at_zero_s() const;
  runtime::WorkerConfig worker_config(uint32_t number) const;
  Step make_workers();
  uint32_t pieces() const;
  Step start_forwarder();
  Step follow_routes();
  Step follow_registry();
  Step launch_workers();
  void take(const registry::Publication& publication);
  void go_on_steering();
  void look_after_protections();
  /// Says it once.
  void report(const Steering::Done& steered);
  /// A slot that nobody holds starts anew with its next owner.
  void reset_endpoint(uint32_t slot);
  void reset_service(uint32_t slot);

  void leave();

  const Config config_;
  const std::chrono::steady_clock::time_point started_;
  /// Another one each start: endpoints remember for a minute which ports the last one's connections had (TIME-WAIT).
  const uint64_t own_ports_seed_ = std::random_device()();
  const uint64_t http_seed_ = uint64_t{std::random_device()()} << 32 | std::random_device()();
  const tcp::Secret tcp_secret_;
  const lb::SessionKey session_key_;
  // In the order of construction; destroyed in reverse, after ~Node has stopped what runs.
  std::unique_ptr<pods::Pods> pods_;  ///< under pods_mutex_; null without pods
  std::mutex pods_mutex_;
  std::unique_ptr<runtime::Eal> eal_;
  std::vector<runtime::BufferPool> buffers_;        ///< one a worker
  std::vector<runtime::BufferPool> jumbo_buffers_;  ///< one a worker, or none
  std::unique_ptr<Ports> ports_;
  std::unique_ptr<runtime::Crossings> crossings_;
  std::unique_ptr<time::TscClock> clock_;
  std::unique_ptr<runtime::SnapshotPublisher> snapshots_;
  std::unique_ptr<const l4::VipsOfEndpoints> vips_at_start_;
  std::vector<std::unique_ptr<dns::ForwardingRings>> name_rings_;  ///< one a worker, if other name servers are asked
  std::unique_ptr<proxy::Protections> protections_;                ///< null if no TCP ends here
  std::unique_ptr<lb::FaultBoard> faults_;
  std::vector<std::unique_ptr<runtime::Worker>> workers_;
  std::unique_ptr<resolver::Forwarder> forwarder_;
  std::unique_ptr<runtime::Watchers> watchers_;
  std::unique_ptr<kernel::Router> router_;  ///< until routes_ takes it over
  std::unique_ptr<kernel::Follower> routes_;
  std::unique_ptr<Steering> steering_;  ///< the registry's thread alone; null without pods
  EndpointAddresses addresses_;         ///< likewise: for routes_
  std::string steering_error_;          ///< likewise: what was last said of it
  std::unique_ptr<registry::Syncer> syncer_;
  bool launched_ = false;  ///< the workers
  bool draining_ = false;
};

}  // namespace weft::node
