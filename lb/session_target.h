// SPDX-License-Identifier: Apache-2.0
/// @file Where a client's session leads, by what its request brings along (GEP-1619).
#pragma once

#include <cstdint>

#include "lb/http_request.h"
#include "lb/session_token.h"
#include "lb/snapshot.h"

namespace weft::lb {

/// The endpoint that the session is with. Null: the request brings no token, or none any more, or its endpoint gets no
/// new requests. @param token what it brought; as it was if that leads nowhere
const Target* session_target(const Service& service, const SessionPersistence& session, const HttpRequest& request,
                             const SessionKey& key, uint32_t now_s, SessionToken& token);

}  // namespace weft::lb
