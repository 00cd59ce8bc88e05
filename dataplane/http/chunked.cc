// SPDX-License-Identifier: Apache-2.0
#include "http/chunked.h"

#include <algorithm>
#include <array>

#include "http/ascii_set.h"
#include "http/name.h"

namespace weft::http {
namespace {

/// RFC 9110, section 5.6.4; bytes above 0x7f are allowed too, as obs-text.
constexpr AsciiSet kQuoted("\t\t  #[]~", "!");
constexpr AsciiSet kText("\t\t ~", "");
constexpr AsciiSet kHex("09afAF", "");

bool is_text(const AsciiSet& set, char c) {
  return set.has(c) || static_cast<uint8_t>(c) >= 0x80;
}

/// FNV-1a, 64 bits, over lower-case letters.
constexpr uint64_t kHashBasis = 0xcbf29ce484222325;
constexpr uint64_t hash_on(uint64_t hash, char c) {
  return (hash ^ static_cast<uint8_t>(c >= 'A' && c <= 'Z' ? c | kLower : c)) * 0x100000001b3;
}
constexpr uint64_t hash_of(std::string_view name) {
  uint64_t hash = kHashBasis;
  for (const char c : name) {
    hash = hash_on(hash, c);
  }
  return hash;
}

/// Fields that no trailer may have (RFC 9110, section 6.5.1): of framing, routing, request modifiers, authentication,
/// response control and content. A name is known by its hash, as it may come in any cuts.
constexpr auto kForbidden = [] {
  auto hashes = std::to_array<uint64_t>({
      hash_of("content-length"),
      hash_of("transfer-encoding"),
      hash_of("host"),
      hash_of("connection"),
      hash_of("keep-alive"),
      hash_of("proxy-connection"),
      hash_of("upgrade"),
      hash_of("te"),
      hash_of("trailer"),
      hash_of("cache-control"),
      hash_of("expect"),
      hash_of("max-forwards"),
      hash_of("pragma"),
      hash_of("range"),
      hash_of("if-match"),
      hash_of("if-none-match"),
      hash_of("if-modified-since"),
      hash_of("if-unmodified-since"),
      hash_of("if-range"),
      hash_of("authorization"),
      hash_of("proxy-authorization"),
      hash_of("www-authenticate"),
      hash_of("proxy-authenticate"),
      hash_of("cookie"),
      hash_of("set-cookie"),
      hash_of("age"),
      hash_of("date"),
      hash_of("expires"),
      hash_of("location"),
      hash_of("retry-after"),
      hash_of("vary"),
      hash_of("warning"),
      hash_of("content-encoding"),
      hash_of("content-type"),
      hash_of("content-range"),
      hash_of("x-forwarded-for"),
      hash_of("x-forwarded-host"),
      hash_of("x-forwarded-proto"),
      hash_of("forwarded"),
  });
  std::sort(hashes.begin(), hashes.end());
  return hashes;
}();

}  // namespace

ChunkedReader::Part ChunkedReader::next(std::string_view bytes) {
  if (state_ == State::data) {
    const size_t taken = std::min<uint64_t>(left_, bytes.size());
    left_ -= taken;
    if (left_ == 0) {
      state_ = State::data_cr;
    }
    return {taken, Part::Kind::data};
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    step(bytes[i]);
    if (defect_ != Defect::none) {
      return {i, Part::Kind::defect};
    }
    if (state_ == State::data) {
      return {i + 1, Part::Kind::framing};
    }
    if (state_ == State::end) {
      return {i + 1, Part::Kind::end};
    }
  }
  return {bytes.size(), Part::Kind::framing};
}

void ChunkedReader::step(char c) {
  switch (state_) {
    case State::size:
    case State::size_lf:
      return read_size(c);
    case State::extension_name:
    case State::extension_value:
    case State::extension_token:
    case State::extension_quoted:
    case State::extension_end:
      return read_extension(c);
    case State::data_cr:
      state_ = State::data_lf;
      return c == '\r' ? void() : fail(Defect::chunk_end);
    case State::data_lf:
      state_ = State::size;
      line_ = 0;
      length_ = 0;
      return c == '\n' ? void() : fail(Defect::chunk_end);
    default:
      return read_trailer(c);
  }
}

void ChunkedReader::read_size(char c) {
  ++line_;
  if (state_ == State::size_lf) {
    return c == '\n' ? begin_data() : fail(Defect::line_end);
  }
  if (!kHex.has(c)) {
    return length_ == 0 ? fail(Defect::chunk_size) : end_size(c, Defect::chunk_size);
  }
  if (++length_ > kMaxDigits) {
    return fail(Defect::chunk_size);
  }
  left_ = left_ << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : (c | kLower) - 'a' + 10);
  if (left_ > kMaxChunk) {
    fail(Defect::chunk_size);
  }
}

