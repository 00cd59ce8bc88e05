// SPDX-License-Identifier: Apache-2.0
#include "lb/session_target.h"

#include <algorithm>
#include <optional>

#include "lb/bytes.h"
#include "lb/http_cookie.h"

namespace weft::lb {

const Target* session_target(const Service& service, const SessionPersistence& session, const HttpRequest& request,
                             const SessionKey& key, uint32_t now_s, SessionToken& token) {
  std::optional<std::string_view> text;
  for (const HttpField& field : request.fields) {
    if (session.kind == SessionPersistence::Kind::header && same_name(field.name, session.name)) {
      text = field.value;
    } else if (session.kind == SessionPersistence::Kind::cookie && same_name(field.name, "cookie") && !text) {
      text = cookie(field.value, session.name);
    }
  }
  const std::optional<SessionToken> brought = text ? open(*text, service.name, key) : std::nullopt;
  if (!brought || is_expired(*brought, session, now_s)) {
    return nullptr;
  }
  const auto target = std::find_if(service.targets.begin(), service.targets.end(), [&](const Target& each) {
    return each.address == brought->address && each.port == brought->port;
  });
  if (target == service.targets.end()) {
    return nullptr;
  }
  token = *brought;
  return &*target;
}

}  // namespace weft::lb
