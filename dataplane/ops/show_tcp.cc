// SPDX-License-Identifier: Apache-2.0
// What `show tcp` shows: of the connections that end at the workers.
#include <array>
#include <string_view>

#include "ops/show.h"

namespace weft::ops {
namespace {

struct Row {
  std::string_view name;
  uint64_t (*count)(const runtime::TcpBooks&);
  std::string_view meaning;
};

template <uint64_t tcp::Counters::*counter>
uint64_t of(const runtime::TcpBooks& books) {
  return books.counters.*counter;
}

using Counters = tcp::Counters;

constexpr std::array kRows = {
    Row{"segments_received", of<&Counters::segments_received>, "that were delivered to weft's own TCP"},
    Row{"segments_sent", of<&Counters::segments_sent>, "by it, acknowledgments and resets too"},
    Row{"bytes_received", of<&Counters::bytes_received>, "of payload that was taken, in order or not"},
    Row{"bytes_sent", of<&Counters::bytes_sent>, "of payload, each the first time"},
    Row{"predicted", of<&Counters::predicted>, "segments that were just what was expected next: the short way"},
    Row{"accepted", of<&Counters::accepted>, "handshakes with clients that were completed"},
    Row{"connected", of<&Counters::connected>, "handshakes with endpoints that were completed"},
    Row{"closed", of<&Counters::closed>, "connections that both sides closed in order"},
    Row{"resets_received", of<&Counters::resets_received>, "connections and handshakes that a peer's reset ended"},
    Row{"resets_sent", of<&Counters::resets_sent>,
        "to what belongs to no connection, where nobody could be reached, or because the other side was reset"},
    Row{"timeouts", of<&Counters::timeouts>, "connections given up, as their peer did not answer"},
    Row{"cookies_sent", of<&Counters::cookies_sent>,
        "SYNs beyond a service's share of half_open: answered with a cookie"},
    Row{"cookies_accepted", of<&Counters::cookies_accepted>, "of those, that came back and became connections"},
    Row{"half_open_expired", of<&Counters::half_open_expired>, "handshakes that their client did not complete in 63 s"},
    Row{"refused", of<&Counters::refused>,
        "handshakes reset when complete, as all of tcp.connections are in use: raise it"},
    Row{"time_waits_recycled", of<&Counters::time_waits_recycled>,
        "forgotten before their time, as tcp.time_waits are in use"},
    Row{"retransmitted", of<&Counters::retransmitted>, "segments sent again, for any reason"},
    Row{"fast_recoveries", of<&Counters::fast_recoveries>, "losses that acknowledgments showed"},
    Row{"rto_fired", of<&Counters::rto_fired>, "losses that silence showed: retransmission timeouts"},
    Row{"tail_probes", of<&Counters::tail_probes>, "segments sent again to hear whether the last ones were lost"},
    Row{"spurious", of<&Counters::spurious>, "recoveries that turned out needless, and were taken back"},
    Row{"window_probes", of<&Counters::window_probes>, "of peers that take nothing for now"},
    Row{"keepalives", of<&Counters::keepalives>, "sent to silent peers (tcp.keepalive_idle_s)"},
    Row{"black_holes", of<&Counters::black_holes>,
        "times that segments were made smaller, as no large one came through"},
    Row{"out_of_order", of<&Counters::out_of_order>, "segments beyond a gap"},
    Row{"duplicates", of<&Counters::duplicates>, "segments of which all bytes were there"},
    Row{"unacceptable", of<&Counters::unacceptable>, "segments outside the window"},
    Row{"paws_dropped", of<&Counters::paws_dropped>, "segments with a timestamp older than the last (RFC 7323)"},
    Row{"bad_acknowledgments", of<&Counters::bad_acknowledgments>, "of what was never sent, or long ago"},
    Row{"challenges", of<&Counters::challenges>, "acknowledgments to what may be a forger's SYN or reset (RFC 5961)"},
    Row{"out_of_memory", of<&Counters::out_of_memory>,
        "payloads not taken for want of pieces, to be sent again: raise memory.buffers"},
    Row{"invalid", of<&Counters::invalid>, "segments with flags that can't be"},
    Row{"unsent", [](const runtime::TcpBooks& books) { return books.unsent; },
        "segments for which there was no buffer, no way or too small an MTU: sent again later"},
    Row{"idled", [](const runtime::TcpBooks& books) { return books.idled; },
        "sessions reset, as no byte moved for flows.timeouts.tcp_established_s or tcp_closing_s"},
};
static_assert(kRows.size() == sizeof(Counters) / sizeof(uint64_t) + 2, "one row a counter");

}  // namespace

Answer show_tcp(node::Node& node, const Words&) {
  Json workers = Json::array();
  std::vector<runtime::TcpBooks> books;
  for (size_t i = 0; i < node.workers().size(); ++i) {
    const runtime::Worker& worker = *node.workers()[i];
    if (worker.terminator() == nullptr) {
      continue;
    }
    const tcp::Config& limits = worker.config().terminator.tcp;
    const runtime::TcpBooks& own = books.emplace_back(worker.books().tcp);
    workers.push_back({{"worker", i},
                       {"sessions", own.sessions},
                       {"connections", own.connections},
                       {"connections_limit", limits.connections},
                       {"half_open", own.half_open},
                       {"half_open_limit", limits.half_open},
                       {"time_waits", own.time_waits},
                       {"time_waits_limit", limits.time_waits},
                       {"pieces", own.pieces},
                       {"pieces_limit", limits.pieces}});
  }
  Json counters = Json::array();
  for (const Row& row : kRows) {
    uint64_t sum = 0;
    for (const runtime::TcpBooks& each : books) {
      sum += row.count(each);
    }
    counters.push_back({{"name", row.name}, {"count", sum}, {"meaning", row.meaning}});
  }
  return Json{{"workers", workers}, {"counters", counters}};
}

}  // namespace weft::ops
