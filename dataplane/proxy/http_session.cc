// SPDX-License-Identifier: Apache-2.0
/// @file What makes a client's requests come to the same endpoint: sessions that a rule asks for (GEP-1619), and
/// cookies that a service is balanced by.
#include "lb/session_target.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {

std::string_view HttpProxy::date() {
  return date_.at(wall_clock_s());
}

uint32_t HttpProxy::wall_clock_s() const {
  return static_cast<uint32_t>(config_.wall_clock_s +
                               std::chrono::duration_cast<std::chrono::seconds>(turn_.time).count());
}

/// With whom the client's session is, whatever its weight has become. Null: with none.
const lb::HttpBackend* HttpProxy::backend_of_session(const Exchange& x, const lb::HttpRule& rule) const {
  for (const lb::HttpBackend& backend : rule.backends) {
    const lb::Service* const service = backend_of(backend.port, x);
    lb::SessionToken token;
    if (service != nullptr && target_of_session(x, *service, *rule.session, token) != nullptr) {
      return &backend;
    }
  }
  return nullptr;
}

/// @param token what the client brought; as it was if that is nothing, or nothing any more
const lb::Target* HttpProxy::target_of_session(const Exchange& x, const lb::Service& service,
                                               const lb::SessionPersistence& session, lb::SessionToken& token) const {
  lb::SessionToken brought;
  const lb::Target* const target =
      lb::session_target(service, session, request_.view, config_.session_key, wall_clock_s(), brought);
  if (target == nullptr || x.tried.has(target->slot)) {
    return nullptr;
  }
  token = brought;
  return target;
}

/// The client is told by each response, as each is a use of its session.
void HttpProxy::renew_session(const lb::Service& service, const lb::Target& target,
                              const lb::SessionPersistence& session, lb::SessionToken token) {
  token.address = target.address;
  token.port = target.port;
  token.used_s = wall_clock_s();
  std::array<char, lb::kSessionTokenLength> sealed;
  const std::string_view text = lb::seal(token, service.name, config_.session_key, sealed);
  if (session.kind == lb::SessionPersistence::Kind::header) {
    edits_.add({HeaderEdit::Kind::set, session.name, texts_.take_copy({text})});
    return;
  }
  const bool lasts = session.permanent && session.absolute_timeout.count() > 0;
  // Of the whole session, which this response does not prolong.
  const uint32_t so_far = token.used_s - std::min(token.begun_s, token.used_s);
  const uint64_t age = static_cast<uint64_t>(session.absolute_timeout.count()) - so_far;
  edits_.add({HeaderEdit::Kind::add, "set-cookie",
              texts_.take_copy({session.name, "=", text, "; Path=/; HttpOnly; SameSite=Lax", lasts ? "; Max-Age=" : "",
                                lasts ? texts_.take_number(age) : std::string_view()})});
}

/// For a client that has none yet. @returns what its requests are balanced by; nothing: it has one, or needs none
std::optional<uint64_t> HttpProxy::begin_cookie(const lb::RequestPolicy& policy,
                                                const lb::RequestBalancer::Asked& asked) {
  if (policy.balancing != lb::Balancing::consistent_hash || policy.hash.kind != lb::HashOn::Kind::cookie ||
      policy.hash.cookie_ttl.count() < 0 || balancer_.hash_of(policy, asked)) {
    return std::nullopt;
  }
  const std::string_view value = texts_.take_hex(random_());
  const bool lasts = policy.hash.cookie_ttl.count() > 0;
  edits_.add({HeaderEdit::Kind::add, "set-cookie",
              texts_.take_copy({policy.hash.name, "=", value, policy.hash.cookie_path.empty() ? "" : "; Path=",
                                policy.hash.cookie_path, "; HttpOnly", lasts ? "; Max-Age=" : "",
                                lasts ? texts_.take_number(static_cast<uint64_t>(policy.hash.cookie_ttl.count()))
                                      : std::string_view()})});
  return lb::RequestBalancer::hash_of_value(value);
}

}  // namespace weft::proxy
