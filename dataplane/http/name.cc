// SPDX-License-Identifier: Apache-2.0
#include "http/name.h"

namespace weft::http {
namespace {

constexpr std::array<std::string_view, kNames> kTexts = {
    "",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cookie",
    "date",
    "server",
    "traceparent",
    "tracestate",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
    "set-cookie",
    "location",
};

constexpr NameTable make_table() {
  NameTable table;
  for (size_t i = 1; i < kNames; ++i) {
    const std::string_view text = kTexts[i];
    table.slots[NameTable::slot(text.data(), text.size())] = static_cast<Name>(i);
    table.lengths[i] = static_cast<uint8_t>(text.size());
    for (size_t c = 0; c < text.size(); ++c) {
      table.texts[NameTable::place(static_cast<Name>(i)) + c] = text[c];
    }
  }
  return table;
}

constexpr bool is_perfect() {
  const NameTable table = make_table();
  for (size_t i = 1; i < kNames; ++i) {
    if (table.slots[NameTable::slot(kTexts[i].data(), kTexts[i].size())] != static_cast<Name>(i)) {
      return false;
    }
  }
  return true;
}
static_assert(is_perfect(), "two names share a slot: try other multipliers");

}  // namespace

constinit const NameTable kNameTable = make_table();

Name name_of(std::string_view name) {
  return name.empty() ? Name::other : name_of(name, name);
}

}  // namespace weft::http
