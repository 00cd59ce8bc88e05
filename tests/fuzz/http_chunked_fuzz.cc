// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as a chunked body, in any cuts.
///
/// Beyond crashes and accesses past a cut (each ends where its heap block does): every cut gives the same parts,
/// merged; a part is not empty unless it is a defect; and a body that ends is one that llhttp ends at the same byte,
/// with the same data.
///
/// Input: a control byte that seeds the cuts, then the body.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "http/chunked.h"
#include "reading.h"

namespace {

using namespace weft::http;
using Kind = ChunkedReader::Part::Kind;

void require(bool promise, const char* what) {
  if (!promise) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

struct Body {
  std::string kinds;  ///< a letter a byte
  std::string data;
  Defect defect = Defect::none;
  bool ended = false;
  friend bool operator==(const Body&, const Body&) = default;
};

/// @param seed of the cuts; 0: none
Body read(std::string_view stream, uint32_t seed) {
  Body body;
  ChunkedReader reader;
  while (!stream.empty()) {
    size_t length = stream.size();
    if (seed != 0) {
      seed = seed * 1664525 + 1013904223;
      length = std::min<size_t>(length, 1 + (seed >> 24) % 13);
    }
    const std::unique_ptr<char[]> segment(new char[length]);
    std::memcpy(segment.get(), stream.data(), length);
    for (std::string_view left{segment.get(), length}; !left.empty();) {
      const ChunkedReader::Part part = reader.next(left);
      require(part.bytes <= left.size(), "a part is of what was handed in");
      require(part.bytes > 0 || part.kind == Kind::defect, "a part is not empty");
      body.kinds.append(part.bytes, part.kind == Kind::data ? 'd' : 'f');
      if (part.kind == Kind::data) {
        body.data += left.substr(0, part.bytes);
      }
      if (part.kind == Kind::defect || part.kind == Kind::end) {
        body.ended = part.kind == Kind::end;
        body.defect = reader.defect();
        require(body.ended == (body.defect == Defect::none), "what does not end has a defect");
        return body;
      }
      left.remove_prefix(part.bytes);
    }
    stream.remove_prefix(length);
  }
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view stream{reinterpret_cast<const char*>(data) + 1, size - 1};
  const Body whole = read(stream, 0);
  require(read(stream, data[0] + 1U) == whole, "every cut gives the same parts");

  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const test::Reading other = test::llhttp_reading(head + std::string(stream), test::Side::request);
  if (whole.ended) {
    require(!other.messages.empty() && other.messages[0].is_whole, "llhttp ends a body that weft ends");
    require(other.messages[0].body == whole.data, "llhttp reads the same data");
    require(other.messages[0].end == head.size() + whole.kinds.size(), "llhttp ends it at the same byte");
  } else if (whole.defect == Defect::none) {
    require(other.error.empty() && !other.messages.empty() && !other.messages[0].is_whole,
            "llhttp waits for more where weft does");
    require(other.messages[0].body == whole.data, "llhttp reads the same data so far");
  }
  return 0;
}
