// SPDX-License-Identifier: Apache-2.0
#include "proxy/response_writer.h"

#include "http/http1.h"
#include "proxy/field_run.h"
#include "proxy/request_writer.h"

namespace weft::proxy {
namespace {

using http::Framing;
using http::Name;

void write_status_line(http::HeadWriter& writer, uint16_t status, std::string_view reason) {
  writer.write("HTTP/1.1 ");
  writer.write_number(status);
  writer.write(" ");
  writer.write(reason);
  writer.write("\r\n");
}

void write_after(http::HeadWriter& writer, After after) {
  if (after != After::stays) {
    writer.write(after == After::closes ? "connection: close\r\n" : "connection: keep-alive\r\n");
  }
}

/// Longest text of a reply of weft's own.
constexpr size_t kMostText = 512;

}  // namespace

std::string_view reason_of(uint16_t status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

void write_response(http::HeadWriter& writer, const ResponseWriting& what) {
  const http::ResponseHead& head = *what.head;
  const bool edited = !what.edits->empty();
  write_status_line(writer, head.status, head.reason);
  const bool has_length = what.body.kind == Framing::Kind::length;
  FieldRun run(writer);
  for (size_t i = 0; i < head.fields.size(); ++i) {
    const lb::HttpField& field = head.fields[i];
    // Of a response without a body (to HEAD, 304) the length is that of what there would be; 204 has none (RFC 9110,
    // section 8.6).
    if ((head.fields.name(i) == Name::content_length && (has_length || head.status == 204)) ||
        http::is_hop_by_hop(head.fields, i) || (edited && what.edits->drops(field.name))) {
      continue;
    }
    run.add(field);
  }
  run.end();
  if (edited) {
    write_edits(writer, *what.edits);
  }
  if (!what.date.empty() && !(edited && what.edits->drops("date"))) {
    writer.write_field("date", what.date);
  }
  if (!what.marks->via.empty()) {
    writer.write("via: 1.1 ");
    writer.write(what.marks->via);
    writer.write("\r\n");
  }
  if (has_length) {
    writer.write("content-length: ");
    writer.write_number(what.body.length);
    writer.write("\r\n");
  } else if (what.body.kind == Framing::Kind::chunked) {
    writer.write("transfer-encoding: chunked\r\n");
  }
  write_after(writer, what.after);
  writer.write("\r\n");
}

void write_interim(http::HeadWriter& writer, const http::ResponseHead& head) {
  write_status_line(writer, head.status, head.reason);
  const bool switches = head.status == 101;
  for (size_t i = 0; i < head.fields.size(); ++i) {
    const Name name = head.fields.name(i);
    // RFC 9110, sections 8.6 and 9.3.6: neither 1xx nor the answer to CONNECT has a length.
    if (name == Name::content_length || (http::is_hop_by_hop(head.fields, i) && !(switches && name == Name::upgrade))) {
      continue;
    }
    writer.write_field(head.fields[i].name, head.fields[i].value);
  }
  writer.write(switches ? "connection: upgrade\r\n\r\n" : "\r\n");
}

void write_local_reply(http::HeadWriter& writer, const LocalReply& reply) {
  write_status_line(writer, reply.status, reason_of(reply.status));
  writer.write("server: weft\r\n");
  writer.write_field("date", reply.date);
  if (reply.edits != nullptr) {
    write_edits(writer, *reply.edits);
  }
  const bool has_text = !reply.why.empty();
  std::string_view why = reply.why.substr(0, kMostText);
  constexpr std::string_view kBegin = "weft: ";
  if (has_text) {
    writer.write("content-type: text/plain; charset=utf-8\r\n");
  }
  if (reply.status != 204) {  // RFC 9110, section 8.6
    writer.write("content-length: ");
    writer.write_number(has_text ? kBegin.size() + why.size() + 1 : 0);
    writer.write("\r\n");
  }
  write_after(writer, reply.after);
  writer.write("\r\n");
  if (has_text && !reply.of_head) {
    writer.write(kBegin);
    writer.write(why);
    writer.write("\n");
  }
}

}  // namespace weft::proxy
