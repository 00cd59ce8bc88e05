// SPDX-License-Identifier: Apache-2.0
/// @file What a client of a persistent session (GEP-1619) brings along: the endpoint it belongs to, sealed.
///
/// A token names the endpoint by address and port, so every node that has the key finds it, after restarts too. To the
/// client it is noise: SipHash-2-4 (libsodium's) of what it says and of the service is its tag, and SipHash of the tag
/// the noise that it is hidden in. Who has no key can neither read an address from it nor make the token of another
/// (2^-64 a try), and one of another service does not open. What a token opens to is still to be looked for among the
/// service's targets.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "lb/address.h"
#include "lb/http_route.h"

namespace weft::lb {

using SessionKey = std::array<uint8_t, 16>;  ///< random, and the same on all nodes

struct SessionToken {
  Address address;
  Port port{};
  uint32_t begun_s = 0;  ///< seconds since 1970: when the session began
  uint32_t used_s = 0;   ///< and when the token was last made anew

  bool operator==(const SessionToken&) const = default;
};

constexpr size_t kSessionTokenLength = 46;  ///< characters, of base64url (RFC 4648, section 5): any cookie or header

/// @param service which the token is for: its name and whatever else tells sessions apart
std::string_view seal(const SessionToken& token, std::string_view service, const SessionKey& key,
                      std::span<char, kSessionTokenLength> out);
/// Nothing if it was not sealed so.
std::optional<SessionToken> open(std::string_view text, std::string_view service, const SessionKey& key);

/// By either timeout. A token from the future is not: clocks of nodes differ.
bool is_expired(const SessionToken& token, const SessionPersistence& session, uint32_t now_s);

}  // namespace weft::lb
