// SPDX-License-Identifier: Apache-2.0
/// @file What a worker keeps count of. At the end of every loop,
/// received + taken over + originated = transmitted + delivered + passed + dropped + handed over.
#pragma once

#include <array>
#include <cstdint>

#include "dns/responder.h"
#include "l4/burst.h"
#include "l4/forwarding.h"
#include "l4/own_ports.h"
#include "l4/verdict.h"
#include "proxy/http_books.h"
#include "tcp/counters.h"

namespace weft::runtime {

struct PortBooks {
  uint64_t received = 0;
  uint64_t received_bytes = 0;
  uint64_t sent = 0;
  uint64_t sent_bytes = 0;
};

/// Of the TCP that ends at a worker.
struct TcpBooks {
  tcp::Counters counters;
  uint32_t connections = 0;
  uint32_t half_open = 0;
  uint32_t time_waits = 0;
  uint32_t pieces = 0;    ///< of payload, waiting for readers or acknowledgments
  uint32_t sessions = 0;  ///< relayed
  uint64_t idled = 0;     ///< sessions that were ended because nothing moved
  uint64_t unsent = 0;    ///< segments for which there was no buffer or no way; sent again later
  proxy::HttpBooks http;
};

struct Books {
  uint64_t received = 0;
  uint64_t taken_over = 0;  ///< from other workers
  uint64_t originated = 0;  ///< by this worker's own TCP and name server
  std::array<uint64_t, l4::kVerdicts> verdicts = {};
  std::array<PortBooks, l4::kMaxPorts> ports = {};             ///< in the worker's order
  std::array<uint64_t, l4::Burst::kMax + 1> burst_sizes = {};  ///< polls of a queue by how many packets they found
  uint64_t loops = 0;
  uint64_t sleeps = 0;
  uint64_t busy_cycles = 0;  ///< of loops that found packets
  uint64_t idle_cycles = 0;  ///< of the others, sleep included
  uint64_t longest_loop_cycles = 0;
  uint64_t active_flows = 0;
  uint32_t fullest_table_permille = 0;  ///< of IPv4's and IPv6's flow table, how full the fuller one is
  uint64_t adopted_flows = 0;
  std::array<uint32_t, l4::OwnPorts::kMaxAddresses> own_ports_used = {};  ///< by address, in the configuration's order
  TcpBooks tcp;
  dns::Counters names;
  uint64_t epoch = 0;       ///< of the snapshot in use
  uint64_t hops_epoch = 0;  ///< no flow holds a next hop that forwardings up to this one retired

  uint64_t sum(l4::Outcome outcome) const {
    uint64_t sum = 0;
    for (size_t i = 0; i < l4::kVerdicts; ++i) {
      sum += outcome_of(static_cast<l4::Verdict>(i)) == outcome ? verdicts[i] : 0;
    }
    return sum;
  }
  bool balanced() const {
    return received + taken_over + originated == sum(l4::Outcome::transmitted) + sum(l4::Outcome::delivered) +
                                                     sum(l4::Outcome::passed) + sum(l4::Outcome::dropped) +
                                                     sum(l4::Outcome::handed_over);
  }
};

}  // namespace weft::runtime
