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

/// Precondition: the path of request_ is in its normal form, and the service has policies.
lb::Judgement HttpProxy::judge(const lb::Service& service, const lb::Address& client) {
  lb::SourceBits room;
  const uint64_t* const source = sources_.find(*service.authorization, turn_.snapshot->callers(), client, room);
  return service.authorization->judge(request_.view, source);
}

/// @returns false: it was answered
bool HttpProxy::authorize(uint32_t number, const lb::Service& service) {
  Exchange& x = exchanges_[number];
  const lb::Judgement judgement = judge(service, x.pair.remote);
  if (judgement.denied) [[unlikely]] {
    note_denied(x, service, judgement);
    fail(number, {403, response_flag::denied_by_policy, "access denied by policy"});
    return false;
  }
  const bool is_first = x.attempts == 0;  // another attempt is not another request
  books_.authorized += is_first && service.slot == x.listener_slot ? 1 : 0;
  if (judgement.dry_run_denied && is_first && x.dry_run_policy.length == 0) {
    ++books_.dry_run_denied;
    if (changes_.size() < changes_.capacity()) {
      changes_.push_back({.what = Change::What::dry_run_denied, .service_slot = service.slot});
    }
    name_policy(x.dry_run_policy, *service.authorization, judgement.dry_run_policy);
  }
  return true;
}

void HttpProxy::note_denied(Exchange& x, const lb::Service& service, const lb::Judgement& judgement) {
  ++books_.denied;
  if (changes_.size() < changes_.capacity()) {  // there is room for what must be counted; this counts for nothing else
    changes_.push_back({.what = Change::What::denied, .service_slot = service.slot});
  }
  name_policy(x.policy, *service.authorization, judgement.policy);
}

/// The service whose policies do not let the exchange go on; null: there is none.
const lb::Service* HttpProxy::forbidding(const Exchange& x, lb::Judgement& judgement) {
  const lb::Snapshot& snapshot = *turn_.snapshot;
  const lb::Service* const listener = snapshot.service_at(x.listener_slot);
  const lb::Service* const backend = snapshot.service_at(x.backend_slot);
  bool is_read = false;
  for (const lb::Service* const service : {listener, backend == listener ? nullptr : backend}) {
    if (service == nullptr || service->authorization == nullptr) {
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
    judgement = judge(*service, x.pair.remote);
    if (judgement.denied) {
      return service;
    }
  }
  return nullptr;
}

/// Once all exchanges that are under way, after a change of policies: tunnels and long bodies would go on for long. Who
/// was told nothing yet is told why; another's connection is reset.
void HttpProxy::judge_again() {
  if (turn_.snapshot->authorized_since() != authorized_since_) {
    authorized_since_ = turn_.snapshot->authorized_since();
    to_judge_ = static_cast<uint32_t>(exchanges_.size());
  }
  constexpr uint32_t kACall = 64;
  for (uint32_t i = 0; i < kACall && to_judge_ > 0; ++i) {
    const uint32_t number = --to_judge_;
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
