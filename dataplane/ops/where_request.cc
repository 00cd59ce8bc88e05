// SPDX-License-Identifier: Apache-2.0
#include "ops/where_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "lb/authorization.h"
#include "lb/http_cors.h"
#include "lb/http_path.h"
#include "lb/http_policy.h"
#include "lb/http_rewrite.h"
#include "lb/request_balancer.h"
#include "lb/route_scratch.h"
#include "lb/session_target.h"
#include "lb/split_mix.h"
#include "ops/fault_report.h"
#include "ops/inspection_report.h"
#include "ops/outlier_report.h"
#include "ops/policy_report.h"
#include "ops/rule_report.h"
#include "ops/service_names.h"
#include "proxy/inspected_body.h"
#include "proxy/received_request.h"
#include "proxy/response_flag.h"
#include "proxy/texts.h"

namespace weft::ops {
namespace {

namespace flag = proxy::response_flag;

/// What weft says itself, in place of an endpoint.
void add_reply(Json& answer, const Json& status, const std::string& flags, std::string_view why) {
  answer["answered_by"] = "weft";
  answer["status"] = status;
  answer["flags"] = flags;
  answer["reason"] = why;
}

void add_reply(Json& answer, uint16_t status, proxy::ResponseFlags flags, std::string_view why) {
  add_reply(answer, Json(status), proxy::to_string(flags), why);
}

std::string_view to_string(lb::HashOn::Kind kind) {
  switch (kind) {
    case lb::HashOn::Kind::source:
      return "the client's address";
    case lb::HashOn::Kind::header:
      return "the header";
    case lb::HashOn::Kind::cookie:
      return "the cookie";
    case lb::HashOn::Kind::query:
      break;
  }
  return "the query parameter";
}

std::string hashed(const lb::HashOn& on) {
  return on.kind == lb::HashOn::Kind::source ? std::string(to_string(on.kind))
                                             : fmt::format("{} {}", to_string(on.kind), on.name);
}

struct Choice {
  const lb::Target* target = nullptr;  ///< null: one of several, or none
  std::string by;
};

class Inquiry {
 public:
  Inquiry(const RequestView& view, const RequestQuestion& question, const lb::Service& listener)
      : view_(view), question_(question), listener_(listener) {}

  Json answer() {
    answer_ = {{"request", question_.shown},
               {"service", listener_.name},
               {"address", lb::to_string(listener_.address, listener_.port)}};
    const http::Defect defect = http::parse_request(question_.head, view_.limits, request_);
    if (defect != http::Defect::none) {
      add_reply(answer_, http::status_of(defect), flag::downstream_protocol_error, http::to_string(defect));
      return answer_;
    }
    const auto path = lb::normalize_path(request_.view.path, path_);
    if (!path) {
      add_reply(answer_, 400, flag::downstream_protocol_error, "the path is ambiguous");
      return answer_;
    }
    request_.view.path = *path;
    answer_["host"] = request_.view.host;
    answer_["path"] = *path;
    if (listener_.authorization != nullptr) {
      const lb::Judgement judgement = judged(listener_, request_.view);
      add_judgement(answer_, view_.snapshot, listener_, question_.client, judgement);
      if (judgement.denied) {
        add_reply(answer_, 403, flag::denied_by_policy, "access denied by policy");
        return answer_;
      }
    }
    if (!look_for_signatures(listener_.name, listener_).empty()) {
      add_reply(answer_, 403, flag::denied_by_signature, "the request is denied by inspection");
      return answer_;
    }
    const lb::Http& http = *listener_.http;
    const lb::ConsumerRoutes* const consumer = question_.client ? http.consumer_of(*question_.client) : nullptr;
    if (!http.consumers.empty()) {
      answer_["routes_of"] = consumer != nullptr ? consumer->name_space
                             : question_.client  ? "the service: the client is of no namespace with routes of its own"
                                                 : "the service, but for some clients: say from <address>";
    }
    const lb::RouteTable* const routes = consumer == nullptr ? http.routes.get() : consumer->routes.get();
    routes == nullptr ? ask_service() : ask_routes(*routes);
    return answer_;
  }

