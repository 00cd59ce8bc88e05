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
#include <set>
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

  /// The kernel is to know an endpoint that is on a link, from now on or no more.
  struct Wish {
    lb::Address endpoint;
    bool wanted = true;

    bool operator==(const Wish&) const = default;
  };

  // For any thread.
  /// In order; what was wanted before stays so. Costs what it is given: what becomes of it is the follower's thread's.
  void want(const std::vector<Wish>& wishes);
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
  std::set<lb::Address> endpoints_;  ///< that are wanted
  bool left_out_ = false;

  mutable std::mutex mutex_;
  std::vector<Wish> wishes_;  ///< under mutex_: since the last upkeep
  View view_;                 ///< under mutex_
  std::thread thread_;
};

}  // namespace weft::kernel
