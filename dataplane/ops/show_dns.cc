// SPDX-License-Identifier: Apache-2.0
// What `show dns` shows: of weft's own name server, and of those that it asks.
#include <array>

#include "ops/counter_row.h"
#include "ops/show_metrics.h"

namespace weft::ops {
namespace {

using dns::Rcode;
using NameRow = CounterRow<dns::Counters>;

template <Rcode rcode>
uint64_t answered_with(const dns::Counters& names) {
  return names.answers[static_cast<size_t>(rcode)];
}
template <uint64_t dns::Counters::*counter>
uint64_t name_count(const dns::Counters& names) {
  return names.*counter;
}

constexpr std::array kNameRows = {
    NameRow{"queries_udp", "queries", [](const dns::Counters& names) { return names.queries[0]; }, "over UDP"},
    NameRow{"queries_tcp", "queries", [](const dns::Counters& names) { return names.queries[1]; }, "over TCP"},
    NameRow{"noerror", "answers", answered_with<Rcode::no_error>, "of weft's own: the name is there"},
    NameRow{"formerr", "answers", answered_with<Rcode::format_error>, "to queries that can't be read"},
    NameRow{"servfail", "answers", answered_with<Rcode::server_failure>,
            "of weft's own, as too many queries were on their way to other servers"},
    NameRow{"nxdomain", "answers", answered_with<Rcode::name_error>, "there is no such name under dns.domain"},
    NameRow{"notimp", "answers", answered_with<Rcode::not_implemented>, "to what is no query, or asks for no record"},
    NameRow{
        "refused", "answers", answered_with<Rcode::refused>,
        "to who is not in dns.clients; to queries for what is not under dns.domain, where there are no dns.upstreams; "
        "for other classes; and for transfers"},
    NameRow{"badvers", "answers", answered_with<Rcode::bad_version>, "to a version of EDNS that there is not"},
    NameRow{"truncated", "answers", name_count<&dns::Counters::truncated>,
            "over UDP, that told what fits: their clients ask again over TCP"},
    NameRow{"ignored", "queries", name_count<&dns::Counters::ignored>,
            "got no answer: answers themselves, shorter than a header, or over TCP longer than 1,232 bytes"},
    NameRow{"forwarded", "queries", name_count<&dns::Counters::forwarded>, "that other servers are asked"},
    NameRow{"backlogged", "queries", name_count<&dns::Counters::backlogged>,
            "that they could not be asked, as too many wait: answered SERVFAIL"},
    NameRow{"relayed", "answers", name_count<&dns::Counters::relayed>,
            "of other servers, or SERVFAIL where none answered, that came back"},
    NameRow{"unsent", "answers", name_count<&dns::Counters::unsent>,
            "of those, that had no buffer or no way to their client"},
    NameRow{"tcp_clients", "connections", name_count<&dns::Counters::clients>, "now"},
    NameRow{"tcp_refused", "connections", name_count<&dns::Counters::refused_clients>,
            "reset, as there were dns.tcp_clients already"},
    NameRow{"tcp_timed_out", "connections", name_count<&dns::Counters::timed_out>,
            "closed, as no query came for dns.tcp_idle_s"},
};

Json servers_of(const resolver::Forwarder& forwarder) {
  Json servers = Json::array();
  for (const resolver::Server& server : forwarder.config().servers) {
    servers.push_back(to_string(server.address, server.port));
  }
  return servers;
}

Json counters_of(const resolver::ForwarderCounts& counts) {
  Json rows = Json::array();
  const auto row = [&](const char* name, uint64_t count, const char* unit, const char* meaning) {
    rows.push_back({{"name", name}, {"count", count}, {"unit", unit}, {"meaning", meaning}});
  };
  row("asked", counts.asked, "queries", "that workers wanted to be forwarded");
  row("sent", counts.sent, "queries", "to servers, each try");
  row("answered", counts.answered, "answers", "of servers");
  row("timed_out", counts.timed_out, "queries", "that a server did not answer within dns.timeout_ms");
  row("failed", counts.failed, "queries", "whose server can't be reached, or answered SERVFAIL or REFUSED");
  row("strange", counts.strange, "messages", "that answer nothing that was asked: dropped");
  row("gave_up", counts.gave_up, "answers", "SERVFAIL, as no server answered");
  row("overflowed", counts.overflowed, "answers",
      "SERVFAIL, as dns.pending queries were under way, or too many of one client");
  row("lost", counts.lost, "answers", "over UDP, for which the worker had no room");
  row("pending", counts.pending, "queries", "under way, now");
  return rows;
}

}  // namespace

Answer show_dns(node::Node& node, const Words&) {
  const node::NameServerSettings& settings = node.config().dns;
  if (settings.zone == nullptr) {
    return tl::unexpected(std::string("this node answers no names: its configuration has no dns section"));
  }
  std::vector<dns::Counters> names;
  for (const auto& worker : node.workers()) {
    names.push_back(worker->books().names);
  }
  Json addresses = Json::array();
  for (const lb::Address& address : settings.addresses) {
    addresses.push_back(to_string(address));
  }
  Json shown{{"addresses", addresses},
             {"services", node.snapshots().current()->names().services()},
             {"counters", counters_of(kNameRows, names)}};
  if (node.forwarder() != nullptr) {
    shown["upstreams"] = servers_of(*node.forwarder());
    shown["upstream_counters"] = counters_of(node.forwarder()->counts());
  }
  return shown;
}

void add_dns_metrics(node::Node& node, Metrics& metrics) {
  if (node.config().dns.zone == nullptr) {
    return;
  }
  std::vector<std::pair<size_t, dns::Counters>> names;
  for (size_t i = 0; i < node.workers().size(); ++i) {
    names.emplace_back(i, node.workers()[i]->books().names);
  }
  metrics.gauge("weft_dns_services", "that have names").add(node.snapshots().current()->names().services());
  add_counters(metrics, "dns", kNameRows, names, [](std::string_view name) { return name == "tcp_clients"; });
  if (node.forwarder() != nullptr) {
    for (const Json& row : counters_of(node.forwarder()->counts())) {
      const bool gauge = row["name"] == "pending";
      const std::string name = "weft_dns_upstream_" + row["name"].get<std::string>() + (gauge ? "" : "_total");
      const std::string help = row["unit"].get<std::string>() + ": " + row["meaning"].get<std::string>();
      (gauge ? metrics.gauge(name, help) : metrics.counter(name, help)).add(row["count"].get<uint64_t>());
    }
  }
}

}  // namespace weft::ops