 private:
  /// In the head alone. @returns which of the service's denies the request; empty: none does
  std::string look_for_signatures(const std::string& of, const lb::Service& service) {
    if (service.inspection == nullptr || (&service != &listener_ && service.inspection == listener_.inspection)) {
      return "";
    }
    Json& by = answer_["inspected_by"];
    by = by.is_null() ? policies_of(*service.inspection)
                      : fmt::format("{}; of {}: {}", by.get<std::string>(), of, policies_of(*service.inspection));
    HeadFindings findings = look_into(*service.inspection, of, request_.target, proxy::lines_of(request_.fields));
    for (Json& row : findings.rows) {
      answer_["signatures"].push_back(std::move(row));
    }
    return findings.denied_by;
  }

  /// Of a client that is not said, by an address that is nobody's.
  lb::Judgement judged(const lb::Service& service, const lb::HttpRequest& request) const {
    const lb::Address client = question_.client.value_or(lb::Address());
    const lb::Caller* const caller = question_.client ? view_.snapshot.callers().find(client) : nullptr;
    return service.authorization->judge(request, client, caller);
  }

  /// Why the policies of where a route leads do not let it have what its endpoint would get; "": they do.
  std::string forbidden(const lb::Service& service) {
    if (service.authorization == nullptr || (&service == &listener_ && !goes_.is_edited)) {
      return "";
    }
    const auto received = goes_.is_edited ? received_.make(request_.view, goes_.match, *goes_.rule, goes_.backend)
                                          : std::optional(request_.view);
    if (!received) {
      return std::string(kUnjudged);
    }
    const lb::Judgement judgement = judged(service, *received);
    return judgement.denied ? told(service, judgement) : "";
  }

  void ask_service() {
    answer_["rule"] = "none: the service has no routes, and all requests go to its own endpoints";
    add_backend(listener_.name, 1, 1, &listener_, nullptr);
    conclude();
  }

  void ask_routes(const lb::RouteTable& table) {
    lb::RouteTable::Scratch scratch;
    scratch.prepare(table);
    const lb::RouteTable::Match match = table.find(request_.view, scratch);
    if (match.rule == nullptr) {
      return add_reply(answer_, 404, flag::no_route, "no route matches the request");
    }
    const lb::HttpRule& rule = *match.rule;
    answer_["route"] = rule.route;
    answer_["rule"] = rule.name.empty() ? std::to_string(rule.number) : fmt::format("{} ({})", rule.number, rule.name);
    answer_["match"] = number_of(table, match);
    answer_["because"] = conditions_of(*match.match);
    answer_["request_timeout"] = timeout_of(rule.request_timeout);
    answer_["backend_timeout"] = timeout_of(rule.backend_timeout);
    answer_["retries"] = retries_of(rule);
    add_filters(filters_, "rule", rule.filters);
    if (!is_answered_by(rule, *match.match)) {
      add_backends(rule, *match.match);
      conclude();
    }
    if (!filters_.empty()) {
      answer_["filters"] = filters_;
    }
  }

  /// Redirects, and preflights of CORS.
  bool is_answered_by(const lb::HttpRule& rule, const lb::HttpMatch& match) {
    if (rule.filters.cors) {
      const lb::CorsAnswer cors = lb::cors_answer(*rule.filters.cors, request_.view, texts_.rest());
      texts_.take_all();
      add_filter(filters_, "rule", "CORS",
                 cors.is_allowed ? fmt::format("access-control-allow-origin: {}", cors.allow_origin)
                                 : "nothing: this origin is not allowed, or there is none");
      if (cors.is_preflight) {
        add_reply(answer_, 204, flag::none, "a preflight of CORS");
        return true;
      }
    }
    if (rule.filters.redirect) {
      const auto location = lb::redirect_location(*rule.filters.redirect, match, request_.view,
                                                  {.port = lb::to_host(listener_.port)}, texts_.rest());
      if (location) {
        add_filter(filters_, "rule", "RequestRedirect",
                   fmt::format("{}, location: {}", rule.filters.redirect->status, *location));
        add_reply(answer_, rule.filters.redirect->status, flag::none, "redirected");
      } else {
        add_reply(answer_, 500, flag::no_route, "the redirect's location is too long");
      }
      return true;
    }
    return false;
  }

