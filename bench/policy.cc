// SPDX-License-Identifier: Apache-2.0
/// @file What policies of access cost a proxied request: the requests of http.cc (keepalive, no routes), without any
/// policy, and with a thousand rules of which the last allows it; and what protections cost that have nothing to do.
/// What is timed: http_world.h.
///
/// Rules are of five kinds, as meshes have them: a principal's paths, a namespace's one path, address blocks and hosts,
/// a template with a header, and "not"; a tenth of them denies. Clients are 128 addresses of as many services.
/// `one_path` is what indexes of operations are no help with: a thousand principals and one path.
#include <benchmark/benchmark.h>

#include "http_world.h"
#include "lb/authorization.h"
#include "lb/inspection.h"

namespace {

using namespace weft;
using namespace weft::bench;
using lb::AuthorizationRule;
using lb::TextPattern;
using Kind = lb::TextPattern::Kind;

constexpr uint32_t kAddresses = 128;

std::string principal(uint32_t n) {
  return "cluster.local/ns/team-" + std::to_string(n) + "/sa/app";
}

std::shared_ptr<const lb::CallerTable> callers() {
  std::vector<lb::CallerTable::Edit> edits;
  for (uint32_t n = 0; n < kAddresses; ++n) {
    edits.push_back({World::client_address(n),
                     std::make_shared<const lb::Caller>(lb::Caller{{"team-" + std::to_string(n)}, {principal(n)}})});
  }
  return lb::CallerTable().with(edits);
}

AuthorizationRule rule(uint32_t i) {
  const std::string number = std::to_string(i);
  AuthorizationRule rule;
  lb::AuthorizationSource& from = rule.from.emplace_back();
  lb::AuthorizationOperation& to = rule.to.emplace_back();
  switch (i % 5) {
    case 0:
      from.principals.is = {{Kind::exact, principal(i)}};
      to.methods.is = {{Kind::exact, "GET"}, {Kind::exact, "HEAD"}};
      to.paths.is = {{Kind::prefix, "/service-" + number + "/"}};
      break;
    case 1:
      from.namespaces.is = {{Kind::exact, "team-" + number}};
      to.paths.is = {{Kind::exact, "/service-" + number + "/health"}, {Kind::suffix, "/" + number + ".css"}};
      break;
    case 2:
      from.ip_blocks.is = {*lb::parse_prefix("10." + std::to_string(i % 256) + ".0.0/16")};
      to.hosts.is = {{Kind::exact, "host-" + number + ".example.com"}};
      to.methods.is = {{Kind::exact, "POST"}};
      break;
    case 3:
      rule.from.clear();
      to.paths.is = {{Kind::path_template, "/service-" + number + "/items/{*}"}};
      to.methods.is = {{Kind::exact, "PUT"}};
      rule.when.push_back({.key = lb::AuthorizationWhen::Key::header,
                           .header = "x-tenant",
                           .texts = {.is = {{Kind::exact, "tenant-" + number}}, .is_not = {}}});
      break;
    default:
      from.namespaces.is_not = {{Kind::prefix, "dev-"}};
      to.paths = {.is = {{Kind::prefix, "/internal-" + number}}, .is_not = {{Kind::suffix, "/secret"}}};
      break;
  }
  return rule;
}

/// @param count without the one that allows what is asked
std::vector<lb::AuthorizationRules> mixed(uint32_t count) {
  std::vector<lb::AuthorizationRules> policies = {{.name = "default/deny", .deny = true}, {.name = "default/allow"}};
  for (uint32_t i = 0; i < count; ++i) {
    policies[i % 10 == 9 ? 0 : 1].rules.push_back(rule(i));
  }
  AuthorizationRule last;
  last.from.push_back({.principals = {.is = {{Kind::prefix, "cluster.local/ns/team-"}}, .is_not = {}}});
  last.to.push_back({.methods = {.is = {{Kind::exact, "GET"}}, .is_not = {}},
                     .paths = {.is = {{Kind::prefix, "/service-7/"}}, .is_not = {}}});
  policies[1].rules.push_back(last);
  return policies;
}

std::vector<lb::AuthorizationRules> one_path(uint32_t count) {
  std::vector<lb::AuthorizationRules> policies = {{.name = "default/allow"}};
  for (uint32_t i = 0; i < count; ++i) {
    AuthorizationRule& rule = policies[0].rules.emplace_back();
    rule.from.push_back({.principals = {.is = {{Kind::exact, principal(count - 1 - i)}}, .is_not = {}}});
    rule.to.push_back({.paths = {.is = {{Kind::prefix, "/service-7/"}}, .is_not = {}}});
  }
  return policies;
}

void run(benchmark::State& state, lb::Service asked) {
  World world(std::move(asked), callers());
  KeptAlive clients(world, request(7), kAddresses);
  std::vector<uint64_t> costs;
  for (auto _ : state) {
    costs.push_back(clients.ask());
    clients.tick();
  }
  if (world.proxy().http().books().local_responses > 0) {
    state.SkipWithError("a request was not proxied");
  }
  state.counters["cycles_per_request"] = median_of(costs) / kBatch;
}

void authorize(lb::Service& asked, std::vector<lb::AuthorizationRules> policies) {
  asked.authorization = std::make_shared<const lb::Authorization>(1, std::move(policies), asked.address, asked.port);
}
void run_authorized(benchmark::State& state, std::vector<lb::AuthorizationRules> policies) {
  lb::Service asked = service(0);
  authorize(asked, std::move(policies));
  state.counters["kilobytes"] = static_cast<double>(asked.authorization->memory_bytes()) / 1024;
  run(state, std::move(asked));
}

void none(benchmark::State& state) {
  run(state, service(0));
}
void rules(benchmark::State& state) {
  run_authorized(state, mixed(static_cast<uint32_t>(state.range(0)) - 1));
}
void rules_of_one_path(benchmark::State& state) {
  run_authorized(state, one_path(static_cast<uint32_t>(state.range(0))));
}

/// Of one new connection whose requests nobody reads, and of a client that a worker has not met: the source alone.
void source(benchmark::State& state) {
  const lb::Authorization authorization(1, mixed(static_cast<uint32_t>(state.range(0)) - 1), kVip, kPort);
  const auto known = callers();
  uint32_t n = 0;
  uint64_t denied = 0;
  const uint64_t start = __rdtsc();
  for (auto _ : state) {
    const lb::Address client = World::client_address(n++ % kAddresses);
    denied += authorization.judge(client, known->find(client)).denied ? 1 : 0;
  }
  state.counters["cycles"] =
      static_cast<double>(__rdtsc() - start) / static_cast<double>(std::max<int64_t>(state.iterations(), 1));
  benchmark::DoNotOptimize(denied);
}

/// Of a request of a client that is known, and nothing else.
void judge(benchmark::State& state) {
  const lb::Authorization authorization(1, mixed(static_cast<uint32_t>(state.range(0)) - 1), kVip, kPort);
  const auto known = callers();
  const std::array<lb::HttpField, 7> fields = {{{"Host", "shop.example.com"},
                                                {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"},
                                                {"Accept", "application/json, text/plain, */*"},
                                                {"Accept-Encoding", "gzip, deflate, br"},
                                                {"Accept-Language", "en"},
                                                {"Authorization", "Bearer 0123456789abcdef"},
                                                {"Cookie", "c"}}};
  const lb::HttpRequest request{
      .method = "GET", .host = "shop.example.com", .path = "/service-7/items/4711", .query = {}, .fields = fields};
  lb::SourceCache cache(1024);
  lb::SourceBits room;
  uint32_t n = 0;
  uint64_t denied = 0;
  const uint64_t start = __rdtsc();
  for (auto _ : state) {
    const lb::Address client = World::client_address(n++ % kAddresses);
    denied += authorization.judge(request, cache.find(authorization, *known, client, room)).denied ? 1 : 0;
  }
  state.counters["cycles"] =
      static_cast<double>(__rdtsc() - start) / static_cast<double>(std::max<int64_t>(state.iterations(), 1));
  if (denied > 0) {
    state.SkipWithError("a request was denied");
  }
}

void compile(benchmark::State& state) {
  const auto policies = mixed(static_cast<uint32_t>(state.range(0)) - 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(lb::Authorization(1, policies, kVip, kPort).id());
  }
}

lb::Signature signature(uint32_t i) {
  const std::string number = std::to_string(i);
  lb::Signature signature;
  signature.name = "s" + number;
  signature.part = static_cast<lb::Signature::Part>(i % 3);
  signature.is_expression = i % 2 == 1;
  signature.text = "forbidden-" + number + "-token";
  if (signature.is_expression) {
    switch (i / 2 % 5) {
      case 0:
        signature.text = "(union|merge)\\s+select\\s+col" + number;
        signature.ignores_case = true;
        break;
      case 1:
        signature.text = "<script" + number + "[^>]{0,40}src=";
        break;
      case 2:
        signature.text = "\\.\\./[a-z]{2,9}/passwd" + number;
        break;
      case 3:
        signature.text = "key" + number + "_[0-9A-Za-z]{20,40}";
        break;
      default:
        signature.text = "exec" + number + "\\s*\\(.*cmd";
        break;
    }
  }
  return signature;
}

/// A head of 300 bytes and a body of 4 KB in slices of a segment, in which nothing is found.
void signatures(benchmark::State& state) {
  constexpr size_t kBody = 4096;
  constexpr size_t kSlice = 1400;
  constexpr std::string_view kTarget = "/service-7/items/42?sort=price&page=2";
  constexpr std::string_view kLines =
      "Host: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: application/json, text/plain, "
      "*/*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\nAuthorization: Bearer 0123456789abcdef\r\n"
      "Cookie: session=abc123def456; theme=dark\r\nX-Tenant: t-17";
  std::vector<lb::InspectionRules> rules(1);
  rules[0].policy = "default/p";
  for (uint32_t i = 0; i < state.range(0); ++i) {
    rules[0].signatures.push_back(signature(i));
  }
  const lb::Inspection inspection(std::move(rules), 1);
  std::string body;
  for (uint32_t i = 0; body.size() < kBody; ++i) {
    body += "\"field" + std::to_string(i) + "\": \"some ordinary text, " + std::to_string(i * 2654435761U) + "\", ";
  }
  body.resize(kBody);
  const std::string_view text = body;
  std::vector<uint64_t> costs;
  lb::Finding finding;
  for (auto _ : state) {
    const uint64_t start = __rdtsc();
    inspection.begin(0);
    inspection.scan_target(0, kTarget, finding);
    inspection.scan_fields(0, lb::Signature::Message::request, kLines, finding);
    auto open = inspection.open_body(0, lb::Signature::Message::request, false);
    for (size_t at = 0; at < kBody; at += kSlice) {
      inspection.scan_body(0, *open, text.substr(at, kSlice), finding);
    }
    inspection.close_body(0, *open);
    costs.push_back(__rdtsc() - start);
  }
  if (finding.found > 0) {
    state.SkipWithError("something was found");
  }
  const size_t bytes = kTarget.size() + kLines.size() + kBody;
  state.counters["cycles_per_byte"] = median_of(costs) / static_cast<double>(bytes);
  state.counters["gbit_per_second"] =
      benchmark::Counter(static_cast<double>(bytes) * 8e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["kilobytes"] = static_cast<double>(inspection.memory_bytes()) / 1024;
}

// Protections that are configured and have nothing to do.

template <typename Change>
void change_requests(lb::Service& asked, Change change) {
  lb::RequestPolicy policy = asked.request_policy();
  change(policy);
  asked.requests = std::make_shared<const lb::RequestPolicy>(std::move(policy));
}
/// Bounds of endpoints beside those of the service, which are always there.
void bound(lb::Service& asked) {
  change_requests(asked, [](lb::RequestPolicy& policy) {
    policy.breaker.endpoint_max_connections = 1024;
    policy.breaker.endpoint_max_requests = 1024;
  });
}
void watch(lb::Service& asked) {
  change_requests(asked, [](lb::RequestPolicy& policy) { policy.outlier.enabled = true; });
}
/// A bucket of the service's, and one of each calling service's.
void limit_rates(lb::Service& asked) {
  change_requests(asked, [](lb::RequestPolicy& policy) {
    const lb::RequestRate rate{.interval_ns = lb::RequestRate::kLeastInterval, .burst = 20'000'000};
    policy.limits.push_back({.name = "all", .rate = rate, .id = 1});
    policy.limits.push_back({.name = "by-service", .by = lb::RequestLimit::By::service, .rate = rate, .id = 2});
  });
}
void bound_callers(lb::Service& asked) {
  change_requests(asked, [](lb::RequestPolicy& policy) {
    policy.callers.bounds = {.max_requests = 1024, .max_pending = 1024, .max_connections = 1024};
    policy.callers.id = 1;
  });
}
void allow(lb::Service& asked) {
  authorize(asked, mixed(9));
}
/// About requests with a header that none has.
void inject(lb::Service& asked) {
  lb::Fault fault{.name = "default/rehearsal", .id = 1, .abort_status = 503};
  fault.headers.push_back({.name = "x-rehearsal", .value = {.is = {{Kind::exact, "yes"}}, .is_not = {}}});
  asked.faults = std::make_shared<const lb::Faults>(lb::Faults{std::move(fault)});
}
void inspect(lb::Service& asked) {
  std::vector<lb::InspectionRules> rules(1);
  rules[0].policy = "default/p";
  for (uint32_t i = 0; i < 30; ++i) {
    rules[0].signatures.push_back(signature(i));
  }
  asked.inspection = std::make_shared<const lb::Inspection>(std::move(rules), 1);
}

using Configure = void (*)(lb::Service&);
void quiet(benchmark::State& state, const std::vector<Configure>& protections) {
  lb::Service asked = service(0);
  for (const Configure configure : protections) {
    configure(asked);
  }
  run(state, std::move(asked));
}
const struct Quiet {
  const char* name;
  std::vector<Configure> protections;
} kQuiet[] = {
    {"policy/quiet", {bound, watch, limit_rates, bound_callers, allow, inject, inspect}},
    {"policy/quiet/without_inspection", {bound, watch, limit_rates, bound_callers, allow, inject}},
    {"policy/quiet/breakers", {bound}},
    {"policy/quiet/outliers", {watch}},
    {"policy/quiet/rates", {limit_rates}},
    {"policy/quiet/callers", {bound_callers}},
    {"policy/quiet/access", {allow}},
    {"policy/quiet/faults", {inject}},
    {"policy/quiet/inspection", {inspect}},
};
const bool kAreQuiet = [] {
  for (const Quiet& each : kQuiet) {
    benchmark::RegisterBenchmark(each.name, quiet, each.protections)->Unit(benchmark::kMillisecond);
  }
  return true;
}();

BENCHMARK(none)->Name("policy/none")->Unit(benchmark::kMillisecond);
BENCHMARK(rules)->Name("policy")->ArgName("rules")->Arg(1)->Arg(10)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(rules_of_one_path)->Name("policy/one_path")->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(signatures)->Name("policy/signatures")->Arg(1000);
BENCHMARK(judge)->Name("policy/judge")->Arg(1)->Arg(1000);
BENCHMARK(source)->Name("policy/connection")->Arg(1000);
BENCHMARK(compile)->Name("policy/compile")->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
