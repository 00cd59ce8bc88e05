// SPDX-License-Identifier: Apache-2.0
// What `show http` shows: of requests that were read, and of the connections that they came and went by.
#include <algorithm>
#include <array>
#include <iterator>
#include <numeric>
#include <string_view>

#include "http/http1.h"
#include "ops/counter_row.h"
#include "ops/show_metrics.h"

namespace weft::ops {
namespace {

using HttpRow = CounterRow<proxy::HttpBooks>;

template <uint64_t proxy::HttpBooks::*counter>
uint64_t http_count(const proxy::HttpBooks& books) {
  return books.*counter;
}
/// By the hundreds of their status.
template <size_t hundreds>
uint64_t responses(const proxy::HttpBooks& books) {
  return books.responses[hundreds];
}

constexpr std::array kHttpRows = {
    HttpRow{"requests", "requests", http_count<&proxy::HttpBooks::requests>,
            "that were read, malformed ones too; mirrored ones are not among them"},
    HttpRow{"responses_none", "requests", responses<0>,
            "whose client went away, or was reset, before it was told anything"},
    HttpRow{"responses_1xx", "responses", responses<1>, "that ended so: other protocols, which began with 101"},
    HttpRow{"responses_2xx", "responses", responses<2>, "with a status of 200 to 299, whoever gave it"},
    HttpRow{"responses_3xx", "responses", responses<3>, "with a status of 300 to 399"},
    HttpRow{"responses_4xx", "responses", responses<4>, "with a status of 400 to 499"},
    HttpRow{"responses_5xx", "responses", responses<5>, "with a status of 500 to 599"},
    HttpRow{"local_responses", "responses", http_count<&proxy::HttpBooks::local_responses>,
            "of those, weft's own: redirects too"},
    HttpRow{"bad_responses", "responses", http_count<&proxy::HttpBooks::bad_responses>,
            "of endpoints that can't be read: answered with 502"},
    HttpRow{"retries", "attempts", http_count<&proxy::HttpBooks::retries>,
            "beside a request's first, because its rule says so"},
    HttpRow{"fresh_attempts", "attempts", http_count<&proxy::HttpBooks::fresh_attempts>,
            "made because an endpoint closed a connection as it was to be used again, or no connection came about"},
    HttpRow{"mirrored", "requests", http_count<&proxy::HttpBooks::mirrored>,
            "sent to a second service, whose answer nobody reads"},
    HttpRow{"mirrors_left_out", "requests", http_count<&proxy::HttpBooks::mirrors_left_out>,
            "not mirrored, as their body is too long to be kept, or too many mirrored ones are under way"},
    HttpRow{"tunnels", "requests", http_count<&proxy::HttpBooks::tunnels>,
            "that became tunnels: upgrades (WebSocket) and CONNECT"},
    HttpRow{"authorized", "requests", http_count<&proxy::HttpBooks::authorized>,
            "that policies of access let in, of services that have any"},
    HttpRow{"denied", "requests", http_count<&proxy::HttpBooks::denied>,
            "that they did not: answered with 403, or ended by a change of them"},
    HttpRow{"dry_run_denied", "requests", http_count<&proxy::HttpBooks::dry_run_denied>,
            "that they let in, and would not if those of a dry run were enforced too"},
    HttpRow{"limited", "requests", http_count<&proxy::HttpBooks::limited>,
            "answered with 429, as more came in a time than a limit of the service allows"},
    HttpRow{"inspected", "messages", http_count<&proxy::HttpBooks::inspected>,
            "requests and responses that policies of inspection looked into"},
    HttpRow{"denied_requests", "requests", http_count<&proxy::HttpBooks::denied_requests>,
            "in which they found a signature that denies: answered with 403"},
    HttpRow{"denied_responses", "responses", http_count<&proxy::HttpBooks::denied_responses>,
            "in which they found one: answered with 502, or cut off where they had begun"},
    HttpRow{"signatures_noted", "signatures", http_count<&proxy::HttpBooks::signatures_noted>,
            "that they found and that only count, log or are on a dry run"},
    HttpRow{
        "not_seen", "messages", http_count<&proxy::HttpBooks::not_seen>,
        "that went on though not all of them was looked into: too long, coded, or for want of streams on a dry run"},
    HttpRow{"inspections_full", "messages", http_count<&proxy::HttpBooks::inspections_full>,
            "answered with 503, as too many bodies were looked into at a time"},
    HttpRow{"connections", "connections", http_count<&proxy::HttpBooks::connections>, "to endpoints that were made"},
    HttpRow{"reused", "requests", http_count<&proxy::HttpBooks::reused>, "that needed none: one was waiting"},
    HttpRow{"head_timeouts", "requests", http_count<&proxy::HttpBooks::head_timeouts>,
            "answered with 408, as their head was not whole in http.timeouts.head_s"},
    HttpRow{"body_timeouts", "requests", http_count<&proxy::HttpBooks::body_timeouts>,
            "answered with 408, as nothing of their body came for http.timeouts.body_s"},
    HttpRow{"overflows", "requests", http_count<&proxy::HttpBooks::overflows>,
            "refused, as all clients, exchanges, connections, ports or buffers were in use"},
    HttpRow{"records_missed", "requests", http_count<&proxy::HttpBooks::records_missed>,
            "that \"access\" does not tell of, as too many finished at once"},
};
constexpr size_t kGauges = 4;  // of 4 bytes each, which are shown by worker
static_assert(kHttpRows.size() + http::kDefects ==
                  (sizeof(proxy::HttpBooks) - kGauges * sizeof(uint32_t)) / sizeof(uint64_t),
              "one row a counter");

/// In the order of http::Defect; the first is none, and of a response the third.
constexpr std::array<std::string_view, http::kDefects> kDefectNames = {"none",
                                                                       "request_line",
                                                                       "status_line",
                                                                       "version",
                                                                       "target",
                                                                       "target_too_long",
                                                                       "line_end",
                                                                       "field_name",
                                                                       "field_value",
                                                                       "folded",
                                                                       "too_many_fields",
                                                                       "head_too_long",
                                                                       "host",
                                                                       "content_length",
                                                                       "connection",
                                                                       "transfer_encoding",
                                                                       "transfer_coding",
                                                                       "ambiguous_length",
                                                                       "chunk_size",
                                                                       "chunk_extension",
                                                                       "chunk_end",
                                                                       "trailer"};

}  // namespace

Answer show_http(node::Node& node, const Words&) {
  Json workers = Json::array();
  std::vector<proxy::HttpBooks> books;
  for (size_t i = 0; i < node.workers().size(); ++i) {
    const runtime::Worker& worker = *node.workers()[i];
    if (worker.terminator() == nullptr) {
      continue;
    }
    const proxy::HttpConfig& limits = worker.config().terminator.proxy.http;
    const proxy::HttpBooks& own = books.emplace_back(worker.books().tcp.http);
    workers.push_back({{"worker", i},
                       {"clients", own.clients},
                       {"clients_limit", limits.clients},
                       {"exchanges", own.exchanges},
                       {"exchanges_limit", limits.exchanges},
                       {"upstreams", own.upstreams},
                       {"upstreams_limit", limits.upstreams},
                       {"parked", own.parked},
                       {"requests", own.requests},
                       {"bad_requests", std::accumulate(own.defects.begin(), own.defects.end(), uint64_t{0})}});
  }
  Json bad = Json::array();
  for (size_t i = 1; i < http::kDefects; ++i) {
    const auto defect = static_cast<http::Defect>(i);
    if (defect == http::Defect::status_line) {
      continue;
    }
    uint64_t sum = 0;
    for (const proxy::HttpBooks& each : books) {
      sum += each.defects[i];
    }
    bad.push_back({{"name", kDefectNames[i]},
                   {"count", sum},
                   {"status", http::status_of(defect)},
                   {"meaning", http::to_string(defect)}});
  }
  return Json{{"state", node.is_draining() ? "draining" : "serving"},
              {"workers", workers},
              {"counters", counters_of(kHttpRows, books)},
              {"bad_requests", bad}};
}

void add_http_metrics(node::Node& node, Metrics& metrics) {
  std::vector<std::pair<size_t, proxy::HttpBooks>> books;
  for (size_t i = 0; i < node.workers().size(); ++i) {
    if (node.workers()[i]->terminator() != nullptr) {
      books.emplace_back(i, node.workers()[i]->books().tcp.http);
    }
  }
  if (books.empty()) {
    return;
  }
  const auto gauge = [&](const char* name, const char* help, uint32_t proxy::HttpBooks::*value) {
    metrics.gauge(name, help);
    for (const auto& [worker, own] : books) {
      metrics.add(own.*value, {{"worker", std::to_string(worker)}});
    }
  };
  metrics.gauge("weft_http_draining", "1: clients are sent away").add(node.is_draining());
  gauge("weft_http_clients", "connections of clients, now", &proxy::HttpBooks::clients);
  gauge("weft_http_exchanges", "requests under way, now", &proxy::HttpBooks::exchanges);
  gauge("weft_http_upstreams", "connections to endpoints, now", &proxy::HttpBooks::upstreams);
  gauge("weft_http_parked", "of those, that wait for a request", &proxy::HttpBooks::parked);
  // What is one thing with several rows is one family with a label.
  constexpr std::string_view kResponses = "responses_";
  metrics.counter("weft_http_responses_total", "by the class of their status; none: the client was told nothing");
  for (const HttpRow& row : kHttpRows) {
    for (const auto& [worker, own] : books) {
      if (row.name.starts_with(kResponses)) {
        metrics.add(row.count(own),
                    {{"worker", std::to_string(worker)}, {"class", row.name.substr(kResponses.size())}});
      }
    }
  }
  metrics.counter("weft_http_bad_requests_total", "refused as malformed, by what was wrong: show http");
  for (const auto& [worker, own] : books) {
    for (size_t i = 1; i < http::kDefects; ++i) {
      if (static_cast<http::Defect>(i) != http::Defect::status_line) {
        metrics.add(own.defects[i], {{"worker", std::to_string(worker)}, {"defect", kDefectNames[i]}});
      }
    }
  }
  std::vector<HttpRow> others;
  std::copy_if(kHttpRows.begin(), kHttpRows.end(), std::back_inserter(others),
               [&](const HttpRow& row) { return !row.name.starts_with(kResponses); });
  add_counters(metrics, "http", others, books, [](std::string_view) { return false; });
}

}  // namespace weft::ops
