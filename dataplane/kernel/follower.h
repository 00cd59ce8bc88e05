// SPDX-License-Identifier: Apache-2.0
/// @file Follows the kernel's routes and neighbours, on a thread of its own, and hands out each new forwarding.
///
/// It also has the kernel resolve whom workers will need: gateways, endpoints on a link, and whoever a packet waited
/// for in vain; and verify them again as they go stale, since the kernel itself sends them nothing. ARP and neighbour
/// discovery stay the kernel's.
///
/// A route or neighbour that changed is in force after kSettle and the time of a dump; a table that takes long to read
/// is read less often, so that reading takes a quarter of one core at most.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "kernel/router.h"
#include "kernel/table_reader.h"
#include "pods/netlink.h"

namespace weft::kernel {

class Follower {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kSettle{10};

  /// All called on the follower's thread.
  struct Hooks {
    std::function<void(std::shared_ptr<const l4::Forwarding>)> publish;
    std::function<uint64_t()> renewed;                          ///< of all workers (l4/hop_renewal.h), the least
    std::function<void(std::vector<lb::Address>&)> unresolved;  ///< appends what workers could not send to
    std::function<void(const std::string&)> warn;
  };
  /// What is in force, for operators.
  struct View {
    std::shared_ptr<const Tables> tables;
    std::shared_ptr<const l4::Forwarding> forwarding;
  };

  /// The first forwarding with the kernel's routes is published before this returns.
  static tl::expected<std::unique_ptr<Follower>, std::string> start(std::unique_ptr<Router> router,
                                                                    std::vector<std::string> twins, Hooks hooks);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // For any thread.
  /// Endpoints: the kernel is to know those that are on a link.
  void want(std::vector<lb::Address> endpoints);
  View view() const;

 private:
  Follower(std::unique_ptr<Router> router, TableReader reader, pods::Fd stop, Hooks hooks);

  void run();
  void read_changes(Clock::time_point now);
  void publish();
  void ask_for_unresolved(Clock::time_point now);
  /// Whom workers need all the time: to be resolved, and verified again.
  void keep_resolved();
  void ask(const Wanted& neighbour, Clock::time_point now);

  const std::unique_ptr<Router> router_;
  const TableReader reader_;
  const pods::Fd stop_;  ///< readable: end
  const Hooks hooks_;
  std::shared_ptr<const Tables> tables_ = std::make_shared<const Tables>();
  Changes changes_;
  Clock::time_point next_read_;
  Clock::time_point next_upkeep_;
  Clock::time_point next_full_read_;
  std::map<Wanted, Clock::time_point> asked_;
  bool left_out_ = false;

  mutable std::mutex mutex_;
  std::vector<lb::Address> endpoints_;  ///< under mutex_
  View view_;                           ///< under mutex_
  std::thread thread_;
};

}  // namespace weft::kernel
