// SPDX-License-Identifier: Apache-2.0
/// @file A network of engines in virtual time: hosts, joined by links, and what must hold after every step.
///
/// Time jumps from one thing that happens to the next. The same seeds give the same run, bit for bit.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tcp_host.h"
#include "tcp_path.h"
#include "tcp_trace.h"
#include "tcp_wire_watch.h"

namespace weft::simulation {

class World {
 public:
  explicit World(Trace& trace) : trace_(trace) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Host& add(const HostConfig& config, uint64_t seed);
  /// What a host sends to an address of another takes this path.
  void join(const Host& from, const Host& to, const PathConfig& path, uint64_t seed);
  /// Hosts' paths that share one link: a bottleneck.
  void join_by(const Host& from, const Host& to, const Host& shared_from, const Host& shared_to);
  void run_application(Host& host, Application& application);

  Time now() const { return now_; }
  /// Until nothing will happen any more. Throws Violation: something did not hold, or it still goes on then.
  void run_out(Time limit);
  /// Until then, or until nothing will happen.
  void run_until(Time end);

  uint64_t corrupted() const { return corrupted_; }

 private:
  /// What is on its way.
  struct Arrival {
    Time at{};
    uint64_t order = 0;
    uint32_t host = 0;
    Frame frame;
    std::optional<tcp::NetworkError> error;

    bool operator<(const Arrival& other) const {  // the heap's top is the first
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  struct Node {
    std::unique_ptr<Host> host;
    Application* application = nullptr;
    WireWatch watch;
    std::vector<Frame> inbox;
    std::vector<tcp::NetworkError> errors;
    tcp::Output output;
    Time wake = kNever;
    uint32_t turns_for_nothing = 0;
    uint32_t looked_at = 0;
    std::set<tcp::SocketPair, PairOrder> sent_data;  ///< in this turn
    std::vector<uint32_t> flights;                   ///< of the host's watched connections, as the turn began
  };

  bool step(Time limit);
  void push(Arrival arrival);
  void deliver(Arrival arrival);
  void turn(Node& node);
  void take_in(Node& node);
  bool tell(Node& node);
  void send_all(Node& node);
  void carry(uint32_t from, const Frame& frame, const Packet& packet);
  void wake_later(Node& node);
  void remember_flights(Node& node);
  void check(Node& node);
  [[noreturn]] void fail(const Node& node, const std::string& what) const;

  Trace& trace_;
  Time now_{};
  uint64_t order_ = 0;
  uint64_t corrupted_ = 0;
  std::deque<Node> nodes_;
  std::map<lb::Address, uint32_t> addresses_;
  std::map<std::pair<uint32_t, uint32_t>, std::shared_ptr<Path>> paths_;
  std::vector<Arrival> arrivals_;  ///< a heap
};

}  // namespace weft::simulation
