// SPDX-License-Identifier: Apache-2.0
/// @file Writes a request's head as it goes on to an endpoint: in HTTP/1.1 and origin form, without what was for weft
/// alone (RFC 9110, section 7.6.1), with the rule's edits and weft's own marks.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "http/head.h"
#include "http/head_writer.h"
#include "lb/address.h"
#include "proxy/header_edits.h"
#include "proxy/marks.h"

namespace weft::proxy {

struct RequestWriting {
  const http::RequestHead* head = nullptr;
  std::string_view path;       ///< where it goes on to, with its query; empty: CONNECT's authority
  std::string_view authority;  ///< in Host; empty: the client named none, and it is the virtual address
  lb::Address vip;
  const EditList* edits = nullptr;
  const Marks* marks = nullptr;
  lb::Address client;
  bool at_edge = false;     ///< a Gateway's: what clients say of scheme, host and request is replaced
  uint64_t random[3] = {};  ///< for the names of requests and traces that have none
};

void write_request(http::HeadWriter& writer, const RequestWriting& what);

/// What an exchange's record calls it: the request's own x-request-id, or the one that weft gave it.
struct RequestName {
  std::array<char, 36> text;
  std::string_view view() const { return {text.data(), text.size()}; }
};
/// A UUID of version 4 (RFC 9562, section 5.4).
RequestName request_name(uint64_t high, uint64_t low);

/// Writes the edits' fields that are set or added, in their order.
void write_edits(http::HeadWriter& writer, const EditList& edits);

}  // namespace weft::proxy
