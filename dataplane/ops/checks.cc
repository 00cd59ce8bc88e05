// SPDX-License-Identifier: Apache-2.0
#include "ops/checks.h"

#include "ops/service_names.h"
#include "ops/show.h"

namespace weft::ops {
namespace {

std::string key_of(const std::string& service, const std::string& port, const std::string& endpoint) {
  return service + " " + port + " " + endpoint;
}

std::string what_is_checked(const registry::CheckTarget& target) {
  const registry::HealthCheck& check = *target.check;
  const std::string at = to_string(target.address, check.port == 0 ? target.port : lb::port_from_host(check.port));
  return check.kind == registry::HealthCheck::Kind::tcp ? "tcp://" + at : "http://" + at + check.path;
}

}  // namespace

Checks::Checks(node::Node& node) {
  for (registry::CheckState& state : node.registry().prober().states()) {
    const registry::CheckTarget& target = state.target;
    std::string key = key_of(target.service, target.port_name, to_string(target.address, target.port));
    states_[std::move(key)] = std::move(state);
  }
}

const registry::CheckState* Checks::of(const lb::Service& service, const lb::Endpoint& endpoint) const {
  const auto at = states_.find(key_of(service.name, service.port_name, endpoint.identity()));
  return at == states_.end() ? nullptr : &at->second;
}

std::string_view word_of(const registry::CheckState& state) {
  return state.failed ? "failing" : state.checks == 0 ? "not yet" : "passing";
}

std::string why_not(const lb::Endpoint& endpoint, const registry::CheckState* check) {
  using State = lb::EndpointState;
  std::string why;
  const auto add = [&](const std::string& reason) { why += (why.empty() ? "" : "; ") + reason; };
  if (endpoint.said == State::not_ready) {
    add("not ready in the registry");
  } else if (endpoint.said == State::draining) {
    add("terminating");
  }
  if (endpoint.state == State::draining && endpoint.said != State::draining) {
    add("drained by an operator");
  }
  if (check != nullptr && check->failed) {
    add("check: " + check->last_error);
  }
  return why;
}

Answer show_checks(node::Node& node, const Words& arguments) {
  if (arguments.size() > 1) {
    return tl::unexpected(std::string());
  }
  const registry::Prober& prober = node.registry().prober();
  Json list = Json::array();
  for (const registry::CheckState& state : prober.states(arguments.empty() ? "" : full_name(arguments[0]))) {
    const registry::HealthCheck& check = *state.target.check;
    const auto now = std::chrono::steady_clock::now();
    list.push_back(
        {{"service", state.target.service},
         {"port_name", state.target.port_name},
         {"endpoint", state.target.name},
         {"address", to_string(state.target.address, state.target.port)},
         {"check", what_is_checked(state.target)},
         {"interval_ms", check.interval.count()},
         {"state", word_of(state)},
         {"since_seconds",
          state.since ? Json(std::chrono::duration_cast<std::chrono::seconds>(now - *state.since).count()) : Json()},
         {"in_a_row", state.in_a_row},
         {"needed", state.failed ? check.rise : check.fall},
         {"checks", state.checks},
         {"failures", state.failures},
         {"last_ms", static_cast<double>(state.last_took.count()) / 1000},
         {"last_error", state.last_error}});
  }
  const registry::Prober::Totals totals = prober.totals();
  return Json{{"targets", totals.targets},
              {"under_way", totals.under_way},
              {"passed", totals.passed},
              {"failed", totals.failed},
              {"inconclusive", totals.inconclusive},
              {"late", totals.late},
              {"checks", list}};
}

}  // namespace weft::ops
