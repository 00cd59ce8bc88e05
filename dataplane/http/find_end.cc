// SPDX-License-Identifier: Apache-2.0
#include "http/ascii_set.h"
#include "http/http1.h"

namespace weft::http {
namespace {

/// Is the byte at `i` the LF of an empty line? What comes before the first byte is taken for a line's end.
bool ends_head(std::string_view bytes, size_t i) {
  if (bytes[i] != '\n') {
    return false;
  }
  const size_t line = i > 0 && bytes[i - 1] == '\r' ? i - 1 : i;
  return line == 0 || bytes[line - 1] == '\n';
}

/// A bit for each of 32 bytes for which ends_head() is true. Precondition: there are two before them.
uint32_t ends_in(const char* at) {
  const Vector lf = _mm256_set1_epi8('\n');
  const Vector ends = _mm256_cmpeq_epi8(load(at), lf);
  const Vector before = load(at - 1);
  const Vector after_cr =
      _mm256_and_si256(_mm256_cmpeq_epi8(before, _mm256_set1_epi8('\r')), _mm256_cmpeq_epi8(load(at - 2), lf));
  return mask_of(_mm256_and_si256(ends, _mm256_or_si256(_mm256_cmpeq_epi8(before, lf), after_cr)));
}

}  // namespace

size_t find_end(std::string_view bytes, size_t& from) {
  size_t i = from;
  for (; i < bytes.size() && i < 2; ++i) {
    if (ends_head(bytes, i)) {
      return i + 1;
    }
  }
  while (i + kVector <= bytes.size()) {
    if (const uint32_t mask = ends_in(bytes.data() + i); mask != 0) {
      return i + static_cast<size_t>(std::countr_zero(mask)) + 1;
    }
    i += kVector;
  }
  if (i < bytes.size() && bytes.size() >= kVector + 2) {  // the last vector again, with what is left behind it
    const size_t last = bytes.size() - kVector;
    if (const uint32_t mask = ends_in(bytes.data() + last); mask != 0) {
      return last + static_cast<size_t>(std::countr_zero(mask)) + 1;
    }
    i = bytes.size();
  }
  for (; i < bytes.size(); ++i) {
    if (ends_head(bytes, i)) {
      return i + 1;
    }
  }
  from = bytes.size();
  return 0;
}

size_t leading_blank(std::string_view bytes) {
  return bytes.starts_with("\r\n") ? 2 : 0;
}

bool begins_request(char first) {
  return kToken.has(first) || first == '\r';
}

}  // namespace weft::http
