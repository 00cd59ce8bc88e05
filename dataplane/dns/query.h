// SPDX-License-Identifier: Apache-2.0
/// @file From a message's bytes to a question. The one place that looks at unchecked bytes of a query.
///
/// One question, as everybody sends (RFC 9619), whose name has no compression pointer: there is nothing before it to
/// point to. Of what follows, only an OPT record counts (RFC 6891); other records are stepped over. All that is kept
/// is copied, so that an answer may be written over the query.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dns/wire.h"

namespace weft::dns {

struct Query {
  uint16_t id = 0;
  uint16_t flags = 0;  ///< in host order
  uint16_t type = 0;
  uint16_t klass = 0;
  uint16_t question_end = 0;  ///< in the message; 0: the question could not be read, and what follows means nothing
  uint16_t udp_size = 0;      ///< that the client takes, by its OPT record; at least kPlainUdp
  bool has_edns = false;
  bool dnssec_ok = false;
  uint8_t name_length = 0;                       ///< with the root
  uint8_t labels = 0;                            ///< without the root
  std::array<uint8_t, kMaxName + 1> name;        ///< in lower case (RFC 4343)
  std::array<uint8_t, kMaxName / 2 + 1> starts;  ///< of each label in `name`, and of the root

  /// Some labels of the name as they stand on the wire. Precondition: from <= to <= labels
  std::string_view part(size_t from, size_t to) const {
    return {reinterpret_cast<const char*>(name.data()) + starts[from], size_t{starts[to]} - starts[from]};
  }
  /// A label without its length.
  std::string_view label(size_t at) const { return part(at, at + 1).substr(1); }
  /// With the root.
  std::string_view whole_name() const { return {reinterpret_cast<const char*>(name.data()), name_length}; }
};

enum class Reading : uint8_t {
  good,
  ignored,  ///< no query, or shorter than a header: whoever sent it gets no answer, so that no two servers ever talk
  format_error,
  not_implemented,  ///< an operation other than a query
  bad_version,      ///< of EDNS
};

/// @param query written as far as the message could be read
Reading read_query(std::span<const std::byte> message, Query& query);

/// Reads a name without pointers at `at`, in lower case. @returns where it ends; 0: it is none
/// @param name,starts as in Query
size_t read_name(std::span<const std::byte> message, size_t at, Query& query);

}  // namespace weft::dns
