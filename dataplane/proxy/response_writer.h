// SPDX-License-Identifier: Apache-2.0
/// @file Writes heads of responses as they go to a client: an endpoint's, and weft's own.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/head.h"
#include "http/head_writer.h"
#include "proxy/header_edits.h"
#include "proxy/marks.h"
#include "proxy/response_flag.h"

namespace weft::proxy {

/// How the client's connection goes on, which its head says.
enum class After : uint8_t {
  stays,       ///< HTTP/1.1's default
  stays_told,  ///< for HTTP/1.0, which wants to be told
  closes,
};

struct ResponseWriting {
  const http::ResponseHead* head = nullptr;
  http::Framing body;  ///< as it goes on; close: the client is told nothing of a length
  const EditList* edits = nullptr;
  const Marks* marks = nullptr;
  std::string_view date;  ///< of a head without one (RFC 9110, section 6.6.1); empty: it has one
  After after = After::stays;
};
void write_response(http::HeadWriter& writer, const ResponseWriting& what);
/// 1xx, and the answer to CONNECT: fields as they came, with Upgrade's if it switches protocols.
void write_interim(http::HeadWriter& writer, const http::ResponseHead& head);

struct LocalReply {
  uint16_t status = 0;
  std::string_view why;  ///< its text; empty: no body
  ResponseFlags flags = 0;
  const EditList* edits = nullptr;  ///< null: none
  std::string_view date;
  After after = After::stays;
  bool of_head = false;  ///< to HEAD: no body, whatever its length
};
void write_local_reply(http::HeadWriter& writer, const LocalReply& reply);

/// RFC 9110, section 15; empty: not a status with a name.
std::string_view reason_of(uint16_t status);

}  // namespace weft::proxy
