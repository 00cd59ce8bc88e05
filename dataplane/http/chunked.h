// SPDX-License-Identifier: Apache-2.0
/// @file The chunked coding (RFC 9112, section 7.1): where a body's data lies in the bytes of a connection, and where
/// it ends. It reads what frames, and skips data.
///
/// What it takes may be sent on as it is, so its grammar is the strictest that any reader has: no white space, no bare
/// LF, no line continued, no trailer that would change a message whose head has gone on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/http1.h"

namespace weft::http {

/// 16 bytes: one a body.
class ChunkedReader {
 public:
  static constexpr uint64_t kMaxChunk = uint64_t{1} << 62;
  static constexpr unsigned kMaxDigits = 16;
  static constexpr unsigned kMaxLine = 256;       ///< bytes, of a size and its extensions, with CRLF
  static constexpr unsigned kMaxTrailers = 8192;  ///< bytes
  /// How many bytes of framing a body may have beyond 16 a chunk and 2 a byte of data. A byte a chunk is legitimate;
  /// extensions for nothing are not.
  static constexpr unsigned kMaxExcess = 16384;

  struct Part {
    size_t bytes = 0;  ///< from the front of what was handed in
    enum class Kind : uint8_t {
      framing,  ///< sizes, extensions, ends of lines, trailers
      data,
      end,     ///< framing, and with it the body is over: what follows is the next message
      defect,  ///< nothing of it may go on: see defect(). The byte behind these is the first that is wrong
    } kind = Kind::framing;
  };

  /// The next part of these bytes, whatever cuts they come in: all there is of it, one call a part. Precondition: not
  /// empty, and neither end nor defect was returned.
  Part next(std::string_view bytes);
  Defect defect() const { return defect_; }
  /// Once the end was returned: did fields stand behind the data?
  bool had_trailers() const { return line_ > 2; }

 private:
  enum class State : uint8_t {
    size,
    size_lf,
    extension_name,
    extension_value,
    extension_token,
    extension_quoted,
    extension_end,
    data,
    data_cr,
    data_lf,
    trailer,
    trailer_name,
    trailer_value,
    trailer_lf,
    last_lf,
    end,
  };

  void step(char c);
  void read_size(char c);
  void read_extension(char c);
  void read_trailer(char c);
  void end_size(char c, Defect otherwise);
  void begin_data();
  void fail(Defect defect) { defect_ = defect; }

  uint64_t left_ = 0;    ///< of the chunk; while a trailer's name is read, what it hashes to so far
  uint16_t line_ = 0;    ///< bytes of the size's line, or of the trailers
  uint16_t excess_ = 0;  ///< see kMaxExcess
  State state_ = State::size;
  uint8_t length_ = 0;  ///< digits of the size; of an extension's name, whether it has begun
  Defect defect_ = Defect::none;
};
static_assert(sizeof(ChunkedReader) == 16);

}  // namespace weft::http
