// SPDX-License-Identifier: Apache-2.0
/// @file Whose a connection of the engine is: the number that it carries in its events.
#pragma once

#include <cstdint>

namespace weft::proxy {

enum class Role : uint8_t {
  relay_client,
  relay_endpoint,
  undecided,  ///< accepted, and nobody knows yet what its bytes are
  http_client,
  http_upstream,
  name_client,  ///< asks for names
};

struct ConnectionUser {
  static constexpr uint32_t kMaxNumber = (1U << 28) - 1;

  Role role = Role::relay_client;
  uint32_t number = 0;  ///< in what the role's owner keeps, kMaxNumber at most

  constexpr uint32_t value() const { return static_cast<uint32_t>(role) << 28 | number; }
  static constexpr ConnectionUser of(uint32_t value) { return {static_cast<Role>(value >> 28), value & kMaxNumber}; }
};

}  // namespace weft::proxy
