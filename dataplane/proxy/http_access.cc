// SPDX-License-Identifier: Apache-2.0
/// @file Policies of access: each request is judged by those of now, and one under way again when they change.
#include <algorithm>

#include "lb/authorization.h"
#include "lb/http_path.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

template <typename Text>
void name_policy(Text& text, const lb::Authorization& authorization, uint16_t policy) {
  text.set(policy < authorization.policies().size() ? std::string_view(authorization.policies()[policy].name)
                                                    : std::string_view("none"));
}

}  // namespace

/// Precondition: the request's path is in its normal form, and the service has policies.
lb::Judgement HttpProxy::judge(const lb::Service& service, const lb::Address& client, const lb::HttpRequest& request) {
  lb::SourceBits room;
  const uint64_t* const source = sources_.find(*service.authorization, turn_.snapshot->callers(), client, room);
  return service.authorization->judge(request, source);
}

/// @returns false: it was answered
bool HttpProxy::authorize(uint32_t number, const lb::Service& service, const lb::HttpRequest& request) {
  Exchange& x = exchanges_[number];
  const lb::Judgement judgement = judge(service, x.pair.remote, request);
  if (judgement.denied) [[unlikely]] {
    note_denied(x, service, judgement);
    fail(number, {403, response_flag::denied_by_policy, "access denied by policy"});
    return false;
  }
  const bool is_first = x.attempts == 0;  // another attempt is not another request
  if (judgement.dry_run_denied && is_first && x.dry_run_policy.length == 0) {
    ++books_.dry_run_denied;
    if (changes_.size() < changes_.capacity()) {
      changes_.push_back({.what = Change::What::dry_run_denied, .service_slot = service.slot});
    }
    name_policy(x.dry_run_policy, *service.authorization, judgement.dry_run_policy);
  }
  return true;
}

/// By the policies of where a route leads, of what its endpoint will get: else a route would be a way around them.
/// Precondition: the service has some. @returns false: it was answered
bool HttpProxy::authorize_received(uint32_t number, const lb::Service& service, const lb::RouteTable::Match& match,
                                   const lb::HttpBackend* backend) {
  Exchange& x = exchanges_[number];
  if (!x.is_edited) {
    return authorize(number, service, request_.view);
  }
  const std::optional<lb::HttpRequest> received = received_.make(request_.view, match.match, *match.rule, backend);
  if (!received) {
    fail(number, {500, response_flag::no_route, "the rewritten path is ambiguous or too long to be judged"});
    return false;
  }
  x.received = fingerprint(*received);
  return authorize(number, service, *received);
}

void HttpProxy::note_denied(Exchange& x, const lb::Service& service, const lb::Judgement& judgement) {
  ++books_.denied;
  if (changes_.size() < changes_.capacity()) {  // there is room for what must be counted; this counts for nothing else
    changes_.push_back({.what = Change::What::denied, .service_slot = service.slot});
  }
  name_policy(x.policy, *service.authorization, judgement.policy);
}

/// What its endpoint got, as the rules of now make it of the request. nullopt: they do not lead there any more, or make
/// another one. Precondition: request_ is the exchange's.
std::optional<lb::HttpRequest> HttpProxy::received_again(const Exchange& x, const lb::Service& listener) {
  const lb::RouteTable* const routes = listener.http == nullptr ? nullptr : listener.http->routes_for(x.pair.remote);
  const lb::RouteTable::Match match =
      routes == nullptr ? lb::RouteTable::Match{} : routes->find(request_.view, *scratch_);
  if (match.rule == nullptr || x.backend >= match.rule->backends.size()) {
    return std::nullopt;
  }
  const lb::HttpBackend& backend = match.rule->backends[x.backend];
  const std::optional<lb::HttpRequest> received = received_.make(request_.view, match.match, *match.rule, &backend);
  const bool is_same = backend.port.slot_for(x.pair.local.family()) == x.backend_slot && received &&
                       (x.received == 0 || x.received == fingerprint(*received));
  return is_same ? received : std::nullopt;
}

/// The service whose policies do not let the exchange go on; null: there is none. Of one whose endpoint got what nobody
/// can tell any more, those of where it went do not.
const lb::Service* HttpProxy::forbidding(const Exchange& x, lb::Judgement& judgement) {
  const lb::Snapshot& snapshot = *turn_.snapshot;
  const lb::Service* const listener = snapshot.service_at(x.listener_slot);
  const lb::Service* const backend = snapshot.service_at(x.backend_slot);
  bool is_read = false;
  for (const bool of_backend : {false, true}) {
    const lb::Service* const service = of_backend ? backend : listener;
    if (service == nullptr || service->authorization == nullptr ||
        (of_backend && service == listener && !x.is_edited)) {
      continue;
    }
    if (!is_read) {
      if (x.head.empty() || !read_head(x)) {
        return nullptr;
      }
      const std::optional<std::string_view> path = lb::normalize_path(request_.view.path, path_);
      if (!path) {
        return nullptr;
      }
      request_.view.path = *path;
      is_read = true;
    }
    std::optional<lb::HttpRequest> request = request_.view;
    if (of_backend && x.is_edited) {
      request = listener == nullptr ? std::nullopt : received_again(x, *listener);
    }
    judgement = request ? judge(*service, x.pair.remote, *request) : lb::Judgement{.denied = true};
    if (judgement.denied) {
      return service;
    }
  }
  return nullptr;
}

/// Once, all exchanges that are under way, after a change of policies: tunnels and long bodies would go on for long.
/// Who was told nothing yet is told why; another's connection is reset.
void HttpProxy::judge_again() {
  if (turn_.snapshot->authorized_since() != authorized_since_) {
    authorized_since_ = turn_.snapshot->authorized_since();
    to_judge_ = static_cast<uint32_t>(exchanges_.size());
  }
  constexpr uint32_t kACall = 64;
  for (uint32_t i = 0; i < kACall && to_judge_ > 0; ++i) {
    --to_judge_;  // from where the last change left off: else many of them would keep the last from their turn
    const uint32_t number = judged_ = judged_ + 1 < exchanges_.size() ? judged_ + 1 : 0;
    Exchange& x = exchanges_[number];
    if (x.stage == Exchange::Stage::free || x.client == kNobody || x.is_local) {
      continue;
    }
    lb::Judgement judgement;
    if (const lb::Service* const service = forbidding(x, judgement)) {
      note_denied(x, *service, judgement);
      fail(number, {403, response_flag::denied_by_policy, "access denied by policy"});
    }
  }
}

}  // namespace weft::proxy
