// SPDX-License-Identifier: Apache-2.0
/// @file DNS messages for tests: queries from text, and answers to text, in the manner of dig.
///
/// Written from the RFCs and without weft's own room, so that both are not wrong alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft::test {

using Bytes = std::vector<std::byte>;

struct Asked {
  std::string name;  ///< "web.default.svc.cluster.local"; empty: the root
  uint16_t type = 1;
  uint16_t klass = 1;
  uint16_t id = 0x1234;
  uint16_t flags = 0x0100;
  std::optional<uint16_t> edns = {};  ///< the size that the client takes
  uint8_t version = 0;                ///< of EDNS
  bool dnssec_ok = false;
};

Bytes dns_query(const Asked& asked);
Bytes bytes_of(std::string_view hex);  ///< spaces are skipped

/// "NOERROR qr aa rd; web.default.svc.cluster.local. A? ; web.default.svc.cluster.local. 5 A 10.96.0.1 ; ; OPT 1232":
/// the header, then question, answers, authority and additional, each between " ; ". What is no message is "malformed".
std::string dns_text(std::span<const std::byte> message);
/// The records of one section of dns_text(): 1 answers, 2 authority, 3 additional.
std::vector<std::string> dns_section(std::span<const std::byte> message, int section);

}  // namespace weft::test
