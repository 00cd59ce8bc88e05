// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <memory>

#include "http/chunked.h"
#include "http/http1.h"
#include "reading.h"

namespace weft::http::test {
namespace {

/// Bytes whose heap block ends with them.
struct Exact {
  explicit Exact(std::string_view bytes) : block(new char[bytes.size()]), view(block.get(), bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), block.get());
  }
  std::unique_ptr<char[]> block;
  std::string_view view;
};

/// Reads the body at the front of `left`, and takes it off.
Defect read_body(const Framing& framing, std::string_view& left, Message& message) {
  if (framing.kind == Framing::Kind::close) {
    message.body = left;
    left = {};
    return Defect::none;
  }
  if (framing.kind == Framing::Kind::chunked) {
    ChunkedReader reader;
    while (!left.empty()) {
      const ChunkedReader::Part part = reader.next(left);
      if (part.kind == ChunkedReader::Part::Kind::defect) {
        return reader.defect();
      }
      if (part.kind == ChunkedReader::Part::Kind::data) {
        message.body += left.substr(0, part.bytes);
      }
      left.remove_prefix(part.bytes);
      if (part.kind == ChunkedReader::Part::Kind::end) {
        message.is_whole = true;
        break;
      }
    }
    return Defect::none;
  }
  const size_t taken = std::min<uint64_t>(framing.length, left.size());
  message.body = left.substr(0, taken);
  left.remove_prefix(taken);
  message.is_whole = taken == framing.length;
  return Defect::none;
}

template <typename Head>
Message message_of(const Head& head, const Framing& framing) {
  Message message;
  message.minor_version = head.minor_version;
  for (const lb::HttpField& field : head.fields.all()) {
    message.fields.emplace_back(field.name, field.value);
  }
  message.is_chunked = framing.kind == Framing::Kind::chunked;
  message.length = framing.kind == Framing::Kind::length ? framing.length : 0;
  message.ends_with_connection = framing.kind == Framing::Kind::close;
  message.keeps_alive = head.keep_alive && !message.ends_with_connection;
  return message;
}

/// @param starts if not null, gets where each request's method is
Reading read(std::string_view stream, Side side, std::vector<std::pair<size_t, size_t>>* starts) {
  Reading reading;
  std::string_view left = stream;
  bool goes_on = true;
  while (goes_on && !left.empty()) {
    left.remove_prefix(side == Side::request ? leading_blank(left) : 0);
    size_t from = 0;
    const size_t end = find_end(left, from);
    if (end == 0) {
      break;
    }
    const Exact bytes(left.substr(0, end));
    Framing framing;
    Message message;
    Defect defect;
    if (side == Side::request) {
      const auto head = std::make_unique<RequestHead>();
      defect = parse_request(bytes.view, {}, *head);
      if (defect == Defect::none) {
        framing = head->body;
        message = message_of(*head, framing);
        message.method = head->view.method;
        message.target = head->target;
        goes_on = head->keep_alive && head->method != Method::connect && !head->upgrades;
        if (starts != nullptr && head->method == Method::other) {
          starts->emplace_back(left.data() - stream.data(), head->view.method.size());
        }
      }
    } else {
      const auto head = std::make_unique<ResponseHead>();
      defect = parse_response(bytes.view, {}, *head);
      if (defect == Defect::none) {
        framing = framing_of(*head, side == Side::response_to_head ? Method::head : Method::get);
        message = message_of(*head, framing);
        message.status = head->status;
        goes_on = message.keeps_alive && head->status != 101;
      }
    }
    if (defect == Defect::none) {
      left.remove_prefix(end);
      defect = read_body(framing, left, message);
      message.end = message.is_whole ? static_cast<size_t>(left.data() - stream.data()) : 0;
      goes_on &= message.is_whole;
      reading.messages.push_back(std::move(message));
    }
    if (defect != Defect::none) {
      reading.error = to_string(defect);
      goes_on = false;
    }
  }
  return reading;
}

}  // namespace

Reading weft_reading(std::string_view stream, Side side) {
  return read(stream, side, nullptr);
}

std::string with_known_methods(std::string_view stream) {
  std::vector<std::pair<size_t, size_t>> starts;
  read(stream, Side::request, &starts);
  std::string known(stream);
  for (auto start = starts.rbegin(); start != starts.rend(); ++start) {
    known.replace(start->first, start->second, "PUT");
  }
  return known;
}

}  // namespace weft::http::test
