// SPDX-License-Identifier: Apache-2.0
/// @file All connections that end at a worker: those whose requests are read, those whose bytes are relayed, and those
/// of which it is not known yet.
///
/// One a worker, on its engine. What follows from events stands in lists, which the caller works off: connections to be
/// made, which it has the ports for, and what to count. One thread; all memory is taken at construction.
#pragma once

#include <span>
#include <vector>

#include "lb/snapshot.h"
#include "proxy/detector.h"
#include "proxy/http_proxy.h"
#include "proxy/name_server.h"
#include "proxy/relay.h"
#include "tcp/engine.h"

namespace weft::proxy {

struct ProxyConfig {
  RelayConfig relay;
  HttpConfig http;
  NameServerSettings names;
  time::Millis detect = 200;  ///< that a client may say nothing before it is taken for one that waits for its server
};

class Proxy {
 public:
  /// Throws std::bad_alloc. @param buffers for what weft writes itself
  Proxy(tcp::Engine& engine, buffer::Pool& buffers, const ProxyConfig& config, time::Time now);

  /// What the engine said.
  void act(std::span<const tcp::Event> events, const lb::Snapshot& snapshot, time::Time now);
  /// What time brings; once a millisecond.
  void advance(const lb::Snapshot& snapshot, time::Time now);
  /// Is there more to do that no event will tell of?
  bool has_more() const { return http_.has_more(); }

  /// Hands each connection that is to be made to `make(call, landed)`, which picks a port and hands `landed` a pair to
  /// connect by, or nothing: there is none.
  template <typename Make>
  void work_off_calls(const lb::Snapshot& snapshot, time::Time now, Make make) {
    work_off(relay_.calls(), [&](const Call& call) {
      if (relay_.awaits(call)) {
        const std::optional<tcp::SocketPair> pair = make(call);
        pair ? relay_.connect(call, *pair, now, call.path) : relay_.give_up(call);
      }
    });
    work_off(http_.calls(), [&](const Call& call) {
      if (http_.awaits(call)) {
        const std::optional<tcp::SocketPair> pair = make(call);
        pair ? http_.connect(call, *pair, snapshot, now, call.path) : http_.give_up(call, snapshot, now);
      }
    });
  }
  template <typename Count>
  void work_off_changes(Count count) {
    work_off(relay_.changes(), count);
    work_off(http_.changes(), count);
  }

  /// What a connection is of.
  std::optional<SessionSide> find(tcp::ConnectionId id) const {
    const std::optional<SessionSide> relayed = relay_.find(id);
    return relayed ? relayed : http_.find(id);
  }
  /// Calls use(info) for what lies in so many places from this one on. @returns the next place; 0: there is none
  template <typename Use>
  uint32_t visit(uint32_t from, uint32_t count, Use use) const {
    const uint32_t relayed = relay_.places();
    if (from < relayed) {
      const uint32_t next = relay_.visit(from, count, use);
      return next > 0 ? next : relayed;
    }
    const uint32_t next = http_.visit(from - relayed, count, use);
    return next > 0 ? relayed + next : 0;
  }

  Relay& relay() { return relay_; }
  const Relay& relay() const { return relay_; }
  HttpProxy& http() { return http_; }
  const HttpProxy& http() const { return http_; }
  NameServer& names() { return names_; }
  const NameServer& names() const { return names_; }

 private:
  /// What is done about one may add others.
  template <typename List, typename Do>
  static void work_off(List& list, Do what) {
    for (size_t i = 0; i < list.size(); ++i) {
      const auto each = list[i];
      what(each);
    }
    list.clear();
  }
  void accept(const tcp::Event& event, const lb::Snapshot& snapshot, time::Time now);
  void settle(tcp::ConnectionId id, Spoken spoken, const lb::Snapshot& snapshot, time::Time now);
  void settle_found(const lb::Snapshot& snapshot, time::Time now);

  tcp::Engine& engine_;
  Relay relay_;
  HttpProxy http_;
  NameServer names_;
  Detector detector_;
  std::vector<tcp::Event> relayed_;  ///< of a batch
  std::vector<tcp::Event> read_;
  std::vector<tcp::Event> named_;
};

}  // namespace weft::proxy
