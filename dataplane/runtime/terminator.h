// SPDX-License-Identifier: Apache-2.0
/// @file Where TCP ends: a worker's engine, the relay that uses it, and the way of segments between both and the ports.
///
/// The worker brings packets that the pipeline delivers, and once a turn has them worked off: what they say to the
/// engine, what the relay makes of that, and what goes out. Payloads stay in the packets' own buffers.
#pragma once

#include <memory>
#include <vector>

#include "buffer/slice.h"
#include "l4/burst.h"
#include "l4/counters.h"
#include "l4/forwarding.h"
#include "l4/own_ports.h"
#include "l4/unresolved.h"
#include "proxy/relay.h"
#include "runtime/books.h"
#include "runtime/segment_packets.h"
#include "tcp/engine.h"

struct rte_mbuf;
struct rte_mempool;

namespace weft::runtime {

struct TerminatorConfig {
  tcp::Config tcp;
  tcp::Secret secret;
  proxy::RelayConfig relay;
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

 private:
  l4::Verdict deliver_error(const buffer::Slice& frame, const packet::Parsed& parsed);
  void refill();
  void relay(const lb::Snapshot& snapshot, const l4::Forwarding& forwarding, time::Time now);
  void call(const proxy::Call& call, const l4::Forwarding& forwarding, time::Time now);
  void count(const proxy::Change& change);
  void depart(const l4::Forwarding& forwarding);
  void hear_too_big(const tcp::Transmission& transmission, uint16_t mtu);
  size_t send(std::span<const tcp::Transmission> run, const l4::NextHop& hop, const TransmitOffload& offload);

  rte_mempool* mempool_;
  l4::OwnPorts& ports_;
  l4::SlotCounters& counters_;
  l4::Unresolved& unresolved_;
  const std::vector<TransmitOffload> offloads_;
  buffer::Pool pool_;
  tcp::Engine engine_;
  proxy::Relay relay_;
  std::vector<tcp::Segment> segments_;
  std::vector<tcp::NetworkError> errors_;
  std::vector<buffer::Slice> frames_;  ///< whose options the segments point to
  tcp::Output output_;
  std::vector<Departure> departures_;
  time::Millis last_millis_ = 0;
  bool has_more_ = false;  ///< the engine, to send
  uint64_t unsent_ = 0;
};

}  // namespace weft::runtime
