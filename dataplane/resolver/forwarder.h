// SPDX-License-Identifier: Apache-2.0
/// @file Asks other name servers what weft does not know itself: a thread of its own, with ordinary sockets.
///
/// Workers put queries into their rings, and find answers in others; neither waits. Each query goes out with an id and
/// from a port that nobody can foresee (RFC 5452), by UDP or TCP as it came; what comes back must be the answer to its
/// question. A server that does not answer in time, or can't, gives way to the next; in the end the client is told
/// SERVFAIL. One that was silent a few times in a row is asked first no more, but for a query every few seconds, until
/// it answers; what it says of one name is nothing against it. Of answers nothing is remembered: that is what the
/// others are for.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "dns/forwarding.h"

namespace weft::resolver {

struct Server {
  lb::Address address;
  lb::Port port{};
};

struct ForwarderConfig {
  std::vector<Server> servers;              ///< in the order of preference; at least one
  std::chrono::milliseconds timeout{1500};  ///< that each has to answer
  uint32_t pending = 1024;                  ///< queries at a time; each holds a socket. One client's: a fifth
};

/// What became of queries, of all workers.
struct ForwarderCounts {
  uint64_t asked = 0;       ///< queries
  uint64_t sent = 0;        ///< to servers: more than were asked, if some had to be asked again
  uint64_t answered = 0;    ///< by servers
  uint64_t timed_out = 0;   ///< servers that did not answer in time
  uint64_t failed = 0;      ///< servers that can't be reached, or answered SERVFAIL or REFUSED
  uint64_t strange = 0;     ///< messages that answer nothing that was asked: dropped
  uint64_t gave_up = 0;     ///< SERVFAIL, as no server answered
  uint64_t overflowed = 0;  ///< SERVFAIL, as `pending` queries were under way, or too many of this client's
  uint64_t lost = 0;        ///< answers over UDP for which the worker had no room; those over TCP wait for it
  uint64_t pending = 0;     ///< now
};

class Forwarder {
 public:
  /// @param rings of each worker; outlive this
  static tl::expected<std::unique_ptr<Forwarder>, std::string> start(const ForwarderConfig& config,
                                                                     std::vector<dns::ForwardingRings*> rings);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  /// Any thread's.
  ForwarderCounts counts() const;
  const ForwarderConfig& config() const { return config_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Exchange;

  Forwarder(const ForwarderConfig& config, std::vector<dns::ForwardingRings*> rings, int poll);

  void run();
  bool take_asks();
  bool begin(dns::ForwardingRings& ring, const dns::Ask& ask, std::span<const std::byte> message);
  bool may_begin(const lb::Address& client) const;
  size_t first_server();
  void blame(size_t server);
  bool send(Exchange& exchange);
  void go_on(Exchange& exchange, uint32_t events);
  void receive_datagrams(Exchange& exchange);
  void receive_stream(Exchange& exchange);
  bool send_stream(Exchange& exchange);
  void take(Exchange& exchange, std::span<std::byte> message);
  void try_next(Exchange& exchange);
  void close(Exchange& exchange);
  void give_up(Exchange& exchange);
  void finish(Exchange& exchange, std::span<const std::byte> message);
  void release(Exchange& exchange);
  void deliver_late();
  bool refuse(dns::ForwardingRings& ring, const dns::Ask& ask, std::span<const std::byte> message);
  void expire();
  void count(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

  const ForwarderConfig config_;
  const std::vector<dns::ForwardingRings*> rings_;
  const int poll_;  ///< epoll's descriptor
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::vector<uint32_t> free_;
  uint32_t active_ = 0;
  struct Health {
    uint32_t silent = 0;  ///< times in a row
    Clock::time_point again_at{};
  };
  std::vector<Health> health_;  ///< of each server
  struct Due {
    Clock::time_point deadline;
    uint32_t number = 0;
    uint32_t generation = 0;
  };
  std::deque<Due> due_;                        ///< what was sent, in that order: all have the same time
  std::map<lb::Address, uint32_t> by_client_;  ///< queries under way
  std::vector<uint32_t> late_;                 ///< have their answers, for which there was no room
  size_t first_ring_ = 0;
  struct {
    std::atomic<uint64_t> asked, sent, answered, timed_out, failed, strange, gave_up, overflowed, lost, pending;
  } counts_ = {};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace weft::resolver
