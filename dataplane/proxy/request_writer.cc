// SPDX-License-Identifier: Apache-2.0
#include "proxy/request_writer.h"

#include <cstring>

#include "http/http1.h"
#include "lb/bytes.h"
#include "proxy/field_run.h"
#include "proxy/trace_context.h"

namespace weft::proxy {
namespace {

using http::Name;

/// Each byte's two digits.
constexpr auto kDigits = [] {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> digits{};
  for (size_t byte = 0; byte < digits.size(); ++byte) {
    digits[byte] = {kHex[byte >> 4], kHex[byte & 15]};
  }
  return digits;
}();

/// @param digits an even number
void write_hex(char* at, uint64_t value, size_t digits) {
  for (size_t i = 0; i < digits; i += 2) {
    std::memcpy(at + i, kDigits[value >> 4 * (digits - 2 - i) & 255].data(), 2);
  }
}

/// Fields that are written anew, or not at all.
bool is_replaced(Name name, bool at_edge) {
  switch (name) {
    case Name::host:
    case Name::content_length:
    case Name::x_forwarded_for:
      return true;
    case Name::x_forwarded_proto:
    case Name::x_forwarded_host:
    case Name::x_request_id:
      return at_edge;
    default:
      return false;
  }
}

void write_host(http::HeadWriter& writer, const RequestWriting& what) {
  if (!what.authority.empty()) {
    return writer.write_field("host", what.authority);
  }
  lb::AddressText text;
  writer.write(what.vip.is_ipv4() ? "host: " : "host: [");
  writer.write(lb::write(what.vip, text));
  writer.write(what.vip.is_ipv4() ? "\r\n" : "]\r\n");
}

/// The client behind those that the request names already, which may stand in several fields (RFC 9110, section 5.3).
void write_forwarded_for(http::HeadWriter& writer, const RequestWriting& what) {
  writer.write("x-forwarded-for: ");
  const http::Fields& fields = what.head->fields;
  if (fields.has(Name::x_forwarded_for)) {
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields.name(i) == Name::x_forwarded_for && !fields[i].value.empty()) {
        writer.write(fields[i].value);
        writer.write(", ");
      }
    }
  }
  lb::AddressText text;
  writer.write(lb::write(what.client, text));
  writer.write("\r\n");
}

/// W3C Trace Context, section 3.2: version 00, a trace's id, a parent's, and whether it is recorded.
void write_traceparent(http::HeadWriter& writer, const RequestWriting& what) {
  std::array<char, 55> text;
  text.fill('-');
  write_hex(&text[0], 0, 2);
  write_hex(&text[3], what.random[0] | 1, 16);  // neither id is all zeros
  write_hex(&text[19], what.random[1], 16);
  write_hex(&text[36], what.random[2] | 1, 16);
  const bool is_sampled = (what.random[2] >> 32) * 1'000'000 >> 32 < what.marks->sampled_per_million;
  write_hex(&text[53], is_sampled ? 1 : 0, 2);
  writer.write_field("traceparent", {text.data(), text.size()});
}

/// But for those that the rule has its own say of.
/// @param has_trace the client said one, which goes on
void write_marks(http::HeadWriter& writer, const RequestWriting& what, bool has_trace) {
  const http::Fields& fields = what.head->fields;
  const bool edited = !what.edits->empty();
  const auto is_ours = [&](std::string_view name) { return !edited || !what.edits->drops(name); };
  if (is_ours("x-forwarded-for")) {
    write_forwarded_for(writer, what);
  }
  if ((what.at_edge || !fields.has(Name::x_forwarded_proto)) && is_ours("x-forwarded-proto")) {
    writer.write("x-forwarded-proto: http\r\n");
  }
  if (!what.head->authority.empty() && (what.at_edge || !fields.has(Name::x_forwarded_host)) &&
      is_ours("x-forwarded-host")) {
    writer.write_field("x-forwarded-host", what.head->authority);
  }
  if ((what.at_edge || !fields.has(Name::x_request_id)) && is_ours("x-request-id")) {
    writer.write_field("x-request-id", request_name(what.random[0], what.random[1]).view());
  }
  if (!has_trace && is_ours("traceparent")) {
    write_traceparent(writer, what);
  }
  if (!what.marks->via.empty() && is_ours("via")) {
    writer.write(what.head->minor_version == 0 ? "via: 1.0 " : "via: 1.1 ");
    writer.write(what.marks->via);
    writer.write("\r\n");
  }
}

void write_framing(http::HeadWriter& writer, const http::RequestHead& head) {
  if (head.body.kind == http::Framing::Kind::chunked) {
    writer.write("transfer-encoding: chunked\r\n");
  } else if (head.body.kind == http::Framing::Kind::length || head.fields.has(Name::content_length)) {
    writer.write("content-length: ");
    writer.write_number(head.body.length);
    writer.write("\r\n");
  }
}

}  // namespace

RequestName request_name(uint64_t high, uint64_t low) {
  RequestName name;
  name.text.fill('-');
  write_hex(&name.text[0], high >> 32, 8);
  write_hex(&name.text[9], high >> 16 & 0xffff, 4);
  write_hex(&name.text[14], (high & 0x0fff) | 0x4000, 4);
  write_hex(&name.text[19], (low >> 48 & 0x3fff) | 0x8000, 4);
  write_hex(&name.text[24], low & 0xffff'ffff'ffff, 12);
  return name;
}

void write_edits(http::HeadWriter& writer, const EditList& edits) {
  for (size_t i = 0; i < edits.all().size(); ++i) {
    const HeaderEdit& edit = edits.all()[i];
    if (edit.kind != HeaderEdit::Kind::remove && !edits.is_undone(i)) {
      writer.write_field(edit.name, edit.value);
    }
  }
}

void write_request(http::HeadWriter& writer, const RequestWriting& what) {
  const http::RequestHead& head = *what.head;
  const bool edited = !what.edits->empty();
  writer.write(head.view.method);
  writer.write(" ");
  writer.write(what.path.empty() ? what.authority : what.path);
  writer.write(" HTTP/1.1\r\n");
  if (!edited || !what.edits->drops("host")) {
    write_host(writer, what);
  }
  const bool says_trace = head.fields.has(Name::traceparent);
  const bool has_trace = says_trace && is_traceparent(head.fields.find(Name::traceparent)->value);
  const bool drops_trace = says_trace && !has_trace;
  FieldRun run(writer);
  for (size_t i = 0; i < head.fields.size(); ++i) {
    const lb::HttpField& field = head.fields[i];
    if (is_replaced(head.fields.name(i), what.at_edge) || http::is_hop_by_hop(head.fields, i) ||
        (edited && what.edits->drops(field.name)) ||
        (drops_trace && (head.fields.name(i) == Name::traceparent || lb::same_name(field.name, "tracestate")))) {
      continue;
    }
    run.add(field);
  }
  run.end();
  write_marks(writer, what, has_trace);
  if (edited) {
    write_edits(writer, *what.edits);
  }
  write_framing(writer, head);
  if (head.upgrades) {
    writer.write("connection: upgrade\r\n");
    for (size_t i = 0; i < head.fields.size(); ++i) {
      if (head.fields.name(i) == Name::upgrade) {
        writer.write_field("upgrade", head.fields[i].value);
      }
    }
  }
  writer.write("\r\n");
}

}  // namespace weft::proxy
