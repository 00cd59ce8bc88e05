// SPDX-License-Identifier: Apache-2.0
/// @file What a reader of HTTP/1.1 makes of the bytes of a connection: messages, and where each begins and ends. weft
/// and llhttp (in its strict mode) fill it in; weft must be the stricter one, and where both accept, they must agree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::http::test {

enum class Side : uint8_t { request, response, response_to_head };

struct Message {
  std::string method;
  std::string target;
  uint16_t status = 0;
  unsigned minor_version = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  bool is_chunked = false;
  uint64_t length = 0;
  bool ends_with_connection = false;
  bool keeps_alive = false;  ///< and will do so after this body
  std::string body;          ///< as far as it came
  bool is_whole = false;
  size_t end = 0;  ///< of a whole one, in the stream
};

struct Reading {
  std::vector<Message> messages;  ///< those with a whole head that is accepted
  std::string error;              ///< empty: none, so far
};

Reading weft_reading(std::string_view stream, Side side);
Reading llhttp_reading(std::string_view stream, Side side);

/// What `other` says of weft's messages that weft does not; empty: they agree. Of what weft refuses nothing is asked.
std::string difference(const Reading& weft, const Reading& other);

/// The stream with methods that only weft takes replaced by PUT: llhttp has a closed list of them.
std::string with_known_methods(std::string_view stream);

/// All of the above.
std::string difference_from_llhttp(std::string_view stream, Side side);

}  // namespace weft::http::test
