// SPDX-License-Identifier: Apache-2.0
// What `show http` shows: of requests that were read, and of the connections that they came and went by.
#include <array>
#include <numeric>
#include <string_view>

#include "http/http1.h"
#include "ops/show.h"

namespace weft::ops {
namespace {

using Books = proxy::HttpBooks;

struct Row {
  std::string_view name;
  std::string_view unit;
  uint64_t (*count)(const Books&);
  std::string_view meaning;
};

template <uint64_t Books::*counter>
uint64_t of(const Books& books) {
  return books.*counter;
}
/// By the hundreds of their status.
template <size_t hundreds>
uint64_t responses(const Books& books) {
  return books.responses[hundreds];
}

constexpr std::array kRows = {
    Row{"requests", "requests", of<&Books::requests>,
        "that were read, malformed ones too; mirrored ones are not among them"},
    Row{"responses_none", "requests", responses<0>,
        "whose client went away, or was reset, before it was told anything"},
    Row{"responses_1xx", "responses", responses<1>, "that ended so: other protocols, which began with 101"},
    Row{"responses_2xx", "responses", responses<2>, "with a status of 200 to 299, whoever gave it"},
    Row{"responses_3xx", "responses", responses<3>, "with a status of 300 to 399"},
    Row{"responses_4xx", "responses", responses<4>, "with a status of 400 to 499"},
    Row{"responses_5xx", "responses", responses<5>, "with a status of 500 to 599"},
    Row{"local_responses", "responses", of<&Books::local_responses>, "of those, weft's own: redirects too"},
    Row{"bad_responses", "responses", of<&Books::bad_responses>, "of endpoints that can't be read: answered with 502"},
    Row{"retries", "attempts", of<&Books::retries>, "beside a request's first, because its rule says so"},
    Row{"fresh_attempts", "attempts", of<&Books::fresh_attempts>,
        "made because an endpoint closed a connection as it was to be used again, or no connection came about"},
    Row{"mirrored", "requests", of<&Books::mirrored>, "sent to a second service, whose answer nobody reads"},
    Row{"mirrors_left_out", "requests", of<&Books::mirrors_left_out>,
        "not mirrored, as their body is too long to be kept"},
    Row{"tunnels", "requests", of<&Books::tunnels>, "that became tunnels: upgrades (WebSocket) and CONNECT"},
    Row{"connections", "connections", of<&Books::connections>, "to endpoints that were made"},
    Row{"reused", "requests", of<&Books::reused>, "that needed none: one was waiting"},
    Row{"head_timeouts", "requests", of<&Books::head_timeouts>,
        "answered with 408, as their head was not whole in http.timeouts.head_s"},
    Row{"body_timeouts", "requests", of<&Books::body_timeouts>,
        "answered with 408, as nothing of their body came for http.timeouts.body_s"},
    Row{"overflows", "requests", of<&Books::overflows>,
        "refused, as all clients, exchanges, connections, ports or buffers were in use"},
    Row{"records_missed", "requests", of<&Books::records_missed>,
        "that \"access\" does not tell of, as too many finished at once"},
};
constexpr size_t kGauges = 4;  // of 4 bytes each, which are shown by worker
static_assert(kRows.size() + http::kDefects == (sizeof(Books) - kGauges * sizeof(uint32_t)) / sizeof(uint64_t),
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
  std::vector<Books> books;
  for (size_t i = 0; i < node.workers().size(); ++i) {
    const runtime::Worker& worker = *node.workers()[i];
    if (worker.terminator() == nullptr) {
      continue;
    }
    const proxy::HttpConfig& limits = worker.config().terminator.proxy.http;
    const Books& own = books.emplace_back(worker.books().tcp.http);
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
  Json counters = Json::array();
  for (const Row& row : kRows) {
    uint64_t sum = 0;
    for (const Books& each : books) {
      sum += row.count(each);
    }
    counters.push_back({{"name", row.name}, {"count", sum}, {"unit", row.unit}, {"meaning", row.meaning}});
  }
  Json bad = Json::array();
  for (size_t i = 1; i < http::kDefects; ++i) {
    const auto defect = static_cast<http::Defect>(i);
    if (defect == http::Defect::status_line) {
      continue;
    }
    uint64_t sum = 0;
    for (const Books& each : books) {
      sum += each.defects[i];
    }
    bad.push_back({{"name", kDefectNames[i]},
                   {"count", sum},
                   {"status", http::status_of(defect)},
                   {"meaning", http::to_string(defect)}});
  }
  return Json{{"state", node.is_draining() ? "draining" : "serving"},
              {"workers", workers},
              {"counters", counters},
              {"bad_requests", bad}};
}

}  // namespace weft::ops