/// What may follow a size and each of its extensions.
void ChunkedReader::end_size(char c, Defect otherwise) {
  if (c == '\r') {
    state_ = State::size_lf;
  } else if (c == ';') {
    state_ = State::extension_name;
    length_ = 0;
  } else {
    fail(c == '\n' ? Defect::line_end : otherwise);
  }
}

/// RFC 9112, section 7.1.1, without its "bad" white space: ";" name [ "=" ( token / quoted string ) ]. Without two
/// things that llhttp fails at: quoted pairs, and another extension behind a value that is a token.
void ChunkedReader::read_extension(char c) {
  if (++line_ > kMaxLine - 1) {
    return fail(Defect::chunk_extension);
  }
  switch (state_) {
    case State::extension_name:
      if (kToken.has(c)) {
        length_ = 1;
      } else if (length_ == 0) {
        fail(Defect::chunk_extension);
      } else if (c == '=') {
        state_ = State::extension_value;
      } else {
        end_size(c, Defect::chunk_extension);
      }
      return;
    case State::extension_value:
      if (c != '"' && !kToken.has(c)) {
        return fail(Defect::chunk_extension);
      }
      state_ = c == '"' ? State::extension_quoted : State::extension_token;
      return;
    case State::extension_token:
      if (!kToken.has(c)) {
        return c == ';' ? fail(Defect::chunk_extension) : end_size(c, Defect::chunk_extension);
      }
      return;
    case State::extension_quoted:
      if (c == '"') {
        state_ = State::extension_end;
      } else if (!is_text(kQuoted, c)) {
        fail(Defect::chunk_extension);
      }
      return;
    default:
      return end_size(c, Defect::chunk_extension);
  }
}

void ChunkedReader::begin_data() {
  // With the CRLF behind the data. A chunk of this many bytes pays for any excess.
  const uint64_t framing = excess_ + line_ + 2U;
  const uint64_t free = 16 + 2 * std::min<uint64_t>(left_, kMaxExcess);
  excess_ = static_cast<uint16_t>(framing - std::min(framing, free));
  if (excess_ > kMaxExcess) {
    return fail(Defect::chunk_extension);
  }
  line_ = 0;
  state_ = left_ > 0 ? State::data : State::trailer;
}

/// RFC 9112, section 7.1.2: field lines as in a head.
void ChunkedReader::read_trailer(char c) {
  if (++line_ > kMaxTrailers) {
    return fail(Defect::trailer);
  }
  switch (state_) {
    case State::trailer:
      if (c == '\r') {
        state_ = State::last_lf;
        return;
      }
      left_ = hash_on(kHashBasis, c);
      state_ = State::trailer_name;
      return kToken.has(c) ? void() : fail(c == '\n' ? Defect::line_end : Defect::trailer);
    case State::trailer_name:
      if (c == ':') {
        state_ = State::trailer_value;
        return std::binary_search(kForbidden.begin(), kForbidden.end(), left_) ? fail(Defect::trailer) : void();
      }
      left_ = hash_on(left_, c);
      return kToken.has(c) ? void() : fail(Defect::trailer);
    case State::trailer_value:
      if (c == '\r') {
        state_ = State::trailer_lf;
      } else if (!is_text(kText, c)) {
        fail(c == '\n' ? Defect::line_end : Defect::trailer);
      }
      return;
    case State::trailer_lf:
      left_ = 0;
      state_ = State::trailer;
      return c == '\n' ? void() : fail(Defect::line_end);
    default:  // last_lf
      state_ = State::end;
      return c == '\n' ? void() : fail(Defect::line_end);
  }
}

}  // namespace weft::http