  void add_backends(const lb::HttpRule& rule, const lb::HttpMatch& match) {
    route_ = rule.route;
    uint64_t total = 0;
    for (const lb::HttpBackend& backend : rule.backends) {
      total += backend.weight;
    }
    const bool is_in_force = std::any_of(rule.backends.begin(), rule.backends.end(),
                                         [](const auto& backend) { return !backend.filters.rewrite; });
    const bool fits = !rule.filters.rewrite || !is_in_force || add_rewrite("rule", *rule.filters.rewrite, match);
    for (const lb::HttpBackend& backend : rule.backends) {
      const std::string name = fmt::format("{}:{}", backend.port.service, lb::to_host(backend.port.port));
      const uint32_t slot = backend.port.slot_for(listener_.address.family());
      goes_ = {&rule, &match, &backend, proxy::is_edited(rule, &backend)};
      add_backend(name, backend.weight, total,
                  slot == lb::BackendPort::kNone ? nullptr : view_.snapshot.service_at(slot),
                  rule.session ? &*rule.session : nullptr);
      add_filters(filters_, name, backend.filters);
      // A backend's own takes the place of the rule's.
      const bool fits_here = backend.filters.rewrite ? add_rewrite(name, *backend.filters.rewrite, match) : fits;
      Json& row = backends_.back();
      if (!fits_here && row["status"].is_null()) {
        row["status"] = 414;
        row["endpoint"] = row["endpoint_name"] = nullptr;
        row["chosen_by"] = "nothing: the rewritten target is too long";
      }
    }
  }

  /// @returns false if the worker has no room for what it makes
  bool add_rewrite(const std::string& of, const lb::Rewrite& rewrite, const lb::HttpMatch& match) {
    const auto target = lb::rewritten_target(rewrite, match, request_.view, texts_.rest());
    add_filter(filters_, of, "URLRewrite",
               target ? fmt::format("{}{}{}", *target, rewrite.host.empty() ? "" : ", host: ", rewrite.host)
                      : "414: the rewritten target is too long");
    return target.has_value();
  }

  void add_backend(const std::string& name, uint32_t weight, uint64_t total, const lb::Service* service,
                   const lb::SessionPersistence* session) {
    Json row = {{"backend", name},
                {"weight", weight},
                {"share_percent", total == 0 ? 0.0 : 100.0 * weight / static_cast<double>(total)},
                {"status", nullptr},
                {"endpoint", nullptr},
                {"endpoint_name", nullptr},
                {"chosen_by", nullptr},
                {"limits", service == nullptr ? Json() : limits_of(*service)},
                {"faults", service == nullptr ? Json() : faults_of(*service)}};
    if (service == nullptr) {
      row["status"] = 500;
      row["chosen_by"] = "nothing: the route leads to no service that takes its requests";
    } else if (const std::string why = forbidden(*service); !why.empty()) {
      row["status"] = why == kUnjudged ? 500 : 403;
      row["chosen_by"] = "nothing: " + why;
      is_unjudged_ |= why == kUnjudged;
    } else if (const std::string signature = service == &listener_ ? "" : look_for_signatures(name, *service);
               !signature.empty()) {
      row["status"] = 403;
      row["chosen_by"] = "nothing: denied by signature " + signature;
      denied_by_signature_ = true;
    } else if (service->targets.empty()) {
      row["status"] = 503;
      row["chosen_by"] = "nothing: the service has no endpoint that is ready";
    } else if (std::all_of(service->targets.begin(), service->targets.end(),
                           [&](const lb::Target& target) { return is_passed_over(*service, target); })) {
      row["status"] = 503;
      row["chosen_by"] = "nothing: all endpoints of the service are ejected";
      add_candidates(name, *service);
    } else {
      const Choice choice = choose(*service, session);
      if (choice.target != nullptr) {
        row["endpoint"] = lb::to_string(choice.target->address, choice.target->port);
        row["endpoint_name"] = endpoint_named(*service, choice.target->slot);
      }
      row["chosen_by"] = choice.by;
      add_candidates(name, *service);
    }
    backends_.push_back(row);
  }

  /// Names of those that would count the request; null: none would.
  Json limits_of(const lb::Service& service) const {
    std::string names;
    for (const lb::RequestLimit& limit : service.request_policy().limits) {
      if (limit.route.empty() || limit.route == route_) {
        names += (names.empty() ? "" : ",") + limit.name;
      }
    }
    return names.empty() ? Json() : Json(names);
  }

