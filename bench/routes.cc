// SPDX-License-Identifier: Apache-2.0
/// @file What it costs to find a request's rule, and to normalise its path: the median over batches of 64 requests, as
/// a batch that another process cuts into says nothing.
///
/// Requests are of a browser's shape (ten headers) and go to all routes of the table in random order, so a large table
/// does not lie in the first cache. Nine routes of ten are exact paths and prefixes, one is a regular expression; one
/// of five asks for a header too.
#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <algorithm>
#include <random>
#include <string>

#include "lb/http_path.h"
#include "lb/route_scratch.h"
#include "lb/route_table.h"

namespace {

using namespace weft::lb;  // NOLINT: of lb is all that is measured

constexpr size_t kRequests = 4096;

struct Workload {
  std::vector<HttpRoute> routes;
  std::vector<std::string> hosts;  ///< by route
  std::vector<std::string> paths;  ///< that the route matches
};

Workload workload(size_t count, size_t hosts, size_t one_expression_in) {
  Workload result;
  for (size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    HttpMatch match;
    std::string path;
    if (one_expression_in > 0 && i % one_expression_in == one_expression_in - 1) {
      match.path.type = MatchType::regular_expression;
      switch (i / one_expression_in % 3) {
        case 0:
          match.path.value = "/service-" + number + "/v[0-9]+/items/[a-z0-9-]+";
          path = "/service-" + number + "/v1/items/abc-123";
          break;
        case 1:
          match.path.value = "/api/(v1|v2)/tenant" + number + "(/.*)?";
          path = "/api/v2/tenant" + number + "/orders/17";
          break;
        default:
          match.path.value = "/static/.*/" + number + "\\.(png|jpg|svg)";
          path = "/static/images/large/" + number + ".png";
      }
    } else if (i % 3 == 0) {
      match.path = {.type = MatchType::exact, .value = "/api/v1/resource-" + number + "/list"};
      path = match.path.value;
    } else {
      match.path.value = "/shop/section-" + number;
      path = match.path.value + "/item/42/details";
    }
    if (i % 5 == 4) {
      match.headers.push_back({.name = "x-version", .value = "canary"});
    }
    HttpRoute route{.key = "default/route-" + number,
                    .hostnames = {"host-" + std::to_string(i % hosts) + ".example.com"}};
    route.rules.push_back({.matches = {match}, .rule = std::make_shared<HttpRule>()});
    result.hosts.push_back(route.hostnames[0]);
    result.paths.push_back(path);
    result.routes.push_back(std::move(route));
  }
  return result;
}

const std::vector<HttpField> kFields = {{"host", "host-1.example.com"},
                                        {"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101"},
                                        {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9"},
                                        {"accept-language", "en-US,en;q=0.5"},
                                        {"accept-encoding", "gzip, deflate, br"},
                                        {"referer", "http://host-1.example.com/shop"},
                                        {"cookie", "session=0123456789abcdef; theme=dark"},
                                        {"x-version", "canary"},
                                        {"cache-control", "no-cache"},
                                        {"upgrade-insecure-requests", "1"}};

template <typename Step>
void measure(benchmark::State& state, Step step) {
  constexpr size_t kBatch = 64;
  std::vector<uint64_t> took;
  size_t at = 0;
  for (auto _ : state) {
    const uint64_t start = __rdtsc();
    for (size_t i = 0; i < kBatch; ++i) {
      step(at++);
    }
    took.push_back(__rdtsc() - start);
  }
  std::nth_element(took.begin(), took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2), took.end());
  state.counters["cycles_per_request"] = static_cast<double>(took[took.size() / 2]) / kBatch;
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}

void find(benchmark::State& state, size_t count, size_t hosts, size_t one_expression_in) {
  const Workload load = workload(count, hosts, one_expression_in);
  const RouteTable table(load.routes);
  RouteTable::Scratch scratch;
  scratch.prepare(table);
  std::mt19937_64 random(1);
  std::vector<HttpRequest> requests;
  for (size_t i = 0; i < kRequests; ++i) {
    const size_t route = random() % count;
    requests.push_back({.method = "GET", .host = load.hosts[route], .path = load.paths[route], .fields = kFields});
    if (table.find(requests.back(), scratch).rule != load.routes[route].rules[0].rule.get()) {
      state.SkipWithError("a request found another rule than its own");
      return;
    }
  }
  measure(state, [&](size_t i) { benchmark::DoNotOptimize(table.find(requests[i % kRequests], scratch)); });
  state.counters["bytes"] = static_cast<double>(table.memory_bytes());
  state.counters["scratch_bytes"] = static_cast<double>(scratch.memory_bytes());
}

void build(benchmark::State& state, size_t count, size_t hosts, size_t one_expression_in, bool shares) {
  const Workload load = workload(count, hosts, one_expression_in);
  const RouteTable before(shares ? load.routes : std::vector<HttpRoute>());
  for (auto _ : state) {
    benchmark::DoNotOptimize(RouteTable(load.routes, &before));
  }
  state.counters["milliseconds"] = benchmark::Counter(static_cast<double>(state.iterations()) / 1e3,
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void normalize(benchmark::State& state, const std::string& path) {
  std::string buffer(path.size(), '\0');
  measure(state, [&](size_t) {
    std::string_view given = path;
    benchmark::DoNotOptimize(given);
    benchmark::DoNotOptimize(normalize_path(given, buffer));
  });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::RegisterBenchmark("routes/routes:20", find, 20U, 1U, 0U);
  benchmark::RegisterBenchmark("routes/routes:20/hosts:20", find, 20U, 20U, 0U);
  benchmark::RegisterBenchmark("routes/routes:20/expressions:2", find, 20U, 1U, 10U);
  benchmark::RegisterBenchmark("routes/routes:10000", find, 10000U, 100U, 10U);
  benchmark::RegisterBenchmark("routes/routes:10000/hosts:1", find, 10000U, 1U, 10U);
  benchmark::RegisterBenchmark("routes/routes:1000/expressions:1000", find, 1000U, 1U, 1U);
  benchmark::RegisterBenchmark("routes/build/routes:20", build, 20U, 1U, 0U, false)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("routes/build/routes:10000", build, 10000U, 100U, 10U, false)
      ->Unit(benchmark::kMillisecond)
      ->Iterations(1);
  benchmark::RegisterBenchmark("routes/build/routes:10000/expressions:same", build, 10000U, 100U, 10U, true)
      ->Unit(benchmark::kMillisecond)
      ->Iterations(3);
  benchmark::RegisterBenchmark("routes/normalize/normal", normalize, "/shop/section-17/item/42/details.html");
  benchmark::RegisterBenchmark("routes/normalize/encoded", normalize, "/shop/./section%2d17/x/../item/caf%c3%a9");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
