// SPDX-License-Identifier: Apache-2.0
// What `show tcp` shows: of the connections that end at the workers.
#include <array>
#include <string_view>

#include "ops/counter_row.h"
#include "ops/show_metrics.h"

namespace weft::ops {
namespace {

using TcpRow = CounterRow<runtime::TcpBooks>;

template <uint64_t tcp::Counters::*counter>
uint64_t tcp_count(const runtime::TcpBooks& books) {
  return books.counters.*counter;
}

using Counters = tcp::Counters;

constexpr std::array kTcpRows = {
    TcpRow{"segments_received", "segments", tcp_count<&Counters::segments_received>,
           "that were delivered to weft's own TCP"},
    TcpRow{"segments_sent", "segments", tcp_count<&Counters::segments_sent>, "by it, acknowledgments and resets too"},
    TcpRow{"bytes_received", "bytes", tcp_count<&Counters::bytes_received>,
           "of payload that was taken, in order or not"},
    TcpRow{"bytes_sent", "bytes", tcp_count<&Counters::bytes_sent>, "of payload, each the first time"},
    TcpRow{"predicted", "segments", tcp_count<&Counters::predicted>,
           "segments that were just what was expected next: the short way"},
    TcpRow{"accepted", "handshakes", tcp_count<&Counters::accepted>, "handshakes with clients that were completed"},
    TcpRow{"connected", "handshakes", tcp_count<&Counters::connected>, "handshakes with endpoints that were completed"},
    TcpRow{"closed", "connections", tcp_count<&Counters::closed>, "connections that both sides closed in order"},
    TcpRow{"resets_received", "connections", tcp_count<&Counters::resets_received>,
           "connections and handshakes that a peer's reset ended"},
    TcpRow{"resets_sent", "segments", tcp_count<&Counters::resets_sent>,
           "to what belongs to no connection, where nobody could be reached, or because the other side was reset"},
    TcpRow{"timeouts", "connections", tcp_count<&Counters::timeouts>,
           "connections given up, as their peer did not answer"},
    TcpRow{"cookies_sent", "segments", tcp_count<&Counters::cookies_sent>,
           "SYNs beyond a service's share of half_open: answered with a cookie"},
    TcpRow{"cookies_accepted", "handshakes", tcp_count<&Counters::cookies_accepted>,
           "of those, that came back and became connections"},
    TcpRow{"half_open_expired", "handshakes", tcp_count<&Counters::half_open_expired>,
           "handshakes that their client did not complete in 63 s"},
    TcpRow{"refused", "handshakes", tcp_count<&Counters::refused>,
           "handshakes reset when complete, as all of tcp.connections are in use: raise it"},
    TcpRow{"time_waits_recycled", "connections", tcp_count<&Counters::time_waits_recycled>,
           "forgotten before their time, as tcp.time_waits are in use"},
    TcpRow{"retransmitted", "segments", tcp_count<&Counters::retransmitted>, "segments sent again, for any reason"},
    TcpRow{"fast_recoveries", "recoveries", tcp_count<&Counters::fast_recoveries>,
           "losses that acknowledgments showed"},
    TcpRow{"rto_fired", "timeouts", tcp_count<&Counters::rto_fired>,
           "losses that silence showed: retransmission timeouts"},
    TcpRow{"tail_probes", "segments", tcp_count<&Counters::tail_probes>,
           "segments sent again to hear whether the last ones were lost"},
    TcpRow{"spurious", "recoveries", tcp_count<&Counters::spurious>,
           "recoveries that turned out needless, and were taken back"},
    TcpRow{"window_probes", "segments", tcp_count<&Counters::window_probes>, "of peers that take nothing for now"},
    TcpRow{"keepalives", "segments", tcp_count<&Counters::keepalives>, "sent to silent peers (tcp.keepalive_idle_s)"},
    TcpRow{"black_holes", "times", tcp_count<&Counters::black_holes>,
           "times that segments were made smaller, as no large one came through"},
    TcpRow{"out_of_order", "segments", tcp_count<&Counters::out_of_order>, "segments beyond a gap"},
    TcpRow{"duplicates", "segments", tcp_count<&Counters::duplicates>, "segments of which all bytes were there"},
    TcpRow{"unacceptable", "segments", tcp_count<&Counters::unacceptable>, "segments outside the window"},
    TcpRow{"paws_dropped", "segments", tcp_count<&Counters::paws_dropped>,
           "segments with a timestamp older than the last (RFC 7323)"},
    TcpRow{"bad_acknowledgments", "segments", tcp_count<&Counters::bad_acknowledgments>,
           "of what was never sent, or long ago"},
    TcpRow{"challenges", "segments", tcp_count<&Counters::challenges>,
           "acknowledgments to what may be a forger's SYN or reset (RFC 5961)"},
    TcpRow{"out_of_memory", "segments", tcp_count<&Counters::out_of_memory>,
           "payloads not taken for want of pieces, to be sent again: raise memory.buffers"},
    TcpRow{"invalid", "segments", tcp_count<&Counters::invalid>, "segments with flags that can't be"},
    TcpRow{"beyond_share", "connections", tcp_count<&Counters::beyond_share>,
           "connections reset, as their service has its share of them"},
    TcpRow{"pieces_beyond_share", "segments", tcp_count<&Counters::pieces_beyond_share>,
           "of out_of_memory, those of a service that holds its share of pieces"},
    TcpRow{"unsent", "segments", [](const runtime::TcpBooks& books) { return books.unsent; },
           "segments for which there was no buffer, no way or too small an MTU: sent again later"},
    TcpRow{"idled", "sessions", [](const runtime::TcpBooks& books) { return books.idled; },
           "sessions reset, as no byte moved for flows.timeouts.tcp_established_s or tcp_closing_s"},
};
static_assert(kTcpRows.size() == sizeof(Counters) / sizeof(uint64_t) + 2, "one row a counter");

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
  return Json{{"workers", workers}, {"counters", counters_of(kTcpRows, books)}};
}

void add_tcp_metrics(node::Node& node, Metrics& metrics) {
  std::vector<std::pair<size_t, runtime::TcpBooks>> books;
  for (size_t i = 0; i < node.workers().size(); ++i) {
    if (node.workers()[i]->terminator() != nullptr) {
      books.emplace_back(i, node.workers()[i]->books().tcp);
    }
  }
  if (books.empty()) {
    return;
  }
  const auto gauge = [&](const char* name, const char* help, auto value) {
    metrics.gauge(name, help);
    for (const auto& [worker, own] : books) {
      metrics.add(value(own, node.workers()[worker]->config().terminator.tcp), {{"worker", std::to_string(worker)}});
    }
  };
  using Own = runtime::TcpBooks;
  using Limits = tcp::Config;
  gauge("weft_tcp_sessions", "relayed, now", [](const Own& own, const Limits&) { return own.sessions; });
  gauge("weft_tcp_connections", "now", [](const Own& own, const Limits&) { return own.connections; });
  gauge("weft_tcp_connections_limit", "how many there may be",
        [](const Own&, const Limits& limits) { return limits.connections; });
  gauge("weft_tcp_half_open", "handshakes, now", [](const Own& own, const Limits&) { return own.half_open; });
  gauge("weft_tcp_time_waits", "now", [](const Own& own, const Limits&) { return own.time_waits; });
  gauge("weft_tcp_pieces", "segments' payloads that wait, now",
        [](const Own& own, const Limits&) { return own.pieces; });
  gauge("weft_tcp_pieces_limit", "how many may wait", [](const Own&, const Limits& limits) { return limits.pieces; });
  add_counters(metrics, "tcp", kTcpRows, books, [](std::string_view) { return false; });
}

}  // namespace weft::ops
