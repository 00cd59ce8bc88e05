// SPDX-License-Identifier: Apache-2.0
/// @file Addresses as names: "7.0.96.10.in-addr.arpa" (RFC 1035, section 3.5), and ip6.arpa (RFC 3596, section 2.5).
#pragma once

#include <optional>

#include "dns/query.h"
#include "lb/address.h"

namespace weft::dns {

/// Nothing: the name is not that of one address.
std::optional<lb::Address> address_of_reverse(const Query& query);

}  // namespace weft::dns
