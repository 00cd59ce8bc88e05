// SPDX-License-Identifier: Apache-2.0
/// @file Whom a request is for: its target's form, its authority, its path and query (RFC 9112, section 3.2).
#pragma once

#include "http/head.h"
#include "http/http1.h"

namespace weft::http {

/// Takes head.target apart, whose form depends on head.method: view.path and query, and authority if it has
/// one.
Defect read_target(RequestHead& head);

enum class PortIs : uint8_t { optional, required };
/// How long the host of "host" or "host:port" is; 0: malformed.
/// @param within what may be read: the authority, and what lies around it
size_t length_of_host(std::string_view authority, std::string_view within, PortIs port);
/// authority and view.host: that in lower case, and without the dot of an absolute name.
void set_authority(std::string_view authority, size_t host, std::string_view within, RequestHead& head);

}  // namespace weft::http
