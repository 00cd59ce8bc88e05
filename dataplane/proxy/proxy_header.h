// SPDX-License-Identifier: Apache-2.0
/// @file The PROXY protocol, version 2 (haproxy.org, proxy-protocol.txt): the first bytes of a connection tell who
/// began the one that it stands for.
#pragma once

#include <array>
#include <cstddef>

#include "tcp/segment.h"

namespace weft::proxy {

constexpr size_t kMaxProxyHeader = 16 + 36;

/// @param client the client's connection, as weft has it: its remote end is the client
/// @returns bytes written
size_t write_proxy_header(const tcp::SocketPair& client, std::array<std::byte, kMaxProxyHeader>& bytes);

}  // namespace weft::proxy