  /// Those that are injected on purpose, and that the request would meet, but for chance; null: none.
  Json faults_of(const lb::Service& service) const {
    const lb::Address client = question_.client.value_or(lb::Address());
    const lb::FaultScope scope{.client = client,
                               .caller = question_.client ? view_.snapshot.callers().find(client) : nullptr,
                               .route = route_,
                               .request = &request_.view,
                               .now_ns = view_.now_ns};
    const std::string names = faults_met(listener_, service, scope);
    return names.empty() ? Json() : Json(names);
  }

  static std::string endpoint_named(const lb::Service& service, uint32_t slot) {
    const auto found = std::find_if(service.endpoints.begin(), service.endpoints.end(),
                                    [&](const lb::Endpoint& endpoint) { return endpoint.slot == slot; });
    return found == service.endpoints.end() ? "" : service.name + "/" + found->name;
  }

  /// As workers would, but for the one request that is an endpoint's probe when its time is over.
  bool is_passed_over(const lb::Service& service, const lb::Target& target) const {
    const lb::OutlierPolicy& policy = service.request_policy().outlier;
    return view_.outliers != nullptr && policy.enabled && !view_.outliers->is_panic(service, policy) &&
           view_.outliers->state(target.slot).phase != lb::OutlierBoard::State::Phase::in_service;
  }

  /// The way that RequestBalancer goes on from a hash whose endpoint is ejected.
  Choice choose_by_hash(const lb::Service& service, uint64_t hash, const std::string& by) const {
    constexpr int kHashedAgain = 8;
    const lb::Target& first = service.targets[service.table->pick(hash)];
    const lb::Target* target = &first;
    for (int i = 0; i < kHashedAgain && is_passed_over(service, *target); ++i) {
      hash = lb::SplitMix64::mixed(hash + 1);
      target = &service.targets[service.table->pick(hash)];
    }
    if (target == &first) {
      return {target, by};
    }
    return {is_passed_over(service, *target) ? nullptr : target,
            fmt::format("{}; passed over {}, which is ejected", by, lb::to_string(first.address, first.port))};
  }

  Choice choose(const lb::Service& service, const lb::SessionPersistence* session) {
    lb::SessionToken token;
    const lb::Target* const kept = session == nullptr ? nullptr
                                                      : lb::session_target(service, *session, request_.view,
                                                                           view_.session_key, view_.now_s, token);
    if (kept != nullptr && !is_passed_over(service, *kept)) {
      return {kept, fmt::format("the session that the request brings in {}", session->name)};
    }
    const std::string begins = session == nullptr ? "" : "; it begins a session";
    if (service.targets.size() == 1) {
      return {service.targets.data(), "being the only one" + begins};
    }
    const lb::RequestPolicy& policy = service.request_policy();
    switch (policy.balancing) {
      case lb::Balancing::least_request:
        return {nullptr, "load: of two by chance and weight, the one with fewer requests of the worker's" + begins};
      case lb::Balancing::round_robin:
        return {nullptr, "turn, each worker by itself" + begins};
      case lb::Balancing::random:
        return {nullptr, "chance and weight" + begins};
      case lb::Balancing::consistent_hash:
        break;
    }
    if (policy.hash.kind == lb::HashOn::Kind::source && !question_.client) {
      return {nullptr, "consistent hash of the client's address: say from <address>" + begins};
    }
    const lb::RequestBalancer::Asked asked{.request = &request_.view,
                                           .client = question_.client.value_or(lb::Address())};
    if (const auto hash = lb::RequestBalancer::hash_of(policy, asked)) {
      return choose_by_hash(service, *hash,
                            fmt::format("consistent hash of {}, {:016x}{}", hashed(policy.hash), *hash, begins));
    }
    const bool sets = policy.hash.kind == lb::HashOn::Kind::cookie && policy.hash.cookie_ttl.count() >= 0;
    return {nullptr, fmt::format("chance and weight: the request has not {}{}{}", hashed(policy.hash),
                                 sets ? ", which weft sets" : "", begins)};
  }

  /// "": it is not.
  std::string passed_over(const lb::Service& service, const lb::Target& target) const {
    return is_passed_over(service, target) ? outlier_report(*view_.outliers, target.slot, view_.millis).text() : "";
  }

  void add_candidates(const std::string& name, const lb::Service& service) {
    const lb::WeightedOrder& order = service.table->order();
    for (uint32_t i = 0; i < service.targets.size(); ++i) {
      const lb::Target& target = service.targets[i];
      candidates_.push_back({{"backend", name},
                             {"endpoint", lb::to_string(target.address, target.port)},
                             {"endpoint_name", endpoint_named(service, target.slot)},
                             {"share_percent", 100.0 * order.weight(i) / std::max(1U, order.total())},
                             {"passed_over", passed_over(service, target)}});
    }
  }

