// SPDX-License-Identifier: Apache-2.0
/// @file Where TCP ends: a worker's engine, the proxy that uses it, and the way of segments between both and the ports.
///
/// The worker brings packets that the pipeline delivers, and once a turn has them worked off: what they say to the
/// engine, what the proxy makes of that, and what goes out. Payloads stay in the packets' own buffers.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "buffer/slice.h"
#include "flow/flow.h"
#include "l4/burst.h"
#include "l4/counters.h"
#include "l4/forwarding.h"
#include "l4/own_ports.h"
#include "l4/unresolved.h"
#include "proxy/proxy.h"
#include "runtime/books.h"
#include "runtime/segment_packets.h"
#include "tcp/engine.h"

struct rte_mbuf;
struct rte_mempool;

namespace weft::runtime {

struct TerminatorConfig {
  tcp::Config tcp;
  tcp::Secret secret;
  proxy::ProxyConfig proxy;
  rte_mempool* buffers = nullptr;         ///< for what the engine sends; null: nothing ends here
  std::vector<TransmitOffload> offloads;  ///< of each port
};

class Terminator {
 public:
  /// A packet of the engine's, ready to be sent.
  struct Departure {
    rte_mbuf* packet = nullptr;
    uint8_t port = 0;
  };

  /// What it shares with the worker's pipeline outlives it. Throws std::bad_alloc.
  Terminator(const TerminatorConfig& config, l4::OwnPorts& ports, l4::SlotCounters& counters,
             l4::Unresolved& unresolved, time::Time now);
  ~Terminator();

  /// Of a packet that is delivered soon: its bytes, which are summed, and what describes its buffer.
  static void prefetch(rte_mbuf* packet);
  /// A packet of the burst that the pipeline delivered. Takes ownership. @returns what became of it: delivered, or why
  /// not
  l4::Verdict deliver(rte_mbuf* packet, const l4::Burst& burst, uint32_t i);
  /// Works off what was delivered and what is due. @returns what is to be sent, until the next call
  const std::vector<Departure>& work(const lb::Snapshot& snapshot, const l4::Forwarding& forwarding, time::Time now);

  TcpBooks books() const;

  /// Of a query over TCP.
  void answer(const dns::Ask& ask, std::span<const std::byte> message, const lb::Snapshot& snapshot, time::Time now) {
    proxy_.names().answer(ask, message, snapshot, time::to_millis(now));
    has_more_ = true;
  }
  const dns::Counters& names() const { return proxy_.names().counters(); }

  /// Clients of HTTP are to go elsewhere; or not any more.
  void drain(bool wanted) { proxy_.http().drain(wanted); }

  /// From now on requests that finish in work() are recorded, or are not.
  void want_records(bool wanted) { proxy_.http().want_records(wanted); }
  /// The caller's to empty.
  std::vector<proxy::AccessRecord>& records() { return proxy_.http().records(); }

  /// Instead of more work: resets some connections, at both ends. Call work() after each. @returns whether any are
  /// left, or something of them to be sent
  bool leave();

  /// The session that a packet of this tuple belongs to, whichever way it goes.
  struct Sighting {
    flow::FlowInfo session;
    flow::Direction direction = flow::Direction::request;  ///< of the packet
  };
  std::optional<Sighting> find(const lb::Tuple& tuple) const;
  /// Calls use(info) for the sessions that lie in so many places from this one on. @returns the next place; 0: there is
  /// none
  template <typename Use>
  uint32_t visit(uint32_t from, uint32_t count, Use use) const {
    return proxy_.visit(from, count, [&](const proxy::SessionInfo& session) { use(info_of(session)); });
  }

 private:
  static flow::FlowInfo info_of(const proxy::SessionInfo& session);
  l4::Verdict deliver_error(const buffer::Slice& frame, const packet::Parsed& parsed);
  void refill();
  void act(const lb::Snapshot& snapshot, const l4::Forwarding& forwarding, time::Time now);
  std::optional<tcp::SocketPair> pair_for(const proxy::Call& call, const l4::Forwarding& forwarding, time::Time now);
  void count(const proxy::Change& change);
  void depart(const l4::Forwarding& forwarding);
  void hear_too_big(const tcp::Transmission& transmission, uint16_t mtu);
  size_t send(std::span<const tcp::Transmission> run, const l4::NextHop& hop, const TransmitOffload& offload);

  /// A pool of packets' buffers, which go back to where they are from.
  struct Packets : buffer::Pool {
    ~Packets();
  };

  rte_mempool* mempool_;
  l4::OwnPorts& ports_;
  l4::SlotCounters& counters_;
  l4::Unresolved& unresolved_;
  const std::vector<TransmitOffload> offloads_;
  Packets pool_;   ///< what was given back, which a device may still be sending from
  Packets stock_;  ///< buffers that nobody else knows, for what the proxy writes
  tcp::Engine engine_;
  proxy::Proxy proxy_;
  std::vector<tcp::Segment> segments_;
  std::vector<tcp::NetworkError> errors_;
  std::vector<buffer::Slice> frames_;  ///< whose options the segments point to
  tcp::Output output_;
  std::vector<Departure> departures_;
  time::Millis last_millis_ = 0;
  bool has_more_ = false;     ///< the engine, to send
  bool timers_wait_ = false;  ///< for a turn of their own
  uint32_t leave_at_ = 0;
  uint64_t unsent_ = 0;
};

}  // namespace weft::runtime
