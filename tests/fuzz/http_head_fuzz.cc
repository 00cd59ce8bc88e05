// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as what a client or a server sends on a connection of HTTP/1.1.
///
/// Beyond crashes and accesses past the bytes (they end where their heap block does): what is accepted points into the
/// bytes or to a lower-case host, and has no byte that ends a line; a head is found where it ends however the bytes
/// come; and whatever weft accepts, llhttp accepts and frames alike.
///
/// Input: a control byte (request, response, response to HEAD), then the stream.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "http/http1.h"
#include "reading.h"

namespace {

using namespace weft;
using namespace weft::http;

void require(bool promise, const char* what) {
  if (!promise) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

/// Where the head ends by its bytes, one by one.
size_t naive_end(std::string_view bytes) {
  for (size_t i = 0, line = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\n') {
      if (i == line || (i == line + 1 && bytes[line] == '\r')) {
        return i + 1;
      }
      line = i + 1;
    }
  }
  return 0;
}

void use_end(std::string_view bytes, size_t cut) {
  size_t from = 0;
  size_t end = find_end(bytes.substr(0, cut), from);
  if (end == 0) {
    require(from == cut, "nothing is searched twice");
    end = find_end(bytes, from);
  }
  require(end == naive_end(bytes), "a head ends where its empty line does");
}

void use_fields(const Fields& fields) {
  for (size_t i = 0; i < fields.size(); ++i) {
    require(!fields[i].name.empty() && is_clean(fields[i].name) && is_clean(fields[i].value), "fields are clean");
    require(fields.name(i) == name_of(fields[i].name), "a name is that of its text");
    require(fields.name(i) == Name::other || fields.has(fields.name(i)), "what is there is known to be");
    is_hop_by_hop(fields, i);
  }
}

void use_request(std::string_view bytes) {
  const auto head = std::make_unique<RequestHead>();
  if (parse_request(bytes, {}, *head) != Defect::none) {
    return;
  }
  const lb::HttpRequest& view = head->view;
  require(head->body.kind != Framing::Kind::close, "a request does not end with its connection");
  require(is_clean(view.method) && is_clean(head->target) && !head->target.empty(), "method and target are clean");
  require(head->method == Method::connect ? view.path.empty() : view.path[0] == '/' || view.path == "*",
          "a path begins");
  require(view.path.find('?') == std::string_view::npos, "a path has no query");
  require(head->minor_version == 0 || !view.host.empty(), "HTTP/1.1 has a host");
  require(std::none_of(view.host.begin(), view.host.end(), [](char c) { return c >= 'A' && c <= 'Z'; }),
          "a host is in lower case");
  use_fields(head->fields);
}

void use_response(std::string_view bytes) {
  const auto head = std::make_unique<ResponseHead>();
  if (parse_response(bytes, {}, *head) == Defect::none) {
    require(head->status >= 100 && head->status <= 999 && is_clean(head->reason), "a status line is one");
    require(framing_of(*head, Method::head).kind == Framing::Kind::none, "a response to HEAD has no body");
    use_fields(head->fields);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto side = static_cast<test::Side>(data[0] % 3);
  const size_t length = size - 1;
  const std::unique_ptr<char[]> block(new char[length]);
  std::memcpy(block.get(), data + 1, length);
  const std::string_view stream{block.get(), length};

  use_end(stream, length * (data[0] / 3) / 85);
  size_t from = 0;
  if (const size_t end = find_end(stream, from); end != 0) {
    const std::unique_ptr<char[]> head(new char[end]);
    std::memcpy(head.get(), stream.data(), end);
    use_request({head.get(), end});
    use_response({head.get(), end});
  }
  use_request(stream);  // whatever does not end
  use_response(stream);
  const std::string difference = test::difference_from_llhttp(stream, side);
  require(difference.empty(), difference.c_str());
  return 0;
}