  void add_failure(uint16_t status) {
    if (status == 500) {
      add_reply(answer_, 500, flag::no_route,
                is_unjudged_ ? kUnjudged : "the route leads to no service that takes its requests");
    } else if (status == 403) {
      denied_by_signature_ ? add_reply(answer_, 403, flag::denied_by_signature, "the request is denied by inspection")
                           : add_reply(answer_, 403, flag::denied_by_policy, "access denied by policy");
    } else if (status == 503) {
      add_reply(answer_, 503, flag::no_healthy_upstream,
                candidates_.empty() ? "the service has no endpoint that is ready"
                                    : "all endpoints of the service are ejected");
    } else {
      add_reply(answer_, status, flag::downstream_protocol_error, "the rewritten target is too long");
    }
  }

  /// If no backend that gets requests can answer, weft does.
  void conclude() {
    const auto gets = [](const Json& row) { return row["weight"].get<uint32_t>() > 0; };
    const auto can = [&](const Json& row) { return gets(row) && row["status"].is_null(); };
    const auto first = std::find_if(backends_.begin(), backends_.end(), gets);
    if (first == backends_.end()) {
      add_reply(answer_, 500, flag::no_route, "the route leads to no service that takes its requests");
    } else if (std::none_of(backends_.begin(), backends_.end(), can)) {
      const bool is_one = std::all_of(backends_.begin(), backends_.end(), [&](const Json& row) {
        return !gets(row) || row["status"] == (*first)["status"];
      });
      is_one ? add_failure((*first)["status"].get<uint16_t>())
             : add_reply(answer_, nullptr, "-", "each backend's share has an answer of its own: see backends");
    }
    if (!backends_.empty()) {
      answer_["backends"] = backends_;
    }
    if (!candidates_.empty()) {
      answer_["endpoints"] = candidates_;
    }
  }

  /// By which rule and backend a request goes on; nothing: by none.
  struct Goes {
    const lb::HttpRule* rule = nullptr;
    const lb::HttpMatch* match = nullptr;
    const lb::HttpBackend* backend = nullptr;
    bool is_edited = false;
  };
  static constexpr std::string_view kUnjudged = "the rewritten path is ambiguous or too long to be judged";

  const RequestView& view_;
  const RequestQuestion& question_;
  const lb::Service& listener_;
  http::RequestHead request_;
  std::array<char, 16 << 10> path_;
  proxy::ReceivedRequest received_;
  Goes goes_;
  bool is_unjudged_ = false;
  bool denied_by_signature_ = false;  ///< of a backend's own
  proxy::Texts texts_;                ///< as much room as a worker has
  std::string route_;                 ///< of the rule that the request falls under
  Json answer_;
  Json filters_ = Json::array();
  Json backends_ = Json::array();
  Json candidates_ = Json::array();
};

}  // namespace

Answer answer_request(const RequestView& view, const RequestQuestion& question) {
  const auto listener = service_asked(view.snapshot, question);
  if (!listener) {
    return tl::unexpected(listener.error());
  }
  const lb::Service& service = **listener;
  if (service.http == nullptr || service.http->protocol == lb::AppProtocol::opaque) {
    return tl::unexpected(fmt::format("nobody reads requests to {} at {}: its connections are {}; ask where tcp",
                                      service.name, lb::to_string(service.address, service.port),
                                      service.http == nullptr ? "forwarded packet by packet" : "relayed unread"));
  }
  return std::make_unique<Inquiry>(view, question, service)->answer();
}

Answer where_request(node::Node& node, const Words& arguments) {
  const auto question = parse_request_question(arguments);
  if (!question) {
    return tl::unexpected(question.error());
  }
  const auto snapshot = node.snapshots().current();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return answer_request({.snapshot = *snapshot,
                         .limits = node.config().http.proxy.limits,
                         .session_key = node.session_key(),
                         .now_s = static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count()),
                         .outliers = node.protections() == nullptr ? nullptr : &node.protections()->outliers,
                         .millis = node.millis(),
                         .now_ns = static_cast<uint64_t>(node.worker_time().count())},
                        *question);
}

}  // namespace weft::ops
